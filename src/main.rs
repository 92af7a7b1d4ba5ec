//! The `writ` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(feature = "cluster")]
#[derive(clap::Parser)]
#[command(name = "writ", version)]
enum Command {
    Crds(writ::cli::crds::CrdsCommand),
    Serve(Box<writ::cli::serve::ServeCommand>),
}

#[cfg(feature = "cluster")]
fn main() -> ExitCode {
    let result = match <Command as clap::Parser>::parse() {
        Command::Crds(command) => command.run(),
        Command::Serve(command) => command.run(),
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
