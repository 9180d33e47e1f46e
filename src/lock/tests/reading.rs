//! What is read: any order and white space, merges, facts that are not at hand, and what is refused.

use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn line(name: &str, image: &str) -> String {
    format!("  {{ name = \"{name}\", digest = \"{}\" }},\n", digest(image))
}

fn with_lines(lines: &[String]) -> String {
    format!("version = 2\n\nimages = [\n{}]\n", lines.concat())
}

fn refused(text: &str) -> (String, String) {
    let error = Lock::parse(text, path()).unwrap_err();
    (error.to_string(), error.help().unwrap_or_default())
}

#[test]
fn order_white_space_comments_and_repeated_lines_do_not_matter() {
    let wanted = Lock::parse(&with_lines(&[line("a", "1"), line("b", "2")]), path()).unwrap();
    assert_eq!(wanted.images().len(), 2);
    let texts = [
        with_lines(&[line("b", "2"), line("a", "1")]),
        with_lines(&[line("a", "1"), line("b", "2"), line("a", "1")]),
        with_lines(&["# why\n".to_owned(), line("a", "1"), "\n".to_owned(), line("b", "2")]),
        with_lines(&[line("a", "1"), line("b", "2")]).replace('\n', "\r\n"),
        with_lines(&[line("a", "1"), line("b", "2")]).replace("  {", "{   "),
        with_lines(&[line("a", "1"), line("b", "2").replace("},\n", "}\n")]),
        format!(
            "version = 2\n[[images]]\ndigest = \"{}\"\nname = \"b\"\n[[images]]\nname = \"a\"\ndigest = \"{}\"\n",
            digest("2"),
            digest("1")
        ),
    ];
    for text in texts {
        let read = Lock::parse(&text, path()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, wanted, "{text}");
        assert_eq!(Lock::parse(&read.to_text(), path()).unwrap(), wanted);
    }
    assert_eq!(Lock::parse("version = 2\n", path()).unwrap(), Lock::new());
}

#[test]
fn lines_that_differ_in_facts_only_are_one_pin() {
    let with_facts = |facts: &str| line("a", "1").replace(" }", &format!(", facts = \"{}\" }}", digest(facts)));
    let facts = |lines: &[String]| {
        let lock = Lock::parse(&with_lines(lines), path()).unwrap();
        lock.image("a").unwrap().facts_digest()
    };
    assert_eq!(facts(&[line("a", "1"), with_facts("x")]), Some(digest("x")));
    assert_eq!(facts(&[with_facts("x"), with_facts("y")]), Some(digest("x")));
}

#[test]
fn two_digests_for_a_name_are_refused_with_both_lines() {
    let (error, help) = refused(&with_lines(&[line("a", "1"), line("b", "2"), line("a", "3")]));
    let wanted = format!(
        "lockfile dir/ocitect.lock pins a twice: line 4 to {}, line 6 to {}",
        digest("1"),
        digest("3")
    );
    assert_eq!(error, wanted);
    assert!(
        help.contains("delete line 4 or line 6") && help.contains("`ocitect lock`"),
        "{help}"
    );
}

#[test]
fn conflict_markers_are_refused_with_their_lines() {
    let conflict = [
        "<<<<<<< HEAD\n".to_owned(),
        line("a", "1"),
        "=======\n".to_owned(),
        line("b", "2"),
        ">>>>>>> theirs\n".to_owned(),
    ];
    for text in [with_lines(&conflict), conflict.concat()] {
        let (error, help) = refused(&text);
        let start = "lockfile dir/ocitect.lock has conflict markers of a merge: lines ";
        let lines = error.strip_prefix(start).unwrap_or_else(|| panic!("{error}"));
        assert!(["4 to 8", "1 to 5"].contains(&lines), "{error}");
        assert!(help.contains("delete the markers"), "{help}");
    }
}

#[test]
fn what_is_no_lockfile_is_refused_with_its_line() {
    let bad_digest = line("a", "1").replace("sha256:", "sha512:");
    let cases = [
        (String::new(), 1, "missing field `version`"),
        ("version = 2\nx = 1\n".to_owned(), 2, "unknown field `x`"),
        (
            "version = 2\nchecksum = \"\"\n".to_owned(),
            2,
            "unknown field `checksum`",
        ),
        (
            with_lines(&[line("a", "1"), line("b", "2").replace(" }", ", tag = 1 }")]),
            5,
            "unknown field `tag`",
        ),
        (with_lines(&[line("a", "1"), bad_digest]), 5, "sha512"),
        (
            with_lines(&["  { name = \"a\" },\n".to_owned()]),
            4,
            "missing field `digest`",
        ),
        (with_lines(&["=======\n".to_owned()]), 4, ""),
        ("version = \"2\"\n".to_owned(), 1, "invalid type"),
    ];
    for (text, line, reason) in cases {
        let (error, help) = refused(&text);
        let start = format!("lockfile dir/ocitect.lock is invalid: line {line}: ");
        assert!(
            error.starts_with(&start) && error.contains(reason),
            "{error} for {text}"
        );
        assert!(
            help.contains(&format!("fix line {line}")) && help.contains("version control"),
            "{help}"
        );
    }
    for version in ["0", "-1"] {
        let (error, _) = refused(&format!("version = {version}\n"));
        assert!(
            error.contains(&format!("has version {version}, which does not exist")),
            "{error}"
        );
    }
}

#[test]
fn a_newer_lock_is_refused_by_name_whatever_it_holds() {
    for text in ["version = 3\n", "version = 4\nwhat = { is = [1] }\n"] {
        let error = Lock::parse(text, path()).unwrap_err();
        assert!(matches!(error, LockError::Newer { .. }), "{error}");
        let wanted = format!("supports only versions up to {LOCK_VERSION}");
        assert!(
            error.to_string().starts_with("lockfile dir/ocitect.lock has version")
                && error.to_string().contains(&wanted),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_no_lock_and_a_large_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    assert_eq!(Lock::load(&path).unwrap(), None);
    write(&sample(), &path);
    assert_eq!(Lock::load(&path).unwrap().unwrap().lock, sample());
    fs::write(&path, b"version = 2\n\xff").unwrap();
    assert!(matches!(Lock::load(&path), Err(LockError::Invalid { line: 2, .. })));
    fs::File::create(&path).unwrap().set_len(MAX_LOCK_BYTES + 1).unwrap();
    assert!(matches!(Lock::load(&path), Err(LockError::TooLarge { .. })));
    assert!(matches!(Lock::load(directory.path()), Err(LockError::Read { .. })));
}

/// Loads the sample after `change` was applied to the facts file of the first image.
fn with_changed_facts(change: impl FnOnce(&Path)) -> LoadedLock {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&sample(), &path);
    let facts = sample().image(PYTHON).unwrap().facts_digest().unwrap();
    change(&facts_directory(&path).join(facts_file_name(&facts)));
    Lock::load(&path).unwrap().unwrap()
}

/// Damages the facts file at a path.
type Damage = fn(&Path);

#[test]
fn facts_that_are_missing_or_damaged_are_not_at_hand() {
    let is_absent = |loaded: &LoadedLock| {
        let image = loaded.lock.image(PYTHON).unwrap();
        assert_eq!(loaded.lock.to_text(), sample().to_text());
        assert!(loaded.lock.pin("oci:bases", &platform("linux/amd64")).is_some());
        image.platforms().is_empty() && image.digest == digest("index")
    };
    let missing = with_changed_facts(|path| fs::remove_file(path).unwrap());
    assert!(is_absent(&missing) && missing.warnings.is_empty());
    let damages: [(Damage, &str); 4] = [
        (
            |path| fs::write(path, "x").unwrap(),
            "its content has the digest sha256:",
        ),
        (
            |path| fs::write(path, "").unwrap(),
            "its content has the digest sha256:",
        ),
        (
            |path| fs::File::create(path).unwrap().set_len(MAX_FACTS_BYTES + 1).unwrap(),
            "it has more than",
        ),
        (
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "expected a regular file",
        ),
    ];
    for (damage, reason) in damages {
        let damaged = with_changed_facts(damage);
        assert!(is_absent(&damaged));
        let [warning] = &damaged.warnings[..] else {
            panic!("{:?}", damaged.warnings)
        };
        assert!(
            warning.contains("ocitect.lock.d/") && warning.contains(".toml is not used: ") && warning.contains(reason),
            "{warning}"
        );
    }
}

#[test]
fn facts_of_another_image_or_format_are_not_at_hand() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    write(&sample(), &path);
    let moved = sample()
        .to_text()
        .replace(&digest("index").to_string(), &digest("new").to_string());
    fs::write(&path, moved).unwrap();
    let loaded = Lock::load(&path).unwrap().unwrap();
    let image = loaded.lock.image(PYTHON).unwrap();
    assert_eq!((image.digest, image.facts_digest()), (digest("new"), None));
    assert!(image.platforms().is_empty() && loaded.warnings.is_empty());

    let text = sample().image(PYTHON).unwrap().facts_text().unwrap();
    for (other, reason) in [
        (text.replace("version = 1", "version = 2"), "it has version 2"),
        (format!("{text}[extra]\n"), "unknown field `extra`"),
        (text.replace("linux/arm64", "Linux/arm64"), "invalid platform"),
        (text.replace("facts = \"", "facts = \"?"), "facts are not base64"),
        (String::new(), "missing field `version`"),
    ] {
        let facts = digest(&other);
        let lock = Lock::new().with_image(PYTHON, LockedImage::new(digest("index"), Some(facts)));
        write(&lock, &path);
        fs::write(facts_directory(&path).join(facts_file_name(&facts)), other).unwrap();
        let loaded = Lock::load(&path).unwrap().unwrap();
        assert_eq!(loaded.lock, lock);
        assert!(loaded.warnings[0].contains(reason), "{:?}", loaded.warnings);
    }
}
