//! `with` and `shell`: a cluster that lives as long as one command.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::options::Wanted;
use crate::harness::{Cluster, Place, send, spawn};

/// The exit code of a command that a signal ended, as shells have it.
const INTERRUPTED: u8 = 130;
/// How long a command may take to end by itself after Ctrl-C at the terminal before it is asked to.
const COURTESY: Duration = Duration::from_millis(500);
/// How long an interrupted command may take to end before its cluster is taken away.
const GRACE: Duration = Duration::from_secs(10);

/// Brings a cluster up, runs a command in it, and ends the cluster. Answers with the command's exit code.
pub(crate) fn with(wanted: &Wanted, command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    within(wanted, |cluster| {
        let mut command = Command::new("setpriv");
        // The command ends with us, should we be killed.
        command.args(["--pdeathsig", "KILL", "--"]).args(cluster.place().enter()).arg(program).args(arguments);
        command.envs(cluster.environment());
        Ok(command)
    })
}

/// A shell in a fresh cluster.
pub(crate) fn shell(wanted: &Wanted) -> Result<ExitCode> {
    eprintln!(
        "cluster: bringing up {} for the shell; it ends with it",
        if wanted.node { "a node" } else { "a control plane" }
    );
    within(wanted, |cluster| shell_command(&cluster.place()))
}

/// A shell in a running cluster.
pub(crate) fn shell_command(place: &Place) -> Result<Command> {
    let name = place.directory.file_name().unwrap_or_default().display().to_string();
    let start = place.directory.join("shell.bash");
    let script = format!(
        "[ ! -f ~/.bashrc ] || . ~/.bashrc\n\
         PATH={bin}:$PATH KUBECONFIG={admin}\n\
         . <(kubectl completion bash 2>/dev/null)\n\
         alias k=kubectl\n\
         PS1='({name}) \\w \\$ '\n\
         echo 'kubectl and helm are pointed at the cluster {name}. Leave with exit.'\n",
        bin = place.directory.join("bin").display(),
        admin = place.directory.join("kubeconfig/admin.json").display(),
    );
    fs::write(&start, script)?;
    let mut command = place.command("bash");
    command.arg("--rcfile").arg(&start).arg("-i");
    Ok(command)
}

fn within(wanted: &Wanted, command: impl FnOnce(&Cluster) -> Result<Command>) -> Result<ExitCode> {
    let up = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::new(AtomicBool::new(false));
    watch_signals(Arc::clone(&up), Arc::clone(&interrupted))?;
    let cluster = wanted.bring_up()?;
    up.store(true, Ordering::SeqCst);
    let mut child = spawn(command(&cluster)?).context("starting the command")?;
    let mut waited = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupted.load(Ordering::SeqCst) {
            waited += POLL;
        }
        if waited == COURTESY {
            send(child.id(), Signal::TERM)?;
        }
        if waited > GRACE {
            child.kill()?;
        }
        thread::sleep(POLL);
    };
    if interrupted.load(Ordering::SeqCst) {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !status.success() {
        cluster.keep_logs();
    }
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INTERRUPTED)))
}

const POLL: Duration = Duration::from_millis(20);

/// Ctrl-C reaches the command too, by the terminal: it ends first, then the cluster. Before the command runs there is
/// nothing to wait for: the end of this process is the end of the cluster.
fn watch_signals(up: Arc<AtomicBool>, interrupted: Arc<AtomicBool>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for _ in &mut signals {
            if !up.load(Ordering::SeqCst) {
                exit(i32::from(INTERRUPTED));
            }
            interrupted.store(true, Ordering::SeqCst);
        }
    });
    Ok(())
}
