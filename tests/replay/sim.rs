//! A seeded simulation of claims: the very state machine that serves, against a model of a store and an API server.
//!
//! Replicas crash, pause and lose replies; requests are doubled, late and conflict; clocks jump; history is compacted.
//! One seed is one exact run. What must hold is in `truth.rs`, the bugs that the simulation must find in `plants.rs`.

mod api;
mod call;
mod plants;
mod rng;
mod store;
mod truth;
mod user;
mod world;

use plants::Plant;
use world::World;

/// Seeds of an ordinary run; `WRIT_SEEDS` sets another number for a long one.
fn seeds() -> u64 {
    std::env::var_os("WRIT_SEEDS").map_or(2000, |text| text.to_str().unwrap().parse().unwrap())
}

fn run_part(part: u64, parts: u64) {
    let mut operations = 0;
    for seed in (0..seeds()).filter(|seed| seed % parts == part) {
        let world = World::run(seed, None);
        if let Some(violation) = &world.truth.violation {
            panic!("seed {seed}: {violation}");
        }
        operations += world.operations;
    }
    let each = operations / (seeds() / parts).max(1);
    assert!(each >= 1000, "a seed has too few operations: {each}");
}

#[test]
fn no_seed_breaks_a_promise_first_half() {
    run_part(0, 2);
}

#[test]
fn no_seed_breaks_a_promise_second_half() {
    run_part(1, 2);
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        let (a, b) = (World::run(seed, None), World::run(seed, None));
        assert_eq!((a.operations, a.truth.summary()), (b.operations, b.truth.summary()), "{seed}");
    }
}

/// A simulation that never reaches a state proves nothing about it.
#[test]
fn the_runs_reach_every_state() {
    let mut seen = truth::Summary::default();
    for seed in 0..200 {
        seen.add(&World::run(seed, None).truth.summary());
    }
    println!("{seen:?}");
    for (what, count) in seen.all() {
        assert!(count >= 5, "{what} happened {count} times only: {seen:?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::ALL {
        let found = (0..2000).find_map(|seed| Some((seed, World::run(seed, Some(*plant)).truth.violation?)));
        let Some((seed, violation)) = found else { panic!("{plant:?} was not found") };
        println!("{plant:?}: seed {seed}: {violation}");
    }
}
