//! Threats 1 and 2 for every kind that a webhook is shown: an attestation of one object on another one, or on one of the
//! same name in another namespace, with the mutating webhook out of the way.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{
    api::{Answer, Api, OTHER_NAMESPACE, Sample},
    front::{everywhere, reason, shown_samples},
};
use crate::support::verified;

/// Names say what these objects are: there cannot be a second one, and the API server refuses it before any webhook.
const ONE_NAME: &[&str] = &["APIService", "CustomResourceDefinition"];

/// They name their namespace in another place too, so that the API server refuses them elsewhere before any webhook.
const OF_ONE_NAMESPACE: &[&str] = &["Event"];

/// Another good name of a kind; most take any.
fn another_name(sample: &Sample) -> String {
    match sample.kind.as_str() {
        "IPAddress" => "192.168.2.4".to_owned(),
        "StorageVersion" => "sv2.test".to_owned(),
        _ => format!("{}a", sample.name()),
    }
}

#[test]
fn t01_t02_of_every_kind_an_attestation_fits_one_object() -> Result<()> {
    let rig = everywhere()?;
    let api = Api::new(&rig.cluster)?;
    let mut wrong = Vec::new();
    let mut refused = BTreeMap::<&str, usize>::new();
    let expect = |answer: Answer, word: &'static str, sample: &Sample| {
        let held = answer.status == 403 && reason(&answer) == word;
        if held {
            Ok(word)
        } else {
            Err(format!("{}: not {word}, but {} {}", sample.label(), answer.status, answer.message()))
        }
    };
    for sample in shown_samples(&api)?.iter().filter(|sample| !ONE_NAME.contains(&sample.kind.as_str())) {
        let honest = api.create(sample, &sample.create)?.ok().with_context(|| sample.label())?;
        verified(&honest, &sample.key()).with_context(|| sample.label())?;
        let mut copy = sample.create.clone();
        copy["metadata"]["annotations"] = json!({sample.key(): honest["metadata"]["annotations"][sample.key()]});
        // In the namespace of the honest one it exists already, so that only the gate can refuse it elsewhere.
        if sample.namespaced && !OF_ONE_NAMESPACE.contains(&sample.kind.as_str()) {
            let answer = api.create_in(OTHER_NAMESPACE, sample, &copy)?;
            match expect(answer, "NamespaceMismatch", sample) {
                Ok(word) => *refused.entry(word).or_default() += 1,
                Err(text) => wrong.push(text),
            }
        }
        let mut other = copy;
        other["metadata"]["name"] = json!(another_name(sample));
        let answer = api.create(sample, &other)?;
        // A namespace is in itself.
        let word = if sample.kind == "Namespace" { "NamespaceMismatch" } else { "NameMismatch" };
        match expect(answer, word, sample) {
            Ok(word) => *refused.entry(word).or_default() += 1,
            Err(text) => wrong.push(text),
        }
        // Nothing else was wrong with it.
        other["metadata"]["annotations"] = json!({});
        let honest = api.create(sample, &other)?;
        if honest.status >= 300 {
            wrong.push(format!("{}: an honest one is refused: {} {}", sample.label(), honest.status, honest.message()));
        }
        api.remove(sample, &another_name(sample))?;
        api.remove(sample, sample.name())?;
    }
    println!("{refused:?}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let [names, namespaces] = ["NameMismatch", "NamespaceMismatch"].map(|word| refused.get(word).copied().unwrap_or(0));
    ensure!(names >= 50 && namespaces >= 30, "{refused:?}");
    Ok(())
}
