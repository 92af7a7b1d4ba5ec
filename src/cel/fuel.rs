//! What evaluation may spend.

use super::error::EvaluationErrorKind;

/// The budget of one evaluation, within that of all evaluations of a decision.
///
/// Two meters run side by side. **Cost** is counted in the API server's units, so an expression costs here what it
/// costs there. The API server charges some operations less than they do (concatenation of lists, deep equality, the
/// size of a string, a chain of constants), so **work** counts what the machine really does: one unit for each
/// instruction, each element visited, each 16 bytes of text scanned and each 4 bytes of memory that values take. Work
/// bounds time and memory where cost does not.
///
/// Several expressions that share a budget are each evaluated [`Fuel::apart`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fuel {
    /// What this expression spent.
    own: Spent,
    /// What expressions that were evaluated apart spent.
    apart: Spent,
    /// Where this expression ends: at its own limit, or where the budget does.
    end: Spent,
    /// What this expression may spend.
    limit: Spent,
    /// What it and those apart may still spend together.
    budget: Spent,
    /// The budget that all of this is taken from, for errors.
    whole: Spent,
}

/// An amount of both meters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    cost: u64,
    work: u64,
}

impl Spent {
    const fn plus(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), work: self.work.saturating_add(other.work) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_sub(other.cost), work: self.work.saturating_sub(other.work) }
    }

    fn or_less(self, other: Self) -> Self {
        Self { cost: self.cost.min(other.cost), work: self.work.min(other.work) }
    }
}

/// Bytes of text that are scanned for one unit of work.
const SCANNED: u64 = 16;
/// Bytes of new text that are made for one unit of work.
const COPIED: u64 = 4;
/// What one new element of a list or an entry of a map counts as.
const ELEMENT: u64 = 8;

impl Fuel {
    /// The API server's limit for one expression (`celconfig.PerCallLimit`), in cost units.
    pub const PER_EXPRESSION: u64 = 1_000_000;

    /// The API server's limit for all expressions of a policy (`celconfig.RuntimeCELCostBudget`), in cost units.
    pub const PER_DECISION: u64 = 10_000_000;

    /// The work that comes with each unit of an expression's cost, unless [`Fuel::with_work`] says otherwise.
    pub const WORK_PER_COST: u64 = 4;

    /// The most work of all expressions of a decision: that of five expressions at their limits. Work is time, and a
    /// webhook has 1.5 s; honest expressions need 1 to 2 units for each unit of cost.
    pub const WORK_PER_DECISION: u64 = 5 * Self::PER_EXPRESSION * Self::WORK_PER_COST;

    /// A budget of `cost` units, and of [`Fuel::WORK_PER_COST`] times as much work.
    #[must_use]
    pub fn new(cost: u64) -> Self {
        Self::with_work(cost, cost.saturating_mul(Self::WORK_PER_COST))
    }

    /// A budget of `cost` units and of `work` units.
    #[must_use]
    pub fn with_work(cost: u64, work: u64) -> Self {
        let all = Spent { cost, work };
        Self::within(all, all, all)
    }

    /// The budget of a decision, for expressions that are each evaluated [`Fuel::apart`].
    #[must_use]
    pub fn decision() -> Self {
        Self::with_work(Self::PER_DECISION, Self::WORK_PER_DECISION)
    }

    fn within(limit: Spent, budget: Spent, whole: Spent) -> Self {
        Self { own: Spent::default(), apart: Spent::default(), end: limit.or_less(budget), limit, budget, whole }
    }

    /// Evaluates an expression that has the limit of one expression for itself. What it spends is taken from the
    /// budget and is no cost of this expression, as the API server counts its `variables`.
    pub fn apart<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        let one = Spent { cost: Self::PER_EXPRESSION, work: Self::PER_EXPRESSION * Self::WORK_PER_COST };
        let mut fuel = Self::within(one, self.budget.minus(self.own).minus(self.apart), self.whole);
        let outcome = evaluate(&mut fuel);
        self.apart = self.apart.plus(fuel.own).plus(fuel.apart);
        self.end = self.limit.or_less(self.budget.minus(self.apart));
        outcome
    }

    /// What the expression cost so far, in the API server's units, without what was evaluated apart.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.own.cost
    }

    /// What everything cost so far, in the API server's units.
    #[must_use]
    pub fn total_cost(&self) -> u64 {
        self.own.plus(self.apart).cost
    }

    /// The work of the expression so far, without what was evaluated apart.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.own.work
    }

    /// The work of everything so far.
    #[must_use]
    pub fn total_work(&self) -> u64 {
        self.own.plus(self.apart).work
    }

    /// Spends `units` of cost.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::CostExceeded`] once the sum is above the limit.
    #[inline]
    pub fn spend(&mut self, units: u64) -> Result<(), EvaluationErrorKind> {
        self.own.cost = self.own.cost.saturating_add(units);
        if self.own.cost > self.end.cost {
            return Err(self.overspent());
        }
        Ok(())
    }

    /// Does `units` of work.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`] once the sum is above the limit.
    #[inline]
    pub fn toil(&mut self, units: u64) -> Result<(), EvaluationErrorKind> {
        self.own.work = self.own.work.saturating_add(units);
        if self.own.work > self.end.work {
            return Err(self.overworked());
        }
        Ok(())
    }

    #[cold]
    fn overspent(&self) -> EvaluationErrorKind {
        let by_itself = self.own.cost > self.limit.cost;
        EvaluationErrorKind::CostExceeded { limit: if by_itself { self.limit.cost } else { self.whole.cost } }
    }

    #[cold]
    fn overworked(&self) -> EvaluationErrorKind {
        let by_itself = self.own.work > self.limit.work;
        EvaluationErrorKind::WorkExceeded { limit: if by_itself { self.limit.work } else { self.whole.work } }
    }

    /// Scans `bytes` bytes of text.
    ///
    /// # Errors
    /// As [`Fuel::toil`].
    #[inline]
    pub fn scan(&mut self, bytes: usize) -> Result<(), EvaluationErrorKind> {
        self.toil(bytes as u64 / SCANNED)
    }

    /// Finds the key `text` among `count` in the order of keys, which is that of UTF-16.
    ///
    /// # Errors
    /// As [`Fuel::toil`].
    #[inline]
    pub fn search(&mut self, text: &str, count: usize) -> Result<(), EvaluationErrorKind> {
        if (text.len() as u64) < SCANNED {
            return Ok(());
        }
        let compared = u64::from(count.checked_ilog2().unwrap_or_default()) + 1;
        let pace = if text.is_ascii() { SCANNED } else { COPIED };
        self.toil((text.len() as u64 / pace).saturating_mul(compared))
    }

    /// Makes `bytes` bytes of new text.
    ///
    /// # Errors
    /// As [`Fuel::toil`].
    #[inline]
    pub fn copy(&mut self, bytes: usize) -> Result<(), EvaluationErrorKind> {
        self.toil(bytes as u64 / COPIED)
    }

    /// Makes `count` new elements of a list or entries of a map.
    ///
    /// # Errors
    /// As [`Fuel::toil`].
    #[inline]
    pub fn elements(&mut self, count: usize) -> Result<(), EvaluationErrorKind> {
        self.toil((count as u64).saturating_mul(ELEMENT))
    }
}
