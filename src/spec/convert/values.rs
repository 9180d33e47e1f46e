//! Reads texts with numeric meaning: sizes, durations, times, modes; and owners, IDs, names.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::error::Problem;
use super::super::tree::{Span, Value};
use super::super::{NameOrId, Owner};
use super::context::Input;
use crate::model::{EntryPath, EntryPathError, Platform, WHITEOUT_PREFIX, escape};

/// Greatest ID on Linux: 2³²-1 means "no change" to chown.
const MAX_ID: u64 = 4_294_967_294;

/// Greatest time in seconds that the eleven octal digits of a tar header can hold.
const MAX_MTIME_S: i64 = 0o77_777_777_777;

/// Units of sizes, in bytes.
const SIZE_UNITS: [(&str, u64); 12] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("kiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Units of durations, as in Go, in nanoseconds.
const DURATION_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Least duration other than 0 that Docker accepts in a health check, in nanoseconds.
const MIN_HEALTHCHECK_NS: u64 = 1_000_000;

/// Reads a size in bytes; 0 is refused.
pub(super) fn size_bytes(input: Input<'_>) -> Result<u64, Problem> {
    let bytes = match &input.node.value {
        Value::Text(text) => parse_size(text),
        _ => u64::try_from(input.integer()?).ok(),
    };
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        input
            .problem("not a size")
            .help("write a number and a unit: \"100MB\" (10^6 bytes), \"100MiB\" (2^20 bytes)")
    })
}

/// Parses a size as a spec writes it, and returns it in bytes: a number and a unit (`100MB` is 10^8, `100MiB` is 100 *
/// 2^20 bytes). Returns `None` for anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text);
    let unit = unit.trim_start();
    SIZE_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, unit)| scaled(number, *unit))
}

/// Reads a duration of a health check in nanoseconds.
pub(super) fn duration_ns(input: Input<'_>) -> Result<u64, Problem> {
    let problem = |message: &str| {
        input
            .problem(message)
            .help("write a duration such as \"30s\", \"1m30s\" or \"1.5h\"")
    };
    let nanoseconds = parse_duration(input.text()?).ok_or_else(|| problem("not a duration"))?;
    match nanoseconds {
        1..MIN_HEALTHCHECK_NS => Err(problem("must be at least 1ms")),
        _ => Ok(nanoseconds),
    }
}

fn parse_duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_end = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, unit) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *unit)?)?;
        rest = after;
    }
    (!text.is_empty() && i64::try_from(total).is_ok()).then_some(total)
}

/// Splits a text into digits with at most one point, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Multiplies a decimal number by a unit, rounded down. Returns `None` if it is not a number or does not fit.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    /// Number of digits after the point that count. Further ones would be below one byte or nanosecond of the largest
    /// unit.
    const MAX_FRACTION_DIGITS: usize = 18;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut part: u128 = 0;
    let mut scale: u128 = 1;
    for digit in fraction.bytes().take(MAX_FRACTION_DIGITS) {
        part = part * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    let part = u64::try_from(part * u128::from(unit) / scale).ok()?;
    whole.checked_mul(unit)?.checked_add(part)
}

/// Reads `mtime`: whole seconds since 1970, as a number or in digits, or RFC 3339.
pub(super) fn mtime_s(input: Input<'_>) -> Result<i64, Problem> {
    let problem = |message: &str| {
        input
            .problem(message)
            .help("write seconds since 1970, or RFC 3339, such as \"2024-01-31T12:00:00Z\"")
    };
    let seconds = match &input.node.value {
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::Text(text) => {
            let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| problem("not a time"))?;
            if time.nanosecond() != 0 {
                return Err(problem("file times must be whole seconds"));
            }
            Some(time.unix_timestamp())
        }
        _ => Some(input.integer()?),
    };
    let seconds = seconds.ok_or_else(|| problem("not a time"))?;
    match seconds {
        0..=MAX_MTIME_S => Ok(seconds),
        _ => Err(problem("the time must be between 1970-01-01 and 2242-03-16")),
    }
}

/// Reads a mode: one to five octal digits, up to 7777.
pub(super) fn mode(input: Input<'_>) -> Result<u32, Problem> {
    let digits = input.text()?;
    let is_octal = (1..=5).contains(&digits.len()) && digits.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let bits = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|bits| is_octal && *bits <= 0o7777);
    bits.ok_or_else(|| {
        input
            .problem("not a mode")
            .help("write a string of octal digits up to 7777, such as \"0755\"")
    })
}

/// Reads `user` or `user:group`.
pub(super) fn owner(input: Input<'_>) -> Result<Owner, Problem> {
    let text = input.text()?;
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let part = |text: &str| name_or_id(text, input);
    Ok(Owner {
        user: part(user)?,
        group: group.map(part).transpose()?,
    })
}

fn name_or_id(text: &str, input: Input<'_>) -> Result<NameOrId, Problem> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = text.parse().ok().filter(|number| *number <= MAX_ID);
        return number.map(NameOrId::Id).ok_or_else(|| id_problem(input));
    }
    check_name(text, input)?;
    Ok(NameOrId::Name(text.to_owned()))
}

/// Reads the ID of a user or a group.
pub(super) fn id(input: Input<'_>) -> Result<u64, Problem> {
    u64::try_from(input.integer()?)
        .ok()
        .filter(|id| *id <= MAX_ID)
        .ok_or_else(|| id_problem(input))
}

fn id_problem(input: Input<'_>) -> Problem {
    input.problem(format!("not an id: expected 0 to {MAX_ID}"))
}

/// Reads the name of a new user or group.
pub(super) fn account_name(input: Input<'_>) -> Result<String, Problem> {
    let name = input.string()?;
    check_name(&name, input)?;
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(input.problem("a name must not consist of digits only"));
    }
    Ok(name)
}

/// Refuses names that would end within their line of passwd or group, or be the syntax of another option.
fn check_name(name: &str, input: Input<'_>) -> Result<(), Problem> {
    /// Greatest length in bytes: Linux's limit for login names (utmp), which shadow and useradd enforce.
    const MAX_NAME_BYTES: usize = 32;
    let is_bad = |character: char| character.is_control() || character.is_whitespace() || ":,/".contains(character);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with(['-', '+', '~']) || name.contains(is_bad) {
        return input.refuse(
            "not a valid name of a user or group",
            "use up to 32 letters, digits, _, . and -; a name must not begin with -",
        );
    }
    Ok(())
}

/// Reads an absolute path in the image, as written.
pub(super) fn image_path(input: Input<'_>) -> Result<String, Problem> {
    let text = input.text()?;
    parse_image_path(text, input)?;
    Ok(text.to_owned())
}

/// Like [`image_path`], but refuses the root.
pub(super) fn image_path_below_root(input: Input<'_>) -> Result<String, Problem> {
    let text = input.text()?;
    if parse_image_path(text, input)?.is_root() {
        return Err(input.problem("the root of the image is not allowed here"));
    }
    Ok(text.to_owned())
}

/// Checks an absolute path in the image, which is a part of `input`.
pub(super) fn parse_image_path(text: &str, input: Input<'_>) -> Result<EntryPath, Problem> {
    let shown = escape(text.as_bytes());
    if !text.starts_with('/') {
        return input.refuse(
            format!("\"{shown}\" is not an absolute path in the image"),
            "paths in the image begin with /",
        );
    }
    let path = EntryPath::new(text.as_bytes()).map_err(|error| {
        let help = matches!(error, EntryPathError::LeavesRoot(_)).then(|| "write the path without ..".to_owned());
        Problem {
            help,
            ..input.problem(error.to_string())
        }
    })?;
    if path.components().any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return input.refuse(
            format!("\"{shown}\" contains a name that begins with .wh."),
            "rename the file: a .wh. name is a whiteout and deletes files when the image is unpacked",
        );
    }
    Ok(path)
}

/// Reads the annotations of the image or a layer.
pub(super) fn annotations(table: Input<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(annotations) = table.get("annotations") else {
        return Ok(BTreeMap::new());
    };
    if annotations.get("").is_some() {
        return Err(annotations.problem("the name of an annotation is empty"));
    }
    annotations.map(Input::string)
}

/// Reads a platform.
pub(super) fn platform_name(input: Input<'_>) -> Result<Platform, Problem> {
    parse_platform(input.text()?, &input.node.span)
}

/// Parses a platform of the spec. Unknown names are refused, since an image for them can be neither checked nor pulled.
pub(in super::super) fn parse_platform(text: &str, span: &Span) -> Result<Platform, Problem> {
    Platform::parse_known(text).map_err(|error| Problem::of(span, &error))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::error::SourceText;
    use super::super::super::tree::Node;
    use super::super::context::{Context, Outside};
    use super::*;

    /// Reads a value that is not in a text.
    fn read<T>(value: Value, read: impl Fn(Input<'_>) -> Result<T, Problem>) -> Option<T> {
        let source = SourceText::new(Path::new(""), "");
        let context = Context {
            source: &source,
            directory: Path::new(""),
            outside: &Outside::default(),
        };
        read(Input::new(
            &Node {
                value,
                span: 0..0,
                key: 0..0,
            },
            context,
        ))
        .ok()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn sizes() {
        let size = |text: &str| read(self::text(text), size_bytes);
        for (text, bytes) in [
            ("100MB", 100_000_000),
            ("100MiB", 104_857_600),
            ("1.5GB", 1_500_000_000),
            (".5KiB", 512),
            ("12", 12),
            ("12 B", 12),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in [
            "",
            "MB",
            "-1MB",
            "1.2.3MB",
            "1mb",
            "1 M B",
            "99999999TB",
            "0",
            "0MB",
            "1e3",
            ".",
        ] {
            assert_eq!(size(bad), None, "{bad}");
        }
        assert_eq!(read(Value::Integer(-1), size_bytes), None);
    }

    #[test]
    fn lengths_of_time() {
        let duration = |text: &str| read(self::text(text), duration_ns);
        for (text, nanoseconds) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1ms", 1_000_000),
            ("2000µs", 2_000_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(nanoseconds), "{text}");
        }
        for bad in [
            "",
            "30",
            "s",
            "-1s",
            "1s ",
            "1d",
            "1us",
            "9999999999999h",
            "1m-1s",
            "1..5s",
            "s1",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn points_in_time() {
        let mtime = |text: &str| read(self::text(text), mtime_s);
        assert_eq!(mtime("1970-01-01T00:00:01Z"), Some(1));
        assert_eq!(mtime("1970-01-01T01:00:01+01:00"), Some(1));
        assert_eq!(mtime("1700000000"), Some(1_700_000_000));
        for bad in [
            "",
            "now",
            "1969-12-31T23:59:59Z",
            "2024-01-01",
            "2024-01-01T00:00:00.5Z",
            "8589934592",
        ] {
            assert_eq!(mtime(bad), None, "{bad}");
        }
    }

    #[test]
    fn modes_owners_and_names() {
        let mode = |text: &str| read(self::text(text), super::mode);
        assert_eq!(
            [mode("755"), mode("0644"), mode("07777")],
            [Some(0o755), Some(0o644), Some(0o7777)]
        );
        assert_eq!(
            [mode("17777"), mode("888"), mode(""), mode("+755"), mode("0o755")],
            [None; 5]
        );

        let owner = |text: &str| read(self::text(text), super::owner);
        let name = |text: &str| NameOrId::Name(text.to_owned());
        assert_eq!(
            owner("app"),
            Some(Owner {
                user: name("app"),
                group: None
            })
        );
        assert_eq!(
            owner("1:staff"),
            Some(Owner {
                user: NameOrId::Id(1),
                group: Some(name("staff"))
            })
        );
        for bad in [
            "",
            ":",
            "a:",
            ":b",
            "a:b:c",
            "4294967295",
            "a b",
            "a\n",
            "-a",
            &"x".repeat(33),
        ] {
            assert_eq!(owner(bad), None, "{bad}");
        }
    }
}
