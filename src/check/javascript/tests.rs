use super::*;

/// The names that are loaded, each with `?` where it may not be and `!` in a `try`.
fn shown(text: &str) -> Vec<String> {
    let Some(loads) = loads(text) else {
        return vec!["not understood".to_owned()];
    };
    let mark = |load: &Load| match load.surety {
        Surety::Certain => "",
        Surety::Perhaps => "?",
        Surety::Tried => "!",
    };
    loads
        .loads
        .iter()
        .map(|load| format!("{}{}", load.name, mark(load)))
        .collect()
}

#[test]
fn what_stands_at_the_top_is_loaded() {
    for (text, expected) in [
        ("const a = require('a')\nconst b = require(\"b\").c;", "a b"),
        ("#!/usr/bin/env node\n'use strict';\nrequire('a')", "a"),
        ("var a = __importDefault(require(\"a\")), b = require('b')", "a b"),
        (
            "module.exports = { a: require('a'), b: [require('b')], ...require('c') }",
            "a b c",
        ),
        ("const { x, y: { z } } = require('a')", "a"),
        ("exports.a = require('a')(require('b'))", "a b"),
        ("require('a'), require('b')", "a b"),
        ("var f = function () { return require('x') }, b = require('b')", "x? b"),
        ("function f() { return 1 }\nvar b = require('b')", "b"),
        (
            "class A extends require('a') { m() { require('x') } }\nrequire('b')",
            "a x? b",
        ),
        ("if (a) b(); require('b')", "b"),
        ("if (a) { b() } require('b')", "b"),
        ("const s = `${require('a')} } ${'`'}`; require('b')", "a b"),
        ("const r = /[/'\"]{/g, q = 4 / 2 / 1; require('b')", "b"),
        ("// require('x')\n/* require('y') */ require('b')", "b"),
        (
            "var __x = (this && this.__x) || function (m) { return m };\nrequire('b')",
            "b",
        ),
        ("const f = async () => { await import('x') }\nrequire('b')", "b"),
        ("0 && (module.exports = { a })\nrequire('b')", "b"),
        ("for (const x of y) z()\nrequire('b')", "b"),
        ("try { f() } catch { g() }\nrequire('b')", "b"),
        ("const a = b ? c : d\nrequire('b')", "b"),
        (
            "a = { get default() { return 1 }, default: 2, if: 3 }\nrequire('b')",
            "b",
        ),
        ("label: for (;;) { break label }\nrequire('b')", "b"),
    ] {
        assert_eq!(shown(text).join(" "), expected, "{text}");
    }
}

#[test]
fn what_may_not_be_loaded_is_told_apart() {
    for (text, expected) in [
        ("function f() { return require('a') }", "a?"),
        ("const f = () => require('a'), b = require('b')", "a? b"),
        ("(function () { require('a') })()", "a?"),
        ("if (x) require('a')", "a?"),
        ("if (x)\n  require('a')\nelse\n  require('b')\nrequire('c')", "a? b? c"),
        ("if (x) { require('a') } else { require('b') }", "a? b?"),
        ("x && require('a')", "a?"),
        ("const a = x ? require('a') : require('b')", "a? b?"),
        ("try { require('a') } catch (e) { require('b') }", "a! b?"),
        ("try {\n  if (x) { y = require('a') }\n} catch {}", "a!"),
        ("function f() { try { return require('a') } catch (e) {} }", "a!"),
        (
            "const f = { get a() { return require('a') }, b() { require('b') } }",
            "a? b?",
        ),
        ("if (x) return\nrequire('a')", "a?"),
        ("switch (x) { case 1: module.exports = require('a') }", "a?"),
        (
            "var require_a = __commonJS({ 'a.js'(exports, module) { require('a') } });",
            "a?",
        ),
        ("while (x) require('a')", "a?"),
    ] {
        assert_eq!(shown(text).join(" "), expected, "{text}");
    }
}

#[test]
fn what_is_no_name_is_left_alone() {
    for text in [
        "require(name)",
        "require('./' + name)",
        "require(`a`)",
        "module.require('a')",
        "this.#require('a')",
        "require.resolve('a')",
        "const require = createRequire(import.meta.url); require('a')",
        "function require(name) {}\nrequire('a')",
        "import('a')",
        "export const from = 'a'",
        "const x = { import: 'a', from: 'b' }",
        "export default 'a'",
    ] {
        assert_eq!(shown(text), [""; 0], "{text}");
    }
}

#[test]
fn imports_are_loaded_wherever_they_stand() {
    for (text, expected) in [
        ("import 'a'\nimport b from \"b\"\nimport * as c from 'c'", "a b c"),
        ("import d, { e as f, default as g } from 'd' with { type: 'json' }", "d"),
        (
            "export * from 'a'; export { x } from 'b'; export * as y from 'c'",
            "a b c",
        ),
        ("f();import{a as b}from\"a\";export{c as d}from\"./c.js\"", "a ./c.js"),
        ("const x = 1\nexport { x }\nimport y from 'y'", "y"),
        ("import from from 'a'", "a"),
        ("export default class { }\nimport 'a'", "a"),
        ("export const a = import.meta.url\nimport 'b'", "b"),
    ] {
        assert_eq!(shown(text).join(" "), expected, "{text}");
        assert!(loads(text).unwrap().is_ecma, "{text}");
    }
    assert!(!loads("import('a')").unwrap().is_ecma);
}

#[test]
fn what_is_not_understood_gives_nothing() {
    for text in [
        "f(",
        "f)",
        "{ ( } )",
        "'a",
        "`a",
        "/* a",
        "`${a`",
        "<a>it's</a>",
        &"(".repeat(5_000),
    ] {
        assert_eq!(shown(text), ["not understood"], "{text}");
    }
    for end in 0..40 {
        let text = "const a = `${b}` / c['d'] /* e */ + /f/.g";
        loads(&text[..end.min(text.len())]);
    }
}
