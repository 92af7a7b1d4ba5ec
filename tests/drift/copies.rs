//! Threats 1 and 2 for every kind that a webhook is shown: an attestation of one object on another one, or on one of the
//! same name in another namespace, with the mutating webhook out of the way.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{
    api::{Api, OTHER_NAMESPACE, Sample},
    front::{everywhere, reason, shown_samples},
};
use crate::support::verified;

/// Names say what these objects are: there cannot be a second one, and the API server refuses it before any webhook.
const ONE_NAME: &[&str] = &["APIService", "CustomResourceDefinition"];

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
    let mut refused = BTreeMap::<&str, usize>::new();
    for sample in shown_samples()?.iter().filter(|sample| !ONE_NAME.contains(&sample.kind.as_str())) {
        let honest = api.create(sample, &sample.create)?.ok().with_context(|| sample.label())?;
        verified(&honest, &sample.key()).with_context(|| sample.label())?;
        let mut copy = sample.create.clone();
        copy["metadata"]["annotations"] = json!({sample.key(): honest["metadata"]["annotations"][sample.key()]});
        // In the namespace of the honest one it exists already, so that only the gate can refuse it elsewhere.
        if sample.namespaced {
            let answer = api.create_in(OTHER_NAMESPACE, sample, &copy)?;
            ensure!(answer.status == 403 && reason(&answer) == "NamespaceMismatch", "{}: {answer:?}", sample.label());
            *refused.entry("NamespaceMismatch").or_default() += 1;
        }
        let mut other = copy;
        other["metadata"]["name"] = json!(another_name(sample));
        let answer = api.create(sample, &other)?;
        ensure!(answer.status == 403 && reason(&answer) == "NameMismatch", "{}: {answer:?}", sample.label());
        *refused.entry("NameMismatch").or_default() += 1;
        // Nothing else was wrong with it.
        other["metadata"]["annotations"] = json!({});
        api.create(sample, &other)?.ok().with_context(|| sample.label())?;
        api.remove(sample, &another_name(sample))?;
        api.remove(sample, sample.name())?;
    }
    println!("{refused:?}");
    let [names, namespaces] = ["NameMismatch", "NamespaceMismatch"].map(|word| refused.get(word).copied().unwrap_or(0));
    ensure!(names >= 50 && namespaces >= 30, "{refused:?}");
    Ok(())
}
