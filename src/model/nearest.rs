//! The name that a misspelt one was meant to be.

/// The known name that `name` was probably meant to be: a third of its letters may be wrong, and one in any case.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Comparing takes time by the product of the lengths; no name of ours is near this.
    const MAX_NAME_CHARS: usize = 64;
    if name.chars().count() > MAX_NAME_CHARS {
        return None;
    }
    let bound = (name.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|word| (strsim::damerau_levenshtein(name, word), word));
    distances.filter(|(distance, _)| *distance <= bound).min().map(|(_, word)| word)
}
