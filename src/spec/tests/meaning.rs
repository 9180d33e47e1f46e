//! The meaning of values and defaults.

use std::path::{Path, PathBuf};

use super::super::{Base, Command, From, Healthcheck, NameOrId, Owner, Ownership};
use super::{amd64, config, on, with_head};
use crate::model::{Compression, Family, ImageName, Selector};

fn layer(text: &str) -> super::super::LayerSpec {
    amd64(&format!("[[layers]]\nname = \"a\"\n{text}")).layers.remove(0)
}

#[test]
fn defaults() {
    let spec = with_head("");
    assert_eq!(
        spec.image().tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["latest"]
    );
    assert_eq!((spec.image().name.as_ref(), spec.image().index), (None, true));
    let amd64 = on(&spec, "linux/amd64");
    assert_eq!(
        (amd64.base, amd64.mtime_s, amd64.max_size_bytes),
        (Base::Scratch, 1, None)
    );
    assert_eq!(amd64.ignore_file.path, Path::new("nowhere/.ocitectignore"));
    assert_eq!(config(""), Default::default());
}

#[test]
fn tags_are_kept_once() {
    let spec = with_head("tags = [\"1\", \"latest\", \"1\"]");
    assert_eq!(
        spec.image().tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1", "latest"]
    );
}

#[test]
fn media_types_of_docker() {
    let spec = with_head("media-types = \"docker\"");
    assert_eq!(spec.image().media_types, Family::Docker);
    assert!(spec.platform(&super::platform("linux/amd64")).is_ok());
}

#[test]
fn bases_are_joined_to_the_directory() {
    let layout = |path: &str, selector| {
        Base::Image(ImageName::Layout {
            path: path.into(),
            selector,
        })
    };
    for (text, base) in [
        (
            "oci:./bases/python:3.11",
            layout("nowhere/./bases/python", Selector::Tag("3.11".to_owned())),
        ),
        ("oci:/abs", layout("/abs", Selector::Only)),
        (
            "docker.io/library/a:1",
            Base::Image("docker.io/library/a:1".parse().unwrap()),
        ),
        ("scratch", Base::Scratch),
    ] {
        assert_eq!(amd64(&format!("base = \"{text}\"")).base, base);
    }
    let archive = amd64("base = \"oci-archive:x.tar:1\"").base;
    let path = PathBuf::from("nowhere/x.tar");
    let selector = Selector::Tag("1".to_owned());
    assert_eq!(archive, Base::Image(ImageName::OciArchive { path, selector }));
}

#[test]
fn the_cascade_of_owner_and_modes_stays_open() {
    let spec = amd64(concat!(
        "owner = \"1\"\nmode = \"0640\"\n[[layers]]\nname = \"a\"\nowner = \"2:3\"\n",
        "files = [{ from = \"x\", to = \"/x\", dir-mode = \"0700\" }]\n"
    ));
    let layer = &spec.layers[0];
    let owner = Owner {
        user: NameOrId::Id(2),
        group: Some(NameOrId::Id(3)),
    };
    assert_eq!(
        layer.ownership,
        Ownership {
            owner: Some(owner),
            mode: Some(0o640),
            dir_mode: None
        }
    );
    assert_eq!(
        layer.files[0].ownership,
        Ownership {
            owner: None,
            mode: None,
            dir_mode: Some(0o700)
        }
    );
}

#[test]
fn compression_of_layers() {
    for (image, text, expected) in [
        ("", "", Compression::Gzip(6)),
        ("", "level = 9", Compression::Gzip(9)),
        ("level = 9", "", Compression::Gzip(9)),
        ("compression = \"zstd\"\nlevel = 19", "", Compression::Zstd(19)),
        ("compression = \"zstd\"\nlevel = 19", "level = 1", Compression::Zstd(1)),
        (
            "compression = \"zstd\"\nlevel = 19",
            "compression = \"gzip\"",
            Compression::Gzip(6),
        ),
        ("level = 9", "compression = \"none\"", Compression::None),
        ("compression = \"none\"", "", Compression::None),
    ] {
        let spec = amd64(&format!("{image}\n[[layers]]\nname = \"a\"\n{text}"));
        assert_eq!(spec.layers[0].compression, expected, "{image} {text}");
    }
}

#[test]
fn layers_of_some_platforms() {
    let spec = with_head("[[layers]]\nname = \"a\"\nplatforms = [\"linux/arm64/v8\"]\n[[layers]]\nname = \"b\"");
    let names = |name| {
        on(&spec, name)
            .layers
            .into_iter()
            .map(|layer| layer.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("linux/amd64"), ["b"]);
    assert_eq!(names("linux/arm64"), ["a", "b"]);
}

#[test]
fn sources_of_files() {
    let from = |text: &str| {
        layer(&format!("files = [{{ from = \"{text}\", to = \"/x\" }}]"))
            .files
            .remove(0)
            .from
    };
    let disk = |text: &str| From::Disk {
        directory: "nowhere".into(),
        pattern: text.to_owned(),
    };
    for text in ["src/", "../x", "/abs/**/*.so", "./oci:x", "a#/b"] {
        assert_eq!(from(text), disk(text));
    }
    let image = ImageName::Layout {
        path: "nowhere/dir".into(),
        selector: Selector::Tag("1".to_owned()),
    };
    assert_eq!(
        from("oci:dir:1#/a#b"),
        From::Image {
            image,
            path: "/a#b".to_owned()
        }
    );
    let image = "ghcr.io/a:1".parse().unwrap();
    assert_eq!(
        from("docker://ghcr.io/a:1#/"),
        From::Image {
            image,
            path: "/".to_owned()
        }
    );
}

#[test]
fn images_are_named_as_they_are_written() {
    let text = "base = \"oci:./bases/${arch}:1\"\n[[layers]]\nname = \"a\"\nfiles = [\
        { from = \"docker://ghcr.io/a:1#/x\", to = \"/x\" }, { from = \"docker://ghcr.io/a:1#/y\", to = \"/y\" },\
        { from = \"oci:/abs#/z\", to = \"/z\" }, { from = \"disk\", to = \"/d\" }]";
    let spec = amd64(text);
    let names: Vec<(String, String)> = spec
        .images()
        .into_iter()
        .map(|image| (image.text, image.name.to_string()))
        .collect();
    let pair = |text: &str, name: &str| (text.to_owned(), name.to_owned());
    let base = pair("oci:./bases/amd64:1", "oci:nowhere/./bases/amd64:1");
    assert_eq!(
        names,
        [
            pair("ghcr.io/a:1", "ghcr.io/a:1"),
            base.clone(),
            pair("oci:/abs", "oci:/abs")
        ]
    );
    assert_eq!(
        spec.base_image().map(|image| (image.text, image.name.to_string())),
        Some(base)
    );
}

#[test]
fn every_key_of_a_files_entry() {
    let keys = concat!(
        "include = [\"*.so\"], exclude = [\"x\"], unpack = true, strip = 2, executable = [\"bin/*\"], ",
        "keep-modes = true, mode = \"04755\", capabilities = [\"cap_net_raw\"]"
    );
    let entry = layer(&format!("files = [{{ from = \"x\", to = \"/x/\", {keys} }}]"))
        .files
        .remove(0);
    assert_eq!(
        (entry.include, entry.exclude),
        (vec!["*.so".to_owned()], vec!["x".to_owned()])
    );
    assert_eq!((entry.unpack, entry.strip, entry.keep_modes), (true, 2, true));
    assert_eq!((entry.to.as_str(), entry.executable), ("/x/", vec!["bin/*".to_owned()]));
    assert_eq!(
        (entry.ownership.mode, entry.capabilities),
        (Some(0o4755), vec!["cap_net_raw".to_owned()])
    );
    let entry = layer("files = [{ from = \"x\", to = \"/x\", xattrs = [\"user.*\"] }]")
        .files
        .remove(0);
    assert_eq!(entry.xattrs, ["user.*"]);
}

#[test]
fn configs() {
    let config = config(concat!(
        "[config]\nuser = \"app\"\nworkdir = \"/app\"\nstop-signal = \"SIGRTMIN+3\"\nshell = [\"/bin/bash\", \"-c\"]\n",
        "entrypoint = []\ncmd = \"run it\"\nports = [\"53/udp\", \"080\"]\nrequired-env = [\"TOKEN\"]\n",
        "env = { A = \"1\", B = false }\nlabels = { l = false }\nhealthcheck = { test = \"curl x\", retries = 0 }\n"
    ));
    assert_eq!(config.entrypoint, Some(Command::Exec(vec![])));
    assert_eq!(config.cmd, Some(Command::Shell("run it".to_owned())));
    assert_eq!(config.ports, ["53/udp", "80/tcp"]);
    assert_eq!(
        (config.env["A"].as_deref(), &config.env["B"], &config.labels["l"]),
        (Some("1"), &None, &None)
    );
    assert_eq!(
        (config.required_env, config.stop_signal),
        (vec!["TOKEN".to_owned()], Some("SIGRTMIN+3".to_owned()))
    );
    let Some(Healthcheck::Check(check)) = config.healthcheck else {
        panic!()
    };
    assert_eq!(
        (check.test, check.interval_ns, check.retries),
        (vec!["CMD-SHELL".to_owned(), "curl x".to_owned()], None, Some(0))
    );
    for none in ["false", "{ test = [\"NONE\"] }"] {
        let config = super::config(&format!("[config]\nhealthcheck = {none}"));
        assert_eq!(config.healthcheck, Some(Healthcheck::None));
    }
}

#[test]
fn times_and_sizes_in_their_forms() {
    for (text, seconds) in [
        ("0", 0),
        ("\"1700000000\"", 1_700_000_000),
        ("\"2024-01-31T12:00:00Z\"", 1_706_702_400),
        ("2024-01-31T12:00:00Z", 1_706_702_400),
    ] {
        assert_eq!(amd64(&format!("mtime = {text}")).mtime_s, seconds, "{text}");
    }
    assert_eq!(amd64("max-size = 1024").max_size_bytes, Some(1024));
}

#[test]
fn users_and_groups_in_full() {
    let spec = amd64(concat!(
        "[[users]]\nname = \"a\"\nuid = 5\ngid = 6\ngroup = \"g\"\nhome = \"/srv\"\nshell = \"/sbin/nologin\"\n",
        "[[groups]]\nname = \"h\"\ngid = 7\nmembers = [\"a\"]\n"
    ));
    let user = &spec.users[0];
    assert_eq!(
        (user.uid, user.gid, user.group.as_str(), user.home.as_str()),
        (5, 6, "g", "/srv")
    );
    assert_eq!(spec.groups[0].members, ["a"]);
}
