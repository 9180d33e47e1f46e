//! Finds the name that was probably meant by a misspelled one.

use std::borrow::Cow;

/// Longest name that is compared, in bytes. The time of a comparison is the product of the lengths, and no component of
/// a path is longer (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;

/// Returns the known name that was probably meant by `name`. A third of its letters may be wrong, and at least one. Of
/// several equally near names, returns the first by bytes.
///
/// Names are text, or bytes such as those of a path.
pub fn nearest<'a, N>(name: &(impl AsRef<[u8]> + ?Sized), known: impl IntoIterator<Item = &'a N>) -> Option<&'a N>
where
    N: AsRef<[u8]> + Ord + ?Sized,
{
    if name.as_ref().len() > MAX_NAME_BYTES {
        return None;
    }
    let wanted = text(name);
    let bound = (wanted.chars().count() / 3).max(1);
    let short = known.into_iter().filter(|word| word.as_ref().len() <= MAX_NAME_BYTES);
    let near = short.filter_map(|word| Some((distance(&wanted, &text(word), bound)?, word)));
    near.min().map(|(_, word)| word)
}

fn text<N: AsRef<[u8]> + ?Sized>(name: &N) -> Cow<'_, str> {
    String::from_utf8_lossy(name.as_ref())
}

/// Returns the number of letters that are wrong, missing, added or swapped with the next one; `None` if it exceeds
/// `bound`.
fn distance(left: &str, right: &str, bound: usize) -> Option<usize> {
    // The difference in length is a lower bound. A directory may have many names, of which few have a similar length.
    if left.chars().count().abs_diff(right.chars().count()) > bound {
        return None;
    }
    Some(strsim::osa_distance(left, right)).filter(|distance| *distance <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["docs", "doc", "man"];
        for (name, meant) in [
            ("dosc", Some("doc")),
            ("docss", Some("docs")),
            ("mna", Some("man")),
            ("xyz", None),
        ] {
            assert_eq!(nearest(name, names), meant, "{name}");
            assert_eq!(
                nearest(name.as_bytes(), names.map(str::as_bytes)),
                meant.map(str::as_bytes),
                "{name}"
            );
        }
        assert_eq!(nearest("entrypiont", ["entrypoint", "environment"]), Some("entrypoint"));
        assert_eq!(nearest("sitting", ["kitten"]), None);
    }

    #[test]
    fn names_that_are_no_text_or_too_long_are_taken() {
        assert_eq!(nearest(&b"caf\xe8"[..], [&b"caf\xe9s"[..]]), Some(&b"caf\xe9s"[..]));
        let long = "n".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(nearest(&long[..], [&long[..]]), None);
        assert_eq!(nearest(&long[1..], [&long[..]]), None);
    }
}
