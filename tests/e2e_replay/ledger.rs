//! The ledger in ConfigMaps.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use writ::digest::Digest;
use writ::ledger::{ConfigMapLedger, Ledger, Pinned};

use crate::ledger_suite;
use crate::rig::{Rig, shared};

#[test]
fn the_ledger_in_configmaps_keeps_its_promise() {
    shared(async |rig: Rig| {
        let open = || Arc::new(ConfigMapLedger::new(rig.client.clone(), &rig.namespace)) as Arc<dyn Ledger>;
        ledger_suite::check(open(), async |_| open()).await;
    });
}

/// 32: a pin cannot be edited, and a damaged one is an error, never a free version.
#[test]
fn threat_32_a_pin_cannot_be_changed() {
    shared(async |rig: Rig| {
        let ledger = ConfigMapLedger::new(rig.client.clone(), &rig.namespace);
        let digest = Digest::plain(b"content");
        assert_eq!(ledger.pin("images", "v1", digest).await, Ok(Pinned::Same));
        let edit = json!({"data": {"digest": Digest::plain(b"other").to_string()}});
        let edited = rig.records().patch("writ-ledger-images.v1", &PatchParams::default(), &Patch::Merge(edit)).await;
        assert!(edited.unwrap_err().to_string().contains("immutable"));
        let foreign = serde_json::from_value(json!({
            "metadata": {"name": "writ-ledger-images.v2", "labels": {"writ.dev/record": "ledger"}},
            "data": {"digest": "sha256:00"},
        }))
        .unwrap();
        rig.records().create(&kube::api::PostParams::default(), &foreign).await.unwrap();
        assert!(ledger.pin("images", "v2", digest).await.is_err());
        assert!(ledger.pinned().await.is_err());
    });
}
