//! The directory that holds everything a cluster writes, and its watcher: a process that outlives the owner just long
//! enough to end the cluster, however the owner ended. What even the watcher could not remove, `gc` does.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::{env, panic, process};

use anyhow::{Context, Result, anyhow, bail, ensure};

const CLEAN: &str = include_str!("clean.sh");
/// Below the range that Linux hands out by itself, so that no outgoing connection takes a port that we chose.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Before the names of directories that are not clusters yet.
const ASIDE: &str = ".new-";

/// Every live cluster of this process: a panic anywhere marks all of them as failed.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A cluster's directory. Dropping it ends the cluster and waits until nothing is left.
pub(crate) struct State {
    directory: PathBuf,
    name: String,
    leash: Option<ChildStdin>,
    watcher: Child,
}

impl State {
    /// Makes the directory of a new cluster; without a name, one is made up.
    pub(crate) fn create(name: Option<&str>) -> Result<Self> {
        let base = base()?;
        gc_in(&base)?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => unused_name(&base),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !name.is_empty() && name.len() <= 40 && name.chars().all(plain),
            "a cluster's name is 1 to 40 of a-z, 0-9 and '-', not `{name}`"
        );
        let directory = base.join(&name);
        // Built aside and renamed, so that a concurrent `gc` never sees a directory without an owner.
        let aside = base.join(format!("{ASIDE}{}-{name}", process::id()));
        DirBuilder::new().mode(0o700).create(&aside)?;
        fs::write(aside.join("owner"), identity_of(process::id()).context("own process")?)?;
        fs::create_dir(aside.join("logs"))?;
        if let Err(error) = fs::rename(&aside, &directory) {
            fs::remove_dir_all(&aside)?;
            bail!(
                "cluster `{name}` exists already ({error}): choose another name or end it with `cluster down {name}`"
            );
        }
        let (watcher, leash) = watch(&directory)?;
        register(&directory);
        let state = Self { directory, name, leash: Some(leash), watcher };
        if env::var_os("WRIT_KEEP_LOGS").is_some() {
            state.mark_failed();
        }
        Ok(state)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A subdirectory, made if it is not there.
    pub(crate) fn subdirectory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }

    /// The logs are to be kept when the cluster ends.
    pub(crate) fn mark_failed(&self) {
        mark_failed(&self.directory);
    }

    /// A TCP port on loopback that no other cluster of this user is given while this one lives.
    pub(crate) fn port(&self) -> Result<u16> {
        let reserved = base()?.join(".ports");
        fs::create_dir_all(&reserved)?;
        let width = u32::from(PORTS.end - PORTS.start);
        // Start anywhere, so that clusters that start together do not all try the same ports.
        let first = (process::id().wrapping_mul(7919)) % width;
        for step in 0..width {
            let port = PORTS.start + u16::try_from((first + step) % width)?;
            if let Ok(mut file) = File::create_new(reserved.join(port.to_string())) {
                writeln!(file, "{}", self.directory.display())?;
                if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                    return Ok(port);
                }
                fs::remove_file(reserved.join(port.to_string()))?;
            }
        }
        Err(anyhow!("no free port between {} and {}: `cluster gc` removes stale clusters", PORTS.start, PORTS.end))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Err(error) = self.watcher.wait() {
            eprintln!("cluster: the watcher of {} was lost: {error}", self.directory.display());
        }
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).retain(|live| *live != self.directory);
    }
}

/// The directory of all clusters of this user.
pub(crate) fn base() -> Result<PathBuf> {
    let user = fs::metadata("/proc/self")?.uid();
    let base = env::temp_dir().join(format!("writ-clusters-{user}"));
    match DirBuilder::new().mode(0o700).create(&base) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("making {}", base.display()));
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(&base)?;
    ensure!(
        metadata.is_dir() && metadata.uid() == user,
        "{} is not a directory of this user: remove it",
        base.display()
    );
    Ok(base)
}

/// Removes what clusters left behind whose owner and watcher are both gone; answers their names.
pub(crate) fn gc() -> Result<Vec<String>> {
    gc_in(&base()?)
}

/// The names of all clusters that this user has, live or not.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(base()?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether the process that made a cluster, or the watcher that ends it, lives.
pub(crate) fn is_owned(directory: &Path) -> bool {
    is_alive(&directory.join("owner")) || is_alive(&directory.join("watcher"))
}

fn gc_in(base: &Path) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for name in names()? {
        let directory = base.join(&name);
        if is_owned(&directory) {
            continue;
        }
        let status = cleaner(&directory).stdin(Stdio::null()).status()?;
        ensure!(status.success(), "could not remove the remains of cluster `{name}` in {}", directory.display());
        removed.push(name);
    }
    for entry in fs::read_dir(base)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let maker = name.strip_prefix(ASIDE).and_then(|rest| rest.split('-').next()?.parse().ok());
        if maker.is_some_and(|maker| identity_of(maker).is_none()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(removed)
}

fn unused_name(base: &Path) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut names = std::iter::repeat_with(|| format!("c{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    names.find(|name| !base.join(name).exists()).unwrap_or_default()
}

/// Where logs of failed clusters are kept.
fn keep() -> PathBuf {
    env::var_os("WRIT_CLUSTER_LOGS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cluster-logs"), PathBuf::from)
}

fn cleaner(directory: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.args(["bash", "-c", CLEAN, "clean.sh"]).arg(directory).arg(keep()).current_dir("/").stdout(Stdio::null());
    command
}

fn watch(directory: &Path) -> Result<(Child, ChildStdin)> {
    let mut watcher = cleaner(directory).stdin(Stdio::piped()).spawn().context("starting setsid")?;
    let leash = watcher.stdin.take().context("the watcher has no standard input")?;
    fs::write(directory.join("watcher"), identity_of(watcher.id()).unwrap_or_default())?;
    Ok((watcher, leash))
}

/// A process id together with its start time, so that a reused id is not taken for the same process. `None` also for a
/// process that has ended and was not waited for.
fn identity_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| format!("{pid} {started}"))
}

fn is_alive(file: &Path) -> bool {
    let Ok(identity) = fs::read_to_string(file) else {
        return false;
    };
    let pid = identity.split(' ').next().and_then(|pid| pid.parse().ok());
    pid.and_then(identity_of).is_some_and(|now| now == identity)
}

fn mark_failed(directory: &Path) {
    if let Err(error) = fs::write(directory.join("failed"), "") {
        eprintln!("cluster: could not mark {} as failed: {error}", directory.display());
    }
}

fn register(directory: &Path) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            for live in LIVE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                mark_failed(live);
            }
            previous(info);
        }));
    });
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).push(directory.to_owned());
}
