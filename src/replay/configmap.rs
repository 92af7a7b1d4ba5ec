//! The store in a cluster: one small ConfigMap per fingerprint in Writ's namespace.
//!
//! CREATE by name is the create-if-absent, a PUT with uid and resourceVersion the compare-and-swap, and a GET without
//! a resourceVersion the quorum read. etcd keeps them; no growing object is rewritten, and nothing is cached here. The
//! client must not retry on its own (`Config::default_retry` off) and needs an API Priority and Fairness level of its
//! own, or claims wait behind the very requests that wait for them.

mod object;

use std::sync::Mutex;

use futures::future::{BoxFuture, join};
use hyper::Method;
use kube::Client;

use super::claim::lock;
use super::contract::{Filter, Held, MAX_PAGE, Page, Stamped, Store, StoreError, Swap, Token};
use super::quota::{Quota, Usage};
use super::record::{Fingerprint, Record, State, StoreId};
use super::rest::{self, CallError, Failure, JSON, METADATA, Meta, Reply};
use object::{List, Object};

/// Name of the root record.
pub const ROOT: &str = "writ-store";

/// What the names of the claims begin with; the fingerprint in hexadecimal follows.
pub const PREFIX: &str = "writ-claim-";

/// What to do about a missing root.
const REMEDY: &str = "restore the ConfigMaps of the namespace, or run the install hook, which makes a new store only \
                      if it is told to accept that every earlier claim is lost";

/// A store of claims in ConfigMaps.
pub struct ConfigMapStore {
    client: Client,
    collection: String,
    namespace: String,
    id: StoreId,
    quota: Quota,
    usage: Mutex<Usage>,
}

impl ConfigMapStore {
    /// Makes the root of a new store in `namespace`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is a root already, or it cannot be written.
    pub async fn initialize(client: Client, namespace: &str) -> Result<StoreId, StoreError> {
        let id = random()?;
        let uri = object::collection(namespace);
        let body = object::root(namespace, id);
        let reply = rest::call(&client, Method::POST, &uri, METADATA, body).await.map_err(write_failed)?;
        if reply.is_success() { Ok(id) } else { Err(refused(reply.failure())) }
    }

    /// Opens the store of `namespace`. `expected` is the id that its root must have: the one that the signing key
    /// names.
    ///
    /// # Errors
    /// [`StoreError::RootMissing`], [`StoreError::RootDiffers`], or that the root cannot be read now.
    pub async fn open(
        client: Client,
        namespace: &str,
        expected: Option<StoreId>,
        quota: Quota,
    ) -> Result<Self, StoreError> {
        let found = read_root(&client, namespace).await?.value;
        let id = expected.unwrap_or(found);
        if id != found {
            return Err(StoreError::RootDiffers { expected: id, found });
        }
        Ok(Self {
            client,
            collection: object::collection(namespace),
            namespace: namespace.to_owned(),
            id,
            quota,
            usage: Mutex::new(Usage::default()),
        })
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> StoreId {
        self.id
    }

    async fn checked_root(&self) -> Result<Stamped<StoreId>, StoreError> {
        let root = read_root(&self.client, &self.namespace).await?;
        if root.value != self.id {
            return Err(StoreError::RootDiffers { expected: self.id, found: root.value });
        }
        Ok(root)
    }

    async fn read_claim(&self, fingerprint: &Fingerprint) -> Result<Stamped<Option<Held>>, StoreError> {
        let name = object::name(fingerprint);
        let uri = format!("{}/{name}", self.collection);
        let reply = self.call(Method::GET, &uri, JSON, Vec::new()).await.map_err(read_failed)?;
        if reply.is_success() {
            let object: Object = reply.parse().map_err(StoreError::Unavailable)?;
            return Ok(reply.stamp(Some(object.claim(self.id)?)));
        }
        let failure = reply.failure();
        if !failure.is_missing(&name) {
            return Err(StoreError::Unavailable(failure.to_string()));
        }
        // Nothing is there: of this store, or because the store is not there any more?
        self.checked_root().await?;
        Ok(reply.stamp(None))
    }

    async fn create_claim(&self, record: &Record) -> Result<Stamped<Swap>, StoreError> {
        lock(&self.usage).check(self.quota, None, record)?;
        let body = object::claim(&self.namespace, self.id, record, random()?, None);
        let create = self.call(Method::POST, &self.collection, METADATA, body);
        let (reply, root) = join(create, self.checked_root()).await;
        let reply = reply.map_err(write_failed)?;
        if reply.status == 409 && reply.failure().reason == "AlreadyExists" {
            return Ok(reply.stamp(Swap::Lost));
        }
        let token = written(&reply)?;
        // The record is there, but the store it belongs to may not be: then nothing is claimed.
        root.map_err(|error| StoreError::Unknown(error.to_string()))?;
        lock(&self.usage).note(None, Some(record));
        Ok(reply.stamp(Swap::Done(token)))
    }

    async fn replace_claim(&self, token: &Token, record: &Record) -> Result<Stamped<Swap>, StoreError> {
        let uri = format!("{}/{}", self.collection, object::name(&record.fingerprint));
        let body = object::claim(&self.namespace, self.id, record, random()?, Some(split(token)?));
        let reply = self.call(Method::PUT, &uri, METADATA, body).await.map_err(write_failed)?;
        if matches!(reply.status, 404 | 409) {
            return Ok(reply.stamp(Swap::Lost));
        }
        let token = written(&reply)?;
        if record.state == State::Released {
            let before = Record { state: State::Reserved, ..record.clone() };
            lock(&self.usage).note(Some(&before), Some(record));
        }
        Ok(reply.stamp(Swap::Done(token)))
    }

    async fn remove_claim(&self, token: &Token, fingerprint: &Fingerprint) -> Result<Stamped<Swap>, StoreError> {
        let uri = format!("{}/{}", self.collection, object::name(fingerprint));
        let body = object::preconditions(split(token)?);
        let reply = self.call(Method::DELETE, &uri, JSON, body).await.map_err(write_failed)?;
        match reply.status {
            404 | 409 => Ok(reply.stamp(Swap::Lost)),
            200..=299 => Ok(reply.stamp(Swap::Done(token.clone()))),
            _ => Err(refused(reply.failure())),
        }
    }

    async fn page(&self, filter: Filter, after: Option<&str>) -> Result<Stamped<Page>, StoreError> {
        let selector = match filter {
            Filter::All => object::ALL.to_owned(),
            Filter::Reserved => format!("{},{}=Reserved", object::ALL, object::STATE),
            Filter::Over(_) => format!("{},{}!=Reserved", object::ALL, object::STATE),
        };
        let mut uri = format!("{}?limit={MAX_PAGE}&labelSelector={}", self.collection, rest::segment(&selector));
        if let Some(after) = after {
            uri.push_str("&continue=");
            uri.push_str(&rest::segment(after));
        }
        let reply = self.call(Method::GET, &uri, JSON, Vec::new()).await.map_err(read_failed)?;
        if !reply.is_success() {
            return Err(StoreError::Unavailable(reply.failure().to_string()));
        }
        let List { metadata, items } = reply.parse().map_err(StoreError::Unavailable)?;
        let mut page = Page { next: (!metadata.next.is_empty()).then_some(metadata.next), ..Page::default() };
        for item in items {
            match item.claim(self.id) {
                Ok(held) if is_in(filter, &held.record) => page.records.push(held),
                Ok(_) => {}
                // One record that was tampered with must not keep the others from being ended.
                Err(error) => page.unreadable.push(error.to_string()),
            }
        }
        Ok(reply.stamp(page))
    }

    async fn take_stock(&self) -> Result<(), StoreError> {
        let (mut usage, mut after) = (Usage::default(), None);
        loop {
            let page = self.page(Filter::All, after.as_deref()).await?.value;
            for held in &page.records {
                usage.note(None, Some(&held.record));
            }
            after = page.next;
            if after.is_none() {
                *lock(&self.usage) = usage;
                return Ok(());
            }
        }
    }

    async fn call(&self, method: Method, uri: &str, accept: &str, body: Vec<u8>) -> Result<Reply, CallError> {
        rest::call(&self.client, method, uri, accept, body).await
    }
}

/// 128 random bits.
fn random() -> Result<StoreId, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(StoreId::from_bytes(bytes))
}

async fn read_root(client: &Client, namespace: &str) -> Result<Stamped<StoreId>, StoreError> {
    let uri = format!("{}/{ROOT}", object::collection(namespace));
    let reply = rest::call(client, Method::GET, &uri, JSON, Vec::new()).await.map_err(read_failed)?;
    if reply.is_success() {
        let object: Object = reply.parse().map_err(StoreError::Unavailable)?;
        return Ok(reply.stamp(object.root()?));
    }
    let failure = reply.failure();
    Err(if failure.is_missing(ROOT) {
        StoreError::RootMissing(REMEDY)
    } else {
        StoreError::Unavailable(failure.to_string())
    })
}

fn is_in(filter: Filter, record: &Record) -> bool {
    match filter {
        Filter::All => true,
        Filter::Reserved => record.state == State::Reserved,
        Filter::Over(time) => record.kept_until().is_some_and(|until| until <= time),
    }
}

fn written(reply: &Reply) -> Result<Token, StoreError> {
    if !reply.is_success() {
        return Err(refused(reply.failure()));
    }
    let Meta { metadata } = reply.parse().map_err(StoreError::Unknown)?;
    let version = metadata.version().ok_or_else(|| StoreError::Unknown("the reply has no version".into()))?;
    Ok(object::token(&version.uid, &version.resource_version.0))
}

fn split(token: &Token) -> Result<(&str, &str), StoreError> {
    token.0.split_once('/').ok_or_else(|| StoreError::Unavailable("the token is of another store".into()))
}

/// A refusal of a write. From 500 on the API server itself may not know whether etcd wrote.
fn refused(failure: Failure) -> StoreError {
    if failure.code >= 500 {
        StoreError::Unknown(failure.to_string())
    } else {
        StoreError::Unavailable(failure.to_string())
    }
}

fn write_failed(error: CallError) -> StoreError {
    match error {
        CallError::NotSent(cause) => StoreError::Unavailable(cause),
        CallError::Unknown(cause) => StoreError::Unknown(cause),
    }
}

fn read_failed(error: CallError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Store for ConfigMapStore {
    fn root(&self) -> BoxFuture<'_, Result<Stamped<StoreId>, StoreError>> {
        Box::pin(self.checked_root())
    }

    fn read<'a>(&'a self, fingerprint: &'a Fingerprint) -> BoxFuture<'a, Result<Stamped<Option<Held>>, StoreError>> {
        Box::pin(self.read_claim(fingerprint))
    }

    fn create<'a>(&'a self, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.create_claim(record))
    }

    fn replace<'a>(&'a self, token: &'a Token, record: &'a Record) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.replace_claim(token, record))
    }

    fn remove<'a>(
        &'a self,
        token: &'a Token,
        fingerprint: &'a Fingerprint,
    ) -> BoxFuture<'a, Result<Stamped<Swap>, StoreError>> {
        Box::pin(self.remove_claim(token, fingerprint))
    }

    fn list<'a>(&'a self, filter: Filter, after: Option<&'a str>) -> BoxFuture<'a, Result<Stamped<Page>, StoreError>> {
        Box::pin(self.page(filter, after))
    }

    fn count(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.take_stock())
    }
}
