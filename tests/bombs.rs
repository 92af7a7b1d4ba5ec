//! Bombs: expressions that would take for ever, or all of memory. Each is evaluated in a process of its own, which
//! tells what it took.
//!
//! Time is told in units of work, which no other load on the machine changes; memory as the kernel counts it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that fails stops here, and its environment says which bomb is evaluated"
)]

#[path = "bombs/table.rs"]
mod table;

use std::{fs, process::Command, sync::Mutex, thread};

use table::{BOMBS, Bomb, input};
use writ::{
    canonical,
    cel::{Bindings, Environment, Fuel, Type, compile},
};

/// Names the bomb that this process is to evaluate.
const ASKED: &str = "WRIT_BOMB";
/// The most memory of one evaluation, above what was there before.
const MAX_MEMORY: u64 = 64 << 20;
/// The most work of one evaluation.
const MAX_WORK: u64 = Fuel::PER_EXPRESSION * Fuel::WORK_PER_COST;

/// An amount of memory of this process, in bytes.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect(line);
    found.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// How a bomb ends: (the word for it, work, memory).
fn explode(bomb: &Bomb) -> (String, u64, u64) {
    let text = input();
    let object = canonical::parse(text.as_bytes()).unwrap();
    let environment = Environment::new().variable("object", Type::Dyn);
    let before = memory("VmRSS");
    let program = match compile(&bomb.source(), &environment, None) {
        Ok(program) => program,
        Err(errors) => {
            let kind = format!("{:?}", errors.issues()[0].kind);
            let word = kind.split([' ', '(']).next().unwrap().to_owned();
            return (word, 0, memory("VmHWM").saturating_sub(before));
        }
    };
    let mut bindings = Bindings::new();
    bindings.set(environment.slot("object").unwrap(), &object);
    let mut fuel = Fuel::new(Fuel::PER_EXPRESSION);
    let outcome = program.evaluate(&bindings, &mut fuel);
    let taken = memory("VmHWM").saturating_sub(before);
    (outcome.map_or_else(|error| error.kind.code().to_owned(), |_| "Value".to_owned()), fuel.work(), taken)
}

/// What the process of one bomb does; without one it is no test.
#[test]
fn one_bomb() {
    let Ok(name) = std::env::var(ASKED) else { return };
    let bomb = BOMBS.iter().find(|bomb| bomb.name == name).unwrap();
    let (ended, work, memory) = explode(bomb);
    println!("\n{ASKED} {ended} {work} {memory}");
}

/// What is wrong with the way in which a bomb ends.
fn fault(bomb: &Bomb) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", "one_bomb", "--nocapture"]).env(ASKED, bomb.name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(told) = text.lines().find_map(|line| line.strip_prefix(ASKED)) else {
        return Some(format!("{}: {text} {}", bomb.name, String::from_utf8_lossy(&output.stderr)));
    };
    let [ended, work, memory] = told.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{told}") };
    let (work, memory): (u64, u64) = (work.parse().unwrap(), memory.parse().unwrap());
    // The unit of work that is too much may be a large one, and is not done.
    let within = (work <= MAX_WORK || ended == "WorkExceeded") && memory <= MAX_MEMORY;
    let told = format!("{}: {ended} (should be {}), work {work}, {} MiB", bomb.name, bomb.ends, memory >> 20);
    println!("{told}");
    (ended != bomb.ends || !within).then_some(told)
}

#[test]
fn every_bomb_ends_within_its_limits() {
    let left = Mutex::new(BOMBS.iter());
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(bomb) = next else { return };
                    faults.lock().unwrap().extend(fault(bomb));
                }
            });
        }
    });
    assert_eq!(faults.into_inner().unwrap(), Vec::<String>::new());
}
