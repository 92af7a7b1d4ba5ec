//! The course of one request over all of its authorities.
//!
//! Read all, deny on any definite refusal, reserve in the order of the fingerprints, and only when all are held make
//! DELETE and CONNECT final. What this request reserved itself is released when it loses; what it shares with an
//! earlier request that was allowed is never released by it.

use super::table::{Decision, Seen, decide};
use super::{Action, Answer, Authority, ClaimRequest, MAX_LOST, Terms, contended, dry, renew, reserve};
use crate::replay::clock::Span;
use crate::replay::contract::{Held, Token};
use crate::replay::event::{Current, Looked, Patience};
use crate::replay::outcome::{Allowed, Holding, Outcome};
use crate::replay::record::{Operation, Record, ResourceVersion, Settled, State};

/// One request's claim of all its authorities.
#[derive(Clone, Debug)]
pub struct Claim {
    request: ClaimRequest,
    terms: Terms,
    now: Span,
    slots: Vec<Slot>,
    gathered: bool,
    revision: Option<ResourceVersion>,
    current: Current,
    lost: u32,
    waiting: Waiting,
    /// Set once the request is refused: what is held is given back, then this is the answer.
    refused: Option<Outcome>,
}

#[derive(Clone, Debug)]
struct Slot {
    authority: Authority,
    seen: Seen,
    looked: Option<(Looked, Span)>,
    hold: Option<Hold>,
}

/// A held authority.
#[derive(Clone, Debug)]
struct Hold {
    how: Holding,
    /// Nobody was allowed under this reservation but by this request, so it may give it back.
    own: bool,
    held: Held,
}

/// The action whose answer is awaited.
#[derive(Clone, Debug)]
enum Waiting {
    Nothing,
    Gather(Vec<usize>),
    /// Of a slot; the time at which it began.
    Look(usize, Span),
    /// The record that ends an earlier claim.
    Settle(usize, Box<Record>),
    Hold(usize, Holding, bool, Box<Record>),
    Finish(usize, Box<Record>),
    GiveBack(usize),
}

impl Claim {
    /// Begins a claim. `now` is the time of the store's clock.
    #[must_use]
    pub fn new(request: ClaimRequest, terms: Terms, now: Span) -> Self {
        let mut authorities = request.authorities.clone();
        // Of one fingerprint that comes twice, the longer window counts.
        authorities.sort_by(|a, b| a.fingerprint.cmp(&b.fingerprint).then(b.window.cmp(&a.window)));
        authorities.dedup_by(|later, kept| later.fingerprint == kept.fingerprint);
        // One record is read by creating it; of several, all are read before any is written.
        let seen = if authorities.len() == 1 && !request.dry_run { Seen::Unread } else { Seen::Stale };
        let slots = authorities
            .into_iter()
            .map(|authority| Slot { authority, seen: seen.clone(), looked: None, hold: None })
            .collect();
        let refused = impossible(&request);
        Self {
            request,
            terms,
            now,
            slots,
            gathered: false,
            revision: None,
            current: Current::Unread,
            lost: 0,
            waiting: Waiting::Nothing,
            refused,
        }
    }

    /// What to do next. Asked again without an answer between, it says the same for as long as nothing changed.
    pub fn action(&mut self) -> Action {
        loop {
            if let Some(refused) = self.refused.clone() {
                return self.give_back(refused);
            }
            if !self.gathered {
                if let Some(action) = self.gather_first() {
                    return action;
                }
                continue;
            }
            if let Some(action) = self.step() {
                return action;
            }
        }
    }

    /// Takes what came of the action, and the time of the store's clock.
    pub fn answer(&mut self, answer: Answer, now: Span) {
        self.now = now;
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Nothing);
        match (waiting, answer) {
            // What cannot be given back now ends by its history.
            (Waiting::GiveBack(at), _) => self.drop_hold(at),
            (_, Answer::Failed(outcome)) => self.refused = Some(outcome),
            (Waiting::Gather(slots), Answer::Gathered { reads, revision, current }) => {
                self.take(&slots, reads);
                self.revision = revision.or_else(|| self.revision.take());
                if current != Current::Unread {
                    self.current = current;
                }
            }
            (Waiting::Look(at, began), Answer::Looked(looked)) => {
                self.with(at, |slot| slot.looked = Some((looked, began)));
            }
            (Waiting::Settle(at, record), Answer::Wrote(token)) => self.see(at, Held { record: *record, token }),
            (Waiting::Hold(at, how, own, record), Answer::Wrote(token)) => {
                self.hold(at, Hold { how, own, held: Held { record: *record, token } });
            }
            (Waiting::Finish(at, record), Answer::Wrote(token)) => {
                self.hold(at, Hold { how: Holding::Final, own: false, held: Held { record: *record, token } });
            }
            (Waiting::Settle(at, _) | Waiting::Hold(at, ..) | Waiting::Finish(at, _), Answer::Lost) => self.lose(at),
            // An answer to another question: nothing is known, so nothing is allowed.
            _ => self.refused = Some(contended()),
        }
    }

    /// The first reads, all at once.
    fn gather_first(&mut self) -> Option<Action> {
        self.gathered = true;
        let operation = self.request.target.operation;
        let stale: Vec<usize> = (0..self.slots.len()).filter(|at| self.is_stale(*at)).collect();
        let revision = !operation.is_final() && !self.request.dry_run;
        let current = operation == Operation::Create;
        (revision || current || !stale.is_empty()).then(|| self.gather(stale, revision, current))
    }

    /// One step over all slots; none where something changed and the next step is to be found anew.
    fn step(&mut self) -> Option<Action> {
        let mut first_free = None;
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get(at) else { break };
            if slot.hold.is_some() {
                continue;
            }
            match decide(&slot.seen, &self.request, slot.looked.as_ref(), self.now) {
                Decision::Read => return Some(self.gather(vec![at], false, false)),
                Decision::Look => return Some(self.look(at)),
                Decision::Settle(record) => return self.write(at, Waiting::Settle(at, record)),
                Decision::Refuse(outcome) => {
                    self.refused = Some(outcome);
                    return None;
                }
                decision @ (Decision::Reserve | Decision::Renew | Decision::Again) => {
                    first_free = first_free.or(Some((at, decision)));
                }
            }
        }
        match first_free {
            Some((at, decision)) => self.acquire(at, &decision),
            None => self.finish(),
        }
    }

    /// Holds one authority that nothing stands against.
    fn acquire(&mut self, at: usize, decision: &Decision) -> Option<Action> {
        let slot = self.slots.get(at)?;
        let authority = slot.authority.clone();
        let fresh = reserve(&self.request, &authority, self.revision.clone(), self.now, &self.terms);
        match (decision, &slot.seen) {
            (Decision::Again, Seen::Present(held)) => {
                let held = (**held).clone();
                if held.record.window_end <= fresh.deadline {
                    // It could be forgotten while this request's change is still to come.
                    let record = Record { window_end: fresh.window_end.max(fresh.deadline), ..held.record };
                    return self.write(at, Waiting::Finish(at, Box::new(record)));
                }
                self.hold(at, Hold { how: Holding::Again, own: false, held });
                None
            }
            (Decision::Renew, Seen::Present(held)) => {
                let old = held.record.clone();
                if self.wants_current(&old) {
                    return Some(self.gather(Vec::new(), false, true));
                }
                let record = renew(&old, fresh, &self.current);
                self.write_hold(at, Holding::Renewed, record)
            }
            _ if self.request.target.operation == Operation::Create && self.current != Current::Missing => {
                // It may be the object of this very authority: the record says it better than the name.
                if slot.seen == Seen::Unread {
                    self.with(at, |slot| slot.seen = Seen::Stale);
                } else {
                    self.refused = Some(Outcome::AlreadyExists);
                }
                None
            }
            _ => self.write_hold(at, Holding::Reserved, fresh),
        }
    }

    /// Whether a renewal could move Rc on, which needs the stored state, read after the revision.
    fn wants_current(&self, old: &Record) -> bool {
        old.target.operation == Operation::Update && self.revision.is_some() && self.current == Current::Unread
    }

    fn write_hold(&mut self, at: usize, how: Holding, record: Record) -> Option<Action> {
        // Where all others are held, holding this one is holding all: its reservation and its end are one write.
        let last = self.slots.iter().enumerate().all(|(other, slot)| other == at || slot.hold.is_some());
        if last && self.request.target.operation.is_final() {
            return self.write(at, Waiting::Finish(at, Box::new(finish(record))));
        }
        // Under a renewed DELETE or CONNECT nobody was allowed, so it may be given back like an own one.
        let own = how == Holding::Reserved || self.request.target.operation.is_final();
        self.write(at, Waiting::Hold(at, how, own, Box::new(record)))
    }

    /// All are held: makes DELETE and CONNECT final, then allows.
    fn finish(&mut self) -> Option<Action> {
        if self.request.target.operation.is_final() {
            let open = self.slots.iter().enumerate().find_map(|(at, slot)| {
                let hold = slot.hold.as_ref()?;
                (hold.held.record.state == State::Reserved).then(|| (at, hold.held.record.clone()))
            });
            if let Some((at, record)) = open {
                return self.write(at, Waiting::Finish(at, Box::new(finish(record))));
            }
        }
        let holding = |slot: &Slot| slot.hold.as_ref().map(|hold| (slot.authority.fingerprint, hold.how));
        let claims = self.slots.iter().filter_map(holding).collect();
        Some(Action::Done(Outcome::Allowed(Allowed { claims, dry_run: self.request.dry_run })))
    }

    /// Gives back what this request alone reserved, then answers.
    fn give_back(&mut self, refused: Outcome) -> Action {
        let own = self.slots.iter().enumerate().find_map(|(at, slot)| {
            let hold = slot.hold.as_ref()?;
            (hold.own && hold.held.record.state == State::Reserved).then(|| (at, hold.held.clone()))
        });
        match own {
            Some((at, held)) if !self.request.dry_run => {
                self.waiting = Waiting::GiveBack(at);
                Action::Replace(held.token, Box::new(Record { state: State::Released, ..held.record }))
            }
            _ => Action::Done(refused),
        }
    }

    /// Issues a write over what was seen; in a dry run it succeeds without being made.
    fn write(&mut self, at: usize, waiting: Waiting) -> Option<Action> {
        let record = match &waiting {
            Waiting::Settle(_, record) | Waiting::Hold(_, _, _, record) | Waiting::Finish(_, record) => record.clone(),
            _ => return None,
        };
        self.waiting = waiting;
        if self.request.dry_run {
            self.answer(Answer::Wrote(dry()), self.now);
            return None;
        }
        Some(match self.token(at) {
            Some(token) => Action::Replace(token, record),
            None => Action::Create(record),
        })
    }

    /// The token to write over; none where there is no record.
    fn token(&self, at: usize) -> Option<Token> {
        let slot = self.slots.get(at)?;
        match (&slot.hold, &slot.seen) {
            (Some(hold), _) => Some(hold.held.token.clone()),
            (None, Seen::Present(held)) => Some(held.token.clone()),
            _ => None,
        }
    }

    fn look(&mut self, at: usize) -> Action {
        self.waiting = Waiting::Look(at, self.now);
        match self.slots.get(at).map(|slot| &slot.seen) {
            Some(Seen::Present(held)) => Action::Look(Box::new(held.record.clone()), Patience::Brief),
            _ => Action::Done(contended()),
        }
    }

    fn gather(&mut self, slots: Vec<usize>, revision: bool, current: bool) -> Action {
        let reads = slots.iter().filter_map(|at| self.slots.get(*at)).map(|slot| slot.authority.fingerprint).collect();
        self.waiting = Waiting::Gather(slots);
        Action::Gather { reads, revision, current }
    }

    fn take(&mut self, slots: &[usize], reads: Vec<(crate::replay::record::Fingerprint, Option<Held>)>) {
        for (at, (fingerprint, held)) in slots.iter().zip(reads) {
            self.with(*at, |slot| {
                if slot.authority.fingerprint == fingerprint {
                    slot.looked = None;
                    slot.seen = held.map_or(Seen::Absent, |held| Seen::Present(Box::new(held)));
                }
            });
        }
    }

    fn see(&mut self, at: usize, held: Held) {
        self.with(at, |slot| {
            slot.looked = None;
            slot.seen = Seen::Present(Box::new(held));
        });
    }

    fn hold(&mut self, at: usize, hold: Hold) {
        self.with(at, |slot| slot.hold = Some(hold));
    }

    fn drop_hold(&mut self, at: usize) {
        self.with(at, |slot| slot.hold = None);
    }

    /// Somebody was faster: what was known of the record is void, and so is the hold on it.
    fn lose(&mut self, at: usize) {
        self.lost = self.lost.saturating_add(1);
        if self.lost >= MAX_LOST {
            self.refused = Some(contended());
        }
        self.with(at, |slot| {
            slot.seen = Seen::Stale;
            slot.looked = None;
            slot.hold = None;
        });
    }

    fn is_stale(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|slot| slot.seen == Seen::Stale)
    }

    fn with(&mut self, at: usize, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(at) {
            change(slot);
        }
    }
}

fn finish(record: Record) -> Record {
    Record { state: State::Completed(Settled::Final), ..record }
}

/// What no record and no history could allow.
fn impossible(request: &ClaimRequest) -> Option<Outcome> {
    let target = &request.target;
    let why = match target.operation {
        _ if request.authorities.is_empty() => "it names none",
        _ if target.name.is_empty() => "it has no name, as with `generateName`",
        Operation::Create if !request.object_resource_version.is_empty() => return Some(Outcome::ResourceVersionSet),
        Operation::Create if request.object_uid.is_empty() => "the new object has no uid",
        Operation::Update if target.old.is_none() => "the old object is missing",
        Operation::Delete if target.uid.as_deref().is_none_or(str::is_empty) => "the object has no uid",
        Operation::Create | Operation::Update if !target.subresource.is_empty() => "it is for a subresource",
        _ => return None,
    };
    Some(Outcome::NotClaimable(why))
}
