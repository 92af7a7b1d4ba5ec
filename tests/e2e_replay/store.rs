//! The store in ConfigMaps: the suite of stores, its root, and who tampers with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use writ::replay::record::{Operation, State, StoreId};
use writ::replay::{ConfigMapStore, NotReady, Quota, Store as _, StoreError};

use crate::harness::{Cluster, Minor, Options};
use crate::rig::{Rig, client, fingerprint, open, service, shared, within};
use crate::suite;

#[test]
fn the_store_in_configmaps_keeps_the_contract() {
    shared(async |rig: Rig| suite::check(rig.store.clone()).await);
}

/// 17: a store that was lost, recreated or exchanged is never taken for an empty one.
#[test]
fn threat_17_a_lost_store_is_noticed_and_denies() {
    shared(async |rig: Rig| {
        rig.allowed(&rig.request(Operation::Connect, "web", "t", "1")).await;
        rig.records().delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        for (ticket, operation) in [("t", Operation::Connect), ("u", Operation::Create), ("v", Operation::Delete)] {
            let mut request = rig.request(operation, "web", ticket, "2");
            request.target.uid = (operation == Operation::Delete).then(|| "u".to_owned());
            rig.refused(&request, "StoreUnavailable").await;
            request.dry_run = true;
            request.authorities[0].fingerprint = fingerprint(&format!("{ticket}, not written"));
            rig.refused(&request, "StoreUnavailable").await;
        }
        let missing = rig.service.ready().await.unwrap_err();
        assert!(matches!(missing, NotReady::Store(StoreError::RootMissing(_))), "{missing:?}");
        let opened = ConfigMapStore::open(rig.client.clone(), &rig.namespace, None, Quota::CONFIG_MAP).await;
        assert!(matches!(opened, Err(StoreError::RootMissing(_))));

        // A new root makes another store, and that is noticed as well.
        let other = ConfigMapStore::initialize(rig.client.clone(), &rig.namespace).await.unwrap();
        let differs = rig.service.ready().await.unwrap_err();
        let expected = StoreError::RootDiffers { expected: rig.store.id(), found: other };
        assert_eq!(differs, NotReady::Store(expected));
        rig.refused(&rig.request(Operation::Connect, "web", "w", "3"), "StoreUnavailable").await;
    });
}

#[test]
fn a_root_is_made_once_and_opened_by_its_name() {
    shared(async |rig: Rig| {
        let again = ConfigMapStore::initialize(rig.client.clone(), &rig.namespace).await;
        assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
        let other = StoreId::from_bytes([9; 16]);
        let opened = ConfigMapStore::open(rig.client.clone(), &rig.namespace, Some(other), Quota::CONFIG_MAP).await;
        assert!(matches!(opened, Err(StoreError::RootDiffers { .. })));
        // What the install hook adds to it is its own.
        let more = json!({"data": {"keyId": "some key"}});
        rig.records().patch("writ-store", &PatchParams::default(), &Patch::Merge(more)).await.unwrap();
        assert_eq!(rig.service.ready().await, Ok(rig.store.id()));
    });
}

/// 48: what somebody changed in a record is a denial, not a claim that never was.
#[test]
fn threat_48_a_record_that_was_tampered_with_denies() {
    shared(async |rig: Rig| {
        let name = |ticket: &str| format!("writ-claim-{}", fingerprint(ticket).to_hex());
        for (ticket, data) in [
            ("emptied", json!(null)),
            ("cut", json!({"record": "{"})),
            ("foreign", json!({"storeId": StoreId::from_bytes([3; 16]).to_string()})),
        ] {
            rig.allowed(&rig.request(Operation::Connect, "web", ticket, "1")).await;
            let patch = json!({"data": data});
            rig.records().patch(&name(ticket), &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            rig.refused(&rig.request(Operation::Connect, "web", ticket, "2"), "StoreUnavailable").await;
        }
        // A record under another's name.
        rig.allowed(&rig.request(Operation::Connect, "web", "a", "1")).await;
        rig.allowed(&rig.request(Operation::Connect, "web", "b", "1")).await;
        let a = rig.records().get(&name("a")).await.unwrap();
        let patch = json!({"data": a.data});
        rig.records().patch(&name("b"), &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        rig.refused(&rig.request(Operation::Connect, "web", "b", "2"), "StoreUnavailable").await;
        // The others go on.
        rig.refused(&rig.request(Operation::Connect, "web", "a", "2"), "Replayed").await;
        rig.allowed(&rig.request(Operation::Connect, "web", "c", "1")).await;
        let listed = rig.store.list(writ::replay::contract::Filter::All, None).await.unwrap().value;
        assert_eq!((listed.records.len(), listed.unreadable.len()), (2, 4), "{:?}", listed.unreadable);
    });
}

/// 26: one user cannot fill the store for all.
#[test]
fn threat_26_one_user_fills_a_share_and_no_more() {
    shared(async |rig: Rig| {
        let quota = Quota { total: 6, per_user: 3 };
        let store = ConfigMapStore::open(rig.client.clone(), &rig.namespace, None, quota).await.unwrap();
        let service = service(&rig.client, Arc::new(store));
        let claim = async |user: &str, ticket: &str| {
            let mut request = rig.request(Operation::Connect, "web", ticket, ticket);
            user.clone_into(&mut request.user);
            let outcome = service.claim(request).await;
            (outcome.reason(), outcome.code())
        };
        for ticket in ["1", "2", "3"] {
            assert_eq!(claim("greedy", ticket).await, ("Claimed", 200));
        }
        assert_eq!(claim("greedy", "4").await, ("ClaimShareUsed", 429));
        for ticket in ["5", "6", "7"] {
            assert_eq!(claim("modest", ticket).await, ("Claimed", 200));
        }
        assert_eq!(claim("third", "8").await, ("ClaimStoreFull", 429));
        // A replica that was started anew counts what is there.
        let store = Arc::new(ConfigMapStore::open(rig.client.clone(), &rig.namespace, None, quota).await.unwrap());
        store.count().await.unwrap();
        assert!(matches!(store.create(&suite::record("9")).await, Err(StoreError::Full { limit: 6 })));
    });
}

#[test]
fn a_claim_is_one_small_configmap_that_people_can_find() {
    shared(async |rig: Rig| {
        rig.allowed(&rig.request(Operation::Create, "web", "t", "1")).await;
        let reserved = ListParams::default().labels("writ.dev/record=claim,writ.dev/claim=Reserved");
        let found = rig.records().list(&reserved).await.unwrap().items;
        let names: Vec<_> = found.iter().filter_map(|map| map.metadata.name.clone()).collect();
        assert_eq!(names, [format!("writ-claim-{}", fingerprint("t").to_hex())]);
        let bytes = serde_json::to_vec(&found[0]).unwrap().len();
        assert!(bytes < 2500, "{bytes}");
        let data: &BTreeMap<String, String> = found[0].data.as_ref().unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["record", "storeId", "write"]);
    });
}

/// 13: two replicas, the same authority, the same moment.
#[test]
fn threat_13_of_two_replicas_one_claims() {
    let cluster = Cluster::control_plane(Options::default().second_api_server(Minor::Current)).unwrap();
    within(&cluster, async |rig: Rig| {
        let second = cluster.kubeconfig_for("kube-apiserver-2", "second", &["system:masters"]).unwrap();
        let other = Arc::new(rig.replica(&second).await);
        let this = rig.service.clone();
        let mut winners = 0;
        for number in 0..100 {
            let ticket = format!("pair-{number}");
            let a = rig.request(Operation::Connect, "web", &ticket, "a");
            let b = rig.request(Operation::Connect, "web", &ticket, "b");
            let (this, other) = (this.clone(), other.clone());
            let a = tokio::spawn(async move { this.claim(a).await });
            let b = tokio::spawn(async move { other.claim(b).await });
            let reasons = [a.await.unwrap().reason(), b.await.unwrap().reason()];
            assert_eq!(reasons.iter().filter(|reason| **reason == "Claimed").count(), 1, "{reasons:?}");
            assert_eq!(reasons.iter().filter(|reason| **reason == "Replayed").count(), 1, "{reasons:?}");
            winners += 1;
        }
        assert_eq!(winners, 100);
        // Once is once on the other replica, and after a restart.
        let create = rig.request(Operation::Create, "web", "t", "1");
        rig.allowed(&create).await;
        rig.create("web", Some(&create)).await;
        let restarted = rig.replica(&second).await;
        for service in [&*other, &restarted] {
            let again = rig.request(Operation::Create, "web", "t", "2");
            assert_eq!(service.claim(again).await.reason(), "Replayed");
        }
    });
}

#[test]
fn what_nobody_ended_is_ended_by_another_replica() {
    shared(async |rig: Rig| {
        rig.allowed(&rig.request(Operation::Create, "web", "t", "1")).await;
        // That replica is gone; another one searches the store.
        let store = open(&rig.client, &rig.namespace, None).await;
        let rig = Rig { service: Arc::new(service(&rig.client, store)), ..rig };
        rig.resolve_until("it is released", async || rig.state("t").await == Some(State::Released)).await;
    });
}

/// A user without rights on the namespace of the records: nothing is claimed, and it is said.
#[test]
fn without_rights_nothing_is_claimed() {
    let cluster = Cluster::control_plane(Options::default()).unwrap();
    within(&cluster, async |rig: Rig| {
        let nobody = client(&cluster.kubeconfig("nobody", &[]).unwrap()).await;
        let opened = ConfigMapStore::open(nobody.clone(), &rig.namespace, None, Quota::CONFIG_MAP).await;
        assert!(matches!(opened, Err(StoreError::Unavailable(_))));
        let service = service(&nobody, rig.store.clone());
        let outcome = service.claim(rig.request(Operation::Create, "web", "t", "1")).await;
        assert_eq!(outcome.reason(), "NotWatchable", "{outcome:?}");
        let maps: Vec<ConfigMap> =
            rig.records().list(&ListParams::default().labels("writ.dev/record=claim")).await.unwrap().items;
        assert!(maps.is_empty());
    });
}
