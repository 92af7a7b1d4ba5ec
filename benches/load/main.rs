//! The driver: posts AdmissionReviews over TLS to one or more servers in turn, and says in JSON what that took.
//!
//! `load certificates DIR` makes an authority and a serving certificate; `load run` measures. With several targets the
//! rounds are interleaved, so that what else the machine does falls on all of them. CPU time is the server process's own
//! (user and system, from `/proc/PID/stat`), so that the driver's does not count.

mod client;
mod process;
mod report;
mod review;
mod run;

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use run::Target;
use writ::{
    clock::{Clock as _, SystemClock},
    webhook::certificate::{authority, issue},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures admission webhooks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes `ca.crt`, `tls.crt` and `tls.key` for a server on this machine.
    Certificates {
        /// The folder.
        directory: PathBuf,
        /// The name of the server.
        #[arg(long, default_value = "writ.test")]
        name: String,
    },
    /// Measures.
    Run(Box<Run>),
}

/// What is measured, and how.
#[derive(Args)]
struct Run {
    /// A server: `NAME=ADDRESS[,PID]`. Give it more than once to compare; the first is what others are compared with.
    #[arg(long = "target", required = true)]
    targets: Vec<Target>,
    /// The servers' authority, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The name in the servers' certificates.
    #[arg(long, default_value = "writ.test")]
    server_name: String,
    /// A client certificate, PEM.
    #[arg(long, requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long)]
    client_key: Option<PathBuf>,
    /// HTTP/1.1 with keep-alive, or HTTP/2.
    #[arg(long, value_enum, default_value = "h1")]
    protocol: Protocol,
    /// Connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests in flight on each connection; more than one needs HTTP/2.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// What is asked.
    #[arg(long, value_enum, default_value = "pair")]
    calls: Calls,
    /// Changes (one call each, or a pair of them) in a round.
    #[arg(long, default_value_t = 5000)]
    count: usize,
    /// Changes before the first round, not measured.
    #[arg(long, default_value_t = 500)]
    warm_up: usize,
    /// Changes a second, evenly spaced; a latency then counts from when its change was due. Without it, as fast as the
    /// answers come.
    #[arg(long)]
    rate: Option<f64>,
    /// Rounds of each target.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Bytes of the Deployment in a review, about.
    #[arg(long, default_value_t = 6_700)]
    object_bytes: usize,
    /// Stop with an error where a change was denied or a call failed.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    H1,
    H2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Calls {
    /// `/mutate` alone.
    Mutate,
    /// `/mutate`, then `/validate` with what it patched.
    Pair,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Certificates { directory, name } => certificates(&directory, name),
        Command::Run(run) => {
            // One thread: the other core is the server's.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let report = runtime.block_on(run::measure(&run))?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            let faults: BTreeMap<_, _> = report.faults();
            anyhow::ensure!(!run.strict || faults.is_empty(), "(denied, failed, the first failure): {faults:?}");
            Ok(())
        }
    }
}

fn certificates(directory: &std::path::Path, name: String) -> anyhow::Result<()> {
    let (now, life) = (SystemClock.now()?, Duration::from_secs(86_400));
    let ca = authority("load", life, now)?;
    let names = [name, "127.0.0.1".to_owned()];
    let leaf = issue(ca.certificate.as_bytes(), ca.key.as_bytes(), &names, life, now)?;
    fs::create_dir_all(directory).context("making the folder")?;
    for (file, text) in [("ca.crt", ca.certificate.as_str()), ("tls.crt", &leaf.certificate), ("tls.key", &leaf.key)] {
        fs::write(directory.join(file), text).with_context(|| format!("writing `{file}`"))?;
    }
    Ok(())
}
