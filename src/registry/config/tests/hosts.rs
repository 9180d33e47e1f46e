//! `hosts.toml`.

use super::*;
use crate::registry::config::hosts_toml;

fn read(text: &str) -> hosts_toml::HostsFile {
    hosts_toml::parse(&File::of("/c/docker.io/hosts.toml", text)).unwrap()
}

#[test]
fn hosts_keep_the_order_of_the_file_and_the_server_is_last() {
    let (_files, config) = hosts_of(
        "docker.io",
        r#"
        server = "https://registry-1.docker.io"
        [host."https://z-mirror.example.com"]
          capabilities = ["pull"]
        [host."https://docker-mirror.internal"]
          capabilities = ["pull", "resolve"]
        [host."a.example:5000"]
        "#,
    );
    let mirrors = [
        "https docker-mirror.internal/library/node?ns=docker.io mirror",
        "https a.example:5000/library/node?ns=docker.io mirror",
    ];
    let own = "https docker.io/library/node";
    assert_eq!(
        endpoints(&config, "docker.io/library/node", Action::Resolve(&tag())),
        [mirrors[0], mirrors[1], own]
    );
    let by_digest = [
        "https z-mirror.example.com/library/node?ns=docker.io mirror",
        mirrors[0],
        mirrors[1],
        own,
    ];
    assert_eq!(
        endpoints(&config, "docker.io/library/node", Action::Resolve(&digest())),
        by_digest
    );
    assert_eq!(endpoints(&config, "docker.io/library/node", Action::Read), by_digest);
    assert_eq!(endpoints(&config, "docker.io/library/node", Action::Push), [own]);
    assert_eq!(endpoints(&config, "ghcr.io/a/b", Action::Read), ["https ghcr.io/a/b"]);
}

#[test]
fn push_goes_to_a_host_that_says_push_and_else_to_the_upstream() {
    let (_files, config) = hosts_of(
        "r.example",
        "[host.\"https://w.example\"]\ncapabilities = [\"PUSH\", \"pull\", \"resolve\"]\n",
    );
    assert_eq!(
        endpoints(&config, "r.example/a", Action::Push),
        ["https w.example/a?ns=r.example"]
    );
    let (_files, config) = hosts_of(
        "r.example",
        "server = \"https://s.example\"\n[host.\"https://m.example\"]\n",
    );
    assert_eq!(
        endpoints(&config, "r.example/a", Action::Push),
        ["https s.example/a?ns=r.example"]
    );
    assert_eq!(
        endpoints(&config, "r.example/a", Action::Read),
        [
            "https m.example/a?ns=r.example mirror",
            "https s.example/a?ns=r.example"
        ]
    );
    let (_files, config) = hosts_of("r.example", "capabilities = [\"pull\"]\n");
    let error = config.endpoints(&repository("r.example/a"), Action::Push).unwrap_err();
    assert!(
        shown(&error).contains("hosts.toml: none of its hosts is allowed for pushing to r.example/a"),
        "{}",
        shown(&error)
    );
    let error = config
        .endpoints(&repository("r.example/a"), Action::Resolve(&tag()))
        .unwrap_err();
    assert!(shown(&error).contains("\"resolve\""), "{}", shown(&error));
    assert_eq!(endpoints(&config, "r.example/a", Action::Read), ["https r.example/a"]);
}

#[test]
fn a_directory_is_found_by_host_and_port_before_the_default() {
    let files = Files::new();
    let host = |name: &str| format!("[host.\"https://{name}\"]\n");
    files.write("certs.d/_default/hosts.toml", &host("default.example"));
    files.write("containerd/r.example:5000/hosts.toml", &host("colon.example"));
    files.write("certs.d/r.example/hosts.toml", &host("portless.example"));
    let first = |name: &str| endpoints(&files.config(), name, Action::Read).remove(0);
    assert_eq!(
        first("r.example:5000/a"),
        "https colon.example/a?ns=r.example:5000 mirror"
    );
    files.write("containerd/r.example_5000_/hosts.toml", &host("underscore.example"));
    assert_eq!(
        first("r.example:5000/a"),
        "https underscore.example/a?ns=r.example:5000 mirror"
    );
    assert_eq!(first("r.example/a"), "https portless.example/a?ns=r.example mirror");
    assert_eq!(
        first("other.example/a"),
        "https default.example/a?ns=other.example mirror"
    );
    assert_eq!(first("[::1]:5000/a"), "https default.example/a?ns=[::1]:5000 mirror");
    assert_eq!(
        endpoints(&files.config(), "default.example/a", Action::Read),
        ["https default.example/a"]
    );
}

#[test]
fn paths_stand_before_the_protocol_s_or_in_its_place() {
    let (_files, config) = hosts_of(
        "r.example",
        r#"
        [host."https://a.example/registry"]
        [host."https://b.example/registry/v2/"]
        [host."https://c.example/v2/proxy/hub"]
        override_path = true
        [host."https://d.example/api/x"]
        override_path = true
        [host."https://e.example"]
        override_path = true
        "#,
    );
    assert_eq!(
        endpoints(&config, "r.example/app", Action::Read),
        [
            "https a.example/app?ns=r.example at /registry/v2/ mirror",
            "https b.example/app?ns=r.example at /registry/v2/ mirror",
            "https c.example/proxy/hub/app?ns=r.example mirror",
            "https d.example/app?ns=r.example at /api/x/ mirror",
            "https e.example/app?ns=r.example at / mirror",
            "https r.example/app",
        ]
    );
}

#[test]
fn schemes_are_as_written_and_tls_settings_mean_tls_first() {
    let (_files, config) = hosts_of(
        "r.example",
        r#"
        skip_verify = true
        [host."http://192.168.31.250:5000"]
        [host."http://192.168.31.251:5000"]
        skip_verify = true
        [host."https://127.0.0.1:5000"]
        [host."mirror"]
        [host."http-mirror.example"]
        "#,
    );
    assert_eq!(
        endpoints(&config, "r.example/a", Action::Read),
        [
            "http 192.168.31.250:5000/a?ns=r.example mirror",
            "either 192.168.31.251:5000/a?ns=r.example insecure mirror",
            "https 127.0.0.1:5000/a?ns=r.example mirror",
            "https mirror:443/a?ns=r.example mirror",
            "https http-mirror.example/a?ns=r.example mirror",
            "https r.example/a insecure",
        ]
    );
}

#[test]
fn certificates_are_named_beside_the_file() {
    let file = read(
        r#"
        ca = ["/etc/certs/a.pem", "b.pem"]
        client = [["client.cert", "client.key"], ["other.pem", ""]]
        [host."https://m.example"]
        ca = "mirror.crt"
        client = "both.pem"
        [host."https://n.example"]
        client = [["one.pem", ""]]
        "#,
    );
    let path = |name: &str| PathBuf::from("/c/docker.io").join(name);
    assert_eq!(
        file.server.tls.ca_files,
        [PathBuf::from("/etc/certs/a.pem"), path("b.pem")]
    );
    assert_eq!(
        file.server.tls.identity,
        Some((path("client.cert"), path("client.key")))
    );
    assert_eq!(file.hosts[0].tls.ca_files, [path("mirror.crt")]);
    assert_eq!(file.hosts[0].tls.identity, Some((path("both.pem"), path("both.pem"))));
    assert_eq!(file.hosts[1].tls.identity, Some((path("one.pem"), path("one.pem"))));
    assert_eq!(file.hosts[1].tls.ca_files, Vec::<PathBuf>::new());
}

#[test]
fn headers_are_kept_and_never_shown() {
    let file = read(
        "[host.\"https://m.example\".header]\nX-Token = \"s3cret\"\nx-parts = [\"p1-s3cret\", \"p2\"]\n\
         [host.\"https://m.example\"]\ndial_timeout = \"1m30s\"\n",
    );
    let host = &file.hosts[0];
    assert_eq!(host.connect_timeout, Some(std::time::Duration::from_secs(90)));
    let headers: Vec<_> = host
        .headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_bytes()))
        .collect();
    assert_eq!(
        headers,
        [
            ("x-token", &b"s3cret"[..]),
            ("x-parts", b"p1-s3cret"),
            ("x-parts", b"p2")
        ]
    );
    assert!(!format!("{file:?}").contains("s3cret"));
}

#[test]
fn an_empty_file_says_nothing() {
    let (_files, config) = hosts_of("r.example", "");
    assert_eq!(endpoints(&config, "r.example/a", Action::Push), ["https r.example/a"]);
}

#[test]
fn what_is_wrong_is_told_with_file_and_line_and_without_secrets() {
    let files = Files::new();
    files.write("hosts.toml", "");
    let path = files.path("hosts.toml");
    let cases = [
        ("server = 1", "1: `server`: expected a string"),
        (
            "server = \"https://user:s3cret@r.example\"",
            "1: `server`: the URL must not contain a user name",
        ),
        (
            "server = \"https://r.example?token=s3cret\"",
            "1: `server`: the URL must not have a query",
        ),
        ("server = \"https://\"", "1: `server`: not a URL"),
        (
            "server = \"https://r.example/UPPER\"\noverride_path = true\n\
            [host.\"https://r.example/v2/UPPER\"]\noverride_path = true",
            "3: `host`: the host or path",
        ),
        ("host = \"x\"", "1: `host`: expected a table"),
        ("[host]\n\"https://a.example\" = 1", "2: `host`: expected a table"),
        (
            "[host.\"https://user:s3cret@a.example\"]",
            "1: `host`: the URL must not contain a user name",
        ),
        ("[host.\"ftp://a.example\"]", "1: `host`: the URL must be"),
        ("capabilities = \"pull\"", "1: `capabilities`: expected a list"),
        (
            "capabilities = [\"pull\",\n\"fly\"]",
            "2: `capabilities`: expected pull, resolve or push",
        ),
        ("skip_verify = \"true\"", "1: `skip_verify`: expected true or false"),
        ("override_path = 1", "1: `override_path`: expected true or false"),
        ("ca = true", "1: `ca`: expected a string"),
        ("ca = [[\"a\"]]", "1: `ca`: expected a string"),
        ("client = [[\"a\"]]", "1: `client`: expected two paths"),
        ("client = [[\"a\", \"b\", \"c\"]]", "1: `client`: expected two paths"),
        ("client = 3", "1: `client`: expected a string"),
        ("dial_timeout = \"soon\"", "1: `dial_timeout`: expected a duration"),
        ("header = 1", "1: `header`: expected a table"),
        ("[header]\n\"bad name\" = \"s3cret\"", "2: `header`: not a header name"),
        (
            "[header]\nx = \"s3cret\\n\"",
            "2: `header`: the value contains characters",
        ),
        ("[header]\nx = 5", "2: `header`: expected a string"),
        (
            "[header]\nHost = \"s3cret\"",
            "2: `header`: this header is set by the connection",
        ),
        ("[header]\nx = \"s3cret", "2: "),
        ("[header]\nx = s3cret", "2: "),
    ];
    for (text, expected) in cases {
        let error = refused_at(&path, text);
        assert!(
            error.starts_with(&format!("{}:{expected}", path.display())),
            "{text}\n{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
    let hosts: String = (0..65)
        .map(|number| format!("[host.\"https://h{number}.example\"]\n"))
        .collect();
    assert!(refused_at(&path, &hosts).contains("more than 64"));
    let many = "\"a\",".repeat(33);
    assert!(refused_at(&path, &format!("ca = [{many}]")).contains("more than 32"));
    assert!(refused_at(&path, &format!("[header]\nx = [{many}]")).contains("more than 32"));
}
