//! Paths of what differs between two objects, and how they lie in the table of the projection.

use std::collections::BTreeSet;

use serde_json::Value;
use writ::projection::table::{Exclusion, TABLE};

/// Object keys; `[]` stands for each element of an array.
pub(crate) type Path = Vec<String>;

/// The paths at which two objects differ, down to the values that are no maps. Lists of different lengths differ as a
/// whole.
pub(crate) fn differing(a: &Value, b: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    walk(&mut Vec::new(), a, b, &mut found);
    found
}

fn walk(path: &mut Path, a: &Value, b: &Value, found: &mut BTreeSet<Path>) {
    match (a, b) {
        _ if a == b => {}
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            path.push("[]".to_owned());
            a.iter().zip(b).for_each(|(a, b)| walk(path, a, b, found));
            path.pop();
        }
        (Value::Object(_), Value::Object(_) | Value::Null) | (Value::Null, Value::Object(_)) => {
            let keys =
                |value: &Value| value.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>();
            let keys: BTreeSet<String> = keys(a).into_iter().chain(keys(b)).collect();
            if keys.is_empty() {
                found.insert(path.clone());
            }
            for key in keys {
                path.push(key.clone());
                walk(path, &a[&key], &b[&key], found);
                path.pop();
            }
        }
        _ => {
            found.insert(path.clone());
        }
    }
}

/// `spec.ports[].nodePort`
pub(crate) fn shown<S: AsRef<str>>(path: &[S]) -> String {
    path.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".").replace(".[]", "[]")
}

/// The entries of the table that leave a path of a kind out; where one element of a list is left out, the list's.
pub(crate) fn entries(group: &str, kind: &str, path: &Path) -> Vec<&'static Exclusion> {
    let of_kind = |entry: &&Exclusion| ["*", group].contains(&entry.group) && ["*", kind].contains(&entry.kind);
    let above = |entry: &&Exclusion| path.len() >= entry.path.len() && entry.path.iter().zip(path).all(|(a, b)| a == b);
    TABLE.iter().filter(of_kind).filter(above).collect()
}

/// `Service spec.clusterIP`
pub(crate) fn entry_label(entry: &Exclusion) -> String {
    let kind = if entry.kind == "*" { "every kind" } else { entry.kind };
    format!("{kind}: {}", shown(entry.path))
}
