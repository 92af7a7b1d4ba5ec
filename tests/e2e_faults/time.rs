//! The same manifest again when its attestation is long out of date.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use writ::clock::{Clock as _, SystemClock};

use crate::{
    driver::ticketed,
    harness::Options,
    policies::{govern, once},
    support::{Rig, assert_says, signer, verified},
};

const KEY: &str = "attestation.writ.dev/configmaps";
const SHOP: &str = "shop";
const DAY: Duration = Duration::from_secs(24 * 3600 - 600);

/// What was stored becomes what it would be a day later: the same, attested a day ago.
fn age(rig: &Rig, name: &str) -> Result<()> {
    let mut statement = verified(&rig.get(&["configmap", name, "-n", SHOP])?, KEY)?;
    statement.predicate.issued_at = statement.predicate.issued_at.minus(DAY);
    statement.predicate.admit_before = statement.predicate.admit_before.minus(DAY);
    let old = format!("{KEY}={}", signer().sign(statement)?.compact());
    rig.register(false, false)?;
    rig.cluster.kubectl(&["annotate", "--overwrite", "configmap", name, &old, "-n", SHOP], "")?.ok()?;
    rig.register(true, true)
}

fn state(rig: &Rig, name: &str) -> Result<(Value, Value)> {
    let object = rig.get(&["configmap", name, "-n", SHOP])?;
    Ok((object["metadata"]["resourceVersion"].clone(), object["metadata"]["annotations"][KEY].clone()))
}

#[test]
fn a_reapply_a_day_later_changes_nothing_and_a_change_gets_a_fresh_writ() -> Result<()> {
    let rig = Rig::in_cluster(Options::default())?;
    rig.cluster.kubectl(&["create", "namespace", SHOP], "")?.ok()?;
    // Elsewhere nothing is governed: the rig looks there whether the webhooks are called.
    govern(&rig, &once("CREATE, UPDATE").replace("[default, shop]", "[shop]"), &["once"])?;
    let manifest = |data: &str, ticket: &str| {
        let mut object = ticketed("web", ticket);
        object["metadata"]["namespace"] = json!(SHOP);
        object["data"] = json!({"k": data});
        object.to_string()
    };
    let apply = |text: &str| rig.cluster.kubectl(&["apply", "-f", "-"], text);
    apply(&manifest("1", "CHG-1"))?.ok()?;
    age(&rig, "web")?;
    let (before, lines) = (state(&rig, "web")?, rig.decisions()?.len());

    let said = apply(&manifest("1", "CHG-1"))?.ok()?;
    assert_says(&said, &["unchanged"])?;
    ensure!(state(&rig, "web")? == before, "the same manifest made a write");
    // Another tool takes the fields over, with server-side apply: only their ownership changes, which nobody decides.
    let take_over = |text: &str| {
        let path = format!("/api/v1/namespaces/{SHOP}/configmaps/web?fieldManager=gitops&force=true");
        let headers = [("Content-Type", "application/apply-patch+yaml")];
        rig.cluster.client().request("PATCH", &path, &headers, text.as_bytes())
    };
    let answer = take_over(&manifest("1", "CHG-1"))?;
    ensure!(answer.status == 200, "{}", answer.text());
    let owned = state(&rig, "web")?;
    ensure!(owned.0 != before.0, "nothing was taken over");
    ensure!(owned.1 == before.1, "the attestation was replaced");
    for _ in 0..3 {
        take_over(&manifest("1", "CHG-1"))?;
        apply(&manifest("1", "CHG-1"))?.ok()?;
    }
    ensure!(state(&rig, "web")? == owned, "the same manifest made a write");
    let now = rig.decisions()?;
    ensure!(now.len() == lines, "something was decided: {:?}", now.last());

    // A change: the ticket of yesterday was used, a new one gets a writ of today.
    let answer = take_over(&manifest("2", "CHG-1"))?;
    ensure!(answer.status == 403, "{}", answer.text());
    assert_says(&answer.text(), &["Replayed"])?;
    let answer = take_over(&manifest("2", "CHG-2"))?;
    ensure!(answer.status == 200, "{}", answer.text());
    let fresh = verified(&rig.get(&["configmap", "web", "-n", SHOP])?, KEY)?;
    let age_now = SystemClock.now()?.as_millis() - fresh.predicate.issued_at.as_millis();
    ensure!((0..60_000).contains(&age_now), "issued {age_now} ms ago");

    // Without mutate, what is out of date admits nothing.
    let old = before.1.as_str().context("an attestation")?.to_owned();
    rig.register(false, true)?;
    let mut stale = ticketed("other", "CHG-3");
    stale["metadata"]["namespace"] = json!(SHOP);
    stale["metadata"]["annotations"][KEY] = json!(old);
    assert_says(&rig.refused(&stale)?, &["AttestationExpired"])
}
