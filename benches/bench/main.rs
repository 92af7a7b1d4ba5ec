//! `make bench`: measures Writ against a floor program, a do-nothing pair of Go webhooks and no webhook at all, in
//! interleaved rounds, and writes what it saw as a page: medians, ratios, every round, and where an aim is missed.
//!
//! Machines are shared and noisy, so only numbers of one run are compared with each other.

#![expect(clippy::indexing_slicing, reason = "JSON that is not there reads as null")]

mod edge;
mod first_denial;
mod page;
#[path = "../load/process.rs"]
mod process;
mod server;
mod statistics;
mod through;

#[path = "../../tests/harness/harness.rs"]
mod harness;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser;
use page::Page;

/// Measures Writ on this machine.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each case.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The page to write; without it, it is printed.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Where the other programs are: beside this one.
struct Programs {
    writ: PathBuf,
    floor: PathBuf,
    load: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let own = std::env::current_exe()?;
    let examples = own.parent().context("this program is in no folder")?;
    let programs = Programs {
        writ: examples.parent().unwrap_or(Path::new(".")).join("writ"),
        floor: examples.join("floor"),
        load: examples.join("load"),
    };
    for program in [&programs.writ, &programs.floor, &programs.load] {
        anyhow::ensure!(program.exists(), "{} is missing: use `make bench`", program.display());
    }
    let mut page = Page::default();
    eprintln!("the two calls over TLS, against the floor …");
    edge::measure(&programs, arguments.rounds, &mut page)?;
    eprintln!("through a real API server …");
    through::measure(&programs, arguments.rounds, &mut page)?;
    let text = page.render(arguments.rounds);
    match arguments.write {
        Some(file) => std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?,
        None => print!("{text}"),
    }
    eprintln!("{}", page.verdict());
    Ok(())
}
