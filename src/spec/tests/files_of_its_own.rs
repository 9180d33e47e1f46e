//! The spec, its env-files and their bounds on the disk.

use super::super::{Inputs, MAX_SPEC_BYTES, Spec, SpecError};
use super::HEAD;
use crate::model::{Diagnostic, ErrorKind};

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[test]
fn a_directory_means_its_spec_and_env_files_stand_beside_it() {
    let text = format!(
        "env-files = [\"one.env\", \"lacking.env\", \"two.env\"]\n{HEAD}tags = [\"${{A}}-${{B}}-${{C}}\"]\n[vars]\n{}",
        "A = { env = \"A\" }\nB = { env = \"B\" }\nC = { env = \"C\" }\n"
    );
    let files = [
        ("ocitect.toml", text.as_bytes()),
        ("one.env", b"A=a1\nB=b1"),
        ("two.env", b"export B='b2'\nC=c2\n"),
    ];
    let folder = folder(&files);
    let inputs = Inputs {
        environment: [("A".to_owned(), "env".to_owned())].into(),
        ..Inputs::default()
    };
    let spec = Spec::load(folder.path(), &inputs).unwrap();
    assert_eq!(spec.image().tags[0].as_str(), "env-b1-c2");
    assert_eq!(spec.path(), folder.path().join("ocitect.toml"));
    assert!(spec.own_files().contains(&folder.path().join("lacking.env")));
}

#[test]
fn the_lock_is_named_after_the_spec() {
    let folder = folder(&[("api.toml", format!("{HEAD}ignore-file = \"${{os}}.ignore\"").as_bytes())]);
    let spec = Spec::load(&folder.path().join("api.toml"), &Inputs::default()).unwrap();
    assert_eq!(spec.lock_path(), folder.path().join("api.lock"));
    assert!(spec.own_files().contains(&folder.path().join("linux.ignore")));
}

#[test]
fn files_that_cannot_be_read() {
    let large = vec![b'#'; usize::try_from(MAX_SPEC_BYTES).unwrap() + 1];
    let with_env = format!("env-files = [\"bad.env\"]\n{HEAD}");
    let folder = folder(&[
        ("large.toml", &large),
        ("latin1.toml", b"# \xe9"),
        ("env.toml", with_env.as_bytes()),
        ("bad.env", b"\nx"),
    ]);
    let load = |name: &str| Spec::load(&folder.path().join(name), &Inputs::default()).unwrap_err();
    assert!(matches!(load("large.toml"), SpecError::TooLarge { .. }));
    assert!(matches!(load("latin1.toml"), SpecError::NotUtf8 { .. }));
    assert!(matches!(load("env.toml"), SpecError::EnvFile { line: 2, .. }));
    let missing = load("none.toml");
    assert_eq!(missing.error_kind(), ErrorKind::Input);
    assert!(
        missing.help().unwrap().starts_with("give the path of a spec"),
        "{missing}"
    );
}
