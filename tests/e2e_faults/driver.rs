//! Load: clients that send one request after the other, try nothing again, and remember each answer.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{Client, Cluster},
    support::verified,
};

pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const MERGE: [(&str, &str); 1] = [("Content-Type", "application/merge-patch+json")];

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) what: What,
    pub(crate) name: String,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) status: u16,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The first object with a ticket.
    First,
    /// Another object with the same ticket.
    Again,
    /// An object that needs none.
    Free,
}

impl Sent {
    /// Whether a webhook could not be asked, or said that it cannot say.
    pub(crate) fn undecided(&self) -> bool {
        self.status >= 500 || self.status == 429 || self.text.contains("failed calling webhook")
    }

    pub(crate) fn replay(&self) -> bool {
        self.text.contains("Replayed") || self.text.contains("InProgress")
    }
}

pub(crate) fn post(client: &Client, path: &str, object: &Value) -> Result<(u16, Value)> {
    let response = client.request("POST", path, &JSON, object.to_string().as_bytes())?;
    Ok((response.status, response.json()?))
}

pub(crate) fn patch(client: &Client, path: &str, patch: &Value) -> Result<(u16, Value)> {
    let response = client.request("PATCH", path, &MERGE, patch.to_string().as_bytes())?;
    Ok((response.status, response.json()?))
}

/// A ConfigMap with a ticket.
pub(crate) fn ticketed(name: &str, ticket: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "annotations": {"example.com/ticket": ticket}}})
}

pub(crate) fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}})
}

/// Sends with `clients` clients while `meanwhile` runs, which may look at the count of requests so far.
pub(crate) fn load(
    cluster: &Cluster,
    clients: usize,
    meanwhile: impl FnOnce(&AtomicUsize) -> Result<()>,
) -> Result<Vec<Sent>> {
    let (over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let drivers: Vec<_> = (0..clients)
            .map(|number| {
                let (over, count) = (&over, &count);
                scope.spawn(move || drive(cluster, number, over, count))
            })
            .collect();
        let outcome = meanwhile(&count);
        over.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for driver in drivers {
            all.extend(driver.join().map_err(|_| anyhow!("a driver panicked"))??);
        }
        outcome.map(|()| all)
    })
}

fn drive(cluster: &Cluster, number: usize, over: &AtomicBool, count: &AtomicUsize) -> Result<Vec<Sent>> {
    let client = cluster.client_as("kube-apiserver", "driver", &["system:masters"])?;
    let mut all = Vec::new();
    for round in 0.. {
        let ticket = format!("T-{number}-{round}");
        for what in [What::First, What::Free, What::Again] {
            if over.load(Ordering::SeqCst) {
                return Ok(all);
            }
            let (path, name) = match what {
                What::First => (CONFIG_MAPS, format!("first-{number}-{round}")),
                What::Again => (CONFIG_MAPS, format!("again-{number}-{round}")),
                What::Free => (SECRETS, format!("free-{number}-{round}")),
            };
            let object = if what == What::Free { secret(&name) } else { ticketed(&name, &ticket) };
            let begun = Instant::now();
            let response = client.request("POST", path, &JSON, object.to_string().as_bytes())?;
            let text = if response.status == 201 { String::new() } else { response.text() };
            all.push(Sent { what, name, begun, ended: Instant::now(), status: response.status, text });
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(all)
}

/// What the cluster holds after the load.
pub(crate) struct Stored {
    pub(crate) maps: Vec<Value>,
    pub(crate) secrets: Vec<Value>,
    pub(crate) claims: Vec<Value>,
}

impl Stored {
    pub(crate) fn read(client: &Client) -> Result<Self> {
        let list = |path: &str| -> Result<Vec<Value>> {
            let list = client.get(path)?.json()?;
            list["items"].as_array().cloned().with_context(|| format!("a list: {list}"))
        };
        let records = list("/api/v1/namespaces/writ-system/configmaps?labelSelector=writ.dev/record=claim")?;
        let record = |map: &Value| -> Result<Value> {
            Ok(serde_json::from_str(map["data"]["record"].as_str().context("a record")?)?)
        };
        Ok(Self {
            maps: list(CONFIG_MAPS)?,
            secrets: list(SECRETS)?,
            claims: records.iter().map(record).collect::<Result<_>>()?,
        })
    }

    /// Every object has its claim and its line, and no ticket stands on two.
    pub(crate) fn check(&self, lines: &[Value]) -> Result<()> {
        let allowed = |uid: &str, execution: &str| {
            lines.iter().any(|line| {
                line["outcome"] == "Allow" && line["executionId"] == execution && line["request"]["objectUid"] == uid
            })
        };
        let mut tickets = std::collections::BTreeMap::new();
        for map in &self.maps {
            let uid = map["metadata"]["uid"].as_str().context("a uid")?;
            let statement = verified(map, "attestation.writ.dev/configmaps")?;
            let execution = statement.predicate.execution_id.to_string();
            let claim = self.claims.iter().find(|claim| claim["objectUid"] == uid);
            let claim = claim.with_context(|| format!("no claim for the stored object {map}"))?;
            ensure!(claim["executionId"] == execution.as_str(), "the claim is of another execution: {claim}");
            ensure!(claim["state"] != "Released", "the claim of a stored object was released: {claim}");
            ensure!(allowed(uid, &execution), "no line for the stored object {map}");
            let ticket = map["metadata"]["annotations"]["example.com/ticket"].to_string();
            let before = tickets.insert(ticket, map["metadata"]["name"].clone());
            ensure!(before.is_none(), "the ticket of {map} is also on {before:?}");
        }
        for secret in &self.secrets {
            let uid = secret["metadata"]["uid"].as_str().context("a uid")?;
            let statement = verified(secret, "attestation.writ.dev/secrets")?;
            ensure!(allowed(uid, &statement.predicate.execution_id.to_string()), "no line for {secret}");
        }
        Ok(())
    }
}
