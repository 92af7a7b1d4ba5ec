//! `writ completion`: the completion script of a shell.

use clap::Command;
use clap_complete::Shell;

use super::{Exit, Failure, Io, definition};

const EXAMPLES: &str = "\
Examples:
  writ completion bash > /etc/bash_completion.d/writ
  writ completion zsh > \"${fpath[1]}/_writ\"";

/// Print the completion script of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionCommand {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionCommand {
    #[expect(clippy::unnecessary_wraps, reason = "every command answers alike")]
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut shown(), "writ", &mut script);
        io.console.raw(&script);
        Ok(Exit::Yes)
    }
}

/// The command line without the commands that are not for people.
fn shown() -> Command {
    let whole = definition(None);
    let mut shown = Command::new("writ").version(env!("CARGO_PKG_VERSION"));
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        shown = shown.subcommand(command.clone());
    }
    shown
}
