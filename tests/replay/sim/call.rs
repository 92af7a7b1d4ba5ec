//! One call inside a replica: what the service does with the state machine, in simulated time.

use std::time::Duration;

use writ::replay::contract::{Held, Swap, Token};
use writ::replay::event::{Current, Looked, Patience};
use writ::replay::machine::{Action, Answer, Claim, ClaimRequest, Resolve, Resolved};
use writ::replay::outcome::{Outcome, Unavailable};
use writ::replay::record::{Fingerprint, Record, ResourceVersion, State};

use super::plants::Plant;
use super::world::{Event, World};

pub(super) type CallId = u64;

pub(super) struct Call {
    pub(super) replica: usize,
    /// Which life of the replica it belongs to.
    pub(super) life: u64,
    pub(super) course: Course,
    /// Answered after this, it is not.
    pub(super) deadline: u64,
    /// Which step of the course is awaited: late replies to an earlier one are nobody's.
    step: u64,
    gathered: Option<Gathered>,
}

pub(super) enum Course {
    Claim { claim: Box<Claim>, request: Box<ClaimRequest>, user: u64, attempt: u64, lost: bool },
    Resolve { fingerprint: Fingerprint, resolve: Option<Box<Resolve>> },
}

/// Parts of a gather that have come.
struct Gathered {
    reads: Vec<(Fingerprint, Option<Option<Held>>)>,
    revision: Option<Option<ResourceVersion>>,
    current: Option<Option<Current>>,
}

/// One thing that a server does for a call.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Read(Fingerprint),
    Revision,
    Current(String),
    Look(Box<Record>, Patience),
    Create(Box<Record>),
    Replace(Token, Box<Record>),
}

/// What it came to.
#[derive(Clone, Debug)]
pub(super) enum Result {
    Read(Fingerprint, Option<Box<Held>>),
    Revision(ResourceVersion),
    Current(Current),
    Looked(Looked),
    Swapped(Swap),
    /// The connection broke; whether it was before or after the server did it, the caller cannot know.
    Broken(Box<Op>),
    /// The replica's clock is too far from the store's.
    Skewed,
}

fn unavailable() -> Outcome {
    Outcome::StoreUnavailable(Unavailable::Store("simulated".into()))
}

impl World {
    pub(super) fn start_claim(&mut self, request: ClaimRequest, user: u64, attempt: u64, lost: bool) {
        let replica = self.any_replica();
        if !self.replicas[replica].up {
            return self.answered(user, attempt, &request, unavailable(), lost);
        }
        let deadline = self.now + 1500;
        let now = match self.replica_time(replica) {
            Some(now) => now,
            // The driver asks the root first; here that never fails.
            None => {
                let stamp = self.stamp();
                self.observe(replica, stamp)
            }
        };
        let mut seen = request.clone();
        self.plant_request(&mut seen);
        let claim = Box::new(Claim::new(seen, self.terms(), now));
        let course = Course::Claim { claim, request: Box::new(request), user, attempt, lost };
        let call = self.add_call(replica, course, deadline);
        self.at(deadline, Event::Timeout(call));
        self.next_action(call);
    }

    pub(super) fn start_resolve(&mut self, replica: usize, fingerprint: Fingerprint) {
        let course = Course::Resolve { fingerprint, resolve: None };
        let call = self.add_call(replica, course, self.now + 10_000);
        self.at(self.now + 10_000, Event::Timeout(call));
        self.issue(call, Op::Read(fingerprint));
    }

    fn add_call(&mut self, replica: usize, course: Course, deadline: u64) -> CallId {
        self.last_call += 1;
        let life = self.replicas[replica].life;
        self.calls.insert(self.last_call, Call { replica, life, course, deadline, step: 0, gathered: None });
        self.last_call
    }

    fn next_action(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let action = match &mut call.course {
            Course::Claim { claim, .. } => Some(claim.action()),
            Course::Resolve { resolve, .. } => resolve.as_ref().and_then(|resolve| resolve.action()),
        };
        match action {
            None => self.resolved(id),
            Some(Action::Done(outcome)) => self.done(id, outcome),
            Some(Action::Gather { reads, revision, current }) => self.gather(id, &reads, revision, current),
            Some(Action::Look(record, patience)) => self.issue(id, Op::Look(record, patience)),
            Some(Action::Create(record)) => self.issue(id, Op::Create(record)),
            Some(Action::Replace(token, record)) => self.issue(id, Op::Replace(token, record)),
        }
    }

    fn gather(&mut self, id: CallId, reads: &[Fingerprint], revision: bool, current: bool) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Course::Claim { request, .. } = &call.course else { return };
        let name = request.target.name.clone();
        call.gathered = Some(Gathered {
            reads: reads.iter().map(|fingerprint| (*fingerprint, None)).collect(),
            revision: if revision { None } else { Some(None) },
            current: if current { None } else { Some(Some(Current::Unread)) },
        });
        call.step += 1;
        let mut ops: Vec<Op> = reads.iter().map(|fingerprint| Op::Read(*fingerprint)).collect();
        ops.extend(revision.then_some(Op::Revision));
        ops.extend(current.then_some(Op::Current(name)));
        for op in ops {
            self.send(id, op);
        }
    }

    fn issue(&mut self, id: CallId, op: Op) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.step += 1;
        if let Op::Create(record) | Op::Replace(_, record) = &op {
            if record.state == State::Reserved {
                let due = (record.deadline, record.fingerprint);
                self.replicas[call.replica].due.insert(due);
            }
            let dry = matches!(&call.course, Course::Claim { request, .. } if request.dry_run);
            if dry {
                self.truth.violate("a dry run writes".into());
            }
        }
        self.send(id, op);
    }

    /// Sends one op to a server: it is done after a while, or long after the caller gave up, or never.
    fn send(&mut self, id: CallId, op: Op) {
        let Some(call) = self.calls.get(&id) else { return };
        let step = call.step;
        let delay = match self.rng.between(0, 100) {
            0 => self.rng.between(1000, 8000),
            1..20 => self.rng.between(20, 300),
            _ => self.rng.between(0, 20),
        };
        self.operations += 1;
        let fault = self.faults && self.rng.chance(2);
        if fault && self.rng.chance(50) {
            let broken = Result::Broken(Box::new(op));
            return self.at(self.now + delay, Event::Reply { call: id, step, result: Box::new(broken), stamp: None });
        }
        self.at(self.now + delay, Event::Execute { call: id, step, op, reply_lost: fault });
    }

    /// A server does it.
    pub(super) fn execute(&mut self, id: CallId, step: u64, op: Op, reply_lost: bool) {
        let stamp = self.stamp();
        let result = match &op {
            Op::Read(fingerprint) => Result::Read(*fingerprint, self.store.read(fingerprint).map(Box::new)),
            Op::Revision => Result::Revision(self.api.revision(&mut self.rng)),
            Op::Current(name) => Result::Current(self.api.current(name, &mut self.rng)),
            Op::Look(record, patience) => Result::Looked(self.api.look(record, *patience, &mut self.rng)),
            Op::Create(record) => {
                let (swap, change) = self.store.create(record);
                self.changed(change);
                Result::Swapped(swap)
            }
            Op::Replace(token, record) => {
                let (swap, change) = self.store.replace(token, record);
                self.changed(change);
                Result::Swapped(swap)
            }
        };
        let result = if reply_lost { Result::Broken(Box::new(op)) } else { result };
        let delay = if self.rng.chance(2) { self.rng.between(500, 3000) } else { self.rng.between(0, 20) };
        self.at(self.now + delay, Event::Reply { call: id, step, result: Box::new(result), stamp: Some(stamp) });
    }

    /// A reply reaches the replica, unless it is gone; a paused one takes it later.
    pub(super) fn reply(&mut self, id: CallId, step: u64, result: Result, stamp: Option<(u64, Duration)>) {
        let Some(call) = self.calls.get(&id) else { return };
        let replica = &self.replicas[call.replica];
        if replica.life != call.life {
            self.calls.remove(&id);
            return;
        }
        if replica.paused_until > self.now {
            return self.at(replica.paused_until, Event::Reply { call: id, step, result: Box::new(result), stamp });
        }
        if call.step != step {
            return;
        }
        let replica = call.replica;
        let skewed = self.is_skewed();
        let (result, stamp) = if skewed { (Result::Skewed, stamp) } else { (result, stamp) };
        let now = match stamp {
            Some(stamp) => self.observe(replica, stamp),
            None => self.replica_time(replica).unwrap_or_else(|| self.estimate()),
        };
        self.take(id, result, now);
    }

    fn take(&mut self, id: CallId, result: Result, now: writ::replay::Span) {
        let believes = self.plant == Some(Plant::UnknownIsDone);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let answer = match result {
            Result::Broken(op) if believes && matches!(*op, Op::Create(_) | Op::Replace(..)) => {
                Some(Answer::Wrote(Token("0".into())))
            }
            Result::Broken(_) | Result::Skewed => Some(Answer::Failed(unavailable())),
            Result::Looked(looked) => Some(Answer::Looked(looked)),
            Result::Swapped(Swap::Done(token)) => Some(Answer::Wrote(token)),
            Result::Swapped(Swap::Lost) => Some(Answer::Lost),
            Result::Read(fingerprint, held) => match &mut call.course {
                Course::Resolve { resolve, .. } => {
                    *resolve = held.map(|held| Box::new(Resolve::new(*held, now)));
                    None
                }
                Course::Claim { .. } => call.part(|parts| {
                    for (wanted, slot) in &mut parts.reads {
                        if *wanted == fingerprint {
                            *slot = Some(held.clone().map(|held| *held));
                        }
                    }
                }),
            },
            Result::Revision(revision) => call.part(|parts| parts.revision = Some(Some(revision))),
            Result::Current(current) => call.part(|parts| parts.current = Some(Some(current))),
        };
        match (&mut call.course, answer) {
            (Course::Claim { claim, .. }, Some(answer)) => claim.answer(answer, now),
            (Course::Resolve { resolve: Some(resolve), .. }, Some(answer)) => resolve.answer(answer),
            // A gather that is not complete.
            (Course::Claim { .. }, None) => return,
            (Course::Resolve { .. }, _) => {}
        }
        self.next_action(id);
    }

    fn done(&mut self, id: CallId, outcome: Outcome) {
        let Some(call) = self.calls.remove(&id) else { return };
        let Course::Claim { request, user, attempt, lost, .. } = call.course else { return };
        let late = self.now > call.deadline && self.plant != Some(Plant::LateAnswer);
        let outcome = if late { Outcome::StoreUnavailable(Unavailable::TimedOut) } else { outcome };
        if let Outcome::Allowed(allowed) = &outcome
            && !request.dry_run
        {
            self.truth.on_allowed(allowed, &request, &self.store, &self.api, self.now);
        }
        if self.plant == Some(Plant::ReleasesOthers) && !matches!(outcome, Outcome::Allowed(_)) {
            self.release_all(&request);
        }
        self.answered(user, attempt, &request, outcome, lost);
    }

    fn resolved(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(&id) else { return };
        let Course::Resolve { fingerprint, resolve } = call.course else { return };
        let later = resolve
            .as_ref()
            .and_then(|resolve| resolve.result())
            .is_some_and(|result| matches!(result, Resolved::Later | Resolved::Failed(_)));
        if later {
            let now = self.replica_time(call.replica).unwrap_or_else(|| self.estimate()).earliest;
            self.replicas[call.replica].due.insert((now, fingerprint));
        }
    }

    pub(super) fn timed_out(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let replica = &self.replicas[call.replica];
        if replica.life == call.life && replica.paused_until > self.now {
            return self.at(replica.paused_until, Event::Timeout(id));
        }
        if self.plant == Some(Plant::LateAnswer) && replica.life == call.life {
            return;
        }
        let Some(call) = self.calls.remove(&id) else { return };
        match call.course {
            Course::Claim { request, user, attempt, lost, .. } => {
                self.answered(user, attempt, &request, Outcome::StoreUnavailable(Unavailable::TimedOut), lost);
            }
            Course::Resolve { fingerprint, .. } => {
                let now = self.replica_time(call.replica).unwrap_or_else(|| self.estimate()).earliest;
                self.replicas[call.replica].due.insert((now, fingerprint));
            }
        }
    }

    fn release_all(&mut self, request: &ClaimRequest) {
        for authority in &request.authorities {
            let Some(held) = self.store.read(&authority.fingerprint) else { continue };
            if held.record.state == State::Reserved {
                let record = Record { state: State::Released, ..held.record };
                let (_, change) = self.store.replace(&held.token, &record);
                self.changed(change);
            }
        }
    }
}

impl Call {
    /// Adds a part; gives the whole once nothing is missing.
    fn part(&mut self, add: impl FnOnce(&mut Gathered)) -> Option<Answer> {
        let parts = self.gathered.as_mut()?;
        add(parts);
        let whole = parts.reads.iter().all(|(_, read)| read.is_some());
        if !whole || parts.revision.is_none() || parts.current.is_none() {
            return None;
        }
        let Gathered { reads, revision, current } = self.gathered.take()?;
        Some(Answer::Gathered {
            reads: reads.into_iter().map(|(fingerprint, read)| (fingerprint, read.flatten())).collect(),
            revision: revision.flatten(),
            current: current.flatten().unwrap_or(Current::Unread),
        })
    }
}
