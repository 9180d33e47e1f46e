//! Divides members among several machines.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One of several parts of the selected members, such as `2/4`.
///
/// The parts of one selection have every member once. The members of a part are as far apart in the order of IDs as the
/// parts are many, so that similar members, whose IDs are similar, are spread over all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `count`.
    number: u32,
    count: u32,
}

/// A text is no valid part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected I/N with I from 1 to N, such as 1/4")]
pub struct ShardError;

impl Shard {
    /// Returns the IDs of this part.
    pub fn of(&self, ids: &BTreeSet<String>) -> BTreeSet<String> {
        let parts = (1..=self.count).cycle();
        let own = ids.iter().zip(parts).filter(|(_, part)| *part == self.number);
        own.map(|(id, _)| id.clone()).collect()
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, count) = text.split_once('/').ok_or(ShardError)?;
        let number = parsed(number)?;
        let count = parsed(count)?;
        if number == 0 || number > count {
            return Err(ShardError);
        }
        Ok(Self { number, count })
    }
}

/// Returns the number that digits alone stand for.
fn parsed(digits: &str) -> Result<u32, ShardError> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ShardError);
    }
    digits.parse().map_err(|_| ShardError)
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_in_one_part_and_parts_differ_by_one_at_most() {
        let ids: BTreeSet<String> = ('a'..='k').map(String::from).collect();
        for count in 1..=13 {
            let part = |number| format!("{number}/{count}").parse::<Shard>().unwrap().of(&ids);
            let parts: Vec<_> = (1..=count).map(part).collect();
            let all: Vec<&String> = parts.iter().flatten().collect();
            assert_eq!(all.len(), ids.len(), "{count}");
            assert_eq!(all.into_iter().cloned().collect::<BTreeSet<_>>(), ids, "{count}");
            let sizes: Vec<usize> = parts.iter().map(BTreeSet::len).collect();
            assert!(sizes[0] - sizes[sizes.len() - 1] <= 1, "{sizes:?}");
        }
        let second = "2/4".parse::<Shard>().unwrap().of(&ids);
        assert_eq!(second.into_iter().collect::<String>(), "bfj");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1",
            "/",
            "1/",
            "/4",
            "0/4",
            "5/4",
            "0/0",
            "1/0",
            "-1/4",
            "+1/4",
            "1/4/4",
            " 1/4",
            "1.0/4",
            "a/b",
            "1/4294967296",
            "1\\4",
        ] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
        assert_eq!("01/04".parse::<Shard>().unwrap().to_string(), "1/4");
        let largest = "4294967295/4294967295".parse::<Shard>().unwrap();
        assert!(largest.of(&BTreeSet::from(["a".to_owned()])).is_empty());
    }
}
