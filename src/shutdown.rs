//! The way out: withdraw first, then stop.
//!
//! A replica that is told to stop says "not ready" and keeps serving while its endpoint is withdrawn; only then it stops
//! accepting and finishes what is in flight. Phases only ever go forward.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

/// How far the way out has been gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything runs.
    Serving,
    /// Not ready, still accepting: the endpoint is being withdrawn.
    Draining,
    /// No new connections; what is in flight is finished.
    Stopping,
}

/// A handle on the phase, shared by all who serve.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Shutdown {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes forward to `phase`; a phase that is behind is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Returns when `phase` is reached or passed.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|current| *current >= phase).await;
    }

    /// Drains for `delay`, then stops.
    pub async fn drain(&self, delay: Duration) {
        self.advance(Phase::Draining);
        sleep(delay).await;
        self.advance(Phase::Stopping);
    }

    /// Waits for SIGTERM or SIGINT, then drains for `delay`; a second signal cuts the delay short.
    ///
    /// # Errors
    /// Where the system refuses a signal handler.
    pub async fn drain_on_signal(&self, delay: Duration) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(delay_seconds = delay.as_secs(), "draining: not ready, still serving");
        tokio::select! {
            () = self.drain(delay) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.advance(Phase::Stopping);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_go_forward_only() {
        let shutdown = Shutdown::default();
        let other = shutdown.clone();
        let waiter = tokio::spawn(async move { other.reached(Phase::Stopping).await });
        assert_eq!(shutdown.phase(), Phase::Serving);
        shutdown.drain(Duration::ZERO).await;
        waiter.await.unwrap();
        shutdown.advance(Phase::Draining);
        assert_eq!(shutdown.phase(), Phase::Stopping);
        shutdown.reached(Phase::Draining).await;
    }
    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_stops() {
        let shutdown = Shutdown::default();
        let other = shutdown.clone();
        let draining = tokio::spawn(async move { other.drain_on_signal(Duration::from_secs(3600)).await });
        // Its first turn puts the handlers in place: from then on a signal does not end this process.
        tokio::task::yield_now().await;
        let signal = |name: &str| {
            let pid = std::process::id().to_string();
            assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
        };
        let limit = Duration::from_secs(20);
        signal("-TERM");
        tokio::time::timeout(limit, shutdown.reached(Phase::Draining)).await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Draining);
        signal("-INT");
        tokio::time::timeout(limit, draining).await.unwrap().unwrap().unwrap();
        assert_eq!(shutdown.phase(), Phase::Stopping);
    }
}
