//! `make demo`: Writ's main job on a real Kubernetes, told and checked step by step.
//!
//! With root and an image there is a node with real pods, and Helm installs Writ from its chart. Otherwise the same
//! story is told on a control plane alone, with Writ's replicas as processes beside it. Every line with a tick was
//! checked before it was printed; the first that does not hold ends the demonstration with exit code 1.
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "a JSON value is indexed, which answers null and never panics")]

#[path = "../harness/harness.rs"]
mod harness;
#[path = "../node_support/installation.rs"]
mod installation;
mod narrator;
mod node;
mod plane;
#[path = "../harness_support/remains.rs"]
mod remains;
mod stage;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use narrator::Narrator;
use node::Node;
use plane::Plane;
use stage::Stage;

/// Writ's main job on a real Kubernetes, told and checked step by step.
#[derive(Parser)]
struct Arguments {
    /// The `writ` program, linked statically
    #[arg(long)]
    program: PathBuf,
    /// The image archive for the pods; without it the story is told on a control plane alone, which needs no root
    #[arg(long)]
    image: Option<PathBuf>,
}

fn main() -> ExitCode {
    let told = Narrator::new();
    match play(&Arguments::parse(), &told) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            told.failed(&error);
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments, told: &Narrator) -> Result<()> {
    let program = arguments.program.canonicalize().with_context(|| {
        format!("{}: build it with `make program`, or call `make demo`", arguments.program.display())
    })?;
    let image =
        arguments.image.as_ref().map(|image| image.canonicalize().context("no image: make it with `make image`"));
    // Commands are shown as one would type them at the top of the repository.
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let directory = match image.transpose()? {
        Some(image) => on(&Node::raise(told, program, &image)?, told)?,
        None => on(&Plane::raise(told, program)?, told)?,
    };
    told.chapter("Nothing is left behind");
    told.prove("no process, mount, control group, port or file of the cluster is left", || {
        let left = remains::remains(&directory);
        ensure!(left.is_empty(), "left: {left:?}");
        Ok(())
    })?;
    told.end();
    Ok(())
}

/// Tells the story and answers with the directory that the cluster had.
fn on<S: Stage>(stage: &S, told: &Narrator) -> Result<PathBuf> {
    let directory = stage.cluster().directory().to_owned();
    story::tell(stage, told).inspect_err(|_| stage.cluster().keep_logs())?;
    Ok(directory)
}
