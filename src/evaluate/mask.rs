//! What an explanation does not show: the data of Secrets, and what is made of it. A signal is shown, because it is
//! recorded and told with every decision: what it is made of is not.

use std::collections::BTreeSet;

use super::Input;
use crate::{
    canonical,
    cel::{Program, Value},
    policy::Policy,
};

/// Stands for a value that is not shown. No value looks like it: a text has quotes.
pub(super) const MASKED: &str = "masked: data of a Secret";

/// Where the API server keeps data of a Secret; `kubectl apply` writes all of it into an annotation.
const DATA: [&[&str]; 3] =
    [&["data"], &["stringData"], &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"]];

/// The roots of what may be a Secret.
const OBJECTS: [&str; 2] = ["object", "oldObject"];

/// Knows which expressions of a policy read data of the Secret that a request is about.
pub(super) struct Mask {
    /// The objects that are Secrets, among [`OBJECTS`].
    secrets: Vec<&'static str>,
    /// The variables that read data of one.
    variables: BTreeSet<String>,
}

impl Mask {
    pub(super) fn new(policy: &Policy, input: &Input<'_>) -> Self {
        let objects = OBJECTS.into_iter().zip([input.object, input.old_object]);
        let secrets = objects.filter(|(_, object)| object.is_some_and(is_secret)).map(|(name, _)| name).collect();
        let mut mask = Self { secrets, variables: BTreeSet::new() };
        // A variable reads only earlier ones.
        for (name, program) in policy.variables() {
            if mask.hides(program) {
                mask.variables.insert(name.clone());
            }
        }
        mask
    }

    /// Whether `program` reads data of a Secret.
    pub(super) fn hides(&self, program: &Program) -> bool {
        program.references().iter().any(|path| {
            self.secrets.iter().any(|secret| DATA.iter().any(|data| path.overlaps(&[&[*secret], *data].concat())))
                || self.variables.iter().any(|name| path.overlaps(&["variables", name]))
        })
    }
}

/// Whether the value may be shown although it is made of data: a truth, which the decision shows as well.
pub(super) fn is_harmless(value: &Value<'_>) -> bool {
    value.as_bool().is_some()
}

fn is_secret(object: &canonical::Value<'_>) -> bool {
    let text = |name| object.member(name).and_then(canonical::Value::as_str);
    text("apiVersion") == Some("v1") && text("kind") == Some("Secret")
}
