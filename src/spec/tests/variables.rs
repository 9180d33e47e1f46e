//! The sources and uses of the values of variables.

use super::{HEAD, on, parse_with, platform, with_head};

/// Returns `text` expanded for linux/arm64.
fn expanded(text: &str, vars: &str) -> String {
    let spec = with_head(&format!("annotations = {{ a = '{text}' }}\n[vars]\n{vars}\n"));
    on(&spec, "linux/arm64").annotations["a"].clone()
}

#[test]
fn the_syntax() {
    for (text, result) in [
        ("${V}-${V}", "1-1"),
        ("$V $ $$ $${V} $$$V $", "$V $ $ ${V} $$V $"),
        ("${E:-d}", "d"),
        ("${E:-}", ""),
        ("${E:-${V}:x}", "1:x"),
        ("${E:-$${V}}", "${V}"),
        ("${V:?not set}", "1"),
        ("}{", "}{"),
        ("${N:-d}", "d"),
        ("${W}", "<1>"),
    ] {
        let vars = "V = \"1\"\nE = \"\"\nN = { env = \"NOT_SET\" }\nW = \"<${V}>\"";
        assert_eq!(expanded(text, vars), result, "{text}");
    }
}

#[test]
fn built_in_names() {
    let text = "${os} ${arch} ${variant} ${machine} ${node_arch} ${gnu_triplet}";
    assert_eq!(expanded(text, ""), "linux arm64  aarch64 arm64 aarch64-linux-gnu");
    assert_eq!(expanded("${variant:-none}", ""), "none");
}

#[test]
fn set_goes_before_the_environment_and_that_before_the_default() {
    let text = format!("{HEAD}tags = [\"${{V}}\"]\n[vars]\nV = {{ env = \"VERSION\", default = \"d\" }}\n");
    for (environment, sets, tag) in [
        (&[][..], &[][..], "d"),
        (&[("VERSION", "")], &[], "d"),
        (&[("VERSION", "e")], &[], "e"),
        (&[("VERSION", "e")], &[("V", "s")], "s"),
        (&[("V", "other")], &[], "d"),
    ] {
        let spec = parse_with(&text, environment, sets).unwrap();
        assert_eq!(spec.image().tags[0].as_str(), tag);
    }
}

#[test]
fn values_from_outside_are_never_expanded() {
    let text = format!("{HEAD}annotations = {{ a = \"${{V}}\" }}\n[vars]\nV = {{ env = \"V\" }}\nS = \"secret\"\n");
    let spec = parse_with(&text, &[("V", "${S} $$")], &[]).unwrap();
    assert_eq!(on(&spec, "linux/amd64").annotations["a"], "${S} $$");
}

#[test]
fn keys_are_never_expanded() {
    let spec = with_head("annotations = { \"${V}\" = \"x\" }\n[vars]\nV = \"1\"\n");
    assert_eq!(on(&spec, "linux/amd64").annotations["${V}"], "x");
}

#[test]
fn the_base_in_the_config() {
    let spec = with_head("[config]\nworkdir = \"${base.HOME:-/}\"\nenv = { P = \"/a:${base.P}\" }\n");
    assert!(spec.platform(&platform("linux/amd64")).is_ok(), "it is not known yet");
    let env = [("P".to_owned(), "/b".to_owned())];
    let config = spec.config(&platform("linux/amd64"), &env).unwrap();
    assert_eq!(
        (config.workdir.as_deref(), config.env["P"].as_deref()),
        (Some("/"), Some("/a:/b"))
    );
    assert!(spec.config(&platform("linux/amd64"), &[]).is_err());
}

#[test]
fn config_is_checked_with_the_platform_where_it_needs_no_base() {
    let spec = with_head("[config]\nworkdir = \"app\"\n");
    assert!(spec.platform(&platform("linux/amd64")).is_err());
    let spec = with_head("[config]\nenv = { A = \"${base.X}${NOPE}\" }\n");
    let error = spec.platform(&platform("linux/amd64")).unwrap_err();
    assert!(error.to_string().contains("unknown variable `NOPE`"), "{error}");
}

#[test]
fn words_may_come_out_of_variables() {
    let text =
        "compression = \"${C}\"\nmedia-types = \"${M}\"\n[vars]\nC = \"zstd\"\nM = \"oci\"\n[[layers]]\nname = \"a\"\n";
    let spec = with_head(text);
    assert_eq!(
        on(&spec, "linux/amd64").layers[0].compression,
        crate::model::Compression::Zstd(3)
    );
}
