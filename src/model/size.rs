//! Sizes as text for people.

/// Returns a size in powers of ten, rounded down: `12.3 MB`. Registries and the spec use the same units.
pub fn size_text(bytes: u64) -> String {
    let unit = SizeUnit::of(bytes);
    format!("{} {}", unit.number(bytes), unit.name)
}

/// Returns a part of a size, both in the unit of the whole: `4.0/12.3 MB`.
pub fn part_text(part_bytes: u64, whole_bytes: u64) -> String {
    let unit = SizeUnit::of(whole_bytes);
    format!("{}/{} {}", unit.number(part_bytes), unit.number(whole_bytes), unit.name)
}

struct SizeUnit {
    name: &'static str,
    bytes: u64,
}

const UNITS: [SizeUnit; 5] = [
    SizeUnit {
        name: "TB",
        bytes: 1_000_000_000_000,
    },
    SizeUnit {
        name: "GB",
        bytes: 1_000_000_000,
    },
    SizeUnit {
        name: "MB",
        bytes: 1_000_000,
    },
    SizeUnit {
        name: "kB",
        bytes: 1_000,
    },
    SizeUnit { name: "B", bytes: 1 },
];

impl SizeUnit {
    /// Returns the largest unit that is not larger than a size.
    fn of(bytes: u64) -> &'static Self {
        let fits = |unit: &&Self| bytes >= unit.bytes;
        UNITS.iter().find(fits).unwrap_or(&UNITS[UNITS.len() - 1])
    }

    /// Returns the number for a size, with one digit after the point, unless the unit is a byte.
    fn number(&self, bytes: u64) -> String {
        if self.bytes == 1 {
            return bytes.to_string();
        }
        let tenths = u128::from(bytes) * 10 / u128::from(self.bytes);
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_ten_and_never_rounded_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_999_999, "1.9 MB"),
            (12_345_678_901, "12.3 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn a_part_has_the_unit_of_the_whole() {
        assert_eq!(part_text(999_999, 312_000_000), "0.9/312.0 MB");
        assert_eq!(part_text(0, 0), "0/0 B");
        assert_eq!(part_text(2_000_000_000, 2_000_000_000), "2.0/2.0 GB");
    }
}
