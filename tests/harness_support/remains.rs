//! What is left of a cluster, looked for with other means than the harness uses to clean up; and owners to be killed.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

const ROLE: &str = "HARNESS_TEST_ROLE";

/// Everything of the cluster in that directory that is still there: processes, control groups, mounts, files, ports.
pub(crate) fn remains(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = processes(directory).iter().map(|pid| format!("process {pid}")).collect();
    if directory.exists() {
        found.push(format!("directory {}", directory.display()));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let text = directory.display().to_string();
    found.extend(mounts.lines().filter(|line| line.contains(&text)).map(|line| format!("mount {line}")));
    let group = format!("writ-{}-", directory.file_name().unwrap_or_default().display());
    for root in [Path::new("/sys/fs/cgroup")].into_iter().map(PathBuf::from).chain(entries(Path::new("/sys/fs/cgroup")))
    {
        let groups = entries(&root)
            .into_iter()
            .filter(|path| path.file_name().is_some_and(|n| n.display().to_string().starts_with(&group)));
        found.extend(groups.map(|path| format!("control group {}", path.display())));
    }
    let ports = entries(&directory.with_file_name(".ports"));
    let held = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|owner| owner.trim() == text);
    found.extend(ports.into_iter().filter(held).map(|path| format!("port {}", path.display())));
    found
}

/// The processes that have the directory among their arguments, apart from this one.
pub(crate) fn processes(directory: &Path) -> Vec<u32> {
    let text = format!("{}/", directory.display());
    let pids =
        entries(Path::new("/proc")).into_iter().filter_map(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != process::id())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&text))
        })
        .collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// In a process that a test started as another owner: the name its cluster shall have.
pub(crate) fn child_role() -> Option<String> {
    std::env::var_os(ROLE).map(|role| role.display().to_string())
}

/// Says that the cluster is up and waits to be ended.
pub(crate) fn hold(directory: &Path) -> Result<()> {
    println!("\nup {}", directory.display());
    loop {
        std::thread::park_timeout(Duration::from_secs(3600));
    }
}

/// How an owner is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Kill,
    Interrupt,
    Terminate,
}

/// Another process that owns a cluster: this test program, running one test in its other role.
pub(crate) struct Child {
    process: process::Child,
    pub(crate) directory: PathBuf,
}

impl Child {
    /// The command that runs one test in its other role.
    pub(crate) fn command(test: &str, role: &str) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?);
        command.args(["--exact", test, "--nocapture"]).env(ROLE, role).env_remove("WRIT_KEEP_LOGS");
        Ok(command)
    }

    /// Starts it and waits until its cluster is up.
    pub(crate) fn start(test: &str, role: &str) -> Result<Self> {
        let mut process = Self::command(test, role)?.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(process.stdout.take().context("no pipe")?).lines();
        let up = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("up ").map(PathBuf::from));
        let directory = up.context("the other process ended before its cluster was up")?;
        Ok(Self { process, directory })
    }

    /// Ends it by a signal; answers with the directory of its cluster.
    pub(crate) fn end(mut self, end: End) -> Result<PathBuf> {
        let signal = match end {
            End::Kill => Signal::KILL,
            End::Interrupt => Signal::INT,
            End::Terminate => Signal::TERM,
        };
        signal_process(self.process.id(), signal)?;
        ensure!(!self.process.wait()?.success(), "the owner ended by itself");
        Ok(self.directory)
    }
}

/// Kills the process that would clean up after the owner, and waits until it is gone: a signal is delivered when the
/// machine gets round to it, and a watcher that still lives keeps its cluster from `gc`.
pub(crate) fn kill_watcher(directory: &Path) -> Result<()> {
    let identity = fs::read_to_string(directory.join("watcher"))?;
    let pid = identity.split(' ').next().context("no process id")?.parse()?;
    signal_process(pid, Signal::KILL)?;
    let started = Instant::now();
    while lives(pid) {
        ensure!(started.elapsed() < Duration::from_secs(30), "the watcher {pid} outlives SIGKILL");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether a process is neither gone nor waiting for its parent to hear of its end (proc(5), the state in `stat`).
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

pub(crate) fn signal_process(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill_process(Pid::from_raw(i32::try_from(pid)?).context("a process id is positive")?, signal)?)
}
