//! The `writ` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(feature = "cluster")]
#[derive(clap::Parser)]
#[command(name = "writ", version)]
enum Command {
    Crds(writ::cli::crds::CrdsCommand),
    #[command(subcommand, hide = true)]
    Hook(writ::cli::hook::HookCommand),
}

#[cfg(feature = "cluster")]
fn main() -> ExitCode {
    let result = match <Command as clap::Parser>::parse() {
        Command::Crds(command) => command.run(),
        Command::Hook(command) => tokio::runtime::Runtime::new()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(command.run())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(not(feature = "cluster"))]
fn main() -> ExitCode {
    ExitCode::from(2)
}
