//! One process of a cluster: how it is started, stopped, paused and killed. It dies with the process that owns it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_until;

/// How long a component may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// A program with its arguments, and the process while it runs.
pub(crate) struct Component {
    name: String,
    /// What comes before the program, to run it in a node's namespaces; empty otherwise.
    pub(crate) enter: Vec<OsString>,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, OsString)>,
    state: PathBuf,
    child: Option<Child>,
}

impl Component {
    /// A component that is not started yet.
    pub(crate) fn new(name: &str, program: impl Into<PathBuf>, state: &Path) -> Self {
        Self {
            name: name.to_owned(),
            enter: Vec::new(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            state: state.to_owned(),
            child: None,
        }
    }

    /// Adds arguments.
    pub(crate) fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The name by which `stop`, `start` and the others know it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The file that gets what the process writes to stdout and stderr, over all its starts.
    pub(crate) fn log(&self) -> PathBuf {
        self.state.join("logs").join(format!("{}.log", self.name))
    }

    /// Starts the process; an error if it runs.
    pub(crate) fn start(&mut self) -> Result<()> {
        ensure!(self.exited()?.is_some(), "`{}` runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(&self.enter)
            .arg(&self.program)
            .args(&self.arguments)
            .env("WRIT_COMPONENT_OF", &self.state)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.state)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for the owner, which then ends its cluster in order.
            .process_group(0);
        let child = spawn(command).with_context(|| format!("starting `{}` with setpriv", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it; kills it after 30 s.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let name = self.name.clone();
        let ended = wait_until(&format!("the end of `{name}`"), GRACE, || Ok(self.exited()?.map(|_| ())));
        if ended.is_err() { self.kill() } else { Ok(()) }
    }

    /// Ends the process at once (SIGKILL).
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Stops the process where it is (SIGSTOP): its connections stay open and nothing answers.
    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused process go on (SIGCONT).
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// The id of the process itself, while it runs.
    pub(crate) fn pid(&self) -> Result<u32> {
        let child = self.child.as_ref().with_context(|| format!("`{}` does not run", self.name))?;
        if self.enter.is_empty() { Ok(child.id()) } else { only_child(child.id()) }
    }

    /// The id of the one child of the process, for a process that forks into new namespaces.
    pub(crate) fn child_pid(&self) -> Result<u32> {
        only_child(self.child.as_ref().with_context(|| format!("`{}` does not run", self.name))?.id())
    }

    /// `None` while the process runs; how it ended otherwise (also when it was never started).
    pub(crate) fn exited(&mut self) -> Result<Option<String>> {
        let Some(child) = self.child.as_mut() else {
            return Ok(Some(String::from("not started")));
        };
        let Some(status) = child.try_wait()? else {
            return Ok(None);
        };
        self.child = None;
        Ok(Some(status.to_string()))
    }

    /// Waits until `ready` holds; fails at once, with the end of the log, if the process ends.
    pub(crate) fn wait(&mut self, limit: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let what = format!("`{}` to be ready", self.name);
        let mut ended = None;
        let waited = wait_until(&what, limit, || {
            ended = self.exited()?;
            Ok((ended.is_some() || ready()?).then_some(()))
        });
        match ended {
            Some(status) => bail!("`{}` ended ({status}); its last words:\n{}", self.name, self.last_words()),
            None => waited.with_context(|| format!("the last words of `{}`:\n{}", self.name, self.last_words())),
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(15)).copied().collect::<Vec<_>>().join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid()?;
        send(pid, signal).with_context(|| format!("signalling `{}`", self.name))?;
        let outer = self.child.as_ref().map(Child::id);
        // nsenter stops and ends itself with its child, but does not see that the child goes on.
        if signal == Signal::CONT && outer.is_some_and(|outer| outer != pid) {
            send(outer.unwrap_or(pid), signal)?;
        }
        Ok(())
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if it ended before.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Sends a signal to a process of ours.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id is positive")?;
    Ok(kill_process(pid, signal)?)
}

/// nsenter forks to enter a process namespace: the component is its one child.
fn only_child(pid: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    children.split_whitespace().next().and_then(|child| child.parse().ok()).context("the process has not started yet")
}

type Job = Box<dyn FnOnce() + Send>;

/// Starts a command from a thread that lives as long as this process. The parent-death signal comes when the *thread*
/// that started the child ends, and a test's thread ends before a cluster that several tests share.
pub(crate) fn spawn(mut command: Command) -> Result<Child> {
    static STARTER: OnceLock<Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || jobs.iter().for_each(|job| job()));
        sender
    });
    let (answer, answered) = channel();
    let job = Box::new(move || drop(answer.send(command.spawn())));
    starter.send(job).map_err(|_| anyhow!("the starting thread ended"))?;
    Ok(answered.recv()??)
}
