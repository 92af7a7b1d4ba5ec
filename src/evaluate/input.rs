use crate::{
    admission::{Operation, Request},
    canonical::Value,
    cel,
    time::Timestamp,
};

use super::scope::{items, record};

/// All that a decision may depend on, gathered before it.
pub struct Input<'a> {
    /// The new object.
    pub object: Option<&'a Value<'a>>,
    /// The stored object.
    pub old_object: Option<&'a Value<'a>>,
    /// The object's namespace; none for a cluster-scoped object.
    pub namespace: Option<&'a Value<'a>>,
    /// Whether the change deletes the object, now or as soon as it can.
    pub deletes: bool,
    request: cel::Value<'a>,
}

impl<'a> Input<'a> {
    /// Gathers the inputs of a decision that is made at `time`. `options` are those of the request, parsed.
    #[must_use]
    pub fn new(request: &'a Request<'a>, options: Option<&'a Value<'a>>, time: Timestamp) -> Self {
        Self {
            object: None,
            old_object: None,
            namespace: None,
            deletes: false,
            request: describe(request, options, time),
        }
    }

    /// The variable `request`.
    pub(super) fn request(&self) -> cel::Value<'a> {
        self.request.clone()
    }
}

/// Whether a change deletes its object, now or as soon as it can: DELETE, an eviction, an update that removes the last
/// finalizer of an object under deletion, or one that adds an owner whose deletion takes the object along.
#[must_use]
pub fn deletes(request: &Request<'_>, object: Option<&Value<'_>>, old: Option<&Value<'_>>) -> bool {
    match request.operation {
        Operation::Delete => true,
        Operation::Create => &*request.sub_resource == "eviction",
        Operation::Connect => false,
        Operation::Update => {
            let Some((object, old)) = object.zip(old) else { return false };
            removes_last_finalizer(object, old) || adds_owner(object, old)
        }
    }
}

/// Whether an update lets a deleting object go.
#[must_use]
pub fn removes_last_finalizer(object: &Value<'_>, old: &Value<'_>) -> bool {
    let finalizers = |value: &Value<'_>| {
        let of = |path: &[&str]| value.at(path).and_then(Value::as_array).map_or(0, <[_]>::len);
        of(&["metadata", "finalizers"])
    };
    let deleting = old.at(&["metadata", "deletionTimestamp"]).is_some_and(|time| *time != Value::Null);
    deleting && finalizers(old) > 0 && finalizers(object) == 0
}

fn adds_owner(object: &Value<'_>, old: &Value<'_>) -> bool {
    let owners = |value: &Value<'_>| -> Vec<String> {
        let list = value.at(&["metadata", "ownerReferences"]).and_then(Value::as_array).unwrap_or_default();
        list.iter().filter_map(|owner| owner.member("uid")?.as_str().map(str::to_owned)).collect()
    };
    let before = owners(old);
    owners(object).iter().any(|owner| !before.contains(owner))
}

fn describe<'a>(request: &'a Request<'a>, options: Option<&'a Value<'a>>, time: Timestamp) -> cel::Value<'a> {
    let text = |text: &'a str| cel::Value::from(text);
    let kind = |kind: &'a crate::admission::GroupVersionKind| {
        record([("group", text(&kind.group)), ("version", text(&kind.version)), ("kind", text(&kind.kind))])
    };
    let resource = |resource: &'a crate::admission::GroupVersionResource| {
        record([
            ("group", text(&resource.group)),
            ("version", text(&resource.version)),
            ("resource", text(&resource.resource)),
        ])
    };
    let user = &request.user_info;
    let texts = |list: &'a [String]| items(list.iter().map(|item| text(item)));
    let extra = user.extra.iter().map(|(key, values)| (key.as_str(), texts(values)));
    let user = record([
        ("username", text(&user.username)),
        ("uid", text(&user.uid)),
        ("groups", texts(&user.groups)),
        ("extra", record(extra)),
    ]);
    record([
        ("kind", kind(&request.kind)),
        ("resource", resource(&request.resource)),
        ("subResource", text(&request.sub_resource)),
        ("requestKind", kind(request.request_kind.as_ref().unwrap_or(&request.kind))),
        ("requestResource", resource(request.request_resource.as_ref().unwrap_or(&request.resource))),
        ("requestSubResource", text(&request.request_sub_resource)),
        ("name", text(&request.name)),
        ("namespace", text(&request.namespace)),
        ("operation", text(request.operation.as_str())),
        ("userInfo", user),
        ("dryRun", cel::Value::Bool(request.dry_run)),
        ("options", options.map_or(cel::Value::Null, cel::Value::from)),
        ("time", timestamp(time)),
    ])
}

fn timestamp(time: Timestamp) -> cel::Value<'static> {
    let (seconds, millis) = (time.as_millis().div_euclid(1000), time.as_millis().rem_euclid(1000));
    let nanos = u32::try_from(millis).unwrap_or_default() * 1_000_000;
    cel::Timestamp::new(seconds, nanos).map_or(cel::Value::Null, cel::Value::Timestamp)
}
