//! The report of the network traffic of a command.

use std::sync::Arc;

use crate::build::Transports;
use crate::events::{Event, Observer};

/// Reports the network traffic, if there was any, when it is dropped: at the end of a command, even of a failed one.
pub struct TrafficAtEnd {
    transports: Transports,
    observer: Arc<dyn Observer>,
}

impl TrafficAtEnd {
    /// Returns the report for the traffic of `transports`.
    pub fn of(transports: &Transports, observer: &Arc<dyn Observer>) -> Self {
        Self {
            transports: transports.clone(),
            observer: observer.clone(),
        }
    }
}

impl Drop for TrafficAtEnd {
    fn drop(&mut self) {
        let traffic = self.transports.traffic();
        if !traffic.requests.is_empty() {
            self.observer.event(Event::Traffic(traffic));
        }
    }
}
