//! The `cluster` command: test clusters for a person at a terminal, for scripts and for the demonstration.
//! `cargo run --example cluster -- help` lists what it can; `docs/cluster.md` explains it.
#![forbid(unsafe_code)]

#[path = "harness.rs"]
mod harness;
#[path = "command/keeper.rs"]
mod keeper;
#[path = "command/options.rs"]
mod options;
#[path = "command/with.rs"]
mod with;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use harness::{Output, Place, build_archive, node, run, state, write_archive};
use options::Wanted;

/// Real Kubernetes clusters for tests and trials: etcd, API server and controllers, and with --node a node that runs
/// pods. Several can run side by side. Nothing of a cluster survives its end.
#[derive(Parser)]
#[command(name = "cluster", version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Bring a cluster up and leave it running, until `down`
    Up(Wanted),
    /// Bring a cluster up, run a command in it, and end the cluster with the command
    With {
        #[command(flatten)]
        wanted: Wanted,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// A shell with kubectl and helm: in a running cluster, or without a name in a fresh one that ends with the shell
    Shell {
        /// The running cluster
        cluster: Option<String>,
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Run a command in a running cluster
    Run {
        /// The cluster
        cluster: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// End a cluster and remove everything that belongs to it
    Down {
        /// The cluster
        cluster: String,
        /// Keep its logs and print their place
        #[arg(long)]
        keep_logs: bool,
    },
    /// Start a component that was stopped or killed, and wait until it is ready
    Start(Target),
    /// End a component in order (SIGTERM)
    Stop(Target),
    /// Stop a component where it is (SIGSTOP)
    Pause(Target),
    /// Let a paused component go on (SIGCONT)
    Resume(Target),
    /// End a component at once (SIGKILL)
    Kill(Target),
    /// Import an image archive into the node of a cluster
    Load {
        /// The cluster
        cluster: String,
        /// An OCI archive, as `image` writes it
        archive: PathBuf,
    },
    /// Make an image archive of a static program
    Image {
        /// The program
        program: PathBuf,
        /// The name of the image, for example writ:test
        name: String,
        /// The archive to write
        #[arg(short, long)]
        output: PathBuf,
        /// Build with buildah by this file instead of `FROM scratch`; the program lies in the context by its file name
        #[arg(long)]
        containerfile: Option<PathBuf>,
    },
    /// List the clusters of this user
    List,
    /// Remove what crashed clusters left behind
    Gc,
    /// The process that holds a cluster between `up` and `down`
    #[command(hide = true)]
    Keep(Wanted),
}

#[derive(clap::Args)]
struct Target {
    /// The cluster
    cluster: String,
    /// The component, for example kube-apiserver
    component: String,
}

fn main() -> ExitCode {
    match act(Arguments::parse().action) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn act(action: Action) -> Result<ExitCode> {
    match action {
        Action::Up(wanted) => keeper::up(&wanted)?,
        Action::Keep(wanted) => keeper::keep(&wanted)?,
        Action::With { wanted, command } => return with::with(&wanted, &command),
        Action::Shell { cluster: None, wanted } => return with::shell(&wanted),
        Action::Shell { cluster: Some(cluster), .. } => {
            let place = place(&cluster)?;
            return Err(with::shell_command(&place)?.exec().into());
        }
        Action::Run { cluster, command } => {
            let place = place(&cluster)?;
            let (program, arguments) = command.split_first().context("no command")?;
            return Err(place.command(program).args(arguments).exec()).context("starting the command");
        }
        Action::Down { cluster, keep_logs } => keeper::down(&place(&cluster)?, keep_logs)?,
        Action::Start(target) => ask("start", &target)?,
        Action::Stop(target) => ask("stop", &target)?,
        Action::Pause(target) => ask("pause", &target)?,
        Action::Resume(target) => ask("resume", &target)?,
        Action::Kill(target) => ask("kill", &target)?,
        Action::Load { cluster, archive } => load(&place(&cluster)?, &archive)?,
        Action::Image { program, name, output, containerfile } => {
            image(&program, &name, &output, containerfile.as_deref())?;
        }
        Action::List => list()?,
        Action::Gc => {
            for name in state::gc()? {
                println!("removed the remains of {name}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn place(cluster: &str) -> Result<Place> {
    let directory = state::base()?.join(cluster);
    ensure!(directory.exists(), "there is no cluster `{cluster}`: `cluster list` names them, `cluster up` makes one");
    Ok(Place { directory })
}

fn ask(verb: &str, target: &Target) -> Result<()> {
    keeper::ask(&place(&target.cluster)?, &format!("{verb} {}", target.component))
}

fn load(place: &Place, archive: &Path) -> Result<()> {
    let archive = archive.canonicalize().with_context(|| archive.display().to_string())?;
    let import = node::ctr(&place.enter(), &["images", "import", &archive.display().to_string()])?;
    let Output { success, stdout, stderr } = run(import, "")?;
    ensure!(success, "importing {} failed: {stderr}", archive.display());
    print!("{stdout}");
    Ok(())
}

fn image(program: &Path, name: &str, output: &Path, containerfile: Option<&Path>) -> Result<()> {
    let Some(containerfile) = containerfile else { return write_archive(program, name, output) };
    // A context of the program alone: buildah would copy the whole directory otherwise.
    let context = tempfile::tempdir()?;
    let file = program.file_name().with_context(|| format!("{} has no name", program.display()))?;
    fs::copy(program, context.path().join(file)).with_context(|| format!("copying {}", program.display()))?;
    build_archive(containerfile, context.path(), &file.display().to_string(), name, output)
}

fn list() -> Result<()> {
    let names = state::names()?;
    if names.is_empty() {
        println!("no clusters; `cluster up` makes one");
        return Ok(());
    }
    println!("{:<20} {:<14} {:<8} DIRECTORY", "NAME", "FORM", "STATE");
    for name in names {
        let Ok(place) = place(&name) else { continue };
        let form = if place.enter().is_empty() { "control plane" } else { "node" };
        let state = if !state::is_owned(&place.directory) {
            "crashed"
        } else if place.directory.join("ready").exists() {
            "ready"
        } else {
            "starting"
        };
        println!("{name:<20} {form:<14} {state:<8} {}", place.directory.display());
    }
    Ok(())
}

/// Asks a person's question in the right order: what cannot be answered by a cluster is said before one is made.
pub(crate) fn only_a_node_loads(wanted: &Wanted) -> Result<()> {
    if !wanted.load.is_empty() && !wanted.node {
        bail!("--load needs a node to load into: add --node");
    }
    Ok(())
}
