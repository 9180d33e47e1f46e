//! Both kinds of files together, and endpoints without any file.

use super::*;

#[test]
fn loopback_may_be_without_tls_and_nothing_else_unasked() {
    let files = Files::new();
    let config = files.config();
    let only = |name: &str| endpoints(&config, name, Action::Read).remove(0);
    assert_eq!(only("127.0.0.1:5000/a"), "either 127.0.0.1:5000/a");
    assert_eq!(only("localhost:5000/a"), "either localhost:5000/a");
    assert_eq!(only("[::1]:5000/a"), "either [::1]:5000/a");
    assert_eq!(only("192.168.0.1:5000/a"), "https 192.168.0.1:5000/a");
    assert_eq!(only("registry.local/a"), "https registry.local/a");
}

#[test]
fn names_are_rewritten_first_and_then_the_host_s_file_is_read() {
    let files = Files::new();
    files.write(
        "user/registries.conf",
        r#"
        [[registry]]
        prefix = "example.com/foo"
        location = "internal.example/bar"
        insecure = true
        [[registry.mirror]]
        location = "m.example/foo"
        "#,
    );
    files.write(
        "certs.d/internal.example/hosts.toml",
        "ca = \"ca.pem\"\n[host.\"https://h.example\"]\n",
    );
    files.write("certs.d/m.example/hosts.toml", "[host.\"https://never.example\"]\n");
    files.write("certs.d/example.com/hosts.toml", "[host.\"https://never.example\"]\n");
    let config = files.config();
    assert_eq!(
        endpoints(&config, "example.com/foo/a", Action::Read),
        [
            "https m.example/foo/a?ns=example.com mirror",
            "https h.example/bar/a?ns=internal.example mirror",
            "either internal.example/bar/a insecure",
        ]
    );
    let upstream = config
        .endpoints(&repository("example.com/foo/a"), Action::Push)
        .unwrap()
        .remove(0);
    assert_eq!(
        upstream.host.tls.ca_files,
        [files.path("certs.d/internal.example/ca.pem")]
    );
}

#[test]
fn endpoints_of_one_host_are_equal_across_repositories_and_differ_by_terms() {
    let (_files, config) = config_of(
        "[[registry]]\nlocation = \"example.com/open\"\ninsecure = true\n[[registry]]\nlocation = \"example.com\"\n",
    );
    let endpoint = |name: &str| {
        config
            .endpoints(&repository(name), Action::Read)
            .unwrap()
            .remove(0)
            .host
    };
    assert_eq!(endpoint("example.com/a"), endpoint("example.com/b"));
    assert_ne!(endpoint("example.com/a"), endpoint("example.com/open/a"));
}

#[test]
fn a_broken_hosts_file_stops_its_registry_alone() {
    let files = Files::new();
    files.write("certs.d/bad.example/hosts.toml", "server = 1\n");
    let config = files.config();
    assert!(config.endpoints(&repository("bad.example/a"), Action::Read).is_err());
    assert_eq!(
        endpoints(&config, "good.example/a", Action::Read),
        ["https good.example/a"]
    );
}
