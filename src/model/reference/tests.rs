use super::*;

#[test]
fn references_parse_and_print() {
    let digest = Digest::of(b"");
    for good in [
        "ghcr.io/a/b".to_owned(),
        "docker.io/library/python:3.11-slim".to_owned(),
        "127.0.0.1:5000/x:1".to_owned(),
        "[::1]:5000/x:1".to_owned(),
        format!("localhost:5000/x/y-z__w:1@{digest}"),
        format!("ghcr.io/a@{digest}"),
    ] {
        let reference: Reference = good.parse().unwrap();
        assert_eq!(reference.to_string(), good);
    }
}

#[test]
fn a_password_in_a_reference_is_not_shown() {
    let error = "user:hunter2@ghcr.io/x/y:1".parse::<Reference>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("\"…@ghcr.io/x/y:1\" is not an image reference"),
        "{error}"
    );
    let error = "docker://user:hunter2@ghcr.io/x/y:1".parse::<ImageName>().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn malformed_references_are_refused() {
    for bad in [
        "ghcr.io/A",
        "ghcr.io/",
        "ghcr.io/a//b",
        "ghcr.io/../b",
        "ghcr.io/a:",
        "ghcr.io/a:b c",
        "ghcr.io/a@sha256:12",
        "ghcr.io:99999/a",
        "gh cr.io/a",
        "user:secret@ghcr.io/a",
        "ghcr.io/a___b",
    ] {
        assert!(bad.parse::<Reference>().is_err(), "{bad}");
    }
}

#[test]
fn places_are_named_as_skopeo_names_them() {
    let digest = Digest::of(b"");
    let layout = |path: &str, selector| ImageName::Layout {
        path: path.into(),
        selector,
    };
    let cases = [
        ("oci:dir".to_owned(), layout("dir", Selector::Only)),
        (
            "oci:./dir:a:b".to_owned(),
            layout("./dir", Selector::Tag("a:b".to_owned())),
        ),
        (format!("oci:dir@{digest}"), layout("dir", Selector::Digest(digest))),
        (
            "oci:we@ird:1".to_owned(),
            layout("we@ird", Selector::Tag("1".to_owned())),
        ),
    ];
    for (text, name) in cases {
        assert_eq!(text.parse::<ImageName>().unwrap(), name);
        assert_eq!(name.to_string(), text);
    }
    assert!("oci:".parse::<ImageName>().is_err());
    assert!("oci:dir:".parse::<ImageName>().is_err());
    assert_eq!(
        "docker://ghcr.io/a:1".parse::<ImageName>(),
        "ghcr.io/a:1".parse::<ImageName>()
    );
    let of_a_host_named_oci = "docker://oci:6/s:0".parse::<ImageName>().unwrap();
    assert_eq!(of_a_host_named_oci.to_string(), "docker://oci:6/s:0");
}
