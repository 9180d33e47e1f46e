//! Durations in Go's notation (`30s`, `1m30s`, `250ms`).

use std::time::Duration;

/// Longest valid timeout: a longer one is a mistake.
const MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// Parses a duration. Returns `None` if the text is invalid, zero, or longer than a day.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total_ms: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit_bytes = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit_bytes);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return None,
        };
        let part_ms = number.parse::<u64>().ok()?.checked_mul(unit_ms)?;
        total_ms = total_ms.checked_add(part_ms).filter(|total_ms| *total_ms <= MAX_MS)?;
        rest = after;
    }
    (total_ms > 0).then(|| Duration::from_millis(total_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, ms) in [
            ("1s", 1000),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "0s",
            "5",
            "s",
            "1.5s",
            "-1s",
            "1d",
            "25h",
            "1 s",
            "99999999999999999999s",
            "1s\u{e4}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
