//! How many records a store may hold, and how many of them one user may: so that nobody can fill it for all.

use std::collections::BTreeMap;

use super::contract::StoreError;
use super::record::{Record, State};

/// Limits on the number of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Records in all.
    pub total: usize,
    /// Records that name one user, released ones not counted.
    pub per_user: usize,
}

impl Quota {
    /// For a file of its own.
    pub const EMBEDDED: Self = Self { total: 4_000_000, per_user: 2_000_000 };
    /// For ConfigMaps, which every API server and etcd carries.
    pub const CONFIG_MAP: Self = Self { total: 20_000, per_user: 10_000 };
}

/// What is held now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    total: usize,
    users: BTreeMap<String, usize>,
}

impl Usage {
    /// Whether `new` may be written where `old` is now.
    pub(crate) fn check(&self, quota: Quota, old: Option<&Record>, new: &Record) -> Result<(), StoreError> {
        if counts(new) == 0 || old.is_some_and(|old| counts(old) == 1) {
            return Ok(());
        }
        if old.is_none() && self.total >= quota.total {
            return Err(StoreError::Full { limit: quota.total });
        }
        if self.users.get(&new.user).copied().unwrap_or(0) >= quota.per_user {
            return Err(StoreError::ShareUsed { limit: quota.per_user });
        }
        Ok(())
    }

    /// Takes note of a write: `new` stands where `old` was.
    pub(crate) fn note(&mut self, old: Option<&Record>, new: Option<&Record>) {
        self.total = self.total.saturating_add(usize::from(new.is_some())).saturating_sub(usize::from(old.is_some()));
        if let Some(new) = new
            && counts(new) == 1
        {
            *self.users.entry(new.user.clone()).or_insert(0) += 1;
        }
        if let Some(old) = old
            && counts(old) == 1
            && let Some(count) = self.users.get_mut(&old.user)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.users.remove(&old.user);
            }
        }
    }
}

fn counts(record: &Record) -> usize {
    usize::from(record.state != State::Released)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::record::tests::record;

    #[test]
    fn one_user_cannot_fill_the_store_for_others() {
        let quota = Quota { total: 5, per_user: 2 };
        let of = |user: &str, state| Record { user: user.into(), state, ..record() };
        let mut usage = Usage::default();
        for _ in 0..2 {
            let new = of("greedy", State::Reserved);
            assert_eq!(usage.check(quota, None, &new), Ok(()));
            usage.note(None, Some(&new));
        }
        let more = of("greedy", State::Reserved);
        assert_eq!(usage.check(quota, None, &more), Err(StoreError::ShareUsed { limit: 2 }));
        assert_eq!(usage.check(quota, None, &of("other", State::Reserved)), Ok(()));
        // What is written over a claim that counts already adds nothing.
        assert_eq!(usage.check(quota, Some(&of("other", State::Reserved)), &more), Ok(()));
        // A release frees the share, but the record still takes its place.
        usage.note(Some(&more), Some(&of("greedy", State::Released)));
        assert_eq!((usage.check(quota, None, &more), usage.total), (Ok(()), 2));
        for _ in 0..3 {
            usage.note(None, Some(&of("other", State::Released)));
        }
        assert_eq!(usage.check(quota, None, &more), Err(StoreError::Full { limit: 5 }));
        usage.note(Some(&of("other", State::Released)), None);
        assert_eq!(usage.check(quota, None, &more), Ok(()));
    }
}
