//! The two calls of one change over TLS, without a cluster: what Writ itself costs.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    Programs,
    page::{Aim, Page, Section, number},
    process,
    server::{Common, Server, Source, beside_idle},
    statistics::{median, milliseconds},
};

/// Bytes of the annotation that the floor adds: as many as Writ's for one decision.
const ANNOTATION: usize = 640;
/// Changes in a round.
const COUNT: usize = 4000;
/// How often a server is started to see how long it takes.
const STARTS: usize = 9;

/// (what, protocol, connections, streams)
const SETTINGS: [(&str, &str, usize, usize); 4] = [
    ("HTTP/1.1, 1 in flight", "h1", 1, 1),
    ("HTTP/1.1, 8 in flight", "h1", 8, 1),
    ("HTTP/2, 8 in flight", "h2", 8, 1),
    ("HTTP/2, 64 in flight", "h2", 8, 8),
];

struct Measured {
    case: String,
    /// CPU µs, changes/s, mutate p50 and p99 µs, resident kB.
    median: [f64; 5],
    raw: Vec<f64>,
}

const FIELDS: [&str; 5] = ["cpu_us_per_change", "changes_per_second", "mutate_p50_us", "mutate_p99_us", "resident_kb"];

pub(crate) fn measure(programs: &Programs, rounds: usize, page: &mut Page) -> Result<()> {
    let common = Common::new(programs)?;
    let floor = common.plain(&programs.floor, ANNOTATION)?;
    let one = common.writ(programs, "writ", &Source::Files(&beside_idle(0)))?;
    one.until_ready(&common.authority)?;
    let idle = process::memory(one.pid())?.0;
    against_the_floor(programs, &common, rounds, [("floor", &floor), ("writ", &one)], idle, page)?;
    drop((floor, one));
    many_policies(programs, &common, rounds, page)?;
    starts(programs, &common, page)
}

fn load(
    programs: &Programs,
    common: &Common,
    rounds: usize,
    setting: (&str, &str, usize, usize),
    servers: &[(&str, &Server)],
) -> Result<Vec<Measured>> {
    let (_, protocol, connections, streams) = setting;
    let mut command = Command::new(&programs.load);
    command.args(["run", "--strict", "--protocol", protocol]).arg("--ca").arg(common.path("ca.crt"));
    command.args([format!("--connections={connections}"), format!("--streams={streams}")]);
    command.args([format!("--count={COUNT}"), format!("--rounds={rounds}")]);
    for (name, server) in servers {
        command.arg("--target").arg(format!("{name}={},{}", server.address, server.pid()));
    }
    let output = command.output()?;
    ensure!(output.status.success(), "the driver failed: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let targets = report.get("targets").and_then(Value::as_array).context("a report without targets")?;
    targets.iter().map(read).collect()
}

fn read(target: &Value) -> Result<Measured> {
    let field = |name: &str| target.pointer(&format!("/median/{name}")).and_then(Value::as_f64).context("a median");
    let mut median = [0.0; 5];
    for (slot, name) in median.iter_mut().zip(FIELDS) {
        *slot = field(name)?;
    }
    let rounds = target.get("rounds").and_then(Value::as_array).context("rounds")?;
    let raw = rounds.iter().filter_map(|round| round.get("cpu_us_per_change")?.as_f64()).collect();
    let case = target.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Measured { case, median, raw })
}

fn row(setting: &str, Measured { case, median: [cpu, rate, p50, p99, memory], .. }: &Measured) -> Vec<String> {
    let mut row = vec![setting.to_owned(), case.clone()];
    row.extend([*cpu, *rate, *p50, *p99, *memory / 1000.0].map(number));
    row
}

const COLUMNS: [&str; 7] = ["", "", "CPU µs a change", "changes/s", "mutate p50 µs", "p99 µs", "RSS MB"];

fn against_the_floor(
    programs: &Programs,
    common: &Common,
    rounds: usize,
    servers: [(&str, &Server); 2],
    idle: u64,
    page: &mut Page,
) -> Result<()> {
    let mut section = Section {
        title: "The two calls over TLS",
        about: format!(
            "A change is a `/mutate` and the `/validate` that follows it, of a Deployment of 6.7 kB under one policy \
             with three signals and four rules. The floor (`benches/floor`) is the smallest program that does TLS, JSON, \
             SHA-256 and an Ed25519 signature in each call, and no policy. {COUNT} changes a round; CPU is the server \
             process's own. Writ has {} MB resident before the first call.",
            number(idle as f64 / 1000.0)
        ),
        columns: COLUMNS.to_vec(),
        rows: Vec::new(),
        aims: Vec::new(),
        raw: Vec::new(),
    };
    let mut worst: f64 = 0.0;
    let mut memory: f64 = 0.0;
    for setting in SETTINGS {
        let measured = load(programs, common, rounds, setting, &servers)?;
        let [floor, writ] = &measured[..] else { anyhow::bail!("two servers were measured") };
        worst = worst.max(writ.median[0] / floor.median[0]);
        memory = memory.max(writ.median[4] / 1000.0);
        for one in &measured {
            section.rows.push(row(setting.0, one));
            section.raw.push((format!("CPU µs a change, {}, {}", setting.0, one.case), one.raw.clone()));
        }
    }
    section.aims.push(Aim { what: "CPU of the two calls, in floors (the worst setting)", at_most: 2.0, seen: worst });
    section.aims.push(Aim { what: "MB resident under load", at_most: 25.0, seen: memory });
    page.add(section);
    Ok(())
}

fn many_policies(programs: &Programs, common: &Common, rounds: usize, page: &mut Page) -> Result<()> {
    let mut servers = Vec::new();
    for count in [10, 10_000] {
        let name = format!("idle {count}");
        let server = common.writ(programs, &name, &Source::Files(&beside_idle(count)))?;
        server.until_ready(&common.authority)?;
        servers.push((name, server));
    }
    let servers: Vec<_> = servers.iter().map(|(name, server)| (name.as_str(), server)).collect();
    let setting = ("HTTP/1.1, 8 in flight", "h1", 8, 1);
    let measured = load(programs, common, rounds, setting, &servers)?;
    let [few, many] = &measured[..] else { anyhow::bail!("two servers were measured") };
    let aims = vec![
        Aim {
            what: "10,000 idle policies, in the cost of 10 (CPU)",
            at_most: 1.2,
            seen: many.median[0] / few.median[0],
        },
        Aim { what: "MB resident with 10,000 idle policies", at_most: 100.0, seen: many.median[4] / 1000.0 },
    ];
    page.add(Section {
        title: "Policies that do not match",
        about:
            "The same change under the same policy, beside 10 and beside 10,000 policies with a binding each that are \
                about other kinds."
                .to_owned(),
        columns: COLUMNS.to_vec(),
        rows: measured.iter().map(|one| row(setting.0, one)).collect(),
        aims,
        raw: measured.iter().map(|one| (format!("CPU µs a change, {}", one.case), one.raw.clone())).collect(),
    });
    Ok(())
}

fn starts(programs: &Programs, common: &Common, page: &mut Page) -> Result<()> {
    let mut times = Vec::new();
    for number in 0..STARTS {
        let server = common.writ(programs, &format!("start-{number}"), &Source::Files(&beside_idle(0)))?;
        times.push(milliseconds(server.until_ready(&common.authority)?));
    }
    let size = std::fs::metadata(&programs.writ)?.len() as f64 / 1e6;
    page.add(Section {
        title: "Start and size",
        about: "From the start of `writ serve --standalone` to `/readyz` saying yes, looked at every 20 ms; and the program.".to_owned(),
        columns: vec!["", "median"],
        rows: vec![
            vec!["start to ready, ms".to_owned(), number(median(&times))],
            vec!["program, MB".to_owned(), number(size)],
        ],
        aims: Vec::new(),
        raw: vec![("ms to ready".to_owned(), times)],
    });
    Ok(())
}
