//! Imports that are found in Python sources, and those that are not.

use super::*;

fn shown(text: &str) -> Vec<String> {
    let show = |import: &Import| {
        let names = import
            .names
            .as_ref()
            .map(|names| format!(" [{}]", names.join(" ")))
            .unwrap_or_default();
        let mark = match import.kind {
            ImportKind::Certain => "",
            ImportKind::Tried => "~",
            ImportKind::Other => "?",
        };
        format!(
            "{}{}{}{names}:{}",
            mark,
            ".".repeat(import.level),
            import.module,
            import.line
        )
    };
    read_source(text.as_bytes()).imports.iter().map(show).collect()
}

#[test]
fn imports_at_the_outermost_level_are_certain() {
    assert_eq!(
        shown("import a, b.c as d\n\nfrom e.f import g as h, i\n"),
        ["a:1", "b.c:1", "e.f [g i]:3"]
    );
    assert_eq!(
        shown("from . import x\nfrom ..y import *\nfrom .z import (\n  a,  # one\n  b,\n)\nimport q"),
        [". [x]:1", "..y []:2", ".z [a b]:3", "q:7"]
    );
    assert_eq!(shown("import numba;f=numba.njit(1);print(\"OK\")"), ["numba:1"]);
    assert_eq!(shown("from a import b; import c"), ["a [b]:1", "c:1"]);
    assert_eq!(shown("from a \\\n  import b\r\nimport c\r\n"), ["a [b]:1", "c:3"]);
    assert_eq!(shown("\u{feff}import a"), ["a:1"]);
    assert_eq!(
        shown("from importlib import x\nfrom .import y\nfrom.z import(w)"),
        ["importlib [x]:1", ". [y]:2", ".z [w]:3"]
    );
}

#[test]
fn imports_below_something_are_not() {
    assert_eq!(
        shown("try:\n    import a\nexcept ImportError:\n    a = None\nimport b"),
        ["~a:2", "b:5"]
    );
    assert_eq!(
        shown("if x: import a; import b\ndef f():\n\timport c"),
        ["?a:1", "?b:1", "?c:3"]
    );
    assert_eq!(shown("import a\nsys.exit(main())\nimport b\n"), ["a:1", "?b:3"]);
    assert_eq!(shown("raise SystemExit\nimport b\n"), ["?b:2"]);
}

#[test]
fn a_try_whose_handlers_raise_is_certain() {
    let numpy =
        "try:\n    from . import core\nexcept ImportError as exc:\n    msg = 1\n    raise ImportError(msg) from exc\n";
    assert_eq!(shown(numpy), [". [core]:2"]);
    assert_eq!(
        shown("try:\n  import a\nexcept A:\n  raise\nexcept B:\n  pass\nimport b"),
        ["~a:2", "b:7"]
    );
    assert_eq!(shown("try:\n  if x:\n    import a\nexcept A:\n  raise\n"), ["?a:3"]);
    assert_eq!(shown("if x:\n  try:\n    import a\n  except A:\n    raise\n"), ["?a:3"]);
    assert_eq!(
        shown("try:\n  import a\nexcept A: raise\nelse:\n  import b\n"),
        ["a:2", "?b:5"]
    );
    let later = "try:\n  import a\nexcept A:\n  def a():\n    raise B\n";
    assert_eq!(shown(later), ["~a:2"]);
    assert_eq!(shown("try:\n  import a\nexcept A:\n  if x:\n    raise\n"), ["~a:2"]);
    assert_eq!(shown("try:\n  import a\nfinally:\n  x = 1\n"), ["~a:2"]);
    assert_eq!(
        shown("try:\n  from ._speed import x\nexcept ImportError:\n  from ._slow import x\n"),
        ["~._speed [x]:2", "?._slow [x]:4"]
    );
    assert_eq!(shown("try: import a\nexcept A: pass\n"), ["?a:1"]);
}

#[test]
fn a_try_within_something_catches_what_it_has() {
    let yarl = "if not NO:\n    try:\n        from ._c import Q\n    except ImportError:\n        from ._py import Q\nelse:\n    from ._py import Q\n";
    assert_eq!(shown(yarl), ["~._c [Q]:3", "?._py [Q]:5", "?._py [Q]:7"]);
    let wrapt = "try:\n    if not NO:\n        from ._w import (\n            A,\n        )\nexcept ImportError:\n    pass\nimport b\n";
    assert_eq!(shown(wrapt), ["~._w [A]:3", "b:8"]);
    let inner = "try:\n  try:\n    import a\n  except A:\n    pass\n  import b\nexcept B:\n  raise\n";
    assert_eq!(shown(inner), ["~a:3", "b:6"]);
    let outer = "try:\n  try:\n    import a\n  except A:\n    raise\n  import b\nexcept B:\n  pass\n";
    assert_eq!(shown(outer), ["~a:3", "~b:6"]);
    let handler = "try:\n  import a\nexcept A:\n  try:\n    import b\n  except B:\n    pass\n";
    assert_eq!(shown(handler), ["~a:2", "~b:5"]);
    let function =
        "try:\n  def f():\n    import a\nexcept A:\n  pass\ndef g():\n  try:\n    import b\n  except B:\n    pass\n";
    assert_eq!(shown(function), ["?a:3", "~b:8"]);
}

#[test]
fn strings_and_comments_are_no_statements() {
    assert_eq!(
        shown("\"\"\"\nimport a\n\"\"\"\nimport b  # import c\nx = '''\nfrom d import e'''"),
        ["b:4"]
    );
    assert_eq!(shown("x = 'it\\'s'\nimport a\ny = r'\\'\nimport b"), ["a:2", "b:4"]);
    assert_eq!(
        shown("x = [\nimport_a,\n]\nimportlib.import_module('a')\nfrom_ = 1\nimport b"),
        ["b:6"]
    );
    assert_eq!(shown("x = f'{\"import a\"}'\n'\nimport a\n"), ["a:3"]);
}

#[test]
fn what_changes_the_search_or_opens_libraries_is_noted() {
    let source = read_source(b"import sys\nsys.path.insert(0, 'x')\n");
    assert_eq!((source.changes_search, source.opens_libraries), (true, false));
    let source = read_source(b"import ctypes\nlib = ctypes.CDLL(path)\n");
    assert_eq!((source.changes_search, source.opens_libraries), (false, true));
}

#[test]
fn anything_is_read_without_a_panic() {
    for bytes in [
        &b"'"[..],
        b"\"\"\"",
        b"\\",
        b"from",
        b"from import",
        b"from . import",
        b"import",
        b"(",
        b"\xff\xfe import a",
    ] {
        read_source(bytes);
    }
    let long = [&b"import "[..], &vec![b'a'; 100_000]].concat();
    assert!(read_source(&long).imports.len() <= 1);
}
