//! The example of the documentation, for both of its platforms.

use std::path::Path;

use super::super::{Base, Command, From, Healthcheck, NameOrId, Owner};
use super::{on, parse_with, platform};
use crate::model::{Compression, Family};

const EXAMPLE: &str = include_str!("example.toml");

const ENVIRONMENT: [(&str, &str); 2] = [("VERSION", "1.2.3"), ("TOKEN_URL", "https://id.example")];

#[test]
fn the_image_as_a_whole() {
    let spec = parse_with(EXAMPLE, &ENVIRONMENT, &[]).unwrap();
    let image = spec.image();
    assert_eq!(image.name.as_ref().unwrap().to_string(), "ghcr.io/stigmer/agent-runner");
    assert_eq!(
        image.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1.2.3", "latest"]
    );
    assert_eq!(image.platforms, ["linux/amd64", "linux/arm64"].map(platform));
    assert!(image.index);
    assert_eq!(image.media_types, Family::Oci);
    assert_eq!(spec.directory(), Path::new("nowhere"));
    let own = [
        "ocitect.toml",
        "ocitect.lock",
        "ocitect.lock.d",
        ".ocitectignore",
        ".env",
    ];
    assert_eq!(spec.own_files(), own.map(|name| Path::new("nowhere").join(name)));
}

#[test]
fn one_platform() {
    let spec = parse_with(EXAMPLE, &ENVIRONMENT, &[]).unwrap();
    let arm64 = on(&spec, "linux/arm64");
    let Base::Image(base) = &arm64.base else {
        panic!("{:?}", arm64.base)
    };
    assert_eq!(base.to_string(), "docker.io/library/python:3.11-slim");
    assert_eq!(arm64.max_size_bytes, Some(100_000_000));
    assert_eq!(arm64.mtime_s, 1);
    assert!(!arm64.ignore_file.required);
    let user = &arm64.users[0];
    assert_eq!(
        (user.name.as_str(), user.uid, user.gid, user.group.as_str()),
        ("stigmer", 1000, 1000, "stigmer")
    );
    assert_eq!((user.home.as_str(), user.shell.as_str()), ("/home/stigmer", "/bin/sh"));
    assert_eq!(arm64.dirs[0].path, "/workspace");
    assert_eq!(arm64.check.allow, [("runs-as-root".to_owned(), "/**".to_owned())]);
}

#[test]
fn layers() {
    let spec = parse_with(EXAMPLE, &ENVIRONMENT, &[]).unwrap();
    for (name, venv) in [("linux/amd64", "dist/amd64/venv"), ("linux/arm64", "dist/arm64/venv")] {
        let layers = on(&spec, name).layers;
        let [dependencies, app] = &layers[..] else {
            panic!("{layers:?}")
        };
        assert_eq!(dependencies.files[0].from_text, venv);
        assert_eq!(dependencies.files[0].exclude, ["**/__pycache__"]);
        assert_eq!(dependencies.compression, Compression::Gzip(6));
        let owner = Owner {
            user: NameOrId::Name("stigmer".to_owned()),
            group: None,
        };
        assert_eq!(app.ownership.owner, Some(owner));
        assert!(app.files[1].unpack);
        let From::Image { image, path } = &app.files[2].from else {
            panic!("{:?}", app.files[2].from)
        };
        assert_eq!(
            (image.to_string().as_str(), path.as_str()),
            ("ghcr.io/astral-sh/uv:0.5", "/uv")
        );
        assert_eq!(app.links[0].target, "/app/.venv/bin/agent");
        assert_eq!(app.remove[0].path, "/usr/share/doc");
        assert_eq!(app.remove[0].place.to_string(), "nowhere/ocitect.toml:37:11");
    }
}

#[test]
fn config() {
    let spec = parse_with(EXAMPLE, &ENVIRONMENT, &[]).unwrap();
    let base_env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let config = spec.config(&platform("linux/amd64"), &base_env).unwrap();
    assert_eq!(config.env["PATH"].as_deref(), Some("/app/.venv/bin:/usr/bin:/bin"));
    assert_eq!(config.env["PYTHONUNBUFFERED"].as_deref(), Some("1"));
    assert_eq!(config.ports, ["3000/tcp", "5173/tcp"]);
    assert_eq!(config.volumes, ["/workspace"]);
    assert_eq!(
        config.entrypoint,
        Some(Command::Exec(
            ["/app/.venv/bin/python", "-m", "agent_runner"]
                .map(str::to_owned)
                .to_vec()
        ))
    );
    assert_eq!(config.cmd, None);
    let Some(Healthcheck::Check(check)) = config.healthcheck else {
        panic!("{:?}", config.healthcheck)
    };
    assert_eq!(
        (check.interval_ns, check.start_period_ns, check.retries),
        (Some(30_000_000_000), Some(40_000_000_000), Some(3))
    );
    assert_eq!(config.labels.len(), 1);
}
