//! Facts of large bases: read from the layers, read from the cache, and planned on.

use crate::limits::fixtures::{SMALL_DIRECTORIES, SMALL_FILES, make_base};
use crate::limits::memory::Allowance;
use crate::support::Sandbox;

/// Entries of the large base, for each platform.
const BASE_ENTRIES: u64 = SMALL_FILES + SMALL_DIRECTORIES;

/// A spec with one file on the base in `base`.
fn spec_on_base(sandbox: &Sandbox, platforms: &str) {
    sandbox
        .write("own/one/file", "one\n")
        .write("own/two/file", "two\n")
        .spec(&format!(
            "[image]\nbase = \"oci:base\"\nplatforms = [{platforms}]\n\
         [[layers]]\nname = \"own\"\nfiles = [{{ from = \"own\", to = \"/srv/own\" }}]\n"
        ));
}

#[test]
fn a_base_of_a_hundred_thousand_entries_is_read_and_built_upon_in_bounded_memory() {
    let sandbox = Sandbox::new();
    make_base(&sandbox, "base", "entries");
    spec_on_base(&sandbox, "\"linux/amd64\"");
    let one = Allowance::of_packing("gzip").with_entries(BASE_ENTRIES);
    one.holds(
        "reading the facts of a base of 100,000 entries",
        &sandbox,
        &["build", "--print-plan"],
    );
    one.holds("planning on facts from the cache", &sandbox, &["build", "--print-plan"]);
    one.holds(
        "listing the base",
        &sandbox,
        &["ls", "oci:base", "--platform", "linux/amd64", "/srv/dir0001"],
    );

    // Each platform's base has its own entries.
    spec_on_base(&sandbox, "\"linux/amd64\", \"linux/arm64\"");
    let two = Allowance::of_packing("gzip").with_entries(2 * BASE_ENTRIES);
    two.holds(
        "building for two platforms, one of them not read yet",
        &sandbox,
        &["build"],
    );
    two.holds("building for two platforms from the cache", &sandbox, &["build"]);
}

#[test]
fn a_zstd_base_takes_its_window_and_no_more_while_its_facts_are_read() {
    let sandbox = Sandbox::new();
    make_base(&sandbox, "base", "window");
    spec_on_base(&sandbox, "\"linux/amd64\"");
    let allowance = Allowance::of_packing("gzip").with_largest_window();
    allowance.holds("reading a zstd layer with a window of 128 MiB", &sandbox, &["build"]);
    // Its facts are in the cache now, and no layer is decoded any more.
    Allowance::of_packing("gzip").holds("building on it from the cache", &sandbox, &["build"]);
}

#[test]
fn long_link_targets_are_held_once_and_too_many_of_them_not_at_all() {
    let sandbox = Sandbox::new();
    make_base(&sandbox, "base", "links");
    spec_on_base(&sandbox, "\"linux/amd64\"");
    let allowance = Allowance::of_packing("gzip")
        .with_entries(15_000)
        .with_link_targets(15_000 * 4_000);
    allowance.holds("reading 15,000 links with targets of 4,000 bytes", &sandbox, &["build"]);
    allowance.holds("building on them from the cache", &sandbox, &["build"]);

    let sandbox = Sandbox::new();
    make_base(&sandbox, "base", "link-bomb");
    spec_on_base(&sandbox, "\"linux/amd64\"");
    let words = ["the link targets of an image, in bytes: over the limit of 67108864"];
    allowance.holds_with(2, &words, "refusing 40,000 such links", &sandbox, &["build"]);
}
