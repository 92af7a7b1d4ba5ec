//! The store of claims in a cluster: one small ConfigMap for each live fingerprint, in Writ's namespace.
//!
//! CREATE by name is the create-if-absent, resourceVersion the compare-and-swap, a GET without resourceVersion a quorum
//! read; no informer's cache is in between. Each write is small and stays until the claim is over, so nothing grows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, join};
use hyper::StatusCode;
use kube::Client;
use serde_json::{Value, json};

use super::{
    contract::{Filter, Held, MAX_PAGE, Page, Stamped, Store, StoreError, Swap, Token},
    quota::{Quota, Usage},
    record::{Fingerprint, Record, State, StoreId},
    server::{NoReply, Reply, ask, escape},
};

/// Name of the ConfigMap that is the store's root.
pub const ROOT: &str = "writ-store";
/// Prefix of the names of claims; the fingerprint in hexadecimal follows.
pub const NAME_PREFIX: &str = "writ-claim-";
/// Label of claims, and its value.
const LABEL: (&str, &str) = ("writ.dev/record", "claim");
/// Label with the state of a claim, so that reserved ones can be listed.
const STATE_LABEL: &str = "writ.dev/claim-state";
/// What to do about a missing root.
const REMEDY: &str = "restore the ConfigMap `writ-store` together with the signing key, or install anew deliberately, which forgets every claim";

/// Claims as ConfigMaps.
pub struct ConfigMapStore {
    client: Client,
    collection: String,
    id: StoreId,
    quota: Quota,
    usage: Mutex<Usage>,
}

impl ConfigMapStore {
    /// Opens the store of a namespace: its root must be there, and what it holds is counted.
    ///
    /// # Errors
    /// [`StoreError`]: a missing or damaged root is never taken for an empty store.
    pub async fn open(client: Client, namespace: &str, quota: Quota) -> Result<Self, StoreError> {
        let collection = format!("/api/v1/namespaces/{}/configmaps", escape(namespace));
        let id = read_root(&client, &collection).await?.value;
        let store = Self { client, collection, id, quota, usage: Mutex::default() };
        store.recount().await?;
        Ok(store)
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> StoreId {
        self.id
    }

    /// Counts all claims anew, for the limits on their number; other replicas write too.
    ///
    /// # Errors
    /// Those of a listing.
    pub async fn recount(&self) -> Result<(), StoreError> {
        let mut usage = Usage::default();
        let mut after = None;
        loop {
            let page = self.page(Filter::All, after.as_deref()).await?.value;
            page.records.iter().for_each(|held| usage.note(None, Some(&held.record)));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        *self.usage() = usage;
        Ok(())
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, fingerprint: &Fingerprint) -> String {
        format!("{}/{NAME_PREFIX}{}", self.collection, fingerprint.to_hex())
    }

    async fn check_root(&self) -> Result<Stamped<StoreId>, StoreError> {
        let root = read_root(&self.client, &self.collection).await?;
        if root.value != self.id {
            return Err(StoreError::RootDiffers { expected: self.id, found: root.value });
        }
        Ok(root)
    }

    async fn get(&self, fingerprint: &Fingerprint) -> Result<Stamped<Option<Held>>, StoreError> {
        // The root is read at the same time: without it, "no such record" would mean nothing.
        let path = self.path(fingerprint);
        let (reply, root) = join(ask(&self.client, "GET", &path, None), self.check_root()).await;
        let reply = reply.map_err(unavailable)?;
        root?;
        match reply.status {
            StatusCode::OK => {
                let held = held(&reply.json().map_err(unavailable)?)?;
                if held.record.fingerprint != *fingerprint {
                    return Err(malformed(&path, "it is about another fingerprint"));
                }
                Ok(reply.stamp(Some(held)))
            }
            StatusCode::NOT_FOUND => Ok(reply.stamp(None)),
            _ => Err(StoreError::Unavailable(reply.message())),
        }
    }

    async fn insert(&self, record: &Record) -> Result<Stamped<Swap>, StoreError> {
        self.usage().check(self.quota, None, record)?;
        let body = object(record, None).to_string();
        let (reply, root) = join(ask(&self.client, "POST", &self.collection, Some(body)), self.check_root()).await;
        let swap = swap(reply)?;
        // Written beside a foreign root or none, it proves nothing.
        root?;
        if matches!(swap.value, Swap::Done(_)) {
            self.usage().note(None, Some(record));
        }
        Ok(swap)
    }

    async fn put(&self, token: &Token, record: &Record) -> Result<Stamped<Swap>, StoreError> {
        let body = object(record, Some(token)).to_string();
        let (reply, root) =
            join(ask(&self.client, "PUT", &self.path(&record.fingerprint), Some(body)), self.check_root()).await;
        let swap = swap(reply)?;
        root?;
        Ok(swap)
    }

    async fn delete(&self, token: &Token, fingerprint: &Fingerprint) -> Result<Stamped<Swap>, StoreError> {
        let (uid, version) = token.0.split_once('/').unwrap_or_default();
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid, "resourceVersion": version}});
        let reply = ask(&self.client, "DELETE", &self.path(fingerprint), Some(options.to_string())).await;
        swap(reply)
    }

    async fn page(&self, filter: Filter, after: Option<&str>) -> Result<Stamped<Page>, StoreError> {
        let (key, value) = LABEL;
        let state = if filter == Filter::Reserved { format!(",{STATE_LABEL}=Reserved") } else { String::new() };
        let selector = escape(&format!("{key}={value}{state}"));
        let next = after.map(|token| format!("&continue={}", escape(token))).unwrap_or_default();
        let path = format!("{}?labelSelector={selector}&limit={MAX_PAGE}{next}", self.collection);
        let reply = ask(&self.client, "GET", &path, None).await.map_err(unavailable)?;
        if reply.status != StatusCode::OK {
            return Err(StoreError::Unavailable(reply.message()));
        }
        let list = reply.json().map_err(unavailable)?;
        let mut page = Page::default();
        for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
            let held = held(item)?;
            let wanted = match filter {
                Filter::All => true,
                Filter::Reserved => held.record.state == State::Reserved,
                Filter::Over(time) => held.record.kept_until().is_some_and(|until| until < time),
            };
            if wanted {
                page.records.push(held);
            }
        }
        page.next = text_at(&list, &["metadata", "continue"]).filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(reply.stamp(page))
    }
}

impl Store for ConfigMapStore {
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>> {
        Box::pin(self.check_root())
    }

    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>> {
        Box::pin(self.get(fingerprint))
    }

    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.insert(record))
    }

    fn replace<'a>(&'a self, token: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.put(token, record))
    }

    fn remove<'a>(
        &'a self,
        token: &'a Token,
        fingerprint: &'a Fingerprint,
    ) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.delete(token, fingerprint))
    }

    fn list<'a>(&'a self, filter: Filter, after: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>> {
        Box::pin(self.page(filter, after))
    }
}

async fn read_root(client: &Client, collection: &str) -> Result<Stamped<StoreId>, StoreError> {
    let reply = ask(client, "GET", &format!("{collection}/{ROOT}"), None).await.map_err(unavailable)?;
    match reply.status {
        StatusCode::OK => {
            let root = reply.json().map_err(unavailable)?;
            let id = text_at(&root, &["data", "storeId"]).and_then(|text| text.parse().ok());
            id.map(|id| reply.stamp(id)).ok_or_else(|| malformed(ROOT, "it has no `storeId`"))
        }
        StatusCode::NOT_FOUND => Err(StoreError::RootMissing(REMEDY)),
        _ => Err(StoreError::Unavailable(reply.message())),
    }
}

/// What a conditional write came to. A reply that says neither yes nor no leaves it open.
fn swap(reply: Result<Reply, NoReply>) -> Result<Stamped<Swap>, StoreError> {
    let reply = reply.map_err(|NoReply(cause)| StoreError::Unknown(cause))?;
    match reply.status {
        StatusCode::OK | StatusCode::CREATED => {
            let stored = reply.json().map_err(|NoReply(cause)| StoreError::Unknown(cause))?;
            Ok(reply.stamp(Swap::Done(token(&stored).unwrap_or(Token(String::new())))))
        }
        // Exists already, is another state by now, or is gone.
        StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(reply.stamp(Swap::Lost)),
        StatusCode::BAD_REQUEST
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::TOO_MANY_REQUESTS => Err(StoreError::Unavailable(reply.message())),
        _ => Err(StoreError::Unknown(reply.message())),
    }
}

fn object(record: &Record, token: Option<&Token>) -> Value {
    let (key, value) = LABEL;
    let mut metadata = json!({
        "name": format!("{NAME_PREFIX}{}", record.fingerprint.to_hex()),
        "labels": {key: value, STATE_LABEL: record.state.name()},
    });
    if let Some((uid, version)) = token.and_then(|token| token.0.split_once('/'))
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("resourceVersion".to_owned(), version.into());
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"claim": record.to_json()}})
}

fn held(stored: &Value) -> Result<Held, StoreError> {
    let name = text_at(stored, &["metadata", "name"]).unwrap_or_default();
    let text = text_at(stored, &["data", "claim"]).ok_or_else(|| malformed(name, "it has no `claim`"))?;
    let record = Record::from_json(text).map_err(|error| malformed(name, &error.to_string()))?;
    if name != format!("{NAME_PREFIX}{}", record.fingerprint.to_hex()) {
        return Err(malformed(name, "its name is not that of its fingerprint"));
    }
    let token = token(stored).ok_or_else(|| malformed(name, "it has no resourceVersion"))?;
    Ok(Held { record, token })
}

/// Uid and resourceVersion: never the same for two states, also not after a removal.
fn token(stored: &Value) -> Option<Token> {
    let uid = text_at(stored, &["metadata", "uid"])?;
    Some(Token(format!("{uid}/{}", text_at(stored, &["metadata", "resourceVersion"])?)))
}

fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

fn malformed(at: &str, cause: &str) -> StoreError {
    StoreError::Malformed { at: at.to_owned(), cause: cause.to_owned() }
}

fn unavailable(NoReply(cause): NoReply) -> StoreError {
    StoreError::Unavailable(cause)
}
