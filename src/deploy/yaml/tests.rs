use super::{Document, MAX_DEPTH, MAX_NODES, MAX_YAML_BYTES, ScalarKind, ScalarStyle, parse};

fn one(text: &str) -> Document {
    let mut documents = parse(text).unwrap();
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

#[test]
fn the_bytes_of_a_value_are_found_in_every_form() {
    for (text, written, decoded) in [
        ("a: b\n", "b", "b"),
        ("\u{feff}a: b # c\r\n", "b", "b"),
        ("a: 'it''s'", "'it''s'", "it's"),
        ("a: \"\\u0062\"\t# c", "\"\\u0062\"", "b"),
        ("{\"a\":b}", "b", "b"),
        ("é: ü\na: &x !!str ö\n", "ö", "ö"),
        ("a: b\n  c\n", "b\n  c", "b c"),
        ("? a\n: b\n", "b", "b"),
        ("a:\n", "", ""),
        ("a: |\n  b\n", "b\n", "b\n"),
        ("%YAML 1.2\n--- \na: b\n...\n", "b", "b"),
    ] {
        let document = one(text);
        let node = document.root().get("a").unwrap();
        assert_eq!(&text[node.span()], written, "{text:?}");
        assert_eq!(node.as_text(), Some(decoded), "{text:?}");
    }
}

#[test]
fn collections_end_with_their_last_value() {
    let text = "a:\n  - b: c\n    d: [e, f] # g\n\n# h\ni: {j: k }\n";
    let document = one(text);
    let written = |key: &str| &text[document.root().get(key).unwrap().span()];
    assert_eq!(written("a"), "- b: c\n    d: [e, f]");
    assert_eq!(written("i"), "{j: k }");
    assert!(document.root().get("i").unwrap().as_mapping().unwrap().is_flow);
}

#[test]
fn aliases_are_followed_and_known() {
    let text = "a: &x {b: c}\nd: *x\ne: &x f\ng: *x\n---\nh: &x 1\ni: *x\n";
    let documents = parse(text).unwrap();
    let root = documents[0].root();
    let alias = root.get("d").unwrap();
    assert!(alias.is_alias());
    assert_eq!(&text[alias.span()], "*x");
    assert!(alias.resolved().is(&root.get("a").unwrap()));
    assert_eq!(alias.get("b").and_then(|node| node.as_text()), Some("c"));
    assert_eq!(root.get("g").and_then(|node| node.as_text()), Some("f"));
    let anchor = alias.resolved().anchor().unwrap();
    assert_eq!((anchor.name.as_str(), &text[anchor.span.clone()]), ("x", "&x"));
    assert_eq!(anchor.alias_count, 1);
    assert_eq!(documents[1].root().get("i").and_then(|node| node.as_text()), Some("1"));
}

#[test]
fn merge_keys_give_what_a_mapping_does_not_have_itself() {
    let document = one("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 0\nd: {\"<<\": *a}\n");
    let mapping = |key: &str| document.root().get(key).unwrap().as_mapping().unwrap();
    let value = |key: &str| mapping("c").lookup(key).and_then(|node| node.as_text());
    assert_eq!(
        [value("x"), value("y"), value("z"), value("w")],
        [Some("0"), Some("2"), Some("4"), None]
    );
    assert!(mapping("d").lookup("x").is_none());
}

#[test]
fn keys_that_occur_twice_are_found_at_any_depth() {
    let text = "a:\n  - {b: 1, c: 2, \"b\": 3}\nd: 4\na: 5\n";
    let document = one(text);
    let found: Vec<(&str, usize, usize)> = document
        .duplicate_keys()
        .iter()
        .map(|duplicate| {
            (
                duplicate.key,
                duplicate.first.span().start,
                duplicate.second.span().start,
            )
        })
        .collect();
    assert_eq!(found, [("a", 0, 33), ("b", 8, 20)]);
}

#[test]
fn the_kind_of_a_scalar_is_that_of_the_core_schema() {
    for (text, kind) in [
        ("", ScalarKind::Null),
        ("~", ScalarKind::Null),
        ("null", ScalarKind::Null),
        ("True", ScalarKind::Boolean),
        ("yes", ScalarKind::Text),
        ("12", ScalarKind::Number),
        ("-1.5e+3", ScalarKind::Number),
        (".5", ScalarKind::Number),
        ("0x1F", ScalarKind::Number),
        ("0o17", ScalarKind::Number),
        (".inf", ScalarKind::Number),
        (".", ScalarKind::Text),
        ("1e", ScalarKind::Text),
        ("1.2.3", ScalarKind::Text),
        ("\"1\"", ScalarKind::Text),
        ("!!str 1", ScalarKind::Text),
        ("! 1", ScalarKind::Text),
        ("!!int \"1\"", ScalarKind::Number),
    ] {
        let document = one(&format!("a: {text}\n"));
        assert_eq!(document.root().get("a").unwrap().scalar_kind(), Some(kind), "{text}");
    }
}

#[test]
fn documents_tags_and_styles_are_read() {
    let documents = parse("--- 'a'\n---\n--- !reset\n- |-\n x\n- >\n y\n...\n").unwrap();
    assert_eq!(documents.len(), 3);
    let style = |node: super::Node<'_>| node.as_scalar().map(|scalar| scalar.style);
    assert_eq!(style(documents[0].root()), Some(ScalarStyle::SingleQuoted));
    assert_eq!(documents[1].root().scalar_kind(), Some(ScalarKind::Null));
    assert_eq!(documents[2].root().tag(), Some("!reset"));
    let styles: Vec<_> = documents[2].root().items().map(style).collect();
    assert_eq!(styles, [Some(ScalarStyle::Literal), Some(ScalarStyle::Folded)]);
    assert!(parse("").unwrap().is_empty());
    assert!(parse("# only a comment\n").unwrap().is_empty());
}

#[test]
fn errors_have_their_place_and_braces_of_variables_a_help() {
    let text = "a: 1\nb: [TOKEN=${TOKEN:?x}]\n";
    let error = parse(text).unwrap_err();
    assert!(error.message.starts_with("invalid YAML: "), "{error}");
    assert_eq!(&text[error.span.clone()], "{");
    assert!(error.help.unwrap().contains("quotes"));
    for (text, start) in [("a: \u{0}", 3), ("a: 'x", 3), ("é: *x", 4), ("a: b: c", 4), ("a: [", 3)] {
        let error = parse(text).unwrap_err();
        assert!(error.span.start.abs_diff(start) <= 2, "{text:?}: {error:?}");
        assert!(error.span.end <= text.len() && error.help.is_none());
    }
}

#[test]
fn aliases_that_hold_themselves_are_refused() {
    for text in ["a: &x [*x]\n", "&x a: *x\n&y b: {c: &z [*y, *z]}\n", "a: &x {<<: *x}\n"] {
        let message = parse(text).unwrap_err().message;
        assert!(message.contains("inside of the value"), "{text:?}: {message}");
    }
}

#[test]
fn what_a_file_may_hold_is_bounded() {
    let message = |text: &str| parse(text).unwrap_err().message;
    for bomb in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1),
        (0..200).map(|depth| " ".repeat(depth) + "a:\n").collect(),
        (0..100).map(|depth| " ".repeat(depth) + "- \n").collect::<String>()
            + &" ".repeat(100)
            + &"[".repeat(100)
            + &"]".repeat(100),
    ] {
        let message = message(&bomb);
        assert!(message.contains("nested more than 128 levels"), "{message}");
    }
    let allowed = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    parse(&allowed).unwrap();

    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        laughs += &format!("a{level}: &a{level} [{before}]\n");
    }
    assert!(message(&laughs).contains("aliases make more than"));
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(message(&chain).contains("nested more than"));
    let big = format!("&a {}\n{}", "[x]", "--- &a [x]\n".repeat(10));
    parse(&big).unwrap();

    assert!(message(&"- x\n".repeat(MAX_NODES)).contains("values"));
    assert!(message(&"---\n".repeat(MAX_NODES + 1)).contains("values"));
    assert!(message(&"#".repeat(MAX_YAML_BYTES + 1)).contains("bytes"));
    let long = format!("a: {}\n", "x".repeat(MAX_YAML_BYTES - 10));
    assert_eq!(
        parse(&long).unwrap()[0].root().get("a").unwrap().span().len(),
        MAX_YAML_BYTES - 10
    );
}
