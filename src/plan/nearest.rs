//! The name that was perhaps meant.

/// Longest name that is compared: the work grows with the square, and no path component is longer (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;

/// The candidate with the fewest edits from `wanted`, where that is at most a third of its bytes (but one at least). Of
/// several the first.
pub(super) fn nearest<'a>(wanted: &[u8], candidates: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    if wanted.len() > MAX_NAME_BYTES {
        return None;
    }
    let limit = (wanted.len() / 3).max(1);
    candidates
        .filter(|candidate| candidate.len() <= MAX_NAME_BYTES)
        .map(|candidate| (edits(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, a row at a time.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, byte) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names: [&[u8]; 3] = [b"doc", b"docs", b"man"];
        assert_eq!(nearest(b"dosc", names.into_iter()), Some(&b"doc"[..]));
        assert_eq!(nearest(b"docss", names.into_iter()), Some(&b"docs"[..]));
        assert_eq!(nearest(b"xyz", names.into_iter()), None);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }
}
