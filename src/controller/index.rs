//! The one task that owns the state: takes changes in, decides, and publishes an immutable view. Several changes that
//! are there at the same time are published at once.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{
    Controller, Snapshot, View,
    coverage::Hook,
    currency::{GRACE, Moment},
    kinds::CustomKind,
    listing::{Compare, Gone, Listing, difference},
    namespaces::NamespaceEntry,
    observed::{Observed, Update},
    pins::{Answer, Pins},
    replicas::Report,
    state::State,
};
use crate::{
    admission::GroupVersionResource, digest::Digest, metrics::PublishLabels, policy::Policy, policy_set::PolicySet,
};

/// How long changes that arrive one after the other are gathered before they are published.
const GATHER: Duration = Duration::from_millis(10);
/// The longest pause between two publications, so that a flood of changes leaves time for decisions.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What the tasks around the index report to it.
#[derive(Debug)]
pub(super) enum Change {
    Policies(Update<Observed>),
    Bindings(Update<Observed>),
    Namespaces(Update<NamespaceEntry>),
    Custom(Update<CustomKind>),
    Mutating(Update<Vec<Hook>>),
    Validating(Update<Vec<Hook>>),
    Replicas(Update<Report>),
    /// What discovery says: (resource, has a status subresource, can be watched).
    Discovered(Vec<(GroupVersionResource, bool, bool)>),
    /// Everything that the ledger holds.
    Ledger(Vec<(String, Digest)>),
    /// A consistent list of everything that decides, and the moment before it was asked for.
    Listed(Box<Listings>),
}

#[derive(Debug)]
pub(super) struct Listings {
    pub(super) as_of: Moment,
    pub(super) policies: Listing,
    pub(super) bindings: Listing,
    pub(super) namespaces: Listing,
}

/// Starts single watches anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    pub(super) policies: Arc<Notify>,
    pub(super) bindings: Arc<Notify>,
    pub(super) namespaces: Arc<Notify>,
}

/// What was read at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Synced {
    pub(super) policies: bool,
    pub(super) bindings: bool,
    pub(super) namespaces: bool,
    pub(super) custom: bool,
    pub(super) discovered: bool,
    pub(super) ledger: bool,
    pub(super) pins: bool,
    pub(super) mutating: bool,
    pub(super) validating: bool,
}

impl Synced {
    /// Whether it is known what the webhooks send.
    pub(super) fn hooks(self) -> bool {
        self.mutating && self.validating
    }
}

/// Lists that the watches have not reached yet.
struct Pending {
    since: Instant,
    restarted: bool,
    listings: Box<Listings>,
}

pub(super) struct Index {
    controller: Arc<Controller>,
    changes: mpsc::Receiver<Change>,
    state: State,
    pins: Pins,
    synced: Synced,
    snapshot: Arc<Snapshot>,
    gone: [Gone; 3],
    restarts: Restarts,
    pending: Option<Pending>,
    /// The first change that is not published, and when it came.
    unpublished: Option<(Instant, &'static str)>,
    /// Nothing is published before.
    pause_until: Instant,
}

impl Index {
    pub(super) fn new(controller: Arc<Controller>, changes: mpsc::Receiver<Change>, restarts: Restarts) -> Self {
        let state = State::new(Arc::clone(&controller.settings));
        let pins = Pins::new(Arc::clone(&controller.ledger));
        let snapshot = Arc::new(Snapshot { set: PolicySet::default(), changed_at: controller.time() });
        Self {
            controller,
            changes,
            state,
            pins,
            synced: Synced::default(),
            snapshot,
            gone: Default::default(),
            restarts,
            pending: None,
            unpublished: None,
            pause_until: Instant::now(),
        }
    }

    /// Runs until nobody reports changes any more.
    pub(super) async fn run(mut self) {
        loop {
            let at = self.wake();
            tokio::select! {
                change = self.changes.recv() => match change {
                    Some(change) => self.gather(change).await,
                    None => return,
                },
                answer = self.pins.answered() => self.answer(answer),
                () = wake(at) => self.pins.retry(Instant::now()),
            }
            if self.unpublished.is_some() && Instant::now() >= self.pause_until {
                self.publish().await;
            }
            self.compare();
        }
    }

    /// The next moment at which something is to be done although nothing is reported.
    fn wake(&self) -> Option<Instant> {
        let publish = self.unpublished.map(|_| self.pause_until);
        let overdue = self.pending.as_ref().map(Pending::overdue);
        [publish, overdue, self.pins.wake()].into_iter().flatten().min()
    }

    /// Takes a change in, and those that wait behind it.
    async fn gather(&mut self, first: Change) {
        let end = Instant::now() + GATHER;
        self.take(first);
        while Instant::now() < end {
            let Ok(change) = self.changes.try_recv() else { return };
            self.take(change);
            tokio::task::yield_now().await;
        }
    }

    fn take(&mut self, change: Change) {
        let (now, synced) = (Instant::now(), self.synced);
        self.take_in(change, now);
        // What was read at all is a part of what is published, whatever it was.
        if self.synced != synced {
            self.changed(now, "first_read");
        }
    }

    fn take_in(&mut self, change: Change, now: Instant) {
        match change {
            Change::Policies(update) => {
                self.synced.policies |= matches!(update, Update::Replace(_));
                self.bury(0, &update, |object| (&object.name, object.seen.resource_version));
                let unasked = self.state.update_policies(update);
                self.ask(unasked);
                self.changed(now, "policy");
            }
            Change::Bindings(update) => {
                self.synced.bindings |= matches!(update, Update::Replace(_));
                self.bury(1, &update, |object| (&object.name, object.seen.resource_version));
                self.state.update_bindings(update);
                self.changed(now, "binding");
            }
            Change::Namespaces(update) => {
                self.synced.namespaces |= matches!(update, Update::Replace(_));
                self.bury(2, &update, |entry| (&entry.name, entry.seen.resource_version));
                self.controller.namespaces.apply(update);
            }
            Change::Custom(update) => {
                self.synced.custom |= matches!(update, Update::Replace(_));
                let kinds = Arc::make_mut(&mut self.state.kinds);
                match update {
                    Update::Replace(all) => kinds.replace_custom(all),
                    Update::Set(kind) => kinds.set_custom(kind),
                    Update::Remove(kind) => kinds.remove_custom(&kind.name),
                }
                self.changed(now, "kind");
            }
            Change::Discovered(resources) => {
                self.synced.discovered = true;
                Arc::make_mut(&mut self.state.kinds).discovered(resources);
                self.changed(now, "kind");
            }
            Change::Mutating(update) => {
                self.synced.mutating = true;
                Arc::make_mut(&mut self.state.installed).mutating = single(update);
                self.changed(now, "webhook");
            }
            Change::Validating(update) => {
                self.synced.validating = true;
                Arc::make_mut(&mut self.state.installed).validating = single(update);
                self.changed(now, "webhook");
            }
            Change::Replicas(update) => {
                self.controller.replicas.apply(update, std::time::Instant::now());
                self.controller.nudge();
            }
            Change::Ledger(pinned) => {
                self.synced.ledger = true;
                self.state.load_ledger(&pinned);
                for answer in self.pins.load(pinned) {
                    self.answer(answer);
                }
                self.changed(now, "pin");
            }
            Change::Listed(listings) => {
                // A newer list asks for more, and does not start the clock anew.
                let (since, restarted) = self.pending.as_ref().map_or((now, false), |old| (old.since, old.restarted));
                self.pending = Some(Pending { since, restarted, listings });
            }
        }
    }

    fn changed(&mut self, now: Instant, what: &'static str) {
        self.unpublished.get_or_insert((now, what));
    }

    fn ask(&mut self, policies: Vec<Arc<Policy>>) {
        for answer in self.pins.ask(policies) {
            self.answer(answer);
        }
    }

    fn answer(&mut self, answer: Answer) {
        let Answer { name, digest, pin } = answer;
        self.state.update_pin(&name, digest, pin);
        self.changed(Instant::now(), "pin");
    }

    /// Remembers the end of an object, which a list that was asked for before may still show.
    fn bury<T>(&mut self, kind: usize, update: &Update<T>, of: impl Fn(&T) -> (&String, u64)) {
        let Some(gone) = self.gone.get_mut(kind) else { return };
        match update {
            Update::Replace(_) => gone.clear(),
            Update::Set(object) => {
                gone.remove(of(object).0);
            }
            Update::Remove(object) => {
                let (name, end) = of(object);
                gone.insert(name.clone(), end);
            }
        }
    }

    async fn publish(&mut self) {
        if !self.is_ready_to_publish() {
            // The next change asks again.
            self.unpublished = None;
            return;
        }
        let start = Instant::now();
        let first = self.unpublished.take();
        if self.state.settle() {
            self.rebuild().await;
        }
        let view = View { state: self.state.clone(), snapshot: Arc::clone(&self.snapshot), synced: self.synced };
        self.controller.publish(view);
        let end = Instant::now();
        if let Some((since, change)) = first {
            let labels = PublishLabels { change };
            self.controller.metrics.publish.get_or_create(&labels).observe((end - since).as_secs_f64());
        }
        self.pause_until = end + ((end - start) * 2).min(LONGEST_PAUSE);
    }

    /// A set of which half is unknown would deny what is allowed.
    fn is_ready_to_publish(&mut self) -> bool {
        let Synced { policies, bindings, ledger, .. } = self.synced;
        self.synced.pins |= policies && ledger && self.state.unanswered().next().is_none();
        policies && bindings && self.synced.pins
    }

    async fn rebuild(&mut self) {
        let bounds = self.state.bounds();
        // Ten thousand bindings take some time to index; decisions go on meanwhile.
        let Ok(set) = tokio::task::spawn_blocking(move || PolicySet::build(bounds)).await else {
            tracing::error!("building the policy set failed; the last one stays");
            return;
        };
        let changed = set.digest() != self.snapshot.set.digest();
        let changed_at = if changed { self.controller.time() } else { self.snapshot.changed_at };
        self.snapshot = Arc::new(Snapshot { set, changed_at });
    }

    /// Compares the last lists with what was published.
    fn compare(&mut self) {
        if self.unpublished.is_some() || !(self.synced.policies && self.synced.bindings && self.synced.namespaces) {
            return;
        }
        let Some(pending) = &self.pending else { return };
        let listings = &pending.listings;
        let behind = self.behind(listings);
        if behind.is_empty() {
            self.controller.confirm_current(listings.as_of);
            let versions =
                [&listings.policies, &listings.bindings, &listings.namespaces].map(|list| list.resource_version);
            for (gone, version) in self.gone.iter_mut().zip(versions) {
                gone.retain(|_, end| *end > version);
            }
            self.pending = None;
            return;
        }
        if Instant::now() < pending.overdue() {
            return;
        }
        let what = behind.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>().join(", ");
        if pending.restarted {
            tracing::error!(behind = %what, "the watch stays behind the API server: not current");
            self.controller.currency.refute(what);
            self.pending = None;
        } else {
            tracing::warn!(behind = %what, "the watch is behind the API server: starting it anew");
            behind.iter().for_each(|(_, restart)| restart.notify_one());
            if let Some(pending) = &mut self.pending {
                pending.restarted = true;
            }
        }
    }

    /// What the watches have not reached, and what starts each of these anew.
    fn behind(&self, listings: &Listings) -> Vec<(String, &Arc<Notify>)> {
        let [gone_policies, gone_bindings, gone_namespaces] = &self.gone;
        let policies = self.state.policies.iter().map(|entry| (entry.name.as_str(), &entry.seen));
        let policy = difference(&listings.policies, policies, gone_policies, Compare::Generation);
        let bindings = self.state.bindings.iter().map(|entry| (entry.binding.name.as_str(), &entry.seen));
        let binding = difference(&listings.bindings, bindings, gone_bindings, Compare::Generation);
        let namespace = self.controller.namespaces.with_seen(|entries| {
            let seen = entries.iter().map(|(name, entry)| (name.as_str(), &entry.seen));
            difference(&listings.namespaces, seen, gone_namespaces, Compare::ResourceVersion)
        });
        let Restarts { policies, bindings, namespaces } = &self.restarts;
        [("policy", policy, policies), ("binding", binding, bindings), ("namespace", namespace, namespaces)]
            .into_iter()
            .filter_map(|(kind, name, restart)| name.map(|name| (format!("{kind} `{name}`"), restart)))
            .collect()
    }
}

impl Pending {
    /// When patience ends: first the watch is started anew, then this replica counts as behind.
    fn overdue(&self) -> Instant {
        self.since + if self.restarted { GRACE * 2 } else { GRACE }
    }
}

/// The one object of a watch by name.
fn single<T>(update: Update<T>) -> Option<T> {
    match update {
        Update::Replace(objects) => objects.into_iter().next(),
        Update::Set(object) => Some(object),
        Update::Remove(_) => None,
    }
}

async fn wake(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
