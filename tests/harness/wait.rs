//! Waiting for a condition with a deadline: the only way in which tests and harness let time pass.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Calls `condition` until it answers `Some`. An error counts as "not yet" and is named if the deadline passes.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::from("the condition does not hold"),
            Err(error) => format!("{error:#}"),
        };
        if start.elapsed() > limit {
            bail!("waited {} s for {what}: {last}", limit.as_secs());
        }
        sleep(POLL);
    }
}
