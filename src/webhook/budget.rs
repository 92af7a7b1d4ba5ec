use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::gauge::Gauge;

/// The bytes that may be held for all calls together.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    gauge: Gauge,
}

impl Budget {
    pub(super) const fn new(limit: usize, gauge: Gauge) -> Self {
        Self { limit, used: AtomicUsize::new(0), gauge }
    }

    /// A share of nothing yet.
    pub(super) const fn share(&self) -> Share<'_> {
        Share { budget: self, bytes: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        if taken.is_ok() {
            self.gauge.inc_by(signed(bytes));
        }
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
        self.gauge.dec_by(signed(bytes));
    }
}

/// What one call holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Share<'_> {
    /// Takes what is missing to `bytes`; false, and nothing taken, where that is too much for all together.
    pub(super) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let taken = more == 0 || self.budget.take(more);
        if taken {
            self.bytes = self.bytes.max(bytes);
        }
        taken
    }

    /// Gives everything back early.
    pub(super) fn release(&mut self) {
        self.budget.give_back(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_come_back() {
        let gauge = Gauge::default();
        let budget = Budget::new(100, gauge.clone());
        let mut first = budget.share();
        assert!(first.grow_to(60) && first.grow_to(10) && first.grow_to(70));
        assert_eq!(gauge.get(), 70);
        let mut second = budget.share();
        assert!(!second.grow_to(31));
        assert!(second.grow_to(30));
        assert!(!first.grow_to(71));
        assert!(!first.grow_to(usize::MAX));
        drop(first);
        assert_eq!(gauge.get(), 30);
        assert!(second.grow_to(100));
        second.release();
        assert_eq!(gauge.get(), 0);
    }
}
