//! Asks the ledger about each policy version once, and again after a failure.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt as _;
use tokio::{task::JoinSet, time::Instant};

use super::ledger::{Ledger, LedgerError, Pin, Pinned};
use crate::{digest::Digest, policy::Policy};

/// How many questions are open at once.
const PARALLEL: usize = 16;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(5);
/// When a question that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// An answer about one policy version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) pin: Pin,
}

pub(super) struct Pins {
    ledger: Arc<dyn Ledger>,
    /// What is pinned for certain; `None` until the ledger was read.
    known: Option<BTreeMap<String, Digest>>,
    waiting: VecDeque<Arc<Policy>>,
    retries: VecDeque<(Instant, Arc<Policy>)>,
    asked: JoinSet<(Arc<Policy>, Result<Pinned, LedgerError>)>,
}

impl Pins {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, known: None, waiting: VecDeque::new(), retries: VecDeque::new(), asked: JoinSet::new() }
    }

    /// The ledger was read.
    pub(super) fn load(&mut self, pinned: Vec<(String, Digest)>) -> Vec<Answer> {
        self.known = Some(pinned.into_iter().collect());
        let waiting = std::mem::take(&mut self.waiting);
        self.ask(waiting)
    }

    /// Policies that are new here. What is known is answered at once.
    pub(super) fn ask(&mut self, policies: impl IntoIterator<Item = Arc<Policy>>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for policy in policies {
            let name = name(&policy);
            match self.known.as_ref().and_then(|known| known.get(&name)) {
                Some(digest) if *digest == policy.digest() => {
                    answers.push(Answer { name, digest: *digest, pin: Pin::Pinned });
                }
                Some(other) => answers.push(Answer { name, digest: policy.digest(), pin: Pin::Conflict(*other) }),
                None => self.waiting.push_back(policy),
            }
        }
        self.start();
        answers
    }

    /// Asks what waits, as far as there is room.
    fn start(&mut self) {
        while self.known.is_some() && self.asked.len() < PARALLEL {
            let Some(policy) = self.waiting.pop_front() else { return };
            let ledger = Arc::clone(&self.ledger);
            self.asked.spawn(async move {
                let question = ledger.pin(policy.id(), policy.version(), policy.digest());
                let answer = match tokio::time::timeout(LIMIT, AssertUnwindSafe(question).catch_unwind()).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) => Err(LedgerError("asking it panicked".to_owned())),
                    Err(_) => Err(LedgerError(format!("no answer within {} s", LIMIT.as_secs()))),
                };
                (policy, answer)
            });
        }
    }

    /// When something has to be asked again.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.retries.front().map(|(at, _)| *at)
    }

    /// Asks again what failed long enough ago.
    pub(super) fn retry(&mut self, now: Instant) {
        while self.retries.front().is_some_and(|(at, _)| *at <= now) {
            self.waiting.extend(self.retries.pop_front().map(|(_, policy)| policy));
        }
        self.start();
    }

    /// The next answer; never, where nothing was asked.
    pub(super) async fn answered(&mut self) -> Answer {
        let (policy, answer) = loop {
            match self.asked.join_next().await {
                Some(Ok(answered)) => break answered,
                // Questions do not panic and are not aborted.
                Some(Err(error)) => tracing::error!(error = %error, "a question to the ledger was lost"),
                None => std::future::pending().await,
            }
        };
        let (name, digest) = (name(&policy), policy.digest());
        let pin = match answer {
            Ok(Pinned::Same) => self.remember(&name, digest, Pin::Pinned),
            Ok(Pinned::Conflict(other)) => self.remember(&name, other, Pin::Conflict(other)),
            Err(LedgerError(message)) => {
                self.retries.push_back((Instant::now() + RETRY, policy));
                Pin::Failed(message)
            }
        };
        self.start();
        Answer { name, digest, pin }
    }

    fn remember(&mut self, name: &str, digest: Digest, pin: Pin) -> Pin {
        if let Some(known) = &mut self.known {
            known.insert(name.to_owned(), digest);
        }
        pin
    }
}

fn name(policy: &Policy) -> String {
    format!("{}.{}", policy.id(), policy.version())
}
