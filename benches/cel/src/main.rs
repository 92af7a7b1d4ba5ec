//! Writ's CEL against plain Rust, the `cel` crate and the API server's cel-go, in one run: nanoseconds an evaluation
//! over an object that is parsed already, interleaved rounds, medians. Writes a page of Markdown.
//!
//! Usage: `writ-cel-bench ORACLE [FILE]`, the oracle being `tests/cluster/tools/cel-oracle`, built.

mod cases;
mod oracle;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cases::{CASES, Case, object};
use oracle::Oracle;
use writ::cel::{Bindings, Environment, Fuel, Type, Value, compile};

const ROUNDS: usize = 7;

/// How long one measurement lasts.
const SPAN: Duration = Duration::from_millis(60);

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The engines, in the order of the columns.
const ENGINES: [&str; 4] = ["Rust", "Writ", "cel crate", "cel-go"];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut oracle = Oracle::start(&arguments.next().context("name the oracle")?)?;
    let object = object();
    let bytes = serde_json::to_vec(&object)?;
    let dom = writ::canonical::parse(&bytes).context("the object is acceptable")?;
    let env = Environment::new().variable("object", Type::Dyn);
    let mut rows = Vec::new();
    for case in CASES {
        eprintln!("{} …", case.name);
        let mut seen: [Vec<f64>; 4] = Default::default();
        let program = compile(case.expression, &env, Some(Type::Bool)).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut bindings = Bindings::new();
        bindings.set(env.slot("object").context("declared")?, Value::from(&dom));
        let evaluate =
            || program.evaluate(&bindings, &mut Fuel::new(Fuel::PER_EXPRESSION)).ok().and_then(|v| v.as_bool());
        ensure!((case.native)(&dom) && evaluate() == Some(true), "{} is not true", case.name);
        let other = crate_program(case, &object);
        for _ in 0..ROUNDS {
            seen[0].push(measure(|| (case.native)(black_box(&dom))));
            seen[1].push(measure(evaluate));
            if let Some((program, context)) = &other {
                seen[2].push(measure(|| program.execute(context).is_ok()));
            }
            seen[3].push(oracle.measure(case.expression, &object, SPAN)?);
        }
        rows.push((case, seen.map(|mut numbers| median(&mut numbers))));
    }
    let page = render(&rows, bytes.len());
    match arguments.next() {
        Some(file) => std::fs::write(file, page)?,
        None => print!("{page}"),
    }
    Ok(())
}

/// The program of the `cel` crate, where it has all the functions; its value must be true.
fn crate_program(case: &Case, object: &serde_json::Value) -> Option<(cel::Program, cel::Context<'static, 'static>)> {
    let program = cel::Program::compile(case.expression).ok()?;
    let mut context = cel::Context::default();
    context.add_variable("object", object).ok()?;
    matches!(program.execute(&context), Ok(cel::Value::Bool(true))).then_some((program, context))
}

/// Nanoseconds a call.
fn measure<T>(mut call: impl FnMut() -> T) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < SPAN {
        for _ in 0..64 {
            black_box(call());
        }
        count += 64;
    }
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn median(numbers: &mut [f64]) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

fn render(rows: &[(&Case, [Option<f64>; 4])], bytes: usize) -> String {
    let mut page = format!(
        "# The language, measured\n\n`make bench-cel` wrote this page: microseconds an evaluation over a Deployment of {bytes} bytes that is parsed already \
         (in each engine's own form), medians of {ROUNDS} interleaved rounds in one run. Rust is the same check written by hand over Writ's values; \
         the `cel` crate is left out where it lacks a function; cel-go is the environment of the API server 1.37 with its cost tracking.\n\n\
         | check | {} | cel-go / Writ | Writ / Rust |\n|---|---|---|---|---|---|---|\n",
        ENGINES.join(" | ")
    );
    for (case, medians) in rows {
        let micros = |at: usize| medians[at].map_or("–".to_owned(), |nanos| format!("{:.2}", nanos / 1e3));
        let ratio = |a: usize, b: usize| match (medians[a], medians[b]) {
            (Some(a), Some(b)) => format!("{:.1}", a / b),
            _ => "–".to_owned(),
        };
        let cells = [micros(0), micros(1), micros(2), micros(3), ratio(3, 1), ratio(1, 0)];
        page.push_str(&format!("| {} | {} |\n", case.name, cells.join(" | ")));
    }
    page.push_str(
        "\nThe aims are 3 µs for the five containers, and ten times as fast as cel-go: the last two columns and the first row \
         say how far they are.\n",
    );
    page.push_str("\nThe expressions:\n\n```cel\n");
    for (case, _) in rows {
        page.push_str(&format!("// {}\n{}\n", case.name, case.expression));
    }
    page.push_str("```\n");
    page
}
