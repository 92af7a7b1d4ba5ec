//! What is admitted and fails afterwards: too large for etcd, over a quota, refused by somebody else, lost in a race. The
//! ticket of such a change is never burnt.

use std::{thread, time::Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::{
    drill,
    driver::{CONFIG_MAPS, SECRETS, patch, post, secret, ticketed},
    harness::{Client, Options, wait_until},
    hostile::Hostile,
    policies::{REPEATABLE, govern, once_for},
    support::{Rig, SOON, assert_says, deployment, verified},
};

/// A claim of a CREATE that was not stored: 34 s of the API server, 5 s of skew, and the decision itself.
const HOLD: std::time::Duration = std::time::Duration::from_secs(60);

/// Data whose names take as much room again in `managedFields`: together too large for etcd, alone not.
fn many_names() -> Value {
    (0..3500).map(|number| (format!("{number:0>250}"), json!(""))).collect::<serde_json::Map<_, _>>().into()
}

fn both() -> String {
    format!("{}{REPEATABLE}", once_for(&[("", "configmaps"), ("apps", "deployments")], "CREATE, UPDATE"))
}

/// How often validate was asked about the creation or change of an object, by the answer.
fn answers(rig: &Rig, name: &str, outcome: &str) -> Result<usize> {
    let lines = rig.decisions()?;
    Ok(lines.iter().filter(|line| line["request"]["name"] == name && line["outcome"] == outcome).count())
}

/// Presents a ticket for a new object until it is taken.
fn until_free(client: &Client, name: &str, ticket: &str) -> Result<()> {
    wait_until(&format!("ticket {ticket} to be free again"), HOLD, || {
        let (status, answer) = post(client, CONFIG_MAPS, &ticketed(name, ticket))?;
        ensure!(status == 201 || answer.to_string().contains("InProgress"), "burnt: {answer}");
        Ok((status == 201).then_some(()))
    })
}

#[test]
fn t22_an_object_that_is_first_too_large_for_etcd() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &both(), &["once", "free"])?;
    let client = rig.cluster.client();

    // Repeatable: the API server drops managedFields and asks validate again, about another uid.
    let mut object = secret("big");
    object["data"] = many_names();
    let (status, answer) = post(client, SECRETS, &object)?;
    ensure!(status == 201, "{answer}");
    ensure!(answer["metadata"].get("managedFields").is_none(), "it was not too large");
    verified(&answer, "attestation.writ.dev/secrets")?;
    ensure!(answers(&rig, "big", "Allow")? == 2, "validate was asked once");

    // Once, UPDATE: mutate is asked again too, and the change is the same.
    post(client, CONFIG_MAPS, &ticketed("grows", "CHG-1"))?;
    let change = json!({"metadata": {"annotations": {"example.com/ticket": "CHG-2"}}, "data": many_names()});
    let (status, answer) = patch(client, &format!("{CONFIG_MAPS}/grows"), &change)?;
    ensure!(status == 200, "{answer}");
    ensure!(answers(&rig, "grows", "Allow")? >= 3, "validate was asked once about the change");

    // Once, CREATE: the second call is another object with the same ticket. It is free again after the deadline.
    let mut named = ticketed("named", "CHG-3");
    named["data"] = many_names();
    let (status, answer) = post(client, CONFIG_MAPS, &named)?;
    ensure!(status >= 400 && status != 500, "{answer}");
    assert_says(&answer.to_string(), &["InProgress"])?;
    ensure!(client.get(&format!("{CONFIG_MAPS}/named"))?.status == 404, "it was stored");
    // That takes its 40 s, which the quotas and siblings below wait for anyway.
    if drill() > 1 { until_free(client, "small", "CHG-3") } else { Ok(()) }
}

#[test]
fn t23_a_change_that_fails_after_the_allow_burns_no_ticket() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    rig.cluster.kubectl(&["create", "namespace", "shop"], "")?.ok()?;
    govern(&rig, &both(), &["once", "free"])?;
    let client = rig.cluster.client();

    // A quota of none: admitted, then refused.
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": "shop"}, "spec": {"hard": {"count/configmaps": "0"}}});
    post(client, "/api/v1/namespaces/shop/resourcequotas", &quota)?;
    let counted = json!({"status": {"hard": {"count/configmaps": "0"}, "used": {"count/configmaps": "0"}}});
    let (status, answer) = patch(client, "/api/v1/namespaces/shop/resourcequotas/none/status", &counted)?;
    ensure!(status == 200, "{answer}");
    let shop = "/api/v1/namespaces/shop/configmaps";
    let mut over = ticketed("over", "CHG-Q");
    over["metadata"]["namespace"] = json!("shop");
    let message = wait_until("the quota to hold", SOON, || {
        let mut probe = secret("x");
        probe["kind"] = json!("ConfigMap");
        probe["metadata"] =
            json!({"name": "over", "namespace": "shop", "annotations": {"example.com/ticket": "CHG-Q"}});
        let (status, answer) = post(client, shop, &probe)?;
        Ok((status == 403).then(|| answer.to_string()))
    })?;
    assert_says(&message, &["exceeded quota"])?;

    // Another webhook refuses half of the creations.
    let sibling = Hostile::start(|request| {
        let name = request["object"]["metadata"]["name"].as_str().unwrap_or_default();
        let odd = name.strip_prefix("half-").and_then(|number| number.parse::<u32>().ok()).is_some_and(|n| n % 2 == 1);
        let change = request["object"]["data"]["half"].as_str().is_some_and(|value| value == "no");
        if odd || change { json!("not by me") } else { json!([]) }
    })?;
    rig.apply(&sibling.validating("sibling", &["configmaps"]))?;
    wait_until("the other webhook to be called", SOON, || {
        let (status, _) = post(client, &format!("{CONFIG_MAPS}?dryRun=All"), &ticketed("half-1", "CHG-D"))?;
        Ok((status != 201 && !sibling.seen().is_empty()).then_some(()))
    })?;
    let half = 20 * drill();
    let mut denied = Vec::new();
    for number in 0..half {
        let (status, answer) =
            post(client, CONFIG_MAPS, &ticketed(&format!("half-{number}"), &format!("CHG-H{number}")))?;
        ensure!((status == 201) == (number % 2 == 0), "{number}: {answer}");
        if status != 201 {
            denied.push(format!("CHG-H{number}"));
        }
    }
    // A change that it refused can be made at once with the same ticket: the object is what it was.
    let path = format!("{CONFIG_MAPS}/half-0");
    let change =
        |half: &str| json!({"metadata": {"annotations": {"example.com/ticket": "CHG-U"}}, "data": {"half": half}});
    let (status, answer) = patch(client, &path, &change("no"))?;
    ensure!(status != 200 && answer.to_string().contains("not by me"), "{answer}");
    let (status, answer) = patch(client, &path, &change("yes"))?;
    ensure!(status == 200, "{answer}");

    // Two mebibytes, which the API server does not even send, and less, which etcd refuses: the ticket stays good.
    let web = "/apis/apps/v1/namespaces/default/deployments";
    let mut object = deployment("web", "registry.example/a");
    object["metadata"]["annotations"] = json!({"example.com/ticket": "CHG-W1"});
    let (status, answer) = post(client, web, &object)?;
    ensure!(status == 201, "{answer}");
    let grow = |bytes: usize| {
        let env = json!([{"name": "X", "value": "x".repeat(bytes)}]);
        let containers = json!([{"name": "c", "image": "registry.example/a", "env": env}]);
        json!({"metadata": {"annotations": {"example.com/ticket": "CHG-W2"}}, "spec": {"template": {"spec": {"containers": containers}}}})
    };
    let path = format!("{web}/web");
    for (bytes, message) in [(2 << 20, "larger than max"), (1600 << 10, "too large")] {
        let before = answers(&rig, "web", "Allow")?;
        let (status, answer) = patch(client, &path, &grow(bytes))?;
        ensure!(status >= 400 && answer.to_string().contains(message), "{status} {answer}");
        ensure!(answers(&rig, "web", "Allow")? > before, "it was not admitted");
    }
    let (status, answer) = patch(client, &path, &grow(100))?;
    ensure!(status == 200, "{answer}");

    // A name that exists, quoting somebody's ticket: refused before anything is claimed.
    let (status, answer) = post(client, CONFIG_MAPS, &ticketed("half-0", "CHG-MINE"))?;
    ensure!(status >= 400 && answer.to_string().contains("AlreadyExists"), "{answer}");
    let (status, answer) = post(client, CONFIG_MAPS, &ticketed("mine", "CHG-MINE"))?;
    ensure!(status == 201, "{answer}");

    // What was never stored is proven by the history, and each of these tickets is good again.
    rig.cluster.kubectl(&["delete", "validatingwebhookconfiguration", "sibling"], "")?.ok()?;
    until_free(client, "over", "CHG-Q")?;
    for (number, ticket) in denied.iter().enumerate() {
        until_free(client, &format!("late-{number}"), ticket)?;
    }
    Ok(())
}

#[test]
fn t23_clients_that_race_for_one_object_burn_no_ticket() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    govern(&rig, &both(), &["once", "free"])?;
    let client = rig.cluster.client();
    let (status, answer) = post(client, CONFIG_MAPS, &ticketed("raced", "CHG-0"))?;
    ensure!(status == 201, "{answer}");
    let clients = if drill() > 1 { 100 } else { 40 };
    let path = format!("{CONFIG_MAPS}/raced");
    let change = |number: usize| json!({"metadata": {"annotations": {"example.com/ticket": format!("CHG-R{number}")}}, "data": {format!("client-{number}"): "done"}});
    let begun = Instant::now();
    let outcomes: Vec<(usize, u16, Value)> = thread::scope(|scope| {
        let racers: Vec<_> = (0..clients)
            .map(|number| {
                let (path, change) = (&path, change(number));
                scope.spawn(move || patch(client, path, &change).map(|(status, answer)| (number, status, answer)))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().map_err(|_| anyhow!("a client panicked"))?).collect::<Result<_>>()
    })?;
    let lost: Vec<_> = outcomes.iter().filter(|(_, status, _)| *status != 200).collect();
    let mut causes = std::collections::BTreeMap::new();
    for (number, status, answer) in &lost {
        // A conflict, or no time for a webhook; never a word about the ticket, which is this client's own.
        let text = answer.to_string();
        ensure!(!text.contains("Replayed") && !text.contains("InProgress"), "{number}: {text}");
        *causes.entry(cause(*status, answer)).or_insert(0) += 1;
    }
    // Whoever lost tries again with the same ticket.
    for (number, ..) in &lost {
        // Who was told of no answer in time may have been stored all the same.
        if client.get(&path)?.json()?["data"].get(format!("client-{number}")).is_some() {
            continue;
        }
        let (status, answer) = patch(client, &path, &change(*number))?;
        ensure!(status == 200, "{number}, which had lost: {answer}");
    }
    let stored = client.get(&path)?.json()?;
    ensure!(stored["data"].as_object().context("data")?.len() == clients, "a change is missing");
    // And each ticket is used now.
    for number in [0, clients / 2, clients - 1] {
        let (status, answer) = patch(
            client,
            &path,
            &json!({"metadata": {"annotations": {"example.com/ticket": format!("CHG-R{number}")}}, "data": {"more": "x"}}),
        )?;
        ensure!(status == 403 && answer.to_string().contains("Replayed"), "{answer}");
    }
    println!(
        "{clients} clients changed one object at once in {:?}: {} lost and tried again, {causes:?}",
        begun.elapsed(),
        lost.len()
    );
    Ok(())
}

/// What kept a change from being stored.
fn cause(status: u16, answer: &Value) -> String {
    let reason = answer["details"]["causes"][0]["reason"].as_str().or(answer["reason"].as_str()).unwrap_or_default();
    format!("{status} {reason}")
}
