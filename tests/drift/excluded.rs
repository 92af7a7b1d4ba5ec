//! Threat 11: what an attestation leaves out, nobody can use. A webhook that runs after the signing one sets each path of
//! the table to another value: the request is refused, or the value is not stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use writ::projection::{kinds, table};

use super::{
    api::{Answer, Api, Sample},
    attacks::{Step, attacks, metadata, status_of},
    front::{everywhere, shown_samples},
    paths,
};
use crate::{harness::wait_until, hostile::Hostile, support::SOON};

/// Entries that a webhook can use all the same, each with the reason why that is accepted. The test fails where one of
/// them is not true any more.
const RESIDUALS: &[(&str, &str)] = &[
    ("every kind: metadata.managedFields", "says who applied which field, not what is stored in it"),
    ("every kind: metadata.name", "the last five characters of a generated name; the prefix is bound"),
    ("Service: spec.clusterIP", "one of the addresses that the server may give out; policies see the final one"),
    ("Service: spec.clusterIPs", "with clusterIP"),
    ("Service: spec.ipFamilies", "what the cluster's networks allow"),
    ("Service: spec.ipFamilyPolicy", "what the cluster's networks allow"),
    ("Service: spec.ports[].nodePort", "one of the ports that the server may give out; policies see the final one"),
    ("Service: spec.healthCheckNodePort", "one of the ports that the server may give out"),
];

/// What the hostile webhook does to the next objects of a resource.
#[derive(Clone, Default)]
struct Attack {
    resource: String,
    values: Vec<(Vec<String>, Value)>,
    hits: usize,
}

struct Field<'f> {
    api: Api<'f>,
    attack: Arc<Mutex<Attack>>,
    stored: BTreeMap<String, Vec<String>>,
    attacked: BTreeSet<String>,
    failures: Vec<String>,
}

#[test]
fn t11_what_is_left_out_cannot_be_used() -> Result<()> {
    let rig = everywhere()?;
    let attack = Arc::new(Mutex::new(Attack::default()));
    let shared = Arc::clone(&attack);
    let hostile = Hostile::start(move |request| shared.lock().map_or(json!([]), |mut attack| attack.patch(request)))?;
    rig.apply(&hostile.configuration("zzz-hostile", &["*"], "Never"))?;
    let api = Api::new(&rig.cluster)?;
    let mut field = Field { api, attack, stored: BTreeMap::new(), attacked: BTreeSet::new(), failures: Vec::new() };
    field.wait()?;
    for sample in shown_samples(&field.api)? {
        let mut done = field.metadata(&sample);
        if kinds::has_status(&sample.group, &sample.resource) && sample.kind != "Node" {
            done = done.and(field.status(&sample));
        }
        field.failed(&sample.label(), done)?;
    }
    for step in attacks() {
        let done = field.step(&step);
        field.failed(&format!("{} {}", step.sample.label(), step.what), done)?;
    }
    field.judge()
}

impl Attack {
    /// The patch for one request: whole fields of the top level, since a patch makes no parents.
    fn patch(&mut self, request: &Value) -> Value {
        if request["resource"]["resource"] != self.resource.as_str() || !request["subResource"].is_null() {
            return json!([]);
        }
        self.hits += 1;
        let mut object = request["object"].clone();
        let mut tops = BTreeSet::new();
        for (path, value) in &self.values {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            set(&mut object, &path, value);
            tops.extend(path.first().map(|top| (*top).to_owned()));
        }
        tops.iter().map(|top| json!({"op": "add", "path": format!("/{top}"), "value": object[top]})).collect()
    }
}

/// Sets a path, in each element of a list where the path says so.
fn set(object: &mut Value, path: &[&str], value: &Value) {
    match path {
        [] => *object = value.clone(),
        ["[]", rest @ ..] => object.as_array_mut().into_iter().flatten().for_each(|item| set(item, rest, value)),
        [key, rest @ ..] => set(&mut object[*key], rest, value),
    }
}

/// The first value at a path.
fn at<'v>(object: &'v Value, path: &[&str]) -> &'v Value {
    match path {
        [] => object,
        ["[]", rest @ ..] => at(&object[0], rest),
        [key, rest @ ..] => at(&object[*key], rest),
    }
}

impl Field<'_> {
    fn wait(&mut self) -> Result<()> {
        self.arm("configmaps", &[(&["data", "hostile"], json!("x"))]);
        wait_until("the hostile webhook to run after writ", SOON, || {
            let path = "/api/v1/namespaces/survey/configmaps?dryRun=All";
            let answer = self.api.send("POST", path, &json!({"metadata": {"name": "probe"}}))?;
            Ok((answer.status == 403 && answer.message().contains("/data")).then_some(()))
        })
    }

    /// Takes down that an attack could not be made, and clears the field for the next.
    fn failed(&mut self, what: &str, done: Result<()>) -> Result<()> {
        self.arm("", &[]);
        if let Err(error) = done {
            self.failures.push(format!("{what}: {error:#}"));
        }
        Ok(())
    }

    /// The answer to an attack, which the hostile webhook has to have taken part in.
    fn hit(&self, answer: Result<Answer>) -> Result<Answer> {
        let hits = self.attack.lock().map_or(0, |attack| attack.hits);
        let answer = answer?;
        ensure!(hits > 0, "the hostile webhook was not called: {} {}", answer.status, answer.message());
        Ok(answer)
    }

    fn arm(&mut self, resource: &str, values: &[(&[&str], Value)]) {
        let values =
            values.iter().map(|(path, value)| (path.iter().map(|key| (*key).to_owned()).collect(), value.clone()));
        if let Ok(mut attack) = self.attack.lock() {
            *attack = Attack { resource: resource.to_owned(), values: values.collect(), hits: 0 };
        }
    }

    /// Notes where a hostile value is in what was stored. `labels` are those of the table's entries.
    fn note(&mut self, sample: &Sample, operation: &str, stored: &Value, values: &[(&[&str], Value)]) {
        for (path, value) in values {
            self.attack_of(sample, path);
            if at(stored, path) == value {
                for label in labels(sample, path) {
                    let entry = self.stored.entry(label).or_default();
                    entry.push(format!("{} by {operation}", sample.label()));
                }
            }
        }
    }

    fn attack_of(&mut self, sample: &Sample, path: &[&str]) {
        self.attacked.extend(labels(sample, path));
    }

    /// What the server writes into every object, on CREATE and UPDATE.
    fn metadata(&mut self, sample: &Sample) -> Result<()> {
        let all = metadata();
        self.arm(&sample.resource, &all);
        let answer = self.hit(self.api.create(sample, &sample.create))?;
        if answer.status < 300 {
            self.note(sample, "CREATE", &answer.body, &all);
            self.arm("", &[]);
            self.api.remove(sample, sample.name())?;
        } else {
            for one in &all {
                self.arm(&sample.resource, std::slice::from_ref(one));
                let answer = self.hit(self.api.create(sample, &sample.create))?;
                self.attack_of(sample, one.0);
                if answer.status < 300 {
                    self.note(sample, "CREATE", &answer.body, std::slice::from_ref(one));
                    self.arm("", &[]);
                    self.api.remove(sample, sample.name())?;
                }
            }
        }
        self.arm("", &[]);
        self.api.create(sample, &sample.create)?.ok()?;
        for (index, one) in all.iter().enumerate() {
            self.arm(&sample.resource, std::slice::from_ref(one));
            let patch = json!({"metadata": {"labels": {"hostile": index.to_string()}}});
            let answer = self.hit(self.api.merge(sample, sample.name(), &patch))?;
            if answer.status < 300 {
                self.note(sample, "UPDATE", &answer.body, std::slice::from_ref(one));
            }
        }
        self.arm("", &[]);
        self.api.remove(sample, sample.name())
    }

    /// The status of a kind with a status subresource, on CREATE and UPDATE.
    fn status(&mut self, sample: &Sample) -> Result<()> {
        let values: &[(&[&str], Value)] = &[(&["status"], status_of(&sample.kind))];
        let leaves: Vec<(Vec<String>, Value)> = leaves(&values[0].1);
        // The value is one of this kind's, or the attack would prove nothing.
        let mut object = sample.manifest();
        object["status"] = values[0].1.clone();
        let strict = self.api.create_strictly(sample, &object)?;
        ensure!(strict.status < 300, "the hostile status is not one: {}", strict.message());
        self.arm(&sample.resource, values);
        let created = self.hit(self.api.create(sample, &sample.create))?;
        let mut stored = vec![("CREATE", created)];
        self.arm("", &[]);
        if stored[0].1.status >= 300 {
            self.api.create(sample, &sample.create)?.ok()?;
        }
        self.arm(&sample.resource, values);
        stored.push((
            "UPDATE",
            self.hit(self.api.merge(sample, sample.name(), &json!({"metadata": {"labels": {"hostile": "s"}}})))?,
        ));
        self.arm("", &[]);
        for (operation, answer) in stored.into_iter().filter(|(_, answer)| answer.status < 300) {
            for (path, value) in &leaves {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                // The server has true conditions of its own.
                if at(&answer.body["status"], &path) == value && *value != json!("True") {
                    let entry = self.stored.entry(format!("{}: status", sample.kind)).or_default();
                    entry.push(format!("{} by {operation}", paths::shown(&path)));
                }
            }
        }
        self.api.remove(sample, sample.name())
    }

    /// One attack of the table.
    fn step(&mut self, step: &Step) -> Result<()> {
        let values: Vec<(&[&str], Value)> = step.values.clone();
        let sample = &step.sample;
        for (path, _) in &values {
            self.attack_of(sample, path);
        }
        self.arm("", &[]);
        let mut name = sample.name().to_owned();
        let answer = if let Some(patch) = &step.update {
            self.api.create(sample, &sample.create)?.ok()?;
            self.arm(&sample.resource, &values);
            self.hit(self.api.merge(sample, &name, patch))?
        } else {
            self.arm(&sample.resource, &values);
            self.hit(self.api.create(sample, &sample.create))?
        };
        self.arm("", &[]);
        if answer.status < 300 {
            if let Some(given) = answer.body["metadata"]["name"].as_str() {
                given.clone_into(&mut name);
            }
            self.note(sample, step.what, &answer.body, &values);
        }
        if !name.is_empty() && (answer.status < 300 || step.update.is_some()) {
            self.api.remove(sample, &name)?;
        }
        Ok(())
    }

    fn judge(self) -> Result<()> {
        let residuals: BTreeMap<&str, &str> = RESIDUALS.iter().copied().collect();
        let mut wrong = self.failures;
        for (label, where_) in &self.stored {
            if !residuals.contains_key(label.as_str()) {
                wrong.push(format!("{label} can be used: {}", where_.join("; ")));
            }
        }
        for (label, reason) in RESIDUALS {
            if !self.stored.contains_key(*label) {
                wrong.push(format!("{label} cannot be used any more, so it is no residual ({reason})"));
            }
        }
        for entry in table::TABLE {
            let label = paths::entry_label(entry);
            let covered = self.attacked.contains(&label)
                || entry.kind == "*" && self.attacked.contains(&paths::shown(entry.path));
            if !covered {
                wrong.push(format!("{label}: no attack in tests/drift/attacks.rs sets it"));
            }
        }
        ensure!(wrong.is_empty(), "what an attestation leaves out:\n  {}", wrong.join("\n  "));
        Ok(())
    }
}

/// The entries of the table that leave a path out. Where none does, a digest covers it, and the path itself is the label.
fn labels(sample: &Sample, path: &[&str]) -> Vec<String> {
    let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
    let entries = paths::entries(&sample.group, &sample.kind, &path);
    let labels: BTreeSet<String> = entries.into_iter().map(paths::entry_label).collect();
    if labels.is_empty() {
        vec![format!("{}: {}", sample.kind, paths::shown(&path))]
    } else {
        labels.into_iter().collect()
    }
}

/// The values in a status that are no maps and no lists.
fn leaves(value: &Value) -> Vec<(Vec<String>, Value)> {
    let below = |key: &str, value: &Value| {
        let prefix = |(path, value): (Vec<String>, Value)| ([vec![key.to_owned()], path].concat(), value);
        leaves(value).into_iter().map(prefix).collect::<Vec<_>>()
    };
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| below(key, value)).collect(),
        Value::Array(items) => items.first().map(|item| below("[]", item)).unwrap_or_default(),
        other => vec![(Vec::new(), other.clone())],
    }
}
