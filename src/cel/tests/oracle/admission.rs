//! The environment of an admission policy, as the API server declares it, for the engine.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::process::Named;
use crate::{
    canonical,
    cel::{Activation, Bindings, Environment, EvaluationError, Fuel, Program, Slot, Type, Value, compile},
};

/// `request` (`AdmissionRequest`) without what is not declared there: uid, object and oldObject.
fn request() -> Type {
    use Type::{Bool, Dyn, String};
    let strings = Type::list(String);
    let kind = Type::object("kubernetes.GroupVersionKind", ["group", "version", "kind"].map(|name| (name, String)));
    let names = ["group", "version", "resource"];
    let resource = Type::object("kubernetes.GroupVersionResource", names.map(|name| (name, String)));
    let extra = Type::map(String, strings.clone());
    let user = [("username", String), ("uid", String), ("groups", strings), ("extra", extra)];
    let texts = ["subResource", "requestSubResource", "name", "namespace", "operation"].map(|name| (name, String));
    let others = [
        ("kind", kind.clone()),
        ("requestKind", kind),
        ("resource", resource.clone()),
        ("requestResource", resource),
        ("userInfo", Type::object("kubernetes.UserInfo", user)),
        ("dryRun", Bool),
        ("options", Dyn),
    ];
    Type::object("kubernetes.AdmissionRequest", texts.into_iter().chain(others))
}

/// `namespaceObject`, with the fields that are declared.
fn namespace() -> Type {
    use Type::{Int, String, Timestamp};
    let strings = Type::list(String);
    let map = Type::map(String, String);
    let texts = ["name", "generateName", "namespace", "UID", "resourceVersion"].map(|name| (name, String));
    let others = [
        ("labels", map.clone()),
        ("annotations", map),
        ("creationTimestamp", Timestamp),
        ("deletionTimestamp", Timestamp),
        ("deletionGracePeriodSeconds", Int),
        ("generation", Int),
        ("finalizers", strings.clone()),
    ];
    let metadata = Type::object("kubernetes.NamespaceMetadata", texts.into_iter().chain(others));
    let texts = ["status", "type", "message", "reason"].map(|name| (name, String));
    let condition = texts.into_iter().chain([("lastTransitionTime", Timestamp)]);
    let conditions = Type::list(Type::object("kubernetes.NamespaceCondition", condition));
    let status = Type::object("kubernetes.NamespaceStatus", [("conditions", conditions), ("phase", String)]);
    let spec = Type::object("kubernetes.NamespaceSpec", [("finalizers", strings)]);
    Type::object("kubernetes.Namespace", [("metadata", metadata), ("spec", spec), ("status", status)])
}

/// Values for a request about an object; with `old` it is an update of it.
pub(super) fn inputs(object: &Json, old: bool) -> Map<String, Json> {
    let text =
        |pointer: &str, default: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or(default).to_owned();
    let version = text("/apiVersion", "v1");
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let kind = json!({ "group": group, "version": version, "kind": text("/kind", "Pod") });
    let resource = format!("{}s", text("/kind", "Pod").to_lowercase());
    let resource = json!({ "group": group, "version": version, "resource": resource });
    let request = json!({
        "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
        "name": text("/metadata/name", "x"), "namespace": text("/metadata/namespace", "default"),
        "operation": if old { "UPDATE" } else { "CREATE" }, "dryRun": false, "options": {},
        "userInfo": { "username": "alice", "uid": "u-1", "groups": ["system:authenticated", "developers"],
            "extra": { "scopes": ["a"] } },
    });
    let labels = json!({ "kubernetes.io/metadata.name": "default", "environment": "production" });
    let Json::Object(inputs) = json!({
        "object": object,
        "oldObject": if old { object.clone() } else { Json::Null },
        "request": request,
        "namespaceObject": { "metadata": { "name": "default", "labels": labels, "annotations": {} },
            "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active", "conditions": [] } },
        "params": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "params" },
            "data": { "maxReplicas": "3" }, "maxReplicas": 3 },
    }) else {
        panic!("not an object")
    };
    inputs
}

/// The environment with the policy's variables; one that does not compile ends it, as it ends the policy.
pub(super) fn environment(variables: &[Named]) -> (Environment, BTreeMap<Slot, Program>) {
    let mut env = Environment::new()
        .variable("object", Type::Dyn)
        .variable("oldObject", Type::Dyn)
        .variable("params", Type::Dyn)
        .variable("request", request())
        .variable("namespaceObject", namespace())
        .group::<&str>("variables", []);
    let mut programs = BTreeMap::new();
    for variable in variables {
        let Ok(program) = compile(&variable.expression, &env, None) else { continue };
        env = env.field("variables", &variable.name, program.output().clone());
        programs.insert(env.field_slot("variables", &variable.name).unwrap(), program);
    }
    (env, programs)
}

/// Values of a request; a variable is evaluated on fuel of its own when it is read.
pub(super) struct Request<'a> {
    pub(super) bindings: Bindings<'a>,
    pub(super) programs: &'a BTreeMap<Slot, Program>,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        env: &Environment,
        inputs: &'a [(String, canonical::Value<'a>)],
        programs: &'a BTreeMap<Slot, Program>,
    ) -> Self {
        let mut bindings = Bindings::new();
        for (name, value) in inputs {
            bindings.set(env.slot(name).unwrap(), value);
        }
        Self { bindings, programs }
    }
}

impl<'a> Activation<'a> for Request<'a> {
    fn resolve(&self, slot: Slot, fuel: &mut Fuel) -> Result<Value<'a>, EvaluationError> {
        match self.programs.get(&slot) {
            Some(program) => program.evaluate(self, &mut Fuel::new(Fuel::PER_EXPRESSION)),
            None => self.bindings.resolve(slot, fuel),
        }
    }
}
