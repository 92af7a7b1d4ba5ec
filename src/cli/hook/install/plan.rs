//! What is there of key and store, and what follows from it. Pure.

/// The signing key's Secret as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundKey {
    pub(super) key_id: String,
    /// The store that it names.
    pub(super) store_id: Option<String>,
    /// A run of the hook ended before key and store named each other.
    pub(super) pending: bool,
}

/// The root record of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) store_id: String,
    pub(super) key_id: String,
}

/// All that the decision depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    pub(super) key: Option<FoundKey>,
    pub(super) root: Option<Root>,
    /// A ConfigMap that only an earlier installation can have left.
    pub(super) traces: Option<String>,
    /// The hook may make a key: the Secret is not the operator's own.
    pub(super) may_generate: bool,
    pub(super) secret_name: String,
    pub(super) accept_lost_store: Option<String>,
    pub(super) accept_lost_key: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Key and store name each other.
    Keep { store_id: String },
    /// A new store for the key that is there, or for a new one.
    Begin,
    /// Complete what an earlier run began.
    Finish { store_id: String },
    /// The store names the key, but the Secret lost its annotation.
    Rename { store_id: String },
    /// The store goes on with the key that is there, or with a new one.
    RenewKey { store_id: String },
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InstallError {
    #[error(
        "secret `{secret}` signs for store `{store_id}`, but configmap `writ-store` is missing: restore it and the \
         `writ-claim-*` configmaps from a backup. To begin an empty store instead, in which every authority used \
         before may be used again, set `recovery.acceptLostStore={store_id}` for one `helm upgrade`"
    )]
    StoreLost { secret: String, store_id: String },
    #[error(
        "configmap `writ-store` belongs to signing key `{key_id}`, but secret `{secret}` is missing: restore it from \
         a backup. To go on with another key, set `recovery.acceptLostKey={key_id}` for one `helm upgrade`"
    )]
    KeyLost { secret: String, key_id: String },
    #[error(
        "secret `{secret}` names store `{named}`, but configmap `writ-store` is the root of store `{found}`: restore \
         the one that does not belong here from a backup"
    )]
    OtherStore { secret: String, named: String, found: String },
    #[error(
        "configmap `writ-store` belongs to signing key `{named}`, but secret `{secret}` holds key `{found}`: restore \
         the Secret from a backup. To go on with the key that is there, set `recovery.acceptLostKey={named}` for one \
         `helm upgrade`"
    )]
    OtherKey { secret: String, named: String, found: String },
    #[error(
        "neither a store nor its signing key is there, but configmap `{trace}` tells of an earlier installation: \
         restore secret `{secret}` and configmap `writ-store` from a backup. To begin anew, in which every authority \
         used before may be used again, set `recovery.acceptLostStore=all` for one `helm upgrade`"
    )]
    BothLost { secret: String, trace: String },
    #[error(
        "secret `{secret}` is missing: create it with the signing key as `key.pem` (`writ keygen` makes one), or \
         leave `signingKey.existingSecret` empty to have one made"
    )]
    KeyMissing { secret: String },
}

/// Decides. Nothing that exists is ever overwritten, unless its loss was accepted by its id.
pub(super) fn plan(situation: &Situation) -> Result<Plan, InstallError> {
    match (&situation.key, &situation.root) {
        (None, None) => nothing(situation),
        (Some(key), None) => no_store(situation, key),
        (None, Some(root)) => no_key(situation, root),
        (Some(key), Some(root)) => both(situation, key, root),
    }
}

fn nothing(situation: &Situation) -> Result<Plan, InstallError> {
    let secret = situation.secret_name.clone();
    match &situation.traces {
        _ if !situation.may_generate => Err(InstallError::KeyMissing { secret }),
        Some(trace) if situation.accept_lost_store.as_deref() != Some("all") => {
            Err(InstallError::BothLost { secret, trace: trace.clone() })
        }
        _ => Ok(Plan::Begin),
    }
}

fn no_store(situation: &Situation, key: &FoundKey) -> Result<Plan, InstallError> {
    let secret = situation.secret_name.clone();
    let accepted = situation.accept_lost_store.as_deref();
    match (&key.store_id, &situation.traces) {
        (Some(store_id), _) if key.pending => Ok(Plan::Finish { store_id: store_id.clone() }),
        (Some(store_id), _) if accepted == Some(store_id) => Ok(Plan::Begin),
        (Some(store_id), _) => Err(InstallError::StoreLost { secret, store_id: store_id.clone() }),
        (None, Some(trace)) if accepted != Some("all") => Err(InstallError::BothLost { secret, trace: trace.clone() }),
        (None, _) => Ok(Plan::Begin),
    }
}

fn no_key(situation: &Situation, root: &Root) -> Result<Plan, InstallError> {
    let secret = situation.secret_name.clone();
    if !situation.may_generate {
        return Err(InstallError::KeyMissing { secret });
    }
    if situation.accept_lost_key.as_ref() == Some(&root.key_id) {
        return Ok(Plan::RenewKey { store_id: root.store_id.clone() });
    }
    Err(InstallError::KeyLost { secret, key_id: root.key_id.clone() })
}

fn both(situation: &Situation, key: &FoundKey, root: &Root) -> Result<Plan, InstallError> {
    let secret = situation.secret_name.clone();
    let store_id = root.store_id.clone();
    if let Some(named) = key.store_id.as_ref().filter(|named| **named != store_id) {
        return Err(InstallError::OtherStore { secret, named: named.clone(), found: store_id });
    }
    if key.key_id != root.key_id {
        return if situation.accept_lost_key.as_ref() == Some(&root.key_id) {
            Ok(Plan::RenewKey { store_id })
        } else {
            Err(InstallError::OtherKey { secret, named: root.key_id.clone(), found: key.key_id.clone() })
        };
    }
    Ok(match (&key.store_id, key.pending) {
        (Some(_), false) => Plan::Keep { store_id },
        (Some(_), true) => Plan::Finish { store_id },
        (None, _) => Plan::Rename { store_id },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key_id: &str, store_id: Option<&str>, pending: bool) -> Option<FoundKey> {
        Some(FoundKey { key_id: key_id.to_owned(), store_id: store_id.map(str::to_owned), pending })
    }

    fn root(store_id: &str, key_id: &str) -> Option<Root> {
        Some(Root { store_id: store_id.to_owned(), key_id: key_id.to_owned() })
    }

    fn situation(key: Option<FoundKey>, root: Option<Root>) -> Situation {
        Situation { key, root, may_generate: true, secret_name: "s".to_owned(), ..Situation::default() }
    }

    fn kind(situation: &Situation) -> String {
        match plan(situation) {
            Ok(plan) => format!("{plan:?}"),
            Err(error) => {
                let text = format!("{error:?}");
                text.split(' ').next().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn every_situation_has_one_answer() {
        let store = |id: &str| format!("{{ store_id: \"{id}\" }}");
        for (key, root, expected) in [
            (None, None, "Begin".to_owned()),
            (key("k", Some("s"), false), root("s", "k"), format!("Keep {}", store("s"))),
            (key("k", None, false), None, "Begin".to_owned()),
            (key("k", Some("s"), true), None, format!("Finish {}", store("s"))),
            (key("k", Some("s"), true), root("s", "k"), format!("Finish {}", store("s"))),
            (key("k", None, false), root("s", "k"), format!("Rename {}", store("s"))),
            (key("k", Some("s"), false), None, "StoreLost".to_owned()),
            (None, root("s", "k"), "KeyLost".to_owned()),
            (key("k", Some("other"), false), root("s", "k"), "OtherStore".to_owned()),
            (key("k", Some("other"), true), root("s", "k"), "OtherStore".to_owned()),
            (key("other", Some("s"), false), root("s", "k"), "OtherKey".to_owned()),
            (key("other", None, false), root("s", "k"), "OtherKey".to_owned()),
        ] {
            let situation = situation(key, root);
            assert_eq!(kind(&situation), expected, "{situation:?}");
        }
    }

    #[test]
    fn traces_of_an_earlier_store_stand_against_a_new_one() {
        for key in [None, key("k", None, false)] {
            let mut situation = Situation { traces: Some("writ-claim-1".to_owned()), ..situation(key, None) };
            assert_eq!(kind(&situation), "BothLost");
            situation.accept_lost_store = Some("all".to_owned());
            assert_eq!(kind(&situation), "Begin");
        }
    }

    #[test]
    fn a_loss_is_accepted_by_its_id_alone() {
        let mut lost = situation(key("k", Some("s"), false), None);
        lost.accept_lost_store = Some("all".to_owned());
        assert_eq!(kind(&lost), "StoreLost");
        lost.accept_lost_store = Some("s".to_owned());
        assert_eq!(kind(&lost), "Begin");
        for key in [None, key("other", Some("s"), false)] {
            let mut lost = situation(key, root("s", "k"));
            lost.accept_lost_key = Some("other".to_owned());
            assert!(plan(&lost).is_err());
            lost.accept_lost_key = Some("k".to_owned());
            assert_eq!(kind(&lost), "RenewKey { store_id: \"s\" }");
        }
    }

    #[test]
    fn an_operators_own_key_is_never_made() {
        for root in [None, root("s", "k")] {
            let own = Situation { may_generate: false, ..situation(None, root) };
            assert_eq!(kind(&own), "KeyMissing");
        }
    }
}
