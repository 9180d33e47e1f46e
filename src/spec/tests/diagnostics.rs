//! What a diagnostic looks like.

use super::{HEAD, error_of, parse_with, platform};

fn shown(text: &str) -> String {
    error_of(text).render(false).unwrap()
}

#[test]
fn unknown_keys_are_all_shown_with_the_nearest_known_one() {
    let text = format!("{HEAD}compresion = \"gzip\"\n\n[[layers]]\nname = \"app\"\nfiless = []\ncolour = 1\n");
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn a_wrong_type_says_what_it_should_be() {
    insta::assert_snapshot!(shown(&format!("{HEAD}mode = 0o755\n")));
}

#[test]
fn an_unset_required_variable_shows_its_own_hint() {
    let text = format!(
        "{HEAD}[vars]\nTOKEN_URL = {{ env = \"TOKEN_URL\", required = \"set it to the service's address\" }}\n"
    );
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn a_variable_that_the_base_lacks_is_marked_inside_the_string() {
    let text = format!("{HEAD}[config]\nenv = {{ PATH = \"/app/bin:${{base.PATH}}\" }}\n");
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn two_places_that_contradict_are_both_shown() {
    let text = format!("{HEAD}[[users]]\nname = \"a\"\nuid = 1000\n\n[[users]]\nname = \"b\"\nuid = 1000\n");
    insta::assert_snapshot!(shown(&text));
}

#[test]
fn bad_toml_is_shown_the_same_way() {
    insta::assert_snapshot!(shown("format = 1\n[image\n"));
}

#[test]
fn a_missing_table_at_the_end_of_an_empty_spec() {
    insta::assert_snapshot!(shown(""));
}

#[test]
fn the_short_form_counts_the_rest() {
    let error = error_of(&format!("{HEAD}a1 = 1\nb2 = 2\n"));
    assert_eq!(
        error.to_string(),
        "nowhere/ocitect.toml:4:1: unknown key `a1` in `image` (and 1 more)"
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let error = error_of("");
    assert!(error.render(true).unwrap().contains('\x1b'));
    assert!(!error.render(false).unwrap().contains('\x1b'));
}

#[test]
fn what_a_variable_holds_is_never_shown() {
    let keys = [
        "[image]\nmax-size = \"${S}\"",
        "[image]\nmtime = \"${S}\"",
        "[image]\ncompression = \"${S}\"",
        "[image]\nmode = \"${S}\"",
        "[image]\nowner = \"${S}\"",
        "[config]\nports = [\"${S}\"]",
        "[config]\nstop-signal = \"${S}\"",
        "[config]\nhealthcheck = { test = [\"${S}\"] }",
        "[config]\nhealthcheck = { test = \"x\", interval = \"${S}\" }",
        "[check]\nallow = [\"${S}\"]",
    ];
    for key in keys {
        let key = key.strip_prefix("[image]\n").unwrap_or(key);
        let text = format!("{HEAD}{key}\n[vars]\nS = {{ env = \"S\" }}\n");
        let spec = parse_with(&text, &[("S", "hunter two")], &[]).unwrap();
        let error = spec.platform(&platform("linux/amd64")).unwrap_err();
        let shown = format!("{error} {} {error:?} {spec:?}", error.render(false).unwrap_or_default());
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("${S}"), "{shown}");
    }
}

#[test]
fn text_that_a_terminal_would_act_on_is_escaped() {
    let shown = shown(&format!("{HEAD}\"a\\u001b[31m\" = 1\n\"b\\u202e\" = 2"));
    assert!(!shown.contains(['\x1b', '\u{202e}']), "{shown}");
}
