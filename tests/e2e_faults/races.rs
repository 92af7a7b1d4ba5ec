//! The same ticket at two replicas at the same moment, and a replica that cannot reach its store.

use std::{
    fs,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use crate::{
    drill,
    driver::{CONFIG_MAPS, Stored, post, ticketed},
    harness::{Options, wait_until},
    pair::{NAMES, Pair},
    policies::{govern, once},
    proxy::Proxy,
    support::{Rig, SOON},
};

#[test]
fn t13_of_simultaneous_requests_with_one_ticket_one_is_admitted() -> Result<()> {
    let pair = Pair::start(&[])?;
    let (pairs, lanes) = (200 * drill(), 4);
    let client = pair.rig.cluster.client_as("kube-apiserver", "driver", &["system:masters"])?;
    let outcomes: Vec<Vec<(u16, String)>> = thread::scope(|scope| {
        let racers: Vec<_> = (0..lanes)
            .map(|lane| (lane, std::sync::Arc::new(Barrier::new(2))))
            .flat_map(|(lane, barrier)| [(lane, "a", barrier.clone()), (lane, "b", barrier)])
            .map(|(lane, side, barrier)| {
                let client = &client;
                scope.spawn(move || -> Result<Vec<(u16, String)>> {
                    let mut all = Vec::new();
                    for round in 0..pairs / lanes {
                        let object = ticketed(&format!("{side}-{lane}-{round}"), &format!("T-{lane}-{round}"));
                        barrier.wait();
                        // An error must not leave the other side at the barrier.
                        all.push(post(client, CONFIG_MAPS, &object).map_or_else(
                            |error| (0, error.to_string()),
                            |(status, answer)| (status, answer.to_string()),
                        ));
                    }
                    Ok(all)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().map_err(|_| anyhow!("a client panicked"))?).collect::<Result<_>>()
    })?;
    let (mut undecided, mut decided) = (0, 0);
    for sides in outcomes.chunks(2) {
        let [a, b] = sides else { continue };
        for (a, b) in a.iter().zip(b) {
            let admitted = [a, b].iter().filter(|(status, _)| *status == 201).count();
            let refused =
                [a, b].iter().filter(|(_, text)| text.contains("Replayed") || text.contains("InProgress")).count();
            ensure!(admitted <= 1, "both were admitted: {a:?} {b:?}");
            if (admitted, refused) == (1, 1) {
                decided += 1;
            } else {
                // On a machine without time a webhook is given up.
                let gave_up = |(status, text): &(u16, String)| {
                    *status >= 500 || *status == 429 || text.contains("StoreUnavailable")
                };
                ensure!(gave_up(a) || gave_up(b), "neither admitted nor given up: {a:?} {b:?}");
                undecided += 1;
            }
        }
    }
    ensure!(undecided * 20 <= pairs, "{undecided} of {pairs} pairs came to nothing");
    let lines = pair.decisions()?;
    Stored::read(pair.rig.cluster.client())?.check(&lines)?;
    let by = |name: &str| lines.iter().filter(|line| line["replica"] == name).count();
    let [first, second] = NAMES.map(by);
    ensure!(first > 0 && second > 0, "one replica decided everything: {first} and {second}");
    println!(
        "{pairs} pairs: {decided} times one admitted and one refused, {undecided} given up; {first} and {second} decisions"
    );
    Ok(())
}

#[test]
fn t14_a_replica_that_is_cut_off_from_its_store_allows_nothing() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &once("CREATE, UPDATE"), &["once"])?;
    let proxy = Proxy::start(rig.cluster.address("kube-apiserver"))?;
    let kubeconfig = fs::read_to_string(rig.cluster.admin())?;
    let through = rig.folder.join("through.json");
    let (direct, proxied) = (rig.cluster.address("kube-apiserver").to_string(), proxy.address.to_string());
    fs::write(&through, kubeconfig.replace(&direct, &proxied))?;
    rig.restart_with(&through)?;
    let client = rig.cluster.client_as("kube-apiserver", "driver", &["system:masters"])?;
    let (status, answer) = post(&client, CONFIG_MAPS, &ticketed("before", "T-before"))?;
    ensure!(status == 201, "{answer}");

    proxy.freeze_all();
    let (requests, lanes) = (200 * drill(), 8);
    let outcomes: Vec<(Duration, u16, String)> = thread::scope(|scope| {
        let senders: Vec<_> = (0..lanes)
            .map(|lane| {
                let client = &client;
                scope.spawn(move || -> Result<Vec<(Duration, u16, String)>> {
                    let mut all = Vec::new();
                    for number in 0..requests / lanes {
                        let begun = Instant::now();
                        let name = format!("cut-{lane}-{number}");
                        let (status, answer) = post(client, CONFIG_MAPS, &ticketed(&name, &name))?;
                        all.push((begun.elapsed(), status, reason(&answer)));
                    }
                    Ok(all)
                })
            })
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().map_err(|_| anyhow!("a client panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    let mut reasons = std::collections::BTreeMap::new();
    for (took, status, reason) in &outcomes {
        let expected = ["StoreUnavailable", "PolicyStale", "DeadlineExceeded", "Timeout"].contains(&reason.as_str());
        ensure!(expected && (*status == 403 || *status == 429), "{status} {reason} after {took:?}");
        *reasons.entry(reason.clone()).or_insert(0) += 1;
    }
    let longest = outcomes.iter().map(|(took, ..)| *took).max().unwrap_or_default();
    // The webhook's own time is 2 s, and writ answers after at most 1.5; the rest is the way there and back.
    ensure!(longest < Duration::from_millis(2500), "the slowest took {longest:?}");
    proxy.thaw();
    wait_until("it to allow again", SOON, || {
        let (status, _) = post(&client, CONFIG_MAPS, &ticketed("after", "T-after"))?;
        Ok((status == 201).then_some(()))
    })?;
    let stored = client.get(CONFIG_MAPS)?.json()?;
    ensure!(!stored.to_string().contains("\"cut-"), "something was admitted");
    println!(
        "{} requests without the store: none allowed, the slowest refused after {longest:?}, {reasons:?}",
        outcomes.len()
    );
    Ok(())
}

/// The word of a refusal.
fn reason(answer: &Value) -> String {
    answer["details"]["causes"][0]["reason"].as_str().map_or_else(|| answer.to_string(), str::to_owned)
}
