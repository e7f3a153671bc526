//! The operator's stop: a flag that every step looks at between pages and batches. Never interrupts a write that has
//! begun; what is not done is done by the next run (G17).

use std::sync::Arc;
use tokio::sync::watch;

/// Asks a run to end at the next clean place. Clones share the flag.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<watch::Sender<bool>>);

impl StopSignal {
    pub fn new() -> Self {
        StopSignal(Arc::new(watch::Sender::new(false)))
    }

    /// Ends the running step after the page or batch at hand.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when somebody has asked to stop.
    pub(crate) async fn stopped(&self) {
        let mut flag = self.0.subscribe();
        // The sender lives in `self`, so waiting ends only with the flag.
        let _ = flag.wait_for(|stopped| *stopped).await;
    }
}

impl Default for StopSignal {
    fn default() -> Self {
        StopSignal::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_reaches_every_clone_also_when_it_came_first() {
        let signal = StopSignal::new();
        let other = signal.clone();
        assert!(!other.is_stopped());
        signal.stop();
        assert!(other.is_stopped());
        other.stopped().await;
    }
}
