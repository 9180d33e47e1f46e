//! The rate of progress events for programs.

use std::time::{Duration, Instant};

/// Least time between two progress events of one task.
const INTERVAL: Duration = Duration::from_secs(1);

/// Selects which progress of one task is reported: the first, then one in each interval, and the last.
#[derive(Debug, Default)]
pub struct Pace {
    reported: Option<Instant>,
    /// Progress that was not reported.
    held_bytes: Option<u64>,
}

impl Pace {
    /// Returns `true` if the progress at `now` is to be reported. Otherwise it is kept for the end.
    pub fn admits(&mut self, done_bytes: u64, now: Instant) -> bool {
        let is_due = self
            .reported
            .is_none_or(|reported| now.saturating_duration_since(reported) >= INTERVAL);
        if is_due {
            self.reported = Some(now);
            self.held_bytes = None;
        } else {
            self.held_bytes = Some(done_bytes);
        }
        is_due
    }

    /// Returns the last progress, if it was not reported.
    pub fn into_last(self) -> Option<u64> {
        self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_each_interval_and_the_last_one() {
        let begin = Instant::now();
        let mut pace = Pace::default();
        let admitted: Vec<u64> = (0..2500)
            .filter(|ms| pace.admits(*ms, begin + Duration::from_millis(*ms)))
            .collect();
        assert_eq!(admitted, [0, 1000, 2000]);
        assert_eq!(pace.into_last(), Some(2499));
    }

    #[test]
    fn the_last_one_is_not_repeated() {
        let mut pace = Pace::default();
        assert!(pace.admits(7, Instant::now()));
        assert_eq!(pace.into_last(), None);
        assert_eq!(Pace::default().into_last(), None);
    }
}
