//! The retry policy: which failures are transient, how long to wait before another try, and when to give up. It is the
//! only one in the crate.
//!
//! The waits grow exponentially, with jitter, so that many clients that failed together do not retry together. Progress
//! counts, not the number of failures: [`Backoff::progressed`] forgets them, and a transfer is not given up while the
//! registry confirms progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// How often and after which waits a request is retried.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryOptions {
    /// The wait before the second try. Each further wait is twice as long.
    pub first_wait: Duration,
    /// The longest wait of the exponential backoff.
    pub longest_wait: Duration,
    /// The longest wait that a registry may request with `Retry-After`, in total while there is no progress. If it
    /// requests more, the operation fails.
    pub longest_asked_wait: Duration,
    /// Tries without progress before giving up.
    pub tries: u32,
    /// Tries of an origin that has never replied: a mistyped name is not worth a long wait.
    pub first_tries: u32,
    /// Total time of timeouts without progress. The second try is always made.
    pub longest_silence: Duration,
    /// Seed of the jitter, which differs from process to process.
    pub seed: u64,
}

/// Tries without progress at a mirror: another host has the same content.
const MIRROR_TRIES: u32 = 2;

impl RetryOptions {
    /// Returns the options for a mirror.
    pub(super) fn of_mirror(&self) -> Self {
        Self {
            tries: MIRROR_TRIES,
            first_tries: 1,
            ..self.clone()
        }
    }
}

impl Default for RetryOptions {
    /// Returns eight tries over about half a minute: as long as a registry needs to restart, or a name server to
    /// recover.
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            longest_asked_wait: Duration::from_secs(300),
            tries: 8,
            first_tries: 3,
            longest_silence: Duration::from_secs(180),
            seed: 0,
        }
    }
}

/// Returns the end of a message that says how often something was tried; empty for one try.
pub(super) fn tried(tries: u32) -> String {
    if tries > 1 {
        format!("; tried {tries} times")
    } else {
        String::new()
    }
}

/// What a failure says about another try.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryInfo {
    /// `true` if another try may succeed.
    pub(super) is_passing: bool,
    /// How long the registry asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// The origin has replied before: it exists, and is worth waiting for.
    pub(super) was_heard: bool,
    /// How long nothing arrived, if that is the failure.
    pub(super) silence: Duration,
}

impl Default for RetryInfo {
    /// Returns a failure that is not retried.
    fn default() -> Self {
        Self {
            is_passing: false,
            retry_after: None,
            was_heard: true,
            silence: Duration::ZERO,
        }
    }
}

impl RetryInfo {
    /// Classifies an error reply. An exhausted quota is not transient.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let is_passing = is_temporary(status) && quota(status, headers).is_none();
        Self {
            is_passing,
            retry_after: retry_after(headers),
            ..Self::default()
        }
    }
}

/// The waits of one operation.
pub(super) struct Backoff {
    options: RetryOptions,
    failures: u32,
    /// Total time of timeouts since the last progress.
    silence: Duration,
    /// Total of the waits that the registry requested since the last progress.
    asked: Duration,
}

impl Backoff {
    pub(super) fn new(options: &RetryOptions) -> Self {
        Self {
            options: options.clone(),
            failures: 0,
            silence: Duration::ZERO,
            asked: Duration::ZERO,
        }
    }

    /// Returns the tries since the last progress.
    pub(super) fn tries(&self) -> u32 {
        self.failures
    }

    /// Records that the registry confirmed progress: earlier failures are forgotten.
    pub(super) fn progressed(&mut self) {
        *self = Self::new(&self.options);
    }

    /// Returns how long to wait before the next try, or `None` to give up.
    pub(super) fn next_wait(&mut self, retry: RetryInfo, jitter: &Jitter) -> Option<Duration> {
        let tries = if retry.was_heard {
            self.options.tries
        } else {
            self.options.first_tries
        };
        self.failures += 1;
        self.silence += retry.silence;
        let was_silent_for_long = self.silence >= self.options.longest_silence && self.failures > 1;
        if !retry.is_passing || self.failures >= tries || was_silent_for_long {
            return None;
        }
        let doubled = self.options.first_wait.saturating_mul(1 << (self.failures - 1).min(16));
        let chosen = jitter.of(doubled.min(self.options.longest_wait));
        match retry.retry_after {
            Some(asked) if self.asked.saturating_add(asked) > self.options.longest_asked_wait => None,
            Some(asked) => {
                self.asked += asked;
                Some(asked.max(chosen))
            }
            None => Some(chosen),
        }
    }
}

/// Random numbers for the waits. They are not secret, and no output depends on them.
#[derive(Default)]
pub(super) struct Jitter(AtomicU64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Returns a time between half of a wait and all of it.
    fn of(&self, wait: Duration) -> Duration {
        // A step of the SplitMix64 sequence: an odd increment, and bits mixed by two multiplications.
        let state = self
            .0
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = (mixed >> 32) as f64 / f64::from(u32::MAX);
        wait.mul_f64(0.5 + share / 2.0)
    }
}

/// Returns `true` for a transient status: overload, a rate limit, a gateway without its server.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 522) || (status.is_server_error() && status.as_u16() != 501)
}

/// Headers of Docker Hub's limits, which other registries use too.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const LIMIT_SOURCE: HeaderName = HeaderName::from_static("docker-ratelimit-source");

/// Returns the details of an exhausted quota, which a wait of seconds does not fix, or `None` for a mere rate limit.
pub(super) fn quota(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    let remaining = text(REMAINING);
    let is_used_up = remaining
        .as_deref()
        .is_some_and(|text| text.split(';').next().unwrap_or_default().trim() == "0");
    if status != StatusCode::TOO_MANY_REQUESTS || !(is_used_up || headers.contains_key(LIMIT_SOURCE)) {
        return None;
    }
    let window = |text: &str| {
        let (count, window) = text.split_once(";w=")?;
        let count: u64 = count.trim().parse().ok()?;
        let seconds: u64 = window.trim().parse().ok()?;
        Some(format!("{count} in {}", span(Duration::from_secs(seconds))))
    };
    let limit = text(LIMIT)
        .as_deref()
        .and_then(window)
        .map_or(String::new(), |limit| format!(" of {limit}"));
    let reset = match retry_after(headers) {
        Some(wait) => format!("retry after {}", span(wait)),
        None => match remaining
            .as_deref()
            .or(text(LIMIT).as_deref())
            .and_then(|text| text.split_once(";w="))
        {
            Some((_, seconds)) if seconds.trim().parse::<u64>().is_ok() => {
                let window = Duration::from_secs(seconds.trim().parse().unwrap_or_default());
                format!("it resets within {}", span(window))
            }
            _ => "the time of its reset is unknown".to_owned(),
        },
    };
    Some(format!("the quota{limit} is used up; {reset}"))
}

/// Returns how long a reply asks to wait: `Retry-After` in seconds, or as a date, which is compared with the reply's
/// own `Date`, so that this machine's clock does not matter (RFC 9110, section 10.2.3). A time in the past is `None`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok();
    let now = date(headers.get(DATE)?.to_str().ok()?.trim())?;
    Duration::try_from(date(text)? - now).ok()
}

/// Formats a duration for a person, in its two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn failure(is_passing: bool, retry_after: Option<u64>) -> RetryInfo {
        RetryInfo {
            is_passing,
            retry_after: retry_after.map(Duration::from_secs),
            ..RetryInfo::default()
        }
    }

    #[test]
    fn overload_passes_and_refusal_does_not() {
        for status in [408, 429, 499, 500, 502, 503, 504, 522] {
            assert!(is_temporary(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 413, 416, 501] {
            assert!(!is_temporary(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }

    #[test]
    fn waits_double_within_their_jitter_and_end() {
        let options = RetryOptions::default();
        let jitter = Jitter::new(7);
        let mut backoff = Backoff::new(&options);
        for expected_ms in [200, 400, 800, 1600, 3200, 6400, 10_000] {
            let wait = backoff.next_wait(failure(true, None), &jitter).unwrap();
            let least = Duration::from_millis(expected_ms / 2);
            let most = Duration::from_millis(expected_ms);
            assert!((least..=most).contains(&wait), "{wait:?} {expected_ms}");
        }
        assert_eq!(backoff.next_wait(failure(true, None), &jitter), None);
        backoff.progressed();
        assert!(backoff.next_wait(failure(true, None), &jitter).unwrap() <= options.first_wait);
        assert_eq!(backoff.next_wait(failure(false, None), &jitter), None);
    }

    #[test]
    fn who_never_answered_is_given_up_sooner() {
        let mut backoff = Backoff::new(&RetryOptions::default());
        let jitter = Jitter::default();
        let unheard = RetryInfo {
            was_heard: false,
            ..failure(true, None)
        };
        assert!(backoff.next_wait(unheard, &jitter).is_some());
        assert!(backoff.next_wait(unheard, &jitter).is_some());
        assert_eq!(backoff.next_wait(unheard, &jitter), None);
    }

    #[test]
    fn what_the_registry_asks_for_is_waited_for_within_reason() {
        let jitter = Jitter::default();
        let wait = |asked| Backoff::new(&RetryOptions::default()).next_wait(failure(true, Some(asked)), &jitter);
        assert_eq!(wait(7), Some(Duration::from_secs(7)));
        assert!(wait(0).unwrap() >= Duration::from_millis(100));
        assert_eq!(wait(301), None);
        assert_eq!(wait(u64::MAX), None);
    }

    #[test]
    fn what_the_registry_asks_for_is_bounded_in_all() {
        let jitter = Jitter::default();
        let mut backoff = Backoff::new(&RetryOptions::default());
        for _ in 0..3 {
            assert_eq!(
                backoff.next_wait(failure(true, Some(100)), &jitter),
                Some(Duration::from_secs(100))
            );
        }
        assert_eq!(backoff.next_wait(failure(true, Some(1)), &jitter), None);
        backoff.progressed();
        assert_eq!(
            backoff.next_wait(failure(true, Some(100)), &jitter),
            Some(Duration::from_secs(100))
        );
    }

    #[test]
    fn silences_are_waited_out_for_three_minutes_and_the_second_try_is_always_made() {
        let jitter = Jitter::default();
        let silent = |seconds| RetryInfo {
            silence: Duration::from_secs(seconds),
            ..failure(true, None)
        };
        let tries = |seconds| {
            let mut backoff = Backoff::new(&RetryOptions::default());
            while backoff.next_wait(silent(seconds), &jitter).is_some() {}
            backoff.tries()
        };
        assert_eq!([0, 1, 60, 90, 300].map(tries), [8, 8, 3, 2, 2]);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let asked = |lines: &[(&'static str, &str)]| retry_after(&headers(lines)).map(|wait| wait.as_secs());
        assert_eq!(asked(&[("retry-after", "120")]), Some(120));
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(
            asked(&[("retry-after", "Wed, 21 Oct 2026 07:30:05 GMT"), date]),
            Some(125)
        );
        assert_eq!(asked(&[("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT"), date]), None);
        assert_eq!(asked(&[("retry-after", "Wed, 21 Oct 2026 07:30:05 GMT")]), None);
        for bad in [
            "-1",
            "",
            "soon",
            "1e9",
            "99999999999999999999999",
            "Wed, 99 Oct 2026 07:30:05 GMT",
        ] {
            assert_eq!(asked(&[("retry-after", bad), date]), None, "{bad}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_quota_is_told_from_a_limit_on_the_rate() {
        let limit = ("ratelimit-limit", "100;w=21600");
        let used_up = |lines: &[(&'static str, &str)]| quota(StatusCode::TOO_MANY_REQUESTS, &headers(lines));
        let said = used_up(&[
            limit,
            ("ratelimit-remaining", "0;w=21600"),
            ("docker-ratelimit-source", "1.2.3.4"),
        ]);
        let expected = "the quota of 100 in 6 h is used up; it resets within 6 h";
        assert_eq!(said.as_deref(), Some(expected));
        let said = used_up(&[limit, ("docker-ratelimit-source", "x"), ("retry-after", "5400")]).unwrap();
        assert!(said.ends_with("retry after 1 h 30 min"), "{said}");
        assert_eq!(used_up(&[]), None);
        assert_eq!(used_up(&[limit, ("ratelimit-remaining", "5;w=21600")]), None);
        assert_eq!(
            quota(StatusCode::OK, &headers(&[("ratelimit-remaining", "0;w=21600")])),
            None
        );
    }
}
