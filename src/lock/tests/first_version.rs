//! Lockfiles of version 1, with the facts in them and a checksum.

use super::*;

/// Returns the text of version 1 for the sample.
fn text() -> String {
    let lock = sample();
    let image = |name: &str| {
        let image = lock.image(name).unwrap();
        let index = image.index().map(|index| format!("index = \"{index}\"\n"));
        let facts = image.facts_text().unwrap();
        let (_, platforms) = facts.split_once("\n[[platform]]\n").unwrap();
        let platforms = platforms.replace("[[platform]]", "[[image.platform]]");
        format!(
            "\n[[image]]\nname = \"{name}\"\n{}\n[[image.platform]]\n{platforms}",
            index.unwrap_or_default()
        )
    };
    signed(&[image(PYTHON), image("oci:bases")].concat())
}

fn signed(body: &str) -> String {
    let head = "\
# The images that the spec builds on, pinned, with what a build must know of them. `ocitect lock` writes this file, and
# `ocitect update` moves the pins; it is not to be edited. Keep it in version control; `ocitect lock --show` reads it out.
";
    format!(
        "{head}version = 1\nchecksum = \"{}\"\n{body}",
        Digest::of(body.as_bytes())
    )
}

#[test]
fn it_holds_the_same_pins_and_all_facts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    fs::write(&path, text()).unwrap();
    let loaded = Lock::load(&path).unwrap().unwrap();
    assert_eq!(loaded.lock, sample());
    assert!(!loaded.is_canonical && loaded.warnings.is_empty());
    assert_eq!(Lock::parse(&signed(""), &path).unwrap(), Lock::new());
}

#[test]
fn edits_and_bad_merges_are_refused_by_name() {
    let text = text();
    let digest = Digest::of(b"amd64").to_string();
    let edits = [
        text.replace(&digest, &Digest::of(b"evil").to_string()),
        text.replace("size = 7", "size = 8"),
        text.replace("\n[[image]]", "\n<<<<<<< HEAD\n[[image]]"),
        format!("{text}\n"),
        format!("{text}[extra]\n"),
        text.replace('\n', "\r\n"),
        text.replace("facts = \"", "facts = \"A"),
        text.replace("linux/arm64", "Linux/arm64"),
        "version = 1\n".to_owned(),
    ];
    for edit in edits {
        let error = Lock::parse(&edit, path()).unwrap_err();
        assert!(matches!(error, LockError::Altered { .. }), "{error}: {edit}");
        assert!(
            error
                .to_string()
                .starts_with("lockfile dir/ocitect.lock was changed after"),
            "{error}"
        );
        let help = error.help().unwrap();
        assert!(
            help.contains("version control") && help.contains("ocitect lock"),
            "{help}"
        );
    }
}

proptest! {
    /// An altered file is always refused, and never accepted as another one of version 1.
    #[test]
    fn every_change_of_a_byte_is_noticed(at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut bytes = text().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte && bytes[at].is_ascii());
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(Lock::parse(&text, path()).is_err());
        prop_assert!(Lock::parse(&text[..at], path()).is_err());
    }
}
