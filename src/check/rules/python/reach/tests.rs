use serde_json::json;

use super::*;
use crate::check::testing::{Image, Thing, elf, path};

const SITE: &str = "usr/lib/python3.11/site-packages";

fn image(entrypoint: &[&str]) -> Image {
    Image::new("linux/amd64")
        .config(json!({ "WorkingDir": "/srv", "Entrypoint": entrypoint }))
        .base("usr/bin/python3.11", 0o755, Thing::Unread(1))
        .base("usr/bin/python3", 0o777, Thing::Link("python3.11"))
        .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
        .base("usr/lib/python3.11/json/__init__.py", 0o644, Thing::Unread(1))
}

fn with(image: Image, files: &[(&str, &str)]) -> Image {
    files.iter().fold(image, |image, (at, text)| {
        image.own(at, 0o644, Thing::Text((*text).to_owned()))
    })
}

fn site(image: Image, files: &[(&str, &str)]) -> Image {
    files.iter().fold(image, |image, (at, text)| {
        image.own(&format!("{SITE}/{at}"), 0o644, Thing::Text((*text).to_owned()))
    })
}

fn told(image: Image) -> Vec<String> {
    image
        .found_by(missing_import)
        .into_iter()
        .map(|finding| format!("{} {}", finding.path, finding.message))
        .collect()
}

#[test]
fn a_module_that_is_surely_imported_must_be_there() {
    let code = || image(&["python3", "-c", "import requests; print(requests)"]);
    assert_eq!(
        told(code()),
        ["/ the code on the command line imports \"requests\", which is not in Python's search path"]
    );
    let requests = || {
        site(
            code(),
            &[(
                "requests/__init__.py",
                "import json, sys, urllib3\nfrom .models import X\n",
            )],
        )
    };
    let models = ("requests/models.py", "from urllib3 import y\nimport idna.core\n");
    assert_eq!(
        told(site(requests(), &[models])),
        [
            format!("/{SITE}/requests/__init__.py imports \"urllib3\" (line 1), which is not in Python's search path"),
            format!("/{SITE}/requests/models.py imports \"idna\" (line 2), which is not in Python's search path"),
        ]
    );
    let there = [
        models,
        ("urllib3/__init__.py", ""),
        ("idna/__init__.py", "from . import core"),
        ("idna/core.py", ""),
    ];
    assert_eq!(told(site(requests(), &there)), [""; 0]);
    let finding = &site(code(), &[]).found_by(missing_import)[0];
    assert_eq!(
        finding.help,
        "install the package that provides \"requests\" into the image for Python 3.11"
    );
}

#[test]
fn a_lost_part_of_a_package_is_told() {
    let code = || image(&["python3", "-c", "import orjson"]);
    let files = [(
        "orjson/__init__.py",
        "from .orjson import *\nfrom .orjson import __version__\n",
    )];
    assert_eq!(
        told(site(code(), &files)),
        [format!(
            "/{SITE}/orjson/__init__.py imports \"orjson.orjson\" (line 1), which is not in Python's search path"
        )]
    );
    for name in [
        "orjson.cpython-311-x86_64-linux-gnu.so",
        "orjson.abi3.so",
        "orjson.so",
        "orjson.cpython-312-x86_64-linux-gnu.so",
    ] {
        let module = site(code(), &files).own(&format!("{SITE}/orjson/{name}"), 0o644, Thing::Elf(elf(None, &[])));
        assert_eq!(told(module), [""; 0], "{name}");
    }
}

#[test]
fn what_may_be_done_without_or_put_in_place_is_not_told() {
    for text in [
        "try:\n    import gone\nexcept ImportError:\n    gone = None\n",
        "def f():\n    import gone\n",
        "import sys\nsys.path.insert(0, 'vendor')\nimport gone\n",
        "import sys\nsys.exit(0)\nimport gone\n",
        "from __future__ import annotations\nimport _thread, zoneinfo, distutils.core, msvcrt\n",
        "from six.moves import urllib\nimport six.moves.x\n",
    ] {
        let files = [("app.py", text)];
        let six = [("six.py", "")];
        assert_eq!(
            told(site(
                with(image(&["python3", "/srv/app.py"]), &[("srv/app.py", text)]),
                &six
            )),
            [""; 0],
            "{text}"
        );
        assert_eq!(
            told(site(site(image(&["python3", "-m", "app"]), &files), &six)),
            [""; 0],
            "{text}"
        );
    }
    let open = site(
        image(&["python3", "-c", "import gone"]),
        &[("x.pth", "import finder; finder.install()\n")],
    );
    assert_eq!(told(open), [""; 0]);
    assert_eq!(told(image(&["python3", "-m", "gone"])), [""; 0]);
}

#[test]
fn a_module_that_lies_where_nothing_looks_is_named() {
    let image = with(
        image(&["python3", "/srv/app.py"]),
        &[
            ("srv/app.py", "import flask\nimport near\n"),
            ("srv/near.py", ""),
            ("deps/flask/__init__.py", ""),
        ],
    );
    let found = image.found_by(missing_import);
    assert_eq!(found[0].found.as_deref(), Some("/deps/flask/__init__.py"));
    assert!(
        found[0]
            .help
            .starts_with("it is at /deps/flask/__init__.py: set PYTHONPATH"),
        "{}",
        found[0].help
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn scripts_and_console_scripts_are_followed_to_their_modules() {
    let script = "#!/usr/bin/python3\nfrom tool.main import main\nmain()\n";
    let image = image(&["tool"]).own("usr/bin/tool", 0o755, Thing::Text(script.to_owned()));
    let image = site(
        image,
        &[
            ("tool/__init__.py", ""),
            ("tool/main.py", "from . import fast, gone\nimport tool.lost\n"),
        ],
    );
    let image = image.own(&format!("{SITE}/tool/fast.abi3.so"), 0o644, Thing::Elf(elf(None, &[])));
    let reach = Reach::of(&image.subject());
    assert_eq!(
        reach.extensions.into_iter().collect::<Vec<_>>(),
        [path(&format!("{SITE}/tool/fast.abi3.so"))]
    );
    let missing: Vec<&str> = reach.missing.iter().map(|missing| &missing.name[..]).collect();
    assert_eq!(missing, ["tool.lost"]);
}

#[test]
fn sources_are_read_once_they_are_named() {
    let image = site(
        image(&["python3", "-c", "import a"]),
        &[("a.py", "import b"), ("b.py", "import c"), ("c.py", ""), ("d.py", "")],
    );
    let subject = image.subject();
    let mut asked = Vec::new();
    walked(&subject, &mut |path| {
        asked.push(path.to_string());
        subject.source(path).cloned()
    });
    let expected: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|name| format!("/{SITE}/{name}.py"))
        .collect();
    assert_eq!(asked, expected);
}

#[test]
fn a_native_part_is_done_without_where_it_is_tried_alone() {
    let part = "p/_c.cpython-312-x86_64-linux-gnu.so";
    let tried = "if x:\n    try:\n        from ._c import y\n    except ImportError:\n        from ._py import y\n";
    for (more, expected) in [
        ("", true),
        ("def f():\n    from ._c import z\n", true),
        ("from ._c import z\n", false),
        ("from . import _c\n", false),
        ("try:\n    import p._c\nexcept ImportError:\n    raise\n", false),
    ] {
        let text = format!("{tried}{more}");
        let image = site(
            image(&["python3", "-c", "import p"]),
            &[("p/__init__.py", &text), ("p/_py.py", "")],
        );
        let subject = image
            .own(&format!("{SITE}/{part}"), 0o644, Thing::Elf(elf(None, &[])))
            .subject();
        assert_eq!(
            Reach::of(&subject).does_without(&path(&format!("{SITE}/{part}"))),
            expected,
            "{text}"
        );
    }
}
