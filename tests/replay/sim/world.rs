//! Time, replicas and faults: the one queue of events that a seed is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use writ::replay::contract::Swap;
use writ::replay::machine::{ClaimRequest, Terms};
use writ::replay::record::{Fingerprint, State};
use writ::replay::resolve::{OWNER_FIRST, SWEEP_EVERY};
use writ::replay::{Span, StoreClock};
use writ::time::Timestamp;

use super::api::Api;
use super::call::{Call, CallId, Op, Result};
use super::plants::Plant;
use super::rng::Rng;
use super::store::{Change, Store};
use super::truth::Truth;
use super::user::User;

/// Faults end here, in milliseconds.
const FAULTS_UNTIL: u64 = 1_500_000;
/// Then everything comes to rest until here. A clock that went from ten minutes fast to ten minutes slow keeps the last
/// claims open for twenty minutes.
const REST: u64 = FAULTS_UNTIL + 1_400_000;
/// The store's clock at the beginning.
const EPOCH: u64 = 1_800_000_000_000;

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) plant: Option<Plant>,
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(super) faults: bool,
    pub(super) store: Store,
    pub(super) api: Api,
    pub(super) replicas: Vec<Replica>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) last_call: CallId,
    pub(super) users: BTreeMap<u64, User>,
    pub(super) last_user: u64,
    pub(super) last_attempt: u64,
    pub(super) last_ticket: Fingerprint,
    pub(super) truth: Truth,
    pub(super) operations: u64,
    /// How far the store's clock is off, and how its servers differ.
    jump: i64,
    /// The latest time that the store has written down.
    high_water: Option<Timestamp>,
    servers: [u64; 2],
    grain: Duration,
}

pub(super) struct Replica {
    pub(super) up: bool,
    pub(super) life: u64,
    pub(super) paused_until: u64,
    clock: StoreClock,
    pub(super) due: BTreeSet<(Timestamp, Fingerprint)>,
    swept: Option<u64>,
}

pub(super) enum Event {
    Arrive,
    Again { user: u64, attempt: u64, request: Box<ClaimRequest> },
    Execute { call: CallId, step: u64, op: Op, reply_lost: bool },
    Reply { call: CallId, step: u64, result: Box<Result>, stamp: Option<(u64, Duration)> },
    Timeout(CallId),
    Answer { user: u64, attempt: u64, allowed: bool, epochs: Vec<(Fingerprint, u64)>, decided_at: u64 },
    Commit(u64),
    Foreign,
    CacheCatchesUp,
    Compact,
    Tick(usize),
    Purge(usize),
    Fault,
    Restart(usize),
}

impl World {
    pub(super) fn run(seed: u64, plant: Option<Plant>) -> Self {
        let mut rng = Rng::new(seed);
        // Half of the stores are files on one machine, half are behind API servers that differ a little.
        let (grain, servers) = if rng.chance(50) {
            (Duration::ZERO, [0, 0])
        } else {
            (Duration::from_secs(1), [rng.between(0, 4000), rng.between(0, 4000)])
        };
        let mut world = Self {
            rng,
            plant,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            faults: true,
            store: Store::new(plant),
            api: Api::new(plant),
            replicas: Vec::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            users: BTreeMap::new(),
            last_user: 0,
            last_attempt: 0,
            last_ticket: super::user::ticket(0),
            truth: Truth::default(),
            operations: 0,
            jump: 0,
            high_water: None,
            servers,
            grain,
        };
        // One process writes to a file, several share a server.
        for replica in 0..if grain.is_zero() { 1 } else { 2 } {
            let new = world.new_replica(0);
            world.replicas.push(new);
            world.at(1000, Event::Tick(replica));
            world.at(60_000, Event::Purge(replica));
        }
        for event in [Event::Arrive, Event::Foreign, Event::CacheCatchesUp, Event::Compact, Event::Fault] {
            world.at(0, event);
        }
        world.go();
        world
    }

    fn go(&mut self) {
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if self.truth.violation.is_some() {
                return;
            }
            if time > REST {
                break;
            }
            self.now = time;
            self.faults = time < FAULTS_UNTIL;
            self.handle(event);
        }
        self.truth.on_rest(&self.store, self.now);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive if self.faults => {
                self.arrive();
                // Often somebody comes with the same thing at the same time.
                let next = if self.rng.chance(40) { self.rng.between(0, 500) } else { self.rng.between(500, 9000) };
                self.at(self.now + next, Event::Arrive);
            }
            Event::Arrive => {}
            Event::Again { user, attempt, request } => self.start_claim(*request, user, attempt, false),
            Event::Execute { call, step, op, reply_lost } => self.execute(call, step, op, reply_lost),
            Event::Reply { call, step, result, stamp } => self.reply(call, step, *result, stamp),
            Event::Timeout(call) => self.timed_out(call),
            Event::Answer { user, attempt, allowed, epochs, decided_at } => {
                self.answer(user, attempt, allowed, epochs, decided_at);
            }
            Event::Commit(user) => self.commit(user),
            Event::Foreign => {
                self.foreign();
                let next = self.rng.between(500, 12_000);
                self.at(self.now + next, Event::Foreign);
            }
            Event::CacheCatchesUp => {
                self.api.catch_up(&mut self.rng, self.now);
                if self.plant == Some(Plant::NoFsync) {
                    self.store.back_up();
                }
                let next = self.rng.between(50, 2000);
                self.at(self.now + next, Event::CacheCatchesUp);
            }
            Event::Compact => {
                let all = self.faults && self.rng.chance(15);
                self.api.compact(all);
                let next = self.rng.between(30_000, 300_000);
                self.at(self.now + next, Event::Compact);
            }
            Event::Tick(replica) => self.tick(replica),
            Event::Purge(replica) => self.purge(replica),
            Event::Fault => self.fault(),
            Event::Restart(replica) => {
                if !self.replicas[replica].up {
                    let life = self.replicas[replica].life;
                    self.replicas[replica] = self.new_replica(life);
                }
            }
        }
    }

    pub(super) fn any_replica(&mut self) -> usize {
        usize::try_from(self.rng.next()).unwrap() % self.replicas.len()
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((time.max(self.now), self.sequence), event);
    }

    fn new_replica(&self, life: u64) -> Replica {
        // A file says when it was last written; a server's clock goes on without us.
        let opened_at = self.high_water.filter(|_| self.grain.is_zero());
        let clock = StoreClock::new(self.terms().skew, opened_at, self.elapsed());
        Replica { up: true, life, paused_until: 0, clock, due: BTreeSet::new(), swept: None }
    }

    pub(super) fn terms(&self) -> Terms {
        match self.plant {
            Some(Plant::DeadlineTooShort) => Terms { commit_bound: Duration::ZERO, ..Terms::default() },
            _ => Terms::default(),
        }
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn stamped(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(EPOCH + self.now).unwrap() + self.jump)
    }

    /// What a server writes on its reply now.
    pub(super) fn stamp(&mut self) -> (u64, Duration) {
        let server = self.servers[usize::from(self.rng.chance(50))];
        let millis = u64::try_from(self.stamped().as_millis()).unwrap() + server;
        let grain = u64::try_from(self.grain.as_millis()).unwrap().max(1);
        (millis / grain * grain, self.grain)
    }

    /// A replica takes note of a stamp.
    pub(super) fn observe(&mut self, replica: usize, (millis, grain): (u64, Duration)) -> Span {
        let (elapsed, seen) = (self.elapsed(), Timestamp::from_millis(i64::try_from(millis).unwrap()));
        let span = self.replicas[replica].clock.observe(seen, grain, elapsed);
        if self.plant == Some(Plant::JumpsBelieved) { Span::at(seen) } else { span }
    }

    pub(super) fn replica_time(&self, replica: usize) -> Option<Span> {
        if self.plant == Some(Plant::JumpsBelieved) {
            return Some(Span::at(self.stamped()));
        }
        self.replicas[replica].clock.estimate(self.elapsed())
    }

    pub(super) fn estimate(&self) -> Span {
        Span::at(self.stamped())
    }

    /// A replica's own clock is right; where the store's is a server's and is not, nothing is claimed or forgotten.
    pub(super) fn is_skewed(&self) -> bool {
        !self.grain.is_zero() && self.jump != 0 && self.plant != Some(Plant::JumpsBelieved)
    }

    pub(super) fn changed(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.high_water = self.high_water.max(Some(self.stamped()));
            self.truth.on_change(&change, &self.api, self.now);
        }
    }

    /// The background work of a replica.
    fn tick(&mut self, index: usize) {
        let next = self.now + self.rng.between(900, 3000);
        self.at(next, Event::Tick(index));
        if !self.replicas[index].up || self.replicas[index].paused_until > self.now {
            return;
        }
        let stamp = self.stamp();
        self.observe(index, stamp);
        let Some(now) = self.replica_time(index) else { return };
        let sweep = u64::try_from(SWEEP_EVERY.as_millis()).unwrap();
        if self.replicas[index].swept.is_none_or(|last| self.now - last >= sweep) {
            self.replicas[index].swept = Some(self.now);
            for held in self.store.all() {
                if held.record.state == State::Reserved && held.record.deadline.plus(OWNER_FIRST) <= now.earliest {
                    self.replicas[index].due.insert((held.record.deadline, held.record.fingerprint));
                }
            }
        }
        let due: Vec<_> =
            self.replicas[index].due.iter().filter(|(deadline, _)| *deadline <= now.earliest).copied().collect();
        for entry in due {
            self.replicas[index].due.remove(&entry);
            self.start_resolve(index, entry.1);
        }
    }

    fn purge(&mut self, index: usize) {
        let next = self.now + self.rng.between(30_000, 60_000);
        self.at(next, Event::Purge(index));
        if !self.replicas[index].up || self.replicas[index].paused_until > self.now {
            return;
        }
        let stamp = self.stamp();
        self.observe(index, stamp);
        let over = match self.replicas[index].clock.forgetting(self.elapsed()) {
            _ if self.plant == Some(Plant::PurgeBelievesClock) => self.stamped(),
            Ok(_) if self.is_skewed() => return,
            Ok(over) if self.plant == Some(Plant::PurgeTooEarly) => over.plus(Duration::from_secs(60)),
            Ok(over) => over,
            Err(_) => {
                self.truth.count().halted += 1;
                return;
            }
        };
        for held in self.store.all() {
            let until = match self.plant {
                Some(Plant::PurgeTakesReserved) => Some(held.record.deadline),
                _ => held.record.kept_until(),
            };
            if until.is_some_and(|until| until <= over) {
                let (swap, change) = self.store.remove(&held.token, &held.record.fingerprint);
                assert_ne!(swap, Swap::Lost);
                self.changed(change);
            }
        }
    }

    /// Something goes wrong.
    fn fault(&mut self) {
        if !self.faults {
            if !self.grain.is_zero() {
                // Somebody sets the server's clock right; a single machine's may stay as it is.
                self.jump = 0;
            }
            for replica in 0..self.replicas.len() {
                self.at(self.now, Event::Restart(replica));
            }
            return;
        }
        let next = self.now + self.rng.between(5_000, 100_000);
        self.at(next, Event::Fault);
        let replica = self.any_replica();
        match self.rng.between(0, 100) {
            0..40 => self.replicas[replica].paused_until = self.now + self.rng.between(1000, 60_000),
            40..75 => {
                self.replicas[replica].up = false;
                self.replicas[replica].life += 1;
                let back = self.now + self.rng.between(1000, 60_000);
                self.at(back, Event::Restart(replica));
            }
            75..79 => self.jump = if self.rng.chance(70) { 0 } else { 600_000 },
            79..82 => self.jump = if self.rng.chance(70) { 0 } else { -600_000 },
            82..90 if self.plant != Some(Plant::NoFsync) => self.store.back_up(),
            90..97 => match self.plant {
                Some(Plant::NoFsync | Plant::StoreRolledBack) => self.store.restore(),
                Some(Plant::StoreEmptied) => self.store.empty(),
                _ => {}
            },
            _ => {}
        }
    }
}
