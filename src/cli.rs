//! The command line: one file a command. Only here are arguments, files, the terminal and the clock read.
//!
//! Every command answers with an exit code: 0 yes, 1 no (denied, invalid, failed test), 2 could not be decided.
//! `docs/cli.md` is made from these definitions.

mod canonical;
mod case;
mod cel;
#[cfg(feature = "cluster")]
mod claims;
#[cfg(feature = "cluster")]
mod cluster;
mod completion;
mod console;
mod convert;
#[cfg(feature = "cluster")]
pub mod crds;
mod decide;
mod evaluate;
mod failure;
#[cfg(feature = "cluster")]
pub mod hook;
mod input;
mod keygen;
mod kinds;
mod manifest;
mod policies;
#[cfg(feature = "cluster")]
mod reference;
#[cfg(feature = "cluster")]
pub mod serve;
#[cfg(feature = "cluster")]
mod status;
mod test;
mod verify;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use console::Format;
use console::{Console, clean};
pub use failure::{Exit, Failure};
use input::Inputs;

const ABOUT: &str = "Every governed change to a Kubernetes cluster gets a writ: a signed attestation, verifiable offline, that this exact change by this user was decided by this exact policy version.";

const AFTER: &str = "\
Exit codes:
  0  yes: allowed, valid, passed, done
  1  no: denied, invalid, failed
  2  could not be decided: bad arguments or input, something cannot be read

`-` as a FILE reads standard input. Colour is shown on a terminal only, and not where NO_COLOR is set.
Installed as `kubectl-writ`, the program is a kubectl plugin: `kubectl writ verify deployment/web`.";

/// The arguments of the program.
#[derive(Debug, Parser)]
#[command(name = "writ", version, about = ABOUT, after_help = AFTER, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Evaluate(Box<evaluate::EvaluateCommand>),
    Test(test::TestCommand),
    Cel(cel::CelCommand),
    Canonical(canonical::CanonicalCommand),
    Convert(convert::ConvertCommand),
    Verify(Box<verify::VerifyCommand>),
    #[cfg(feature = "cluster")]
    Status(status::StatusCommand),
    #[cfg(feature = "cluster")]
    Claims(claims::ClaimsCommand),
    Keygen(keygen::KeygenCommand),
    Completion(completion::CompletionCommand),
    #[cfg(feature = "cluster")]
    Crds(crds::CrdsCommand),
    #[cfg(feature = "cluster")]
    Serve(Box<serve::ServeCommand>),
    #[cfg(feature = "cluster")]
    #[command(hide = true)]
    Reference(reference::ReferenceCommand),
    #[cfg(feature = "cluster")]
    #[command(subcommand, hide = true)]
    Hook(Box<hook::HookCommand>),
}

/// What a command reads from and answers to.
struct Io {
    inputs: Inputs,
    console: Console,
}

impl Command {
    fn run(self, io: &mut Io) -> Result<Exit, Failure> {
        match self {
            Self::Evaluate(command) => command.run(io),
            Self::Test(command) => command.run(io),
            Self::Cel(command) => command.run(io),
            Self::Canonical(command) => command.run(io),
            Self::Convert(command) => command.run(io),
            Self::Verify(command) => command.run(io),
            #[cfg(feature = "cluster")]
            Self::Status(command) => command.run(io),
            #[cfg(feature = "cluster")]
            Self::Claims(command) => command.run(io),
            Self::Keygen(command) => command.run(io),
            Self::Completion(command) => command.run(io),
            #[cfg(feature = "cluster")]
            Self::Crds(command) => command.run().map(|()| Exit::Yes).map_err(Failure::from),
            #[cfg(feature = "cluster")]
            Self::Serve(command) => command.run().map(|()| Exit::Yes).map_err(Failure::from),
            #[cfg(feature = "cluster")]
            Self::Reference(command) => command.run(io),
            #[cfg(feature = "cluster")]
            Self::Hook(command) => block_on(command.run()).map(|()| Exit::Yes).map_err(Failure::from),
        }
    }
}

/// Runs what talks to a cluster to its end.
#[cfg(feature = "cluster")]
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Compiles the policies and bindings of a manifest, YAML or JSON, as every offline command reads them.
///
/// # Errors
/// The text is no manifest, or everything that is wrong with them, each with its place.
pub fn read_policies(text: &str) -> Result<crate::policy_set::PolicySet, Failure> {
    Ok(policies::Policies::compile(manifest::parse("manifest", text)?, &[])?.set)
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // A fault of our own is no answer either.
    catch_unwind(AssertUnwindSafe(|| run(&arguments))).unwrap_or(Exit::Undecided).into()
}

fn run(arguments: &[OsString]) -> Exit {
    let matches = match definition(arguments.first()).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = error.print();
            return if error.use_stderr() { Exit::Undecided } else { Exit::Yes };
        }
    };
    let mut io = Io { inputs: Inputs::default(), console: Console::standard() };
    let answer = Arguments::from_arg_matches(&matches)
        .map_err(|error| Failure::new(error.to_string()))
        .and_then(|arguments| arguments.command.run(&mut io));
    match answer.and_then(|exit| io.console.finish().map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            report(&failure);
            Exit::Undecided
        }
    }
}

/// The definition of the command line, under the name by which the program was called.
fn definition(program: Option<&OsString>) -> clap::Command {
    let stem = program.and_then(|program| Path::new(program).file_stem());
    let command = Arguments::command();
    if stem.is_some_and(|stem| stem == "kubectl-writ") { command.bin_name("kubectl writ") } else { command }
}

/// Says on standard error why there is no answer.
fn report(failure: &Failure) {
    use std::io::Write as _;
    let mut text = String::new();
    for message in failure.messages() {
        text.push_str(&format!("error: {}\n", clean(message)));
    }
    if let Some(next) = failure.next() {
        text.push_str(&format!("  {}\n", clean(next)));
    }
    // Nobody may be there to read it.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_plugin_knows_its_name() {
        let name = |program: &str| definition(Some(&program.into())).get_bin_name().map(str::to_owned);
        assert_eq!(name("/usr/bin/kubectl-writ"), Some("kubectl writ".to_owned()));
        assert_eq!(name("kubectl-writ.exe"), Some("kubectl writ".to_owned()));
        assert_eq!(name("/usr/bin/writ"), None);
    }
}
