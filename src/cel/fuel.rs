//! What evaluation may spend.

use super::error::EvaluationErrorKind;

/// The budget of one evaluation or of many that share it.
///
/// Two meters run side by side. **Cost** is counted in the API server's units, so an expression costs here what it
/// costs there. The API server charges some operations less than they do (concatenation of lists, deep equality, the
/// size of a string, a chain of constants), so **work** counts what the machine really does: one unit for each
/// instruction, each element visited, each 16 bytes of text scanned and each 4 bytes of memory that values take. Work
/// bounds time and memory where cost does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fuel {
    cost: u64,
    cost_limit: u64,
    work: u64,
    work_limit: u64,
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

    /// The work that comes with each unit of cost, unless [`Fuel::with_work`] says otherwise.
    pub const WORK_PER_COST: u64 = 4;

    /// A budget of `cost` units, and of [`Fuel::WORK_PER_COST`] times as much work.
    #[must_use]
    pub fn new(cost: u64) -> Self {
        Self::with_work(cost, cost.saturating_mul(Self::WORK_PER_COST))
    }

    /// A budget of `cost` units and of `work` units.
    #[must_use]
    pub fn with_work(cost: u64, work: u64) -> Self {
        Self { cost: 0, cost_limit: cost, work: 0, work_limit: work }
    }

    /// The cost spent so far, in the API server's units.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The work done so far.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Spends `units` of cost.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::CostExceeded`] once the sum is above the limit.
    #[inline]
    pub fn spend(&mut self, units: u64) -> Result<(), EvaluationErrorKind> {
        self.cost = self.cost.saturating_add(units);
        if self.cost > self.cost_limit {
            return Err(EvaluationErrorKind::CostExceeded { limit: self.cost_limit });
        }
        Ok(())
    }

    /// Does `units` of work.
    ///
    /// # Errors
    /// [`EvaluationErrorKind::WorkExceeded`] once the sum is above the limit.
    #[inline]
    pub fn toil(&mut self, units: u64) -> Result<(), EvaluationErrorKind> {
        self.work = self.work.saturating_add(units);
        if self.work > self.work_limit {
            return Err(EvaluationErrorKind::WorkExceeded { limit: self.work_limit });
        }
        Ok(())
    }

    /// Scans `bytes` bytes of text.
    ///
    /// # Errors
    /// As [`Fuel::toil`].
    #[inline]
    pub fn scan(&mut self, bytes: usize) -> Result<(), EvaluationErrorKind> {
        self.toil(bytes as u64 / SCANNED)
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
