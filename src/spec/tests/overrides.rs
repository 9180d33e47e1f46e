//! `[platform."…"]`: tables merge, lists replace, layers merge by name.

use super::super::{Base, Healthcheck};
use super::{on, parse, platform, with_head};

#[test]
fn keys_of_one_platform_go_before_the_others() {
    let spec = with_head(concat!(
        "max-size = \"1MB\"\nannotations = { a = \"1\", b = \"1\" }\n",
        "[[users]]\nname = \"a\"\nuid = 1\n[[users]]\nname = \"b\"\nuid = 2\n",
        "[platform.\"linux/arm64/v8\"]\nimage = { base = \"oci:x\", annotations = { b = \"2\" } }\n",
        "users = [{ name = \"c\", uid = 3 }]\n"
    ));
    let amd64 = on(&spec, "linux/amd64");
    let arm64 = on(&spec, "linux/arm64");
    assert_eq!(
        (amd64.max_size_bytes, arm64.max_size_bytes),
        (Some(1_000_000), Some(1_000_000))
    );
    assert_eq!(amd64.base, Base::Scratch);
    assert_ne!(arm64.base, Base::Scratch);
    assert_eq!(
        (amd64.annotations["b"].as_str(), arm64.annotations["b"].as_str()),
        ("1", "2")
    );
    assert_eq!(arm64.annotations["a"], "1");
    assert_eq!(
        arm64.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(),
        ["c"]
    );
    assert_eq!(amd64.users.len(), 2);
}

#[test]
fn layers_merge_by_name() {
    let spec = with_head(concat!(
        "[[layers]]\nname = \"a\"\nmode = \"0600\"\nannotations = { x = \"1\" }\nfiles = [{ from = \"1\", to = \"/1\" }]\n",
        "[[layers]]\nname = \"b\"\n",
        "[[platform.\"linux/arm64\".layers]]\nname = \"c\"\n",
        "[[platform.\"linux/arm64\".layers]]\nname = \"a\"\nannotations = { y = \"2\" }\n",
        "files = [{ from = \"2\", to = \"/2\" }, { from = \"3\", to = \"/3\" }]\n"
    ));
    let layers = on(&spec, "linux/arm64").layers;
    assert_eq!(
        layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(
        layers[0]
            .files
            .iter()
            .map(|entry| entry.to.as_str())
            .collect::<Vec<_>>(),
        ["/2", "/3"]
    );
    assert_eq!(layers[0].ownership.mode, Some(0o600));
    assert_eq!(layers[0].annotations.len(), 2);
    assert_eq!(on(&spec, "linux/amd64").layers[0].files[0].to, "/1");
}

#[test]
fn config_and_variables_merge() {
    let spec = with_head(concat!(
        "[vars]\nT = { env = \"NOT_SET\", default = \"amd\" }\nU = \"u\"\n",
        "[config]\nenv = { A = \"${T}\", B = \"${U}\" }\nhealthcheck = { test = \"x\", interval = \"1s\" }\n",
        "[platform.\"linux/arm64\"]\nvars = { T = { default = \"arm\" } }\n",
        "config = { env = { B = false }, healthcheck = { interval = \"2s\" } }\n"
    ));
    let amd64 = spec.config(&platform("linux/amd64"), &[]).unwrap();
    let arm64 = spec.config(&platform("linux/arm64"), &[]).unwrap();
    assert_eq!(
        (amd64.env["A"].as_deref(), amd64.env["B"].as_deref()),
        (Some("amd"), Some("u"))
    );
    assert_eq!(
        (arm64.env["A"].as_deref(), arm64.env["B"].as_deref()),
        (Some("arm"), None)
    );
    let Some(Healthcheck::Check(check)) = arm64.healthcheck else {
        panic!()
    };
    assert_eq!((check.test[1].as_str(), check.interval_ns), ("x", Some(2_000_000_000)));
}

#[test]
fn a_value_of_another_kind_replaces() {
    let text = "[config]\nhealthcheck = { test = \"x\" }\n[platform.\"linux/arm64\".config]\nhealthcheck = false\n";
    let spec = with_head(text);
    let arm64 = spec.config(&platform("linux/arm64"), &[]).unwrap();
    assert_eq!(arm64.healthcheck, Some(Healthcheck::None));
}

#[test]
fn a_value_of_an_override_keeps_its_place() {
    let spec = with_head("max-size = \"1MB\"\n[platform.\"linux/arm64\".image]\nmax-size = \"x\"\n");
    assert!(spec.platform(&platform("linux/amd64")).is_ok());
    let error = spec.platform(&platform("linux/arm64")).unwrap_err();
    assert!(error.to_string().starts_with("nowhere/ocitect.toml:6:12: "), "{error}");
}

#[test]
fn a_platform_that_the_spec_lacks() {
    use crate::model::{Diagnostic as _, ErrorKind};
    let spec = parse(super::HEAD).unwrap();
    let error = spec.platform(&platform("linux/s390x")).unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::NotFound);
    assert_eq!(
        error.help().as_deref(),
        Some("available platforms: linux/amd64, linux/arm64")
    );
}
