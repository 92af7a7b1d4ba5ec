//! `up` and `down`: a process of its own holds a cluster meanwhile and takes orders on a socket.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, anyhow, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::options::Wanted;
use crate::harness::{Cluster, Place, state, tools, wait_until};

/// The name of a cluster that nobody named.
const DEFAULT_NAME: &str = "writ";
/// How long a cluster may take to come up, once its programs are built.
const UP: Duration = Duration::from_secs(300);
const DOWN: Duration = Duration::from_secs(60);

/// Starts the keeper and waits until its cluster is ready.
pub(crate) fn up(wanted: &Wanted) -> Result<()> {
    crate::only_a_node_loads(wanted)?;
    let name = wanted.name.as_deref().unwrap_or(DEFAULT_NAME);
    build_tools(wanted)?;
    let directory = state::base()?.join(name);
    ensure!(
        !directory.exists() || !state::is_owned(&directory),
        "cluster `{name}` is up already: `cluster down {name}` ends it"
    );
    let said = tempfile::NamedTempFile::new()?;
    let mut keeper = Command::new("setsid")
        .arg(env::current_exe()?)
        .arg("keep")
        .args(wanted.to_arguments(name))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().append(true).open(said.path())?)
        .spawn()
        .context("starting setsid")?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let up = wait_until(&format!("cluster `{name}`"), UP, || {
        if signals.pending().next().is_some() {
            return Ok(Some(Err(anyhow!("interrupted"))));
        }
        if let Some(status) = keeper.try_wait()? {
            return Ok(Some(Err(anyhow!("the keeper ended ({status})"))));
        }
        Ok(directory.join("ready").exists().then_some(Ok(())))
    });
    if let Err(error) = up.and_then(|up| up) {
        // Without its keeper the cluster ends.
        keeper.kill()?;
        keeper.wait()?;
        eprint!("{}", fs::read_to_string(said.path())?);
        return Err(error);
    }
    println!("cluster {name} is ready");
    println!("  a command in it: cluster run {name} -- kubectl get pods -A");
    println!("  a shell in it:   cluster shell {name}");
    println!("  its end:         cluster down {name}");
    Ok(())
}

/// Builds in the foreground, where its progress is seen.
fn build_tools(wanted: &Wanted) -> Result<()> {
    let mut programs = vec!["etcd", "kube-apiserver", "kubectl", "helm"];
    if wanted.node {
        programs.extend(["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]);
    }
    if wanted.controllers {
        programs.push("kube-controller-manager");
    }
    if wanted.scheduler {
        programs.push("kube-scheduler");
    }
    if wanted.previous || wanted.second_previous {
        programs.push("kube-apiserver-previous");
    }
    tools::paths(&programs)?;
    Ok(())
}

/// Holds a cluster until it is told to end it, or is ended by a signal.
pub(crate) fn keep(wanted: &Wanted) -> Result<()> {
    let (end, ended) = channel();
    end_on_signal(end.clone())?;
    let cluster = Arc::new(wanted.bring_up()?);
    let listener = UnixListener::bind(cluster.place().socket())?;
    let served = Arc::clone(&cluster);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (cluster, end) = (Arc::clone(&served), end.clone());
            thread::spawn(move || drop(serve(&cluster, stream, &end)));
        }
    });
    fs::write(cluster.directory().join("ready"), "")?;
    ended.recv()?;
    // Threads hold the cluster too, so it is not dropped here: its watcher ends it when this process ends.
    Ok(())
}

fn end_on_signal(end: Sender<()>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for _ in &mut signals {
            end.send(()).ok();
        }
    });
    Ok(())
}

/// One order a connection: `VERB COMPONENT`, or `down`; the answer is `ok` or what went wrong.
fn serve(cluster: &Cluster, mut stream: UnixStream, end: &Sender<()>) -> Result<()> {
    let mut order = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut order)?;
    let (verb, component) = order.trim().split_once(' ').unwrap_or((order.trim(), ""));
    let done = match verb {
        "start" => cluster.start(component),
        "stop" => cluster.stop(component),
        "pause" => cluster.pause(component),
        "resume" => cluster.resume(component),
        "kill" => cluster.kill(component),
        "keep-logs" => {
            cluster.keep_logs();
            Ok(())
        }
        "down" => Ok(()),
        _ => Err(anyhow!("no order `{verb}`")),
    };
    let answer = done.map_or_else(|error| format!("{error:#}"), |()| String::from("ok"));
    stream.write_all(answer.as_bytes())?;
    if verb == "down" {
        end.send(())?;
    }
    Ok(())
}

/// Gives an order to the keeper of a cluster.
pub(crate) fn ask(place: &Place, order: &str) -> Result<()> {
    let mut stream = UnixStream::connect(place.socket())
        .context("the cluster takes no orders: it is starting, ending, or held by a test or by `with`")?;
    stream.write_all(order.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer == "ok", "{answer}");
    Ok(())
}

/// Ends a cluster and waits until nothing is left of it.
pub(crate) fn down(place: &Place, keep_logs: bool) -> Result<()> {
    if state::is_owned(&place.directory) {
        if keep_logs {
            ask(place, "keep-logs")?;
        }
        ask(place, "down")?;
        let what = format!("the end of {}", place.directory.display());
        wait_until(&what, DOWN, || Ok((!place.directory.exists()).then_some(())))
    } else {
        state::gc().map(drop)
    }
}
