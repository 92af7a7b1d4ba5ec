//! People and controllers: requests through the API server, and what storage makes of them.

use std::time::Duration;

use writ::digest::{Digest, Domain};
use writ::replay::machine::{Authority, ClaimRequest};
use writ::replay::outcome::Outcome;
use writ::replay::record::{Fingerprint, Operation, PolicyVersion, Resource, Target, Version};

use super::api::carried;
use super::plants::Plant;
use super::truth::window;
use super::world::{Event, World};

/// How long the API server works on one request.
const REQUEST_BOUND: u64 = 34_000;
/// How long it waits for one answer of the webhook.
const WEBHOOK_TIMEOUT: u64 = 2000;

/// Authorities that there are.
const TICKETS: u64 = 40;

/// One request of a user at the API server.
pub(super) struct User {
    name: String,
    operation: Operation,
    tickets: Vec<Fingerprint>,
    began: u64,
    /// CREATE: the uid that the object gets. DELETE: the object's uid.
    uid: String,
    old: Option<Version>,
    dry_run: bool,
    /// Calls of the validating webhook that are still to come for this one change.
    validations: u64,
    tries: u64,
    /// The call whose answer counts.
    attempt: u64,
    called_at: u64,
    /// From its answers: when it was first allowed, and in which epochs.
    allowed: Option<(u64, Vec<(Fingerprint, u64)>)>,
    execution: String,
}

pub(super) fn ticket(number: u64) -> Fingerprint {
    Digest::of(Domain::Fingerprint, &number.to_le_bytes())
}

impl World {
    /// A user comes.
    pub(super) fn arrive(&mut self) {
        let name = format!("object-{}", self.rng.between(0, 4));
        let exists = self.api.objects.get(&name).cloned();
        let operation = match (self.rng.between(0, 100), &exists) {
            (0..65, Some(_)) => Operation::Update,
            (65..85, Some(_)) => Operation::Delete,
            (85..92, Some(_)) | (75..100, None) => Operation::Connect,
            _ => Operation::Create,
        };
        let uid = match (&exists, operation) {
            (Some(version), Operation::Delete) => version.uid.clone(),
            _ => self.api.fresh_uid(),
        };
        // Often somebody comes with the ticket of the last one.
        let first = if self.rng.chance(45) { self.last_ticket } else { ticket(self.rng.between(0, TICKETS)) };
        self.last_ticket = first;
        let mut tickets = vec![first];
        while self.rng.chance(20) {
            tickets.push(ticket(self.rng.between(0, TICKETS)));
        }
        let many = self.rng.chance(40);
        self.last_user += 1;
        let user = User {
            name,
            operation,
            tickets,
            began: self.now,
            uid,
            old: None,
            dry_run: self.rng.chance(8),
            validations: if operation == Operation::Delete && many { self.rng.between(2, 4) } else { 1 },
            tries: 0,
            attempt: 0,
            called_at: 0,
            allowed: None,
            execution: String::new(),
        };
        self.users.insert(self.last_user, user);
        self.attempt(self.last_user);
    }

    /// One attempt: the object is read, and the webhook called.
    fn attempt(&mut self, id: u64) {
        self.last_attempt += 1;
        let attempt = self.last_attempt;
        let Some(user) = self.users.get_mut(&id) else { return };
        user.tries += 1;
        if user.operation == Operation::Update {
            // The first try may work on a stale object from a cache.
            let behind = if user.tries == 1 && self.rng.chance(25) { self.rng.between(1, 6) } else { 0 };
            user.old = self.api.stale(&user.name, behind);
            if user.old.is_none() {
                self.users.remove(&id);
                return;
            }
        }
        (user.attempt, user.called_at) = (attempt, self.now);
        user.execution = format!("execution-{attempt}");
        let request = claim_request(id, attempt, user);
        if request.dry_run {
            self.truth.count().dry_runs += 1;
        }
        // A transport may send a call twice: either the first answer is lost, or both are on their way.
        let doubled = self.rng.chance(5);
        let first_lost = doubled && self.rng.chance(50);
        if doubled {
            self.truth.count().same_call += 1;
            let after = self.now + self.rng.between(0, 1500);
            self.at(after, Event::Again { user: id, attempt, request: Box::new(request.clone()) });
        }
        self.start_claim(request, id, attempt, first_lost);
    }

    /// The replica has answered; the answer is on its way, and may be held up.
    pub(super) fn answered(&mut self, user: u64, attempt: u64, request: &ClaimRequest, outcome: Outcome, lost: bool) {
        let epochs = request.authorities.iter().map(|authority| authority.fingerprint);
        let epochs: Vec<_> = epochs.map(|fingerprint| (fingerprint, self.truth.epoch(&fingerprint))).collect();
        if !matches!(outcome, Outcome::Allowed(_)) {
            self.truth.on_refused(&outcome);
        }
        if lost {
            return;
        }
        let delay = if self.rng.chance(2) { self.rng.between(500, 60_000) } else { self.rng.between(0, 20) };
        let allowed = matches!(outcome, Outcome::Allowed(_));
        let event = Event::Answer { user, attempt, allowed, epochs, decided_at: self.now };
        self.at(self.now + delay, event);
    }

    /// The answer reaches the API server.
    pub(super) fn answer(
        &mut self,
        id: u64,
        attempt: u64,
        allowed: bool,
        epochs: Vec<(Fingerprint, u64)>,
        decided_at: u64,
    ) {
        let accepts_late = self.plant == Some(Plant::LateAnswer);
        let Some(user) = self.users.get_mut(&id) else { return };
        if user.attempt != attempt {
            return;
        }
        let late = self.now > user.called_at + WEBHOOK_TIMEOUT && !accepts_late;
        if !allowed || late || user.dry_run {
            self.users.remove(&id);
            return;
        }
        // Whoever comes later than this with another answer to the same call finds nobody.
        user.attempt = 0;
        user.validations -= 1;
        user.allowed.get_or_insert((decided_at, Vec::new())).1 = epochs;
        if user.validations > 0 {
            return self.attempt(id);
        }
        if self.rng.chance(25) {
            // A quota, another webhook, a disconnect.
            self.truth.count().failed_after_allow += 1;
            self.users.remove(&id);
            return;
        }
        let last = if accepts_late { self.now + REQUEST_BOUND } else { user.began + REQUEST_BOUND };
        let delay = if self.rng.chance(25) { self.rng.between(0, REQUEST_BOUND) } else { self.rng.between(0, 100) };
        self.at((self.now + delay).min(last), Event::Commit(id));
    }

    /// Storage does it, or finds that it cannot.
    pub(super) fn commit(&mut self, id: u64) {
        let Some(user) = self.users.remove(&id) else { return };
        let who = format!("user-{id}");
        let carried = carried(&user.tickets, user.operation, user.old.as_ref(), &user.execution, &who);
        let (stored, change) = match (user.operation, &user.old) {
            (Operation::Create, _) => (self.api.create(&user.name, &user.uid, carried), format!("create {}", user.uid)),
            (Operation::Update, Some(old)) => {
                (self.api.update(&user.name, old, carried), format!("update {}", old.resource_version))
            }
            (Operation::Delete, _) => (self.api.delete(&user.name, &user.uid), format!("delete {}", user.uid)),
            _ => (true, format!("connect {id}")),
        };
        if stored {
            let Some((allowed_at, epochs)) = user.allowed else { return };
            return self.truth.on_stored(&change, &epochs, allowed_at, self.now);
        }
        self.truth.count().failed_after_allow += 1;
        // A conflict: the API server reads again and asks again, within the same request.
        if user.operation == Operation::Update && self.now < user.began + REQUEST_BOUND && user.tries < 5 {
            self.users.insert(id, User { allowed: None, validations: 1, ..user });
            self.attempt(id);
        }
    }

    /// Somebody else's change: a controller, or an authority that is not a `Once` one.
    pub(super) fn foreign(&mut self) {
        let name = format!("object-{}", self.rng.between(0, 4));
        match (self.api.objects.get(&name).cloned(), self.rng.between(0, 100)) {
            (Some(old), 0..80) => {
                // Who writes the status alone leaves the attestation of the last change on the object.
                let kept = if self.rng.chance(70) { self.api.standing(&name) } else { None };
                self.api.update(&name, &old, kept);
            }
            (Some(old), _) => {
                self.api.delete(&name, &old.uid);
            }
            (None, 0..50) => {
                let uid = self.api.fresh_uid();
                self.api.create(&name, &uid, None);
            }
            _ => {}
        }
    }

    /// What a wrong caller would ask for.
    pub(super) fn plant_request(&self, request: &mut ClaimRequest) {
        match self.plant {
            Some(Plant::TargetWithoutVersion) => {
                if let Some(old) = &mut request.target.old {
                    old.resource_version.0 = "1".into();
                }
            }
            Some(Plant::TargetWithoutUid) => {
                if let Some(uid) = &mut request.target.uid {
                    "uid".clone_into(uid);
                }
            }
            Some(Plant::RequestUidRepeats) => "request".clone_into(&mut request.request_uid),
            Some(Plant::OnlyFirstIsClaimed) => request.authorities.truncate(1),
            Some(Plant::DryRunWrites) => request.dry_run = false,
            _ => {}
        }
    }
}

fn claim_request(id: u64, attempt: u64, user: &User) -> ClaimRequest {
    let authority = |fingerprint: &Fingerprint| Authority {
        fingerprint: *fingerprint,
        policy: PolicyVersion { id: "ticket".into(), version: "v1".into(), digest: Digest::plain(b"policy") },
        window: window(),
    };
    ClaimRequest {
        authorities: user.tickets.iter().map(authority).collect(),
        target: Target {
            operation: user.operation,
            resource: Resource { group: "apps".into(), version: "v1".into(), resource: "deployments".into() },
            subresource: String::new(),
            namespace: "shop".into(),
            name: user.name.clone(),
            old: user.old.clone(),
            uid: (user.operation == Operation::Delete).then(|| user.uid.clone()),
        },
        request_uid: format!("request-{attempt}"),
        object_uid: user.old.as_ref().map_or_else(|| user.uid.clone(), |old| old.uid.clone()),
        object_resource_version: String::new(),
        conversion_webhook: false,
        execution_id: user.execution.clone(),
        user: format!("user-{id}"),
        dry_run: user.dry_run,
        deadline: Duration::MAX,
    }
}
