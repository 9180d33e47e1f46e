//! Packing: one large file, and many small ones.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};

use crate::limits::fixtures::{LARGE_BYTES, SMALL_DIRECTORIES, SMALL_FILES, write_large_file, write_small_files};
use crate::limits::memory::{Allowance, ENTRY_BYTES, PATH_COPIES};
use crate::support::Sandbox;

/// Variation of the measured peaks between runs, in bytes: pages that the allocator keeps.
const NOISE_BYTES: u64 = 4 * 1024 * 1024;

/// Entries of the largest measured layer: the limit of an archive.
const MANY_ENTRIES: u64 = 1_000_000;

fn large_layer(compression: &str) {
    let sandbox = Sandbox::new();
    write_large_file(&sandbox.path("large"));
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\"]\ncompression = \"{compression}\"\n\
         [[layers]]\nname = \"large\"\nfiles = [{{ from = \"large\", to = \"/large\" }}]\n"
    ));
    let what = format!("2 GiB into a layout, compression {compression}");
    Allowance::of_packing(compression)
        .with_entries(1)
        .holds(&what, &sandbox, &["build"]);
    let layout = sandbox.layout("build/oci");
    let manifest = layout.manifest("latest", "linux/amd64");
    assert!(
        manifest["layers"][0]["size"].as_u64().unwrap() < LARGE_BYTES,
        "holes compress well"
    );
}

#[test]
fn a_layer_of_2_gib_is_packed_by_gzip_in_bounded_memory() {
    large_layer("gzip");
}

#[test]
fn a_layer_of_2_gib_is_packed_by_zstd_in_bounded_memory() {
    large_layer("zstd");
}

#[test]
fn a_hundred_thousand_small_files_are_packed_in_bounded_memory() {
    let sandbox = Sandbox::new();
    let path_bytes = write_small_files(&sandbox.path("small"));
    let spec = |from: &str, platforms: &str| {
        sandbox.spec(&format!(
            "[image]\nplatforms = [{platforms}]\n[[layers]]\nname = \"small\"\n\
             files = [{{ from = \"{from}\", to = \"/srv\" }}]\n"
        ));
    };
    let entries = SMALL_FILES + SMALL_DIRECTORIES;
    let allowance = Allowance::of_packing("gzip").with_entries(entries);

    spec("ocitect.toml", "\"linux/amd64\"");
    let empty_bytes = allowance.holds("one small file", &sandbox, &["build"]);
    spec("small", "\"linux/amd64\"");
    let peak_bytes = allowance.holds("100,000 small files", &sandbox, &["build"]);
    // Compared with the peak itself: the allowance of any command would hide the memory of an entry.
    let allowed_bytes = entries * (ENTRY_BYTES + PATH_COPIES * path_bytes) + NOISE_BYTES;
    let grown_bytes = peak_bytes.saturating_sub(empty_bytes);
    println!(
        "each of them: {} bytes, with paths of {path_bytes} bytes",
        grown_bytes / entries
    );
    assert!(
        grown_bytes <= allowed_bytes,
        "{grown_bytes} bytes for {entries} entries, allowed {allowed_bytes}"
    );

    // A layer is in memory once, however many platforms have it.
    spec(
        "small",
        "\"linux/386\", \"linux/amd64\", \"linux/arm\", \"linux/arm64\"",
    );
    let allowance = allowance.with_paths(path_bytes);
    allowance.holds("100,000 small files for four platforms", &sandbox, &["build"]);
}

/// Many entries reveal what few hide: memory for an entry is as documented.
#[test]
fn a_million_files_are_packed_in_bounded_memory() {
    let sandbox = Sandbox::new();
    let spec = |files: &str| {
        sandbox.spec(&format!(
            "[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"many\"\nfiles = [{{ {files} }}]\n"
        ));
    };
    let name_bytes = MANY_ENTRIES.to_string().len() as u64;
    let allowance = |prefix: &str| {
        Allowance::of_packing("gzip")
            .with_entries(MANY_ENTRIES)
            .with_paths(prefix.len() as u64 + name_bytes)
    };

    let mut tar = BufWriter::new(File::create(sandbox.path("many.tar")).unwrap());
    for number in 0..MANY_ENTRIES {
        let mut header = tar::Header::new_ustar();
        header.set_path(number.to_string()).unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.write_all(header.as_bytes()).unwrap();
    }
    tar.write_all(&[0; 1024]).unwrap();
    tar.into_inner().unwrap();
    spec("from = \"many.tar\", to = \"/srv\", unpack = true");
    allowance("many.tar: ").holds("a million members of an archive", &sandbox, &["build"]);
    fs::remove_file(sandbox.path("many.tar")).unwrap();

    fs::create_dir(sandbox.path("many")).unwrap();
    for number in 0..MANY_ENTRIES {
        File::create(sandbox.path("many").join(number.to_string())).unwrap();
    }
    spec("from = \"many\", to = \"/srv\"");
    allowance("./many/").holds("a million files of one directory", &sandbox, &["build"]);
    allowance("./many/").holds("a million files, packed before", &sandbox, &["build"]);
}
