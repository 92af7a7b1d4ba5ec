//! Threat 10: what the API server changes between the mutating and the validating webhook, kind by kind and operation
//! by operation, is what the table of the projection leaves out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use writ::{
    canonical,
    projection::{self, kinds, table},
};

use super::{
    api::{Answer, Api, Sample, samples},
    attacks::metadata,
    front::NEVER_SHOWN,
    paths::{self, Path},
    recorder::Recorder,
    variants::{definitions, variants},
};
use crate::{
    harness::{Cluster, Options, wait_until},
    support::SOON,
};

/// A finalizer that keeps an object terminating.
const KEEP: &str = "example.com/keep";

/// Entries of the table that no operation of the survey shows, each with the reason why it stands there all the same.
const UNSEEN: &[(&str, &str)] = &[
    ("every kind: metadata.managedFields", "a create that is too large for etcd is tried again without them"),
    (
        "CertificateSigningRequest: spec.uid",
        "the survey's user has no uid; the server writes it with the name and groups",
    ),
];

/// What the API server changes and the projection keeps all the same: such a change is refused, and the reason says why
/// that is better than to leave the path out.
const REFUSED: &[(&str, &str)] =
    &[("Pod: spec.resources.requests.cpu", LEVELS), ("Pod: spec.resources.requests.memory", LEVELS)];
const LEVELS: &str =
    "requests of a whole pod follow from its limits and containers; say both, and nothing is filled in";

/// What was seen.
#[derive(Default)]
struct Findings {
    /// Path by kind, with the operations that showed it.
    drift: BTreeMap<(String, String), BTreeMap<Path, BTreeSet<String>>>,
    /// Differences of digests that the table does not explain.
    wrong: Vec<String>,
    /// Operations whose both sides were seen.
    pairs: usize,
    never: BTreeSet<String>,
    refused: usize,
}

struct Survey<'s> {
    api: &'s Api<'s>,
    recorder: &'s Recorder,
    findings: Findings,
}

#[test]
fn t10_the_table_is_what_the_api_server_changes() -> Result<()> {
    let cluster = Cluster::control_plane(Options::default().api_server_args(&["--runtime-config=api/all=true"]))?;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    cluster.kubectl(&["apply", "--server-side", "-f", crds], "")?.ok()?;
    let all: Vec<String> = definitions().iter().map(Value::to_string).collect();
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], &all.join("\n---\n"))?.ok()?;
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"], "")?.ok()?;
    let api = Api::new(&cluster)?;
    let served = api.served()?;
    check_status(&served)?;

    let recorder = Recorder::start(&api)?;
    let mut survey = Survey { api: &api, recorder: &recorder, findings: Findings::default() };
    for sample in samples()? {
        if served.contains_key(&sample.gvr()) {
            survey.plain(&sample).with_context(|| sample.label())?;
        }
    }
    for variant in variants() {
        let sample = variant.sample;
        let label = format!("{} {}", sample.label(), sample.name());
        let answer = api.create(&sample, &sample.manifest())?;
        survey.accepted(&sample, "CREATE", answer).with_context(|| label.clone())?;
        for patch in variant.then {
            recorder.take(&sample);
            let answer = api.merge(&sample, sample.name(), &patch)?;
            survey.accepted(&sample, &format!("PATCH {patch}"), answer).with_context(|| label.clone())?;
        }
        api.remove(&sample, sample.name())?;
    }
    survey.findings.judge()
}

/// Without a cluster to ask, writ goes by a list; it is the API server's.
fn check_status(served: &BTreeMap<(String, String, String), bool>) -> Result<()> {
    let own = |(group, _, _): &&(String, String, String)| group != "example.com";
    let mut truth = BTreeMap::<(String, String), bool>::new();
    for (key, has) in served.iter().filter(|(key, _)| own(key)) {
        let (group, _, resource) = key.clone();
        let known = *truth.entry((group, resource)).or_insert(*has);
        ensure!(known == *has, "{key:?}: one version has a status subresource, another has not");
    }
    let mut wrong: Vec<String> = Vec::new();
    for ((group, resource), has) in &truth {
        if kinds::has_status(group, resource) != *has {
            wrong.push(format!("{} {group}/{resource}", if *has { "+" } else { "-" }));
        }
    }
    for (group, resource) in kinds::with_status() {
        if !truth.contains_key(&(group.to_owned(), resource.to_owned())) {
            wrong.push(format!("- {group}/{resource} (not served)"));
        }
    }
    ensure!(wrong.is_empty(), "src/projection/kinds.rs has to change (+ add, - remove):\n{}", wrong.join("\n"));
    Ok(())
}

impl Survey<'_> {
    /// Every operation on the plain object of a kind.
    fn plain(&mut self, sample: &Sample) -> Result<()> {
        let (api, name) = (self.api, sample.name());
        let created = api.create(sample, &sample.create)?;
        self.accepted(sample, "CREATE", created)?;
        if NEVER_SHOWN.contains(&sample.kind.as_str()) {
            return api.remove(sample, name);
        }
        self.put_whole(sample, "PUT with resourceVersion", "1")?;
        self.put_bare(sample, "PUT without resourceVersion", "2")?;
        let mut manifest = sample.manifest();
        manifest["metadata"]["labels"]["survey"] = json!("3");
        let applied = api.apply(sample, name, &manifest)?;
        self.accepted(sample, "server-side apply (update)", applied)?;

        api.merge(sample, name, &json!({"metadata": {"finalizers": [KEEP]}}))?.ok()?;
        self.recorder.take(sample);
        api.delete(sample, name)?.ok()?;
        let stored = api.get(sample, name)?.ok()?;
        ensure!(stored["metadata"]["deletionTimestamp"].is_string(), "it is not terminating");
        self.put_whole(sample, "PUT on a terminating object", "4")?;
        self.put_bare(sample, "PUT on a terminating object, without resourceVersion", "5")?;
        api.remove(sample, name)?;

        self.recorder.take(sample);
        let applied = api.apply(sample, name, &sample.manifest())?;
        self.accepted(sample, "server-side apply (create)", applied)?;
        api.remove(sample, name)?;
        self.recorder.take(sample);
        let mut generated = sample.create.clone();
        generated["metadata"] = json!({"generateName": format!("{name}-")});
        let answer = api.create(sample, &generated)?;
        // Some kinds' names say what they are, and cannot be generated.
        if let Some(object) = self.note(sample, "CREATE with generateName", answer)? {
            api.remove(sample, object["metadata"]["name"].as_str().context("a name")?)?;
        }
        self.recorder.take(sample);
        let mut given = sample.create.clone();
        for (path, value) in metadata().into_iter().filter(|(path, _)| path[1] != "resourceVersion") {
            given["metadata"][path[1]] = value;
        }
        let answer = api.create(sample, &given)?;
        self.accepted(sample, "CREATE with the server's metadata", answer)?;
        api.remove(sample, name)
    }

    /// A PUT of what is stored, with a label changed.
    fn put_whole(&mut self, sample: &Sample, operation: &str, value: &str) -> Result<()> {
        let put = wait_until(operation, SOON, || {
            let mut stored = self.api.get(sample, sample.name())?.ok()?;
            stored["metadata"]["labels"]["survey"] = json!(value);
            self.recorder.take(sample);
            let put = self.api.put(sample, sample.name(), &stored)?;
            // Some kinds are written by the API server's own controllers meanwhile.
            Ok((put.status != 409).then_some(put))
        })?;
        self.accepted(sample, operation, put)
    }

    /// A PUT of what a user has in a file: the manifest as it was created, and where that is refused (fields that the
    /// server filled and that may not change) what is stored, without the server's metadata.
    fn put_bare(&mut self, sample: &Sample, operation: &str, value: &str) -> Result<()> {
        let stored = self.api.get(sample, sample.name())?.ok()?;
        let finalizers = stored["metadata"]["finalizers"].clone();
        let mut manifest = sample.create.clone();
        let mut bare = stored;
        for object in [&mut manifest, &mut bare] {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.retain(|key, _| ["name", "namespace", "annotations", "labels"].contains(&key.as_str()));
            }
            object["metadata"]["labels"]["survey"] = json!(value);
            object["metadata"]["finalizers"] = finalizers.clone();
        }
        for (object, what) in [(manifest, "the manifest"), (bare, "the stored object")] {
            let answer = self.api.put(sample, sample.name(), &object)?;
            let message = answer.message().to_owned();
            if self.note(sample, &format!("{operation}: {what}"), answer)?.is_none() {
                let known = ["must be specified for an update", "immutable", "forbidden", "may not change", "Required"];
                ensure!(known.iter().any(|word| message.contains(word)), "{operation} ({what}): {message}");
                if message.contains("must be specified for an update") {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// [`Survey::note`] of what must not be refused.
    fn accepted(&mut self, sample: &Sample, operation: &str, answer: Answer) -> Result<()> {
        let message = answer.message().to_owned();
        self.note(sample, operation, answer)?.with_context(|| format!("{operation}: {message}"))?;
        Ok(())
    }

    /// Takes down what both webhooks saw of an operation; the answered object, or `None` where it was refused.
    fn note(&mut self, sample: &Sample, operation: &str, answer: Answer) -> Result<Option<Value>> {
        let pair = self.recorder.take(sample);
        self.findings.refused += usize::from(answer.status >= 300);
        let stored = (answer.status < 300).then_some(answer.body);
        let Some(pair) = pair else {
            if stored.is_some() {
                self.findings.never.insert(sample.kind.clone());
            }
            return Ok(stored);
        };
        self.findings.pairs += 1;
        let drift = self.findings.drift.entry((sample.group.clone(), sample.kind.clone())).or_default();
        for path in paths::differing(&pair.signed, &pair.checked) {
            drift.entry(path).or_default().insert(operation.to_owned());
        }
        let (signed, checked) = (pair.signed.to_string(), pair.checked.to_string());
        let signed = canonical::parse(signed.as_bytes())?;
        let checked = canonical::parse(checked.as_bytes())?;
        let plan = plan(sample).creating(operation.starts_with("CREATE") || operation.ends_with("(create)"));
        let attested = plan.project(&signed);
        let named = |pointer: &str| {
            REFUSED.iter().any(|(label, _)| {
                let path = label.split(": ").nth(1).unwrap_or_default().replace('.', "/");
                format!("/{path}").starts_with(pointer)
            })
        };
        if attested.digest != plan.project_as(&checked, attested.id).digest {
            let pointers = plan.differences(&signed, &checked, attested.id);
            if !pointers.is_empty() && pointers.iter().all(|pointer| named(pointer)) {
                return Ok(stored);
            }
            self.findings.wrong.push(format!(
                "{} {} {operation}: {}",
                sample.label(),
                sample.name(),
                pointers.join(", ")
            ));
        }
        Ok(stored)
    }
}

/// Custom kinds are not in the list of built-in ones.
fn plan(sample: &Sample) -> projection::Plan {
    match sample.kind.as_str() {
        "Thing" => projection::Plan::new(&sample.gvk(), &sample.key(), true),
        _ => sample.plan(),
    }
}

impl Findings {
    fn judge(self) -> Result<()> {
        let mut missing = Vec::new();
        let mut seen = BTreeSet::new();
        let mut refused = BTreeSet::new();
        for ((group, kind), drift) in &self.drift {
            for (path, operations) in drift {
                let entries = paths::entries(group, kind, path);
                seen.extend(entries.iter().map(|entry| paths::entry_label(entry)));
                let status = path.first().is_some_and(|key| key == "status");
                let label = format!("{kind}: {}", paths::shown(path));
                if REFUSED.iter().any(|(other, _)| *other == label) {
                    refused.insert(label);
                } else if entries.is_empty() && !status {
                    missing.push(format!("{group} {kind}: {} in {operations:?}", paths::shown(path)));
                }
            }
        }
        missing.extend(self.wrong.iter().cloned());
        let mut superfluous = Vec::new();
        for (label, reason) in REFUSED {
            if !refused.contains(*label) {
                superfluous.push(format!("{label}: not seen, so it needs no reason in REFUSED ({reason})"));
            }
        }
        let named: BTreeMap<&str, &str> = UNSEEN.iter().copied().collect();
        for entry in table::TABLE {
            let label = paths::entry_label(entry);
            match (seen.contains(&label), named.contains_key(label.as_str())) {
                (false, false) => superfluous.push(format!("{label}: nothing changes it")),
                (true, true) => superfluous.push(format!("{label}: seen now, it needs no reason in UNSEEN")),
                _ => {}
            }
        }
        println!("{} pairs of {} kinds; {} requests refused", self.pairs, self.drift.len(), self.refused);
        let never: Vec<&str> = self.never.iter().map(String::as_str).collect();
        ensure!(never == NEVER_SHOWN, "the API server shows these to no webhook now: {never:?}");
        ensure!(
            missing.is_empty() && superfluous.is_empty(),
            "src/projection/table.rs differs from what the API server does.\n\
             Add (the server changes it, and an attestation would not hold):\n  {}\n\
             Remove (or name the reason in UNSEEN of this test):\n  {}",
            missing.join("\n  "),
            superfluous.join("\n  ")
        );
        Ok(())
    }
}
