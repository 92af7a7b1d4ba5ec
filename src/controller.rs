//! The controller: watches policies, bindings and what decides about them, and keeps an immutable view of what is in
//! force for the runtime to read. Gather (watches, lists, ledger) → plan (pure) → apply (status, reports, events).
//!
//! One task owns the state ([`state::State`]); everything else only reports to it or reads what it published.

mod apply;
pub mod bindings;
mod check;
pub mod conditions;
mod convert;
pub mod coverage;
pub mod currency;
pub mod detector;
mod discovery;
pub mod events;
#[cfg(test)]
mod fixtures;
pub mod force;
mod heartbeat;
mod index;
pub mod kinds;
mod leader;
pub mod lease;
pub mod listing;
mod namespaces;
pub mod observed;
pub mod own_kinds;
mod pins;
pub mod policies;
pub mod replicas;
mod settings;
pub mod state;
pub mod status;
mod watch;
mod world;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
pub use settings::Settings;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    admission::GroupVersionResource,
    api::{Policy, PolicyBinding},
    clock::{Clock, ClockError, EARLIEST},
    metrics::{BINDING_STATES, ControllerMetrics, FaultLabels, POLICY_STATES, StateLabels},
    shutdown::{Phase, Shutdown},
    time::Timestamp,
};
pub use crate::{
    ledger,
    runtime::{KindFacts, NamespaceFacts, Snapshot, WorldError},
};
use currency::{Currency, Moment};
use events::{Events, Notice};
use index::{Change, Index, Restarts, Synced};
use lease::Leadership;
use ledger::{Ledger, Pin};
use namespaces::Namespaces;
use replicas::{Replicas, Report};
use state::State;
use watch::Watch;

/// How many changes may wait for the index.
const WAITING_CHANGES: usize = 1024;
/// How long a replica that stops may take to give back the lease and remove its report.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that was known at one time.
#[derive(Debug)]
pub struct View {
    /// Policies, bindings, kinds and webhook configurations.
    pub state: State,
    /// What the runtime decides by.
    pub snapshot: Arc<Snapshot>,
    synced: Synced,
}

/// A task of the controller ended, which none does while the replica runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task of the controller ended: {0}; the process has to start anew")]
pub struct TaskError(String);

/// The controller of one replica.
pub struct Controller {
    client: Client,
    settings: Arc<Settings>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    metrics: ControllerMetrics,
    view: ArcSwapOption<View>,
    namespaces: Namespaces,
    currency: Currency,
    replicas: Replicas,
    leadership: Leadership,
    events: Events,
    notices: Mutex<Option<mpsc::Receiver<Notice>>>,
    status_nudges: Notify,
    report_nudges: Notify,
}

impl Controller {
    /// A controller that knows nothing yet; see [`Controller::run`].
    #[must_use]
    pub fn new(
        client: Client,
        settings: Settings,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        metrics: ControllerMetrics,
    ) -> Arc<Self> {
        let (events, notices) = Events::new(metrics.clone());
        Arc::new(Self {
            client,
            settings: Arc::new(settings),
            ledger,
            clock,
            metrics,
            view: ArcSwapOption::empty(),
            namespaces: Namespaces::default(),
            currency: Currency::default(),
            replicas: Replicas::default(),
            leadership: Leadership::default(),
            events,
            notices: Mutex::new(Some(notices)),
            status_nudges: Notify::new(),
            report_nudges: Notify::new(),
        })
    }

    /// Runs until `shutdown` stops: a draining replica still decides, so it still watches.
    ///
    /// # Errors
    /// A task ended, which is a fault: what this replica knows grows old, and it has to be started anew.
    pub async fn run(self: &Arc<Self>, shutdown: &Shutdown) -> Result<(), TaskError> {
        let mut tasks = self.start();
        let ended = tokio::select! {
            () = shutdown.reached(Phase::Stopping) => None,
            ended = tasks.join_next() => Some(ended),
        };
        tasks.shutdown().await;
        let farewell = async {
            leader::release(self).await;
            heartbeat::retire(self).await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        match ended {
            None => Ok(()),
            Some(Some(Err(error))) => Err(TaskError(error.to_string())),
            Some(_) => Err(TaskError("without a fault".to_owned())),
        }
    }

    fn start(self: &Arc<Self>) -> JoinSet<()> {
        let (sender, receiver) = mpsc::channel(WAITING_CHANGES);
        let restarts = Restarts::default();
        let mut tasks = JoinSet::new();
        self.watch_own_kinds(&mut tasks, &sender, &restarts);
        self.watch_others(&mut tasks, &sender, &restarts);
        tasks.spawn(discovery::run(Arc::clone(self), sender.clone()));
        tasks.spawn(check::run(Arc::clone(self), sender.clone()));
        tasks.spawn(Arc::clone(self).read_ledger(sender));
        tasks.spawn(Index::new(Arc::clone(self), receiver, restarts).run());
        tasks.spawn(leader::run(Arc::clone(self)));
        tasks.spawn(heartbeat::run(Arc::clone(self)));
        tasks.spawn(apply::run(Arc::clone(self)));
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notices) = notices {
            let (client, replica) = (self.client.clone(), self.settings.replica.clone());
            tasks.spawn(events::run(client, replica, self.metrics.clone(), notices));
        }
        tasks
    }

    fn watch_own_kinds(&self, tasks: &mut JoinSet<()>, changes: &mpsc::Sender<Change>, restarts: &Restarts) {
        let policies = ApiResource::erase::<Policy>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &policies);
        let watch = self.watch("policies", &restarts.policies, changes);
        tasks.spawn(watch.run(api, convert::observed, Change::Policies));
        let bindings = ApiResource::erase::<PolicyBinding>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &bindings);
        let watch = self.watch("policybindings", &restarts.bindings, changes);
        tasks.spawn(watch.run(api, convert::observed, Change::Bindings));
    }

    fn watch_others(&self, tasks: &mut JoinSet<()>, changes: &mpsc::Sender<Change>, restarts: &Restarts) {
        let client = || self.client.clone();
        let never = Arc::default();
        let watch = self.watch("namespaces", &restarts.namespaces, changes);
        tasks.spawn(watch.run(
            Api::<Namespace>::all(client()),
            |namespace| namespaces::entry(&namespace),
            Change::Namespaces,
        ));
        let watch = self.watch("customresourcedefinitions", &never, changes);
        let definitions = convert::definition_resource();
        let api: Api<convert::Definition> = Api::all_with(client(), &definitions);
        tasks.spawn(watch.run(api, convert::custom_kind, Change::Custom));
        let fields = format!("metadata.name={}", self.settings.webhook_configuration);
        let watch = self.watch("mutatingwebhookconfigurations", &never, changes).of(&fields, "");
        let api: Api<MutatingWebhookConfiguration> = Api::all(client());
        tasks.spawn(watch.run(api, convert::mutating, Change::Mutating));
        let watch = self.watch("validatingwebhookconfigurations", &never, changes).of(&fields, "");
        let api: Api<ValidatingWebhookConfiguration> = Api::all(client());
        tasks.spawn(watch.run(api, convert::validating, Change::Validating));
        let labels = format!("{}={}", replicas::LABEL, replicas::LABEL_VALUE);
        let watch = self.watch("configmaps", &never, changes).of("", &labels);
        let api: Api<ConfigMap> = Api::namespaced(client(), &self.settings.namespace);
        tasks.spawn(watch.run(api, Report::read, Change::Replicas));
    }

    fn watch(&self, what: &'static str, restart: &Arc<Notify>, changes: &mpsc::Sender<Change>) -> Watch {
        let (fields, labels) = (String::new(), String::new());
        let (restart, changes, metrics) = (Arc::clone(restart), changes.clone(), self.metrics.clone());
        Watch { what, fields, labels, restart, changes, metrics }
    }

    /// Reads the ledger once, and keeps the channel of changes open.
    async fn read_ledger(self: Arc<Self>, changes: mpsc::Sender<Change>) {
        loop {
            match self.ledger.pinned().await {
                Ok(pinned) => {
                    // Whoever takes changes is there as long as this task.
                    let _ = changes.send(Change::Ledger(pinned)).await;
                    changes.closed().await;
                    return;
                }
                Err(error) => tracing::warn!(error = %error, "the ledger could not be read, trying again"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    // ---- what others read

    /// Everything that is known; `None` until policies and bindings were first read.
    #[must_use]
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    /// What is in force; `None` until policies and bindings were first read.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.view.load().as_ref().map(|view| Arc::clone(&view.snapshot))
    }

    /// Whether the policies are known to have been current within [`currency::LIMIT`] before `now`.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.currency.is_current(Moment { steady: Instant::now(), wall: now })
    }

    /// A namespace: from the watch, on a miss by a live read.
    ///
    /// # Errors
    /// It does not exist, or cannot be read in time.
    pub async fn namespace(&self, name: &str) -> Result<Arc<NamespaceFacts>, WorldError> {
        self.namespaces.read(&self.client, name).await
    }

    /// What is known of a kind; the safest where nothing is.
    #[must_use]
    pub fn kind(&self, resource: &GroupVersionResource) -> KindFacts {
        self.view.load().as_ref().map_or(KindFacts::UNKNOWN, |view| view.state.kinds.facts(resource))
    }

    /// Why this replica must not get requests yet, or no more; empty where it may.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.view.load().as_ref() {
            None => faults.push("policies and bindings were not read yet, or their pins in the ledger".to_owned()),
            Some(view) => {
                let Synced { namespaces, custom, discovered, .. } = view.synced;
                for (is_read, what) in [
                    (namespaces, "namespaces"),
                    (custom, "definitions of custom resources"),
                    (discovered, "the API server's kinds"),
                ] {
                    if !is_read {
                        faults.push(format!("{what} were not read yet"));
                    }
                }
            }
        }
        match self.moment() {
            Ok(now) => faults.extend(self.currency.fault(now)),
            Err(error) => faults.push(error.to_string()),
        }
        faults
    }

    /// Tells people by Kubernetes Events.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Whether this replica writes status now.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leadership.is_held(Instant::now())
    }

    // ---- what the tasks share

    fn publish(&self, view: View) {
        self.count(&view.state);
        self.watch_over(&view);
        let seconds = view.snapshot.changed_at.as_millis() / 1000;
        self.metrics.set_changed.set(seconds);
        self.view.store(Some(Arc::new(view)));
        self.nudge();
    }

    fn count(&self, state: &State) {
        let mut policies = [0_i64; POLICY_STATES.len()];
        for entry in state.policies.iter() {
            let index = match (&entry.compiled, &entry.pin) {
                (Err(_), _) => 3,
                (_, Pin::Pinned) => 0,
                (_, Pin::Unanswered | Pin::Failed(_)) => 1,
                (_, Pin::Conflict(_)) => 2,
            };
            if let Some(count) = policies.get_mut(index) {
                *count += 1;
            }
        }
        let mut bindings = [0_i64; BINDING_STATES.len()];
        for entry in state.bindings.iter() {
            let index = match (&entry.decision.shortfall, &entry.decision.in_force) {
                (None, _) => 0,
                (Some(_), Some(_)) => 1,
                (Some(_), None) => 2,
            };
            if let Some(count) = bindings.get_mut(index) {
                *count += 1;
            }
        }
        for (state, count) in POLICY_STATES.into_iter().zip(policies) {
            self.metrics.policies.get_or_create(&StateLabels { state }).set(count);
        }
        for (state, count) in BINDING_STATES.into_iter().zip(bindings) {
            self.metrics.bindings.get_or_create(&StateLabels { state }).set(count);
        }
    }

    /// Tells of webhook configurations that are gone, opened or edited.
    fn watch_over(&self, view: &View) {
        if !view.synced.hooks() {
            return;
        }
        let installed = &view.state.installed;
        for (fault, is) in detector::FAULTS.into_iter().zip(detector::faults(installed)) {
            self.metrics.webhook_faults.get_or_create(&FaultLabels { fault }).set(i64::from(is));
        }
        let last = self.view.load();
        let before = last.as_ref().filter(|view| view.synced.hooks()).map(|view| &*view.state.installed);
        for notice in detector::news(&self.settings.webhook_configuration, before, installed) {
            if notice.warning {
                tracing::error!(reason = notice.reason, "{}", notice.note);
            } else {
                tracing::info!(reason = notice.reason, "{}", notice.note);
            }
            self.events.tell(notice);
        }
    }

    fn confirm_current(&self, as_of: Moment) {
        self.currency.confirm(as_of);
        self.metrics.current_as_of.set(as_of.wall.as_millis() / 1000);
    }

    /// Something changed that status or reports may depend on.
    fn nudge(&self) {
        self.status_nudges.notify_one();
        self.report_nudges.notify_one();
    }

    fn nudge_status(&self) {
        self.status_nudges.notify_one();
    }

    fn moment(&self) -> Result<Moment, ClockError> {
        Ok(Moment { steady: Instant::now(), wall: self.clock.now()? })
    }

    /// The time of day where a wrong one decides nothing.
    fn time(&self) -> Timestamp {
        self.clock.now().unwrap_or(EARLIEST)
    }
}

impl Watch {
    fn of(mut self, fields: &str, labels: &str) -> Self {
        (self.fields, self.labels) = (fields.to_owned(), labels.to_owned());
        self
    }
}
