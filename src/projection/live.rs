//! What controllers change on a stored object afterwards, without another attestation.
//!
//! Some changes reach an object through a subresource, or by a controller that no binding governs: the attestation
//! stays, and the object is no longer the attested one. [`explain`] shows that nothing else changed: it looks for the
//! earlier values of exactly these fields with which the object has the attested digest again. A match is a proof,
//! because no other object has that digest.

use super::{Plan, ProjectionId};
use crate::{
    admission::GroupVersionKind,
    canonical::{Number, Object, Value},
    digest::Digest,
};

/// The largest number that is tried as an earlier value.
pub const MAX_COUNT: i64 = 1_000;
/// The most combinations of earlier values that are tried for one part of an object.
const MAX_TRIES: usize = 20_000;

/// A field that is changed afterwards.
#[derive(Clone, Copy, Debug)]
pub struct Afterwards {
    /// API group, or `*`.
    pub group: &'static str,
    /// Kind, or `*`.
    pub kind: &'static str,
    /// Object keys.
    pub path: &'static [&'static str],
    /// What it can have been before.
    pub origin: Origin,
    /// Who changes it.
    pub why: &'static str,
}

/// What a field can have been before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Missing.
    Absent,
    /// Another number from 0 to [`MAX_COUNT`].
    Number,
    /// Missing, or the text of another number from 0 to [`MAX_COUNT`].
    Counter,
    /// A list without this element.
    Without(&'static str),
}

/// A change that [`explain`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveChange {
    /// JSON pointer to the field (RFC 6901).
    pub pointer: String,
    /// What it was when the object was attested; `None` where it was missing.
    pub was: Option<Value<'static>>,
    /// What it is now.
    pub is: Value<'static>,
    /// Who changes it.
    pub why: &'static str,
}

const fn field(
    group: &'static str,
    kind: &'static str,
    path: &'static [&'static str],
    origin: Origin,
    why: &'static str,
) -> Afterwards {
    Afterwards { group, kind, path, origin, why }
}

const SCALED: &str = "the scale subresource, for example by an autoscaler";
const ROLLOUTS: &str = "the deployment controller, which counts rollouts";
const SIZES: &str = "the deployment controller, which notes the wanted size";
const DELETED: &str = "a deletion, which waits for finalizers or for the grace period";
const VOLUMES: &str = "the volume controllers, which bind the claim";

/// The table: subresources that write to the main object, and the controllers of Kubernetes.
pub const AFTERWARDS: &[Afterwards] = &[
    field("*", "*", &["metadata", "deletionTimestamp"], Origin::Absent, DELETED),
    field("*", "*", &["metadata", "deletionGracePeriodSeconds"], Origin::Absent, DELETED),
    field(
        "apps",
        "Deployment",
        &["metadata", "annotations", "deployment.kubernetes.io/revision"],
        Origin::Counter,
        ROLLOUTS,
    ),
    field("apps", "Deployment", &["spec", "replicas"], Origin::Number, SCALED),
    field(
        "apps",
        "ReplicaSet",
        &["metadata", "annotations", "deployment.kubernetes.io/revision"],
        Origin::Counter,
        ROLLOUTS,
    ),
    field(
        "apps",
        "ReplicaSet",
        &["metadata", "annotations", "deployment.kubernetes.io/desired-replicas"],
        Origin::Counter,
        SIZES,
    ),
    field(
        "apps",
        "ReplicaSet",
        &["metadata", "annotations", "deployment.kubernetes.io/max-replicas"],
        Origin::Counter,
        SIZES,
    ),
    field("apps", "ReplicaSet", &["spec", "replicas"], Origin::Number, SCALED),
    field("apps", "StatefulSet", &["spec", "replicas"], Origin::Number, SCALED),
    field("", "ReplicationController", &["spec", "replicas"], Origin::Number, SCALED),
    field("", "Pod", &["spec", "nodeName"], Origin::Absent, "the scheduler, through the binding subresource"),
    field("", "PersistentVolumeClaim", &["spec", "volumeName"], Origin::Absent, VOLUMES),
    field(
        "",
        "PersistentVolumeClaim",
        &["metadata", "annotations", "pv.kubernetes.io/bind-completed"],
        Origin::Absent,
        VOLUMES,
    ),
    field(
        "",
        "PersistentVolumeClaim",
        &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"],
        Origin::Absent,
        VOLUMES,
    ),
    field(
        "",
        "PersistentVolumeClaim",
        &["metadata", "annotations", "volume.kubernetes.io/selected-node"],
        Origin::Absent,
        VOLUMES,
    ),
    field(
        "",
        "PersistentVolumeClaim",
        &["metadata", "annotations", "volume.kubernetes.io/storage-provisioner"],
        Origin::Absent,
        VOLUMES,
    ),
    field(
        "",
        "PersistentVolumeClaim",
        &["metadata", "annotations", "volume.beta.kubernetes.io/storage-provisioner"],
        Origin::Absent,
        VOLUMES,
    ),
    field(
        "",
        "Service",
        &["metadata", "finalizers"],
        Origin::Without("service.kubernetes.io/load-balancer-cleanup"),
        "the service controller, which cleans up its load balancer",
    ),
];

/// The changes that make a `live` object of an attested one, where the table explains all of them; `None` otherwise.
///
/// `subject` is the attested digest, `id` the attested projection. `is_attested` says whether the digest of a top-level
/// part of the object is the attested one; it may err on the side of yes, the subject decides.
pub fn explain(
    plan: &Plan,
    kind: &GroupVersionKind,
    live: &Value<'_>,
    id: ProjectionId,
    subject: &Digest,
    is_attested: impl Fn(&str, &Digest) -> bool,
) -> Option<Vec<LiveChange>> {
    let parts = live.as_object()?;
    let now = plan.project_as(live, id);
    let mut before = Object::default();
    let mut changes = Vec::new();
    for (name, part) in parts.iter() {
        let alone = |part: Value<'static>| {
            // What the server derives in one part, it derives from the metadata.
            let metadata = parts.member("metadata").filter(|_| plan.has_derived).cloned().map(Value::into_owned);
            let mut alone: Object<'_> = metadata.into_iter().map(|metadata| ("metadata", metadata)).collect();
            alone.insert(name.to_owned(), part);
            Value::Object(alone)
        };
        let mut found = part.clone().into_owned();
        if now.subtrees.get(name).is_some_and(|digest| !is_attested(name, digest)) {
            let fits = |candidate: &Value<'_>| {
                plan.project_as(candidate, id).subtrees.get(name).is_some_and(|digest| is_attested(name, digest))
            };
            let (restored, made) = restore(kind, name, &alone(found), fits)?;
            changes.extend(made);
            found = restored.member(name)?.clone();
        }
        before.insert(name.to_owned(), found);
    }
    (plan.project_as(&Value::Object(before), id).digest == *subject).then_some(changes)
}

/// The earlier values of the table's fields in one part of an object with which that part `fits`.
fn restore(
    kind: &GroupVersionKind,
    part: &str,
    live: &Value<'static>,
    fits: impl Fn(&Value<'_>) -> bool,
) -> Option<(Value<'static>, Vec<LiveChange>)> {
    let concerns = |entry: &&Afterwards| {
        ["*", &kind.group].contains(&entry.group)
            && ["*", &kind.kind].contains(&entry.kind)
            && entry.path.first() == Some(&part)
    };
    let fields: Vec<(&Afterwards, &Value<'static>, Vec<Option<Value<'static>>>)> = AFTERWARDS
        .iter()
        .filter(concerns)
        .filter_map(|entry| Some((entry, live.at(entry.path)?, candidates(entry.origin, live.at(entry.path)?))))
        .collect();
    // An odometer over the candidates of all fields; place 0 of each is the value as it is.
    let mut places = vec![0_usize; fields.len()];
    for _ in 0..MAX_TRIES {
        let mut candidate = live.clone();
        let mut changes = Vec::new();
        for ((entry, is, earlier), place) in fields.iter().zip(&places) {
            let Some(was) = place.checked_sub(1).and_then(|place| earlier.get(place)) else { continue };
            candidate = with(candidate, entry.path, was.clone());
            changes.push(LiveChange {
                pointer: pointer(entry.path),
                was: was.clone(),
                is: (*is).clone(),
                why: entry.why,
            });
        }
        if fits(&candidate) {
            return Some((candidate, changes));
        }
        if !advance(&mut places, |index| fields.get(index).map_or(0, |(_, _, earlier)| earlier.len())) {
            return None;
        }
    }
    None
}

/// Turns the odometer; `false` when it was at its end.
fn advance(places: &mut [usize], last: impl Fn(usize) -> usize) -> bool {
    for (index, place) in places.iter_mut().enumerate() {
        if *place < last(index) {
            *place += 1;
            return true;
        }
        *place = 0;
    }
    false
}

/// What a field that is now `is` can have been before.
fn candidates(origin: Origin, is: &Value<'_>) -> Vec<Option<Value<'static>>> {
    let numbers = (0..=MAX_COUNT).filter(|count| is.as_i64() != Some(*count));
    match origin {
        Origin::Absent => vec![None],
        Origin::Number => numbers.map(|count| Some(Value::Number(Number::Int(count)))).collect(),
        Origin::Counter => {
            std::iter::once(None).chain(numbers.map(|count| Some(Value::from(count.to_string())))).collect()
        }
        Origin::Without(element) => {
            let kept = is.as_array().into_iter().flatten().filter(|item| item.as_str() != Some(element));
            let kept: Vec<_> = kept.map(|item| item.clone().into_owned()).collect();
            vec![if kept.is_empty() { None } else { Some(Value::Array(kept)) }]
        }
    }
}

/// The value with the field at `path` set or removed; what is not there stays so. Recursion is bounded by the path.
fn with(value: Value<'static>, path: &[&str], field: Option<Value<'static>>) -> Value<'static> {
    let (Value::Object(mut object), Some((key, rest))) = (value.clone(), path.split_first()) else { return value };
    if rest.is_empty() {
        match field {
            Some(field) => object.insert((*key).to_owned(), field),
            None => drop(object.remove(key)),
        }
    } else if let Some(inner) = object.remove(key) {
        object.insert((*key).to_owned(), with(inner, rest, field));
    }
    Value::Object(object)
}

fn pointer(path: &[&str]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        canonical::parse,
        projection::{annotation_key, kinds},
    };

    fn kind_of(object: &Value<'_>) -> GroupVersionKind {
        let text = |key| object.member(key).and_then(Value::as_str).unwrap().to_owned();
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), text("apiVersion")),
        };
        GroupVersionKind { group, version, kind: text("kind") }
    }

    /// Explains how `live` came from `attested`: each pointer with its earlier value.
    fn explained(attested: &str, live: &str) -> Option<Vec<(String, Option<String>)>> {
        let (attested, live) = (parse(attested.as_bytes()).unwrap(), parse(live.as_bytes()).unwrap());
        let kind = kind_of(&attested);
        let resource = format!("{}s", kind.kind.to_lowercase());
        let status = kinds::has_status(&kind.group, &resource);
        let plan = Plan::new(&kind, &annotation_key(&resource, &kind.group), status).creating(true);
        let projection = plan.project(&attested);
        // As coarse as the tags of an attestation.
        let tag = |digest: &Digest| digest.as_bytes()[..4].to_vec();
        let is_attested = |name: &str, digest: &Digest| projection.subtrees.get(name).map(tag) == Some(tag(digest));
        let changes = explain(&plan, &kind, &live, projection.id, &projection.digest, is_attested)?;
        let text = |value: Value<'_>| String::from_utf8(crate::canonical::encode(&value)).unwrap();
        Some(changes.into_iter().map(|change| (change.pointer, change.was.map(text))).collect())
    }

    const ATTESTED: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","annotations":{"a":"b"}},"spec":{"replicas":3,"paused":false}}"#;
    const UPDATED: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","annotations":{"deployment.kubernetes.io/revision":"7"}},"spec":{"replicas":1}}"#;

    #[test]
    fn what_controllers_do_is_explained() {
        let revision = "/metadata/annotations/deployment.kubernetes.io~1revision".to_owned();
        let replicas = "/spec/replicas".to_owned();
        let change = |from: &str, to: &str| ATTESTED.replace(from, to);
        let added = change(r#""a":"b""#, r#""a":"b","deployment.kubernetes.io/revision":"1""#);
        let deleted = change(r#""name":"web""#, r#""name":"web","deletionTimestamp":"t""#);
        let status = change(r#","spec""#, r#","status":{"replicas":3},"spec""#);
        let own = change(r#""a":"b""#, r#""a":"b","attestation.writ.dev/deployments.apps":"x""#);
        for (attested, live, changes) in [
            (ATTESTED, ATTESTED.to_owned(), vec![]),
            (ATTESTED, status, vec![]),
            (ATTESTED, deleted, vec![("/metadata/deletionTimestamp".to_owned(), None)]),
            (ATTESTED, own, vec![]),
            (ATTESTED, added.clone(), vec![(revision.clone(), None)]),
            (ATTESTED, change(":3,", ":10,"), vec![(replicas.clone(), Some("3".to_owned()))]),
            (ATTESTED, added.replace(":3,", ":0,"), vec![(revision.clone(), None), (replicas, Some("3".to_owned()))]),
            (UPDATED, UPDATED.replace(r#""7""#, r#""8""#), vec![(revision, Some(r#""7""#.to_owned()))]),
        ] {
            assert_eq!(explained(attested, &live), Some(changes), "{live}");
        }
        let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[]}}"#;
        let bound = pod.replace("[]}", r#"[],"nodeName":"n"}"#);
        assert_eq!(explained(pod, &bound), Some(vec![("/spec/nodeName".to_owned(), None)]));
        let service = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"LoadBalancer"}}"#;
        let kept = service.replace(r#""s"}"#, r#""s","finalizers":["service.kubernetes.io/load-balancer-cleanup"]}"#);
        assert_eq!(explained(service, &kept), Some(vec![("/metadata/finalizers".to_owned(), None)]));
    }

    #[test]
    fn nothing_else_is() {
        let change = |from: &str, to: &str| ATTESTED.replace(from, to);
        for live in [
            change(r#""a":"b""#, r#""a":"c""#),
            change(r#""a":"b""#, r#""a":"b","c":"d""#),
            change("paused", "resumed"),
            change(":3,", ":4,").replace("false", "true"),
            change(r#""metadata""#, r#""extra":1,"metadata""#),
            change(r#","spec":{"replicas":3,"paused":false}"#, ""),
            change(r#""replicas":3,"#, ""),
        ] {
            assert_eq!(explained(ATTESTED, &live), None, "{live}");
        }
        // More than is tried.
        let many = ATTESTED.replace(":3,", ":1001,");
        assert_eq!(explained(&many, ATTESTED), None);
        // The same fields of another kind are not the table's.
        let other = ATTESTED.replace("Deployment", "DaemonSet");
        assert_eq!(explained(&other, &other.replace(":3,", ":4,")), None);
    }
}
