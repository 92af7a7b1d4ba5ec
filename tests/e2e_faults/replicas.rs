//! Replicas that die or leave while requests come in.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    drill,
    driver::{Sent, Stored, What, load},
    harness::{Options, wait_until},
    pair::{NAMES, Pair},
    support::{Rig, SOON},
};

const CLIENTS: usize = 6;

/// Waits for some more requests.
fn more(count: &AtomicUsize, requests: usize) -> Result<()> {
    let goal = count.load(Ordering::SeqCst) + requests;
    wait_until("requests", SOON, || Ok((count.load(Ordering::SeqCst) >= goal).then_some(())))
}

/// Requests that nobody decided, and those that were refused although nothing was wrong with them.
fn refused(all: &[Sent]) -> Result<Vec<&Sent>> {
    let mut refused = Vec::new();
    for sent in all {
        let first_was_stored = || {
            let first = sent.name.replace("again", "first");
            all.iter().any(|other| other.name == first && other.status == 201)
        };
        match (sent.what, sent.status) {
            _ if sent.undecided() => refused.push(sent),
            (What::First | What::Free, 201) => {}
            // Where the first request ended without an answer its ticket may be free, in use or used.
            (What::Again, 201) => ensure!(!first_was_stored(), "a ticket was used twice: {sent:?}"),
            (What::Again, _) if sent.replay() => {}
            _ => ensure!(false, "a wrong answer: {sent:?}"),
        }
    }
    Ok(refused)
}

#[test]
fn t12_t63_kill_9_of_replicas_under_load_leaves_no_object_without_its_claim() -> Result<()> {
    let pair = Pair::start(&[])?;
    let kills = 4 * drill();
    let mut windows: Vec<(Instant, Instant)> = Vec::new();
    let all = load(&pair.rig.cluster, CLIENTS, |count| {
        for kill in 0..kills {
            let index = kill % NAMES.len();
            let name = NAMES.get(index).copied().unwrap_or_default();
            more(count, 60)?;
            let begun = Instant::now();
            pair.rig.cluster.kill(name)?;
            windows.push((begun, pair.balancer.wait(index, false)?));
            more(count, 60)?;
            pair.rig.cluster.launch(name)?;
            pair.balancer.wait(index, true)?;
        }
        more(count, 60)
    })?;
    let refused = refused(&all)?;
    for sent in &refused {
        let excused = windows.iter().any(|(killed, withdrawn)| sent.begun <= *withdrawn && sent.ended >= *killed);
        let after = |moment: Instant| sent.begun.saturating_duration_since(moment);
        let since: Vec<_> = windows.iter().map(|(killed, withdrawn)| (after(*killed), after(*withdrawn))).collect();
        ensure!(
            excused,
            "refused, neither in flight nor sent before a withdrawal, but after (kill, withdrawal) {since:?}: {sent:?}"
        );
    }
    let stored = Stored::read(pair.rig.cluster.client())?;
    stored.check(&pair.decisions()?)?;
    // What was answered with 201 is there.
    let created = all.iter().filter(|sent| sent.status == 201).count();
    ensure!(stored.maps.len() + stored.secrets.len() >= created, "{created} were created");
    let replays = all.iter().filter(|sent| sent.replay()).count();
    ensure!(replays > 0, "no replay was tried");
    let longest = windows.iter().map(|(killed, withdrawn)| *withdrawn - *killed).max().unwrap_or_default();
    println!(
        "{} requests, {kills} times kill -9: {} stored ({} with a ticket), {replays} replays refused, {} refused within the \
         windows, of which the longest was {longest:?}",
        all.len(),
        created,
        stored.maps.len(),
        refused.len(),
    );
    Ok(())
}

#[test]
fn a_graceful_stop_under_load_refuses_nothing() -> Result<()> {
    // The time that the product drains by itself.
    let pair = Pair::start(&[])?;
    let stops = 2 * drill();
    let mut took = Duration::ZERO;
    let all = load(&pair.rig.cluster, CLIENTS, |count| {
        for stop in 0..stops {
            let index = stop % NAMES.len();
            let name = NAMES.get(index).copied().unwrap_or_default();
            more(count, 60)?;
            let begun = Instant::now();
            pair.rig.cluster.stop(name)?;
            took = took.max(begun.elapsed());
            more(count, 60)?;
            pair.rig.cluster.launch(name)?;
            pair.balancer.wait(index, true)?;
        }
        more(count, 60)
    })?;
    let refused = refused(&all)?;
    ensure!(refused.is_empty(), "{} of {} were refused, the first: {:?}", refused.len(), all.len(), refused.first());
    let stored = Stored::read(pair.rig.cluster.client())?;
    stored.check(&pair.decisions()?)?;
    println!("{} requests, {stops} graceful stops of at most {took:?}: none refused", all.len());
    Ok(())
}

/// What a replica that was told to stop leaves behind: nothing that others wait for.
#[test]
fn a_replica_that_stops_leaves_neither_report_nor_lease() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    let count = |what: &str, selector: &str| -> Result<usize> {
        let list = rig.get(&[what, "-n", "writ-system", "-l", selector])?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    };
    let holder = || -> Result<String> {
        let leases = rig.get(&["leases", "-n", "writ-system"])?;
        Ok(leases["items"][0]["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    };
    wait_until("a report and a lease", SOON, || {
        Ok((count("configmaps", "writ.dev/record=replica")? == 1 && holder()? == rig.name()).then_some(()))
    })?;
    rig.cluster.stop(&rig.name())?;
    ensure!(count("configmaps", "writ.dev/record=replica")? == 0, "its report is still there");
    ensure!(holder()?.is_empty(), "its lease is still held");
    Ok(())
}
