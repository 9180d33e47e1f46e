//! Finds candidates for secrets: short texts (anchors) that every secret of a kind contains, searched all at once.
//!
//! All bytes of a layer are searched here, so this is the cost of the scan. The search (Teddy, of the crate
//! aho-corasick) compares 32 bytes at a time with the first four bytes of all anchors, in eight groups, and checks
//! further only if a group may match. How often that happens depends on which anchors share a group. [`GROUPS`] was
//! found by simulated annealing over Python and JavaScript sources, programs and noise: 1 byte in 3,000 is a candidate,
//! compared with 1 in 30 for an order by name. The order only affects the speed.

use std::sync::LazyLock;

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, Input, MatchKind, Span};

/// Number of groups of the search.
const GROUP_COUNT: usize = 8;

/// The anchors, by group.
const GROUPS: [[&str; GROUP_COUNT]; 8] = [
    [
        "ghu_", "k_live_", "WILIO", "ygems_", "\nhf_", "hub_pat_", "wilio", "xoxb-",
    ],
    [
        ":hf_",
        "thToken",
        "npm_",
        ">hf_",
        "sk-ant-",
        "pi-AgE",
        "sk-admin-",
        "doo_v1_",
    ],
    [
        "ghr_", "shpat_", "3BlbkFJ", "dckr_", "glpat-", "glsa_", "tskey-", "ghp_",
    ],
    ["'SG.", ">SG.", "dop_v1_", "TE KEY", "'hf_", "=SG.", "\nSG.", ":SG."],
    [
        "untKey=",
        "ss_key",
        "sntrys_",
        "LS0tLS1CRUdJTi",
        "xapp-",
        "AKIA",
        "SS_KEY",
        "ASIA",
    ],
    ["\"hf_", "=hf_", "glrt-", " hf_", "gho_", "hvr.", "hvb.", "ghs_"],
    [
        "xoxr-",
        "r_v1_",
        "sk-svcacct-",
        "xoxs-",
        "xoxp-",
        "sk-proj-",
        "TTY-User-Key",
        "xoxa-",
    ],
    ["hvs.", "\"SG.", "uths\"", "`SG.", " SG.", "essKey", "T-KEY-1", "gsk_"],
];

/// The search, and a fallback for processors without the required instructions.
enum Search {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    let mut builder = packed::Config::new();
    // More groups would need twice the steps; with this order eight are enough.
    builder.only_teddy_fat(Some(false));
    let packed = builder.builder().extend(anchors()).build();
    packed.map_or_else(|| Search::Automaton(automaton()), Search::Packed)
});

/// Returns the anchors in the order that puts each into its group: the search assigns them to groups in turn.
fn anchors() -> impl Iterator<Item = &'static str> {
    (0..GROUP_COUNT).flat_map(|row| GROUPS.iter().map(move |group| group[row]))
}

fn automaton() -> AhoCorasick {
    let built = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(anchors());
    built.expect("64 short patterns are within every limit of an automaton")
}

/// Calls `found` with each anchor in `text` and its position, in order. Anchors may overlap.
pub(super) fn find_each(text: &[u8], mut found: impl FnMut(&'static str, usize)) {
    let mut from = 0;
    while let Some((pattern, at)) = SEARCH.next(text, from) {
        found(GROUPS[pattern % GROUP_COUNT][pattern / GROUP_COUNT], at);
        from = at + 1;
    }
}

impl Search {
    /// Returns the first anchor at or after `from`, by its index, and its position.
    fn next(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        match self {
            Self::Packed(searcher) => {
                let found = searcher.find_in(text, Span::from(from..text.len()))?;
                Some((found.pattern().as_usize(), found.start()))
            }
            Self::Automaton(automaton) => {
                let found = automaton.find(Input::new(text).range(from..))?;
                Some((found.pattern().as_usize(), found.start()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anchor_is_found_by_both_searches() {
        for anchor in anchors() {
            assert!(anchor.len() >= 4, "{anchor}: the search compares four bytes");
            let text = [&[b'.'; 40][..], anchor.as_bytes(), &[b'.'; 40][..]].concat();
            let mut all = Vec::new();
            find_each(&text, |found, at| all.push((found, at)));
            assert_eq!(all, [(anchor, 40)]);
            let other = Search::Automaton(automaton()).next(&text, 0);
            assert_eq!(other, SEARCH.next(&text, 0), "{anchor}");
        }
    }

    #[test]
    fn no_anchor_is_the_start_of_another() {
        // If two anchors are at one position, the search returns only the first.
        for one in anchors() {
            assert_eq!(anchors().filter(|other| other.starts_with(one)).count(), 1, "{one}");
        }
    }
}
