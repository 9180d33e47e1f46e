//! Parts of packages: which of them stop the image when a library is missing, and which do not.

use serde_json::json;

use super::{only, program, put};
use crate::check::testing::{Image, Thing, debian, elf, shared_library};
use crate::check::{Code, Severity};
use crate::elf::ElfFacts;

const SITE: &str = "usr/lib/python3.11/site-packages";

/// Debian with a Python that is started with code.
fn python(code: &str) -> Image {
    debian()
        .config(json!({ "Entrypoint": ["python3", "-c", code] }))
        .base("usr/bin/python3.11", 0o755, Thing::Elf(program(&["libc.so.6"])))
        .base("usr/bin/python3", 0o777, Thing::Link("python3.11"))
        .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
}

fn module(image: Image, at: &str, needed: &[&str]) -> Image {
    put(image, &format!("{SITE}/{at}"), elf(None, needed))
}

fn source(image: Image, at: &str, text: &str) -> Image {
    image.own(&format!("{SITE}/{at}"), 0o644, Thing::Text(text.to_owned()))
}

fn weight(image: Image) -> Vec<(Severity, String)> {
    let found = image.found(Code::MissingLibrary);
    found
        .into_iter()
        .map(|finding| (finding.severity, finding.message))
        .collect()
}

#[test]
fn an_optional_backend_is_a_warning_with_all_that_it_misses() {
    let numba = |code: &str| {
        let image = module(
            python(code),
            "numba/_helper.cpython-311-x86_64-linux-gnu.so",
            &["libc.so.6"],
        );
        let image = module(
            image,
            "numba/np/ufunc/tbbpool.cpython-311-x86_64-linux-gnu.so",
            &["libtbb.so.12"],
        );
        module(
            image,
            "numba/np/ufunc/omppool.cpython-311-x86_64-linux-gnu.so",
            &["libgomp.so.1", "libomp.so.5"],
        )
    };
    let image = numba("import os");
    let [(severity, message)] = &weight(image)[..] else {
        panic!()
    };
    assert_eq!(*severity, Severity::Warning);
    assert_eq!(
        message,
        "needs libgomp.so.1, libomp.so.5 and libtbb.so.12, which are not in the loader's search path; the same applies \
         to 1 other file of numba; only code that uses this part of numba fails"
    );
    let found = numba("import os").found(Code::MissingLibrary);
    assert_eq!(found[0].files.len(), 2);
    // What is started imports it for sure.
    let found = weight(numba("from numba.np.ufunc import tbbpool"));
    assert_eq!(found[0].0, Severity::Error);
    assert_eq!(found.len(), 2);
}

#[test]
fn the_main_module_of_a_package_stays_an_error() {
    let only = module(python("import os"), "cv2/cv2.abi3.so", &["libGL.so.1"]);
    assert_eq!(weight(only)[0].0, Severity::Error);
    let main = module(
        module(python("import os"), "cv2/cv2.abi3.so", &["libGL.so.1"]),
        "cv2/other.abi3.so",
        &[],
    );
    assert_eq!(weight(main)[0].0, Severity::Error);
    let tried = source(
        module(python("import cv2"), "cv2/cv2.abi3.so", &["libGL.so.1"]),
        "cv2/__init__.py",
        "try:\n  from .cv2 import *\nexcept ImportError:\n  pass\n",
    );
    assert_eq!(weight(tried)[0].0, Severity::Warning);
}

#[test]
fn what_the_package_brought_along_is_an_error_when_it_is_lost() {
    let image = module(python("import os"), "p/a.abi3.so", &["libq-0123abcd.so.1"]);
    assert_eq!(weight(module(image, "p/b.abi3.so", &[]))[0].0, Severity::Error);
}

#[test]
fn a_file_that_only_bears_the_name_excuses_nothing() {
    let runpath = || Some(b"$ORIGIN".to_vec());
    let image = python("import os");
    let image = put(
        image,
        &format!("{SITE}/pyarrow/lib.abi3.so"),
        ElfFacts {
            runpath: runpath(),
            ..elf(None, &["libarrow.so.15"])
        },
    );
    let image = put(
        image,
        &format!("{SITE}/pyarrow/libarrow.so.15.0.0"),
        shared_library("libarrow.so.15", &[]),
    );
    let finding = only(image, Code::MissingLibrary);
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(
        finding.message,
        format!("needs libarrow.so.15, but the link to /{SITE}/pyarrow/libarrow.so.15.0.0 is missing")
    );
    assert_eq!(
        finding.help,
        format!(
            "add the link to the layer: `links = [{{ path = \"/{SITE}/pyarrow/libarrow.so.15\", target = \
             \"libarrow.so.15.0.0\" }}]`"
        )
    );
    // A program of a package of npm, which can hold no links.
    let folder = "app/node_modules/@embedded/linux-x64/native";
    let program = ElfFacts {
        runpath: Some(b"$ORIGIN/../lib".to_vec()),
        ..program(&["libpq.so.5"])
    };
    let image = put(debian(), &format!("{folder}/bin/initdb"), program);
    let image = put(
        image,
        &format!("{folder}/lib/libpq.so.5.16"),
        shared_library("libpq.so.5", &[]),
    );
    assert_eq!(only(image, Code::MissingLibrary).severity, Severity::Error);
}

#[test]
fn what_another_module_loads_first_counts_within_a_package_and_what_it_requires() {
    let runpath = || Some(b"$ORIGIN/../p/hidden".to_vec());
    let with_loader = |owner: &str, image: Image| {
        let image = put(
            image,
            &format!("{SITE}/{owner}/a.abi3.so"),
            ElfFacts {
                runpath: runpath(),
                ..elf(None, &["libq.so.1"])
            },
        );
        put(
            image,
            &format!("{SITE}/p/hidden/libq.so.1"),
            shared_library("libq.so.1", &[]),
        )
    };
    assert_eq!(
        weight(module(
            with_loader("p", python("import os")),
            "p/b.abi3.so",
            &["libq.so.1"]
        )),
        []
    );
    // The private folder of another package.
    let image = module(python("import os"), "r/b.abi3.so", &["libq.so.1"]);
    let image = put(
        image,
        &format!("{SITE}/s.libs/libq.so.1"),
        shared_library("libq.so.1", &[]),
    );
    assert_eq!(weight(image).len(), 1);
    // NVIDIA's wheels, which others open before.
    let image = module(python("import os"), "r/b.abi3.so", &["libcudart.so.12"]);
    let nvidia = format!("{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12");
    assert_eq!(weight(put(image, &nvidia, shared_library("libcudart.so.12", &[]))), []);
}

#[test]
fn alternatives_of_a_package_are_one_need() {
    let zeromq = "app/node_modules/zeromq/build/linux/x64/node";
    let runs = || elf(None, &["libc.so.6"]);
    let both = |first: ElfFacts| {
        let image = put(debian(), &format!("{zeromq}/115/addon.node"), first);
        put(
            image,
            &format!("{zeromq}/131/addon.node"),
            elf(None, &["libgone.so.1", "libgone.so.2"]),
        )
    };
    assert_eq!(weight(both(runs())), []);
    let found = weight(both(elf(None, &["libgone.so.3"])));
    assert_eq!(
        found,
        [(
            Severity::Error,
            "needs libgone.so.3, which is not in the loader's search path".to_owned()
        )]
    );
    // The other C library's, beside one that loads.
    let image = put(debian(), "app/node_modules/m/lib/debian/a.node", runs());
    let image = put(
        image,
        "app/node_modules/m/lib/alpine3/a.node",
        elf(None, &["libc.musl-x86_64.so.1"]),
    );
    assert_eq!(only(image, Code::ForeignArchitecture).severity, Severity::Warning);
}

#[test]
fn what_was_built_on_the_spot_stands_before_what_was_shipped() {
    let package = "app/node_modules/tree-sitter";
    let shipped = || {
        put(
            debian(),
            &format!("{package}/prebuilds/linux-x64/tree-sitter.node"),
            elf(None, &["libgone.so.1"]),
        )
    };
    assert_eq!(weight(shipped())[0].0, Severity::Error);
    let built = |needed: &[&str]| {
        put(
            shipped(),
            &format!("{package}/build/Release/runtime.node"),
            elf(None, needed),
        )
    };
    assert_eq!(weight(built(&["libc.so.6"])), []);
    assert!(!weight(built(&["libother.so.1"])).is_empty());
}

#[test]
fn libraries_that_are_opened_are_a_warning() {
    let library = |needed: &[&str]| {
        put(
            python("import lightgbm"),
            &format!("{SITE}/lightgbm/lib/lib_lightgbm.so"),
            elf(None, needed),
        )
    };
    let found = weight(library(&["libgomp.so.1"]));
    assert_eq!(found[0].0, Severity::Warning);
    assert!(
        found[0]
            .1
            .starts_with("needs libgomp.so.1, which is not in the loader's search path"),
        "{}",
        found[0].1
    );
    assert_eq!(weight(library(&["libcublas.so.12", "libcuda.so.1"])), []);
}

#[test]
fn a_package_that_is_an_option_is_a_warning() {
    let image = debian()
        .own(
            "app/package.json",
            0o644,
            Thing::Text(r#"{"dependencies": {"trace": "1"}}"#.into()),
        )
        .own(
            "app/node_modules/trace/package.json",
            0o644,
            Thing::Text(r#"{"optionalDependencies": {"parser": "1"}}"#.into()),
        )
        .own(
            "app/node_modules/parser/package.json",
            0o644,
            Thing::Text(r#"{"optionalDependencies": {"@p/binding-linux-x64-gnu": "1"}}"#.into()),
        );
    assert_eq!(only(image, Code::MissingPlatformPackage).severity, Severity::Warning);
}

#[test]
fn a_native_part_for_another_python_with_a_fallback_is_a_warning() {
    let multidict = |code: &str, more: &str| {
        let image = module(
            python(code),
            "multidict/_multidict.cpython-312-x86_64-linux-gnu.so",
            &[],
        );
        let image = module(image, "multidict/_testcapi.cpython-312-x86_64-linux-gnu.so", &[]);
        let compat =
            "if USE:\n    try:\n        from . import _multidict\n    except ImportError:\n        USE = False\n";
        let image = source(image, "multidict/_compat.py", compat);
        source(
            image,
            "multidict/__init__.py",
            &format!("from ._compat import USE\n{more}"),
        )
    };
    let severity = |image| only(image, Code::MissingPlatformPackage).severity;
    let chosen = "if USE:\n    from ._multidict import MultiDict\n";
    assert_eq!(severity(multidict("import multidict", chosen)), Severity::Warning);
    // What is certainly imported somewhere stays an error, and so does what the start was not seen to do without.
    assert_eq!(
        severity(multidict("import multidict", "from ._multidict import MultiDict\n")),
        Severity::Error
    );
    assert_eq!(
        severity(multidict("import multidict", "from . import _testcapi\n")),
        Severity::Error
    );
    assert_eq!(severity(multidict("import os", "")), Severity::Error);
}
