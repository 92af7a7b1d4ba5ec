//! `binding.json`: one request, edits of it, and what each edit does to the attestation `update`.

use serde::Deserialize;
use writ::{
    attest::{Kind, OldObject, Operation, Resource, User},
    verify::{Expected, Mismatch, Verifier, check_binding},
};

use crate::vectors::{keyring, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    attestation: String,
    request: serde_json::Map<String, serde_json::Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Members of the request that are replaced.
    set: serde_json::Map<String, serde_json::Value>,
    /// The reason code; `null` where the attestation is about the request.
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    cluster_id: String,
    store_id: String,
    user_info: UserInfo,
    operation: String,
    resource: GroupVersionResource,
    request_resource: GroupVersionResource,
    kind: GroupVersionKind,
    sub_resource: String,
    namespace: String,
    name: String,
    generate_name: String,
    old_object: Option<Old>,
    dry_run: bool,
    projection: String,
}

#[derive(Deserialize)]
struct UserInfo {
    username: String,
    uid: String,
    digest: writ::digest::Digest,
}

#[derive(Deserialize)]
struct GroupVersionResource {
    group: String,
    version: String,
    resource: String,
}

#[derive(Deserialize)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Old {
    uid: String,
    resource_version: String,
    digest: writ::digest::Digest,
}

impl From<Request> for Expected {
    fn from(request: Request) -> Self {
        let resource = |r: GroupVersionResource| Resource { group: r.group, version: r.version, resource: r.resource };
        let (user, kind) = (request.user_info, request.kind);
        Self {
            cluster_id: request.cluster_id,
            store_id: request.store_id,
            user: User { username: user.username, uid: user.uid, digest: user.digest },
            operation: match request.operation.as_str() {
                "CREATE" => Operation::Create,
                "UPDATE" => Operation::Update,
                "DELETE" => Operation::Delete,
                "CONNECT" => Operation::Connect,
                other => panic!("operation {other}"),
            },
            resource: resource(request.resource),
            request_resource: resource(request.request_resource),
            kind: Kind { group: kind.group, version: kind.version, kind: kind.kind },
            sub_resource: request.sub_resource,
            namespace: request.namespace,
            name: request.name,
            generate_name: request.generate_name,
            old_object: request.old_object.map(|old| OldObject {
                uid: old.uid,
                resource_version: old.resource_version,
                digest: old.digest,
            }),
            dry_run: request.dry_run,
            projection: request.projection,
        }
    }
}

#[test]
fn each_edit_of_a_request_has_its_reason() {
    let keyring = keyring();
    let mut seen = 0;
    let files: Vec<File> = serde_json::from_str(&read("binding.json")).unwrap();
    for file in files {
        let text = read(&format!("{}.compact.txt", file.attestation));
        let verified = Verifier::offline(&keyring).verify_compact(&text).unwrap();
        for case in file.cases {
            let mut request = file.request.clone();
            request.extend(case.set.clone());
            let request: Request = serde_json::from_value(request.into()).unwrap();
            let reason = check_binding(&verified, &request.into()).err().map(Mismatch::reason);
            assert_eq!(reason, case.reason.as_deref(), "{}: {:?}", file.attestation, case.set);
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}
