use std::collections::BTreeSet;

use super::super::Code;
use super::super::testing::path;
use super::*;

/// Codes that do not come from a look at an image: of its size, and of the policy. Those of its deployment are others.
const OTHER_CODES: &[Code] = &[Code::BudgetExceeded, Code::UnusedAllow];

#[test]
fn every_code_has_a_rule() {
    let of_rules: BTreeSet<Code> = RULES.iter().flat_map(|rule| rule.codes).copied().collect();
    for code in Code::ALL {
        let is_other = OTHER_CODES.contains(code) || code.is_of_deployment();
        assert_ne!(of_rules.contains(code), is_other, "{code}");
    }
}

#[test]
fn names_tell_what_is_read() {
    for (at, mode, size_bytes, wanted) in [
        ("app/package.json", 0o644, 1000, Interest::Whole),
        ("app/package.json", 0o644, MAX_WHOLE_BYTES + 1, Interest::Nothing),
        ("app/node_modules/a/package.json", 0o644, 1000, Interest::Whole),
        (
            "app/node_modules/a/test/fixtures/package.json",
            0o644,
            1000,
            Interest::Nothing,
        ),
        ("app/node_modules/a/index.js", 0o644, 1000, Interest::Nothing),
        ("app/node_modules/a/cli.js", 0o755, 1000, Interest::Program),
        ("app/App.runtimeconfig.json", 0o644, 1000, Interest::Whole),
        ("v/lib/python3.11/site-packages/a.pth", 0o644, 10, Interest::Whole),
        ("app/model.pth", 0o644, 10, Interest::Nothing),
        ("v/pyvenv.cfg", 0o644, 10, Interest::Whole),
        ("a/__pycache__/b.cpython-311.pyc", 0o644, 1000, Interest::Head(16)),
        ("a/b.pyc", 0o644, 1000, Interest::Nothing),
        ("app/.env", 0o600, 10, Interest::Nothing),
        ("app/x.pem", 0o644, 10, Interest::Nothing),
        ("etc/passwd", 0o644, 10, Interest::Whole),
        ("etc/ssl/x.conf", 0o644, 10, Interest::Nothing),
        ("app/libx.so.1", 0o644, 10, Interest::Program),
    ] {
        assert_eq!(interest(&path(at), mode, size_bytes), wanted, "{at}");
    }
}

#[test]
fn of_an_installation_of_many_packages_few_files_are_read() {
    let mut read = 0;
    for package in 0..1_000 {
        for file in 0..50 {
            let name = match file {
                0 => "package.json".to_owned(),
                1 => "test/fixtures/package.json".to_owned(),
                other => format!("lib/x{other}.js"),
            };
            let at = path(&format!("app/node_modules/p{package}/{name}"));
            read += usize::from(interest(&at, 0o644, 2_000) != Interest::Nothing);
        }
    }
    assert_eq!(read, 1_000);
}
