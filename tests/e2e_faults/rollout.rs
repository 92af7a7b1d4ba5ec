//! A binding moves between two versions of a policy while requests come in through two replicas.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use crate::{
    drill,
    driver::{SECRETS, post, secret},
    pair::{NAMES, Pair},
    policies::govern,
};

/// v1 admits red, v2 blue; each refuses the other.
fn paint(version: &str, colour: &str) -> String {
    format!(
        r#"
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {{name: paint.{version}}}
spec:
  id: paint
  version: {version}
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], resources: [secrets], operations: [CREATE]}}]
  signals: [{{name: colour, type: String, expression: 'object.metadata.?labels[?"colour"].orValue("none")'}}]
  rules:
  - {{name: right, when: 'signals.colour == "{colour}"', outcome: Allow, reason: RightColour}}
  - {{name: wrong, outcome: Deny, reason: WrongColour, message: 'paint it {colour}'}}
  replay: {{mode: Repeatable}}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {{name: paint}}
spec:
  policyRef: {{id: paint, version: {version}}}
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: default}}}}}}
  mode: Enforce
"#
    )
}

struct Answer {
    colour: &'static str,
    begun: Instant,
    ended: Instant,
    status: u16,
    text: String,
}

/// A version, from when it may have been in force, and from when it certainly was.
struct Change {
    colour: &'static str,
    asked: Instant,
    ready: Instant,
}

#[test]
fn policies_roll_out_under_load_without_a_wrong_refusal() -> Result<()> {
    let pair = Pair::start(&[])?;
    pair.rig.cluster.kubectl(&["delete", "policybinding", "once", "free"], "")?.ok()?;
    let versions = [("v1", "red"), ("v2", "blue"), ("v1", "red"), ("v2", "blue"), ("v1", "red")];
    let mut changes = Vec::new();
    let mut roll = |(version, colour): (&str, &'static str)| -> Result<()> {
        let asked = Instant::now();
        govern(&pair.rig, &paint(version, colour), &["paint"])?;
        changes.push(Change { colour, asked, ready: Instant::now() });
        Ok(())
    };
    roll(versions[0])?;
    let over = AtomicBool::new(false);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let (pair, over) = (&pair, &over);
                scope.spawn(move || write(pair, number, over))
            })
            .collect();
        let outcome = (0..drill()).try_for_each(|_| {
            versions.into_iter().skip(1).try_for_each(|version| {
                thread::sleep(Duration::from_millis(200));
                roll(version)
            })
        });
        thread::sleep(Duration::from_millis(200));
        over.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for writer in writers {
            all.extend(writer.join().map_err(|_| anyhow!("a writer panicked"))??);
        }
        outcome.map(|()| all)
    })?;

    let mut tally = std::collections::BTreeMap::new();
    for answer in &answers {
        // Which versions may have decided: from the request for them until the next one was everywhere.
        let may = |colour: &str| {
            changes.iter().enumerate().any(|(index, change)| {
                let end = changes.get(index + 1).map(|next| next.ready);
                change.colour == colour && change.asked <= answer.ended && end.is_none_or(|end| answer.begun <= end)
            })
        };
        let other = if answer.colour == "red" { "blue" } else { "red" };
        let (what, right) = match answer.status {
            201 => ("admitted", may(answer.colour)),
            403 => ("refused", may(other) && answer.text.contains("WrongColour")),
            429 => ("to be tried again", answer.text.contains("PolicySetChanged")),
            _ => ("failed", false),
        };
        ensure!(right, "{} {what}: {} {}", answer.colour, answer.status, answer.text);
        *tally.entry(what).or_insert(0) += 1;
    }
    // Everywhere enforced in the end: several connections reach both replicas.
    let before = pair.decisions()?.len();
    for number in 0..20 {
        let (status, answer) = create(&pair, &format!("end-{number}"), "blue")?;
        ensure!(status == 403 && answer.contains("paint.v1"), "{answer}");
    }
    let lines = pair.decisions()?;
    for name in NAMES {
        ensure!(lines.iter().skip(before.min(lines.len())).count() > 0, "no decision at the end");
        ensure!(lines.iter().any(|line| line["replica"] == name), "{name} decided nothing");
    }
    println!("{} requests while versions changed: {tally:?}", answers.len());
    Ok(())
}

fn create(pair: &Pair, name: &str, colour: &str) -> Result<(u16, String)> {
    let mut object = secret(name);
    object["metadata"]["labels"] = json!({"colour": colour});
    let (status, answer) = post(pair.rig.cluster.client(), SECRETS, &object)?;
    Ok((status, answer.to_string()))
}

fn write(pair: &Pair, number: usize, over: &AtomicBool) -> Result<Vec<Answer>> {
    let mut all = Vec::new();
    for round in 0.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let colour = if round % 2 == 0 { "red" } else { "blue" };
        let begun = Instant::now();
        let (status, text) = create(pair, &format!("w-{number}-{round}"), colour)?;
        all.push(Answer { colour, begun, ended: Instant::now(), status, text });
    }
    Ok(all)
}
