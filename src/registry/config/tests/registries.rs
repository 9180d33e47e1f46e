//! `registries.conf`.

use super::*;

const EXAMPLE: &str = r#"
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"
proxy = "http://proxy.example.com:8000"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
"#;

#[test]
fn the_manual_s_example_is_read_as_it_says() {
    let (_files, config) = config_of(EXAMPLE);
    assert_eq!(
        endpoints(&config, "example.com/foo/image", Action::Resolve(&tag())),
        [
            "https example-mirror-0.local/mirror-for-foo/image?ns=example.com mirror",
            "either example-mirror-1.local/mirrors/foo/image?ns=example.com insecure mirror",
            "https internal-registry-for-example.com/bar/image",
        ]
    );
    assert_eq!(
        endpoints(&config, "registry.com/image", Action::Read),
        [
            "https mirror.registry.com/image?ns=registry.com mirror",
            "https registry.com/image"
        ]
    );
    assert_eq!(
        endpoints(&config, "example.com/other", Action::Read),
        ["https example.com/other"]
    );
    assert_eq!(
        endpoints(&config, "example.com/foo/image", Action::Push),
        ["https internal-registry-for-example.com/bar/image"]
    );
}

#[test]
fn the_longest_prefix_wins_on_path_borders() {
    let (_files, config) = config_of(
        r#"
        [[registry]]
        location = "example.com"
        [[registry.mirror]]
        location = "all.example"
        [[registry]]
        prefix = "example.com/team"
        location = "team.example"
        [[registry]]
        prefix = "example.com/team/app"
        location = "app.example/x"
        [[registry]]
        prefix = "*.example.com"
        insecure = true
        [[registry]]
        prefix = "*.deep.example.com"
        location = "deep.example/y"
        "#,
    );
    let last = |name: &str| endpoints(&config, name, Action::Read).pop().unwrap();
    assert_eq!(last("example.com/team/app"), "https app.example/x");
    assert_eq!(last("example.com/team/app/part"), "https app.example/x/part");
    assert_eq!(last("example.com/team/apple"), "https team.example/apple");
    assert_eq!(last("example.com/teams/app"), "https example.com/teams/app");
    assert_eq!(endpoints(&config, "example.com/teams/app", Action::Read).len(), 2);
    assert_eq!(last("example.com:5000/team/app"), "https example.com:5000/team/app");
    assert_eq!(last("a.example.com/app"), "either a.example.com/app insecure");
    assert_eq!(
        last("a.b.example.com:5000/app"),
        "either a.b.example.com:5000/app insecure"
    );
    assert_eq!(last("a.deep.example.com/app"), "https deep.example/y/app");
    assert_eq!(last("badexample.com/app"), "https badexample.com/app");
}

#[test]
fn a_name_that_is_rewritten_to_none_is_refused() {
    let (_files, config) = config_of("[[registry]]\nprefix = \"example.com/app\"\nlocation = \"other.example\"\n");
    let error = config
        .endpoints(&repository("example.com/app"), Action::Read)
        .unwrap_err();
    assert!(shown(&error).contains("registries.conf:1"), "{error}");
    assert_eq!(
        endpoints(&config, "example.com/app/x", Action::Read),
        ["https other.example/x"]
    );
}

#[test]
fn docker_hub_has_one_name() {
    let (_files, config) =
        config_of("[[registry]]\nlocation = \"index.docker.io\"\n[[registry.mirror]]\nlocation = \"mirror.gcr.io\"\n");
    for name in [
        "docker.io/library/node",
        "index.docker.io/library/node",
        "registry-1.docker.io/library/node",
    ] {
        assert_eq!(
            endpoints(&config, name, Action::Read),
            [
                "https mirror.gcr.io/library/node?ns=docker.io mirror",
                "https docker.io/library/node"
            ]
        );
    }
}

#[test]
fn mirrors_are_asked_for_what_they_are_for_and_never_pushed_to() {
    let (_files, config) = config_of(
        r#"
        [[registry]]
        location = "example.com"
        mirror = [
            { location = "digest.example", pull-from-mirror = "digest-only" },
            { location = "tag.example", pull-from-mirror = "tag-only" },
            { location = "all.example", pull-from-mirror = "all" },
            { location = "unsaid.example" },
        ]
        [[registry]]
        location = "strict.example"
        mirror-by-digest-only = true
        mirror = [{ location = "m.example" }]
        "#,
    );
    let hosts = |name: &str, action: Action<'_>| -> Vec<String> {
        let endpoints = config.endpoints(&repository(name), action).unwrap();
        endpoints.into_iter().map(|endpoint| endpoint.host.registry).collect()
    };
    let tag = tag();
    let digest = digest();
    assert_eq!(
        hosts("example.com/a", Action::Resolve(&tag)),
        ["tag.example", "all.example", "unsaid.example", "example.com"]
    );
    for action in [Action::Resolve(&digest), Action::Read] {
        assert_eq!(
            hosts("example.com/a", action),
            ["digest.example", "all.example", "unsaid.example", "example.com"]
        );
    }
    assert_eq!(hosts("example.com/a", Action::Push), ["example.com"]);
    assert_eq!(hosts("strict.example/a", Action::Resolve(&tag)), ["strict.example"]);
    assert_eq!(
        hosts("strict.example/a", Action::Resolve(&digest)),
        ["m.example", "strict.example"]
    );
}

#[test]
fn what_is_blocked_names_file_line_and_key() {
    let (files, config) = config_of(
        r#"
        [[registry]]
        location = "example.com/bad"
        blocked = true
        [[registry]]
        prefix = "*.blocked.example"
        blocked = true
        [[registry]]
        location = "example.com/app:1.0"
        blocked = true
        [[registry]]
        prefix = "example.com/bad/good"
        location = "example.com/bad/good"
        "#,
    );
    let blocked = |name: &str, action: Action<'_>| shown(&config.endpoints(&repository(name), action).unwrap_err());
    let conf = files.path("user/registries.conf");
    for action in [Action::Resolve(&tag()), Action::Read, Action::Push] {
        let error = blocked("example.com/bad/image", action);
        assert!(
            error.contains(&format!("is blocked by the key `blocked` at {}:4", conf.display())),
            "{error}"
        );
    }
    assert!(blocked("example.com/bad/image", Action::Resolve(&tag())).starts_with("example.com/bad/image:1.0: it is"));
    assert!(blocked("a.blocked.example:5000/x", Action::Read).contains("registries.conf:7"));
    assert!(blocked("example.com/app", Action::Resolve(&tag())).contains("registries.conf:10"));
    assert_eq!(
        endpoints(&config, "example.com/app", Action::Resolve(&digest())),
        ["https example.com/app"]
    );
    assert_eq!(
        endpoints(&config, "example.com/bad/good/x", Action::Read),
        ["https example.com/bad/good/x"]
    );
    assert_eq!(
        endpoints(&config, "example.com/badly", Action::Read),
        ["https example.com/badly"]
    );
}

#[test]
fn the_first_table_of_a_prefix_counts() {
    let (_files, config) = config_of(
        "[[registry]]\nlocation = \"example.com\"\ninsecure = true\n[[registry]]\nlocation = \"example.com/\"\n",
    );
    assert_eq!(
        endpoints(&config, "example.com/a", Action::Read),
        ["either example.com/a insecure"]
    );
}

#[test]
fn short_names_are_answered_by_alias_or_search_list() {
    let (_files, config) = config_of(
        r#"
        unqualified-search-registries = ["registry.example:5000", "docker.io"]
        short-name-mode = "enforcing"
        [aliases]
        "node" = "quay.io/mirrors/node"
        "team/app" = "ghcr.io/team/app"
        "gone" = ""
        "#,
    );
    assert_eq!(
        config.short_names().suggestions("node:18-slim"),
        ["quay.io/mirrors/node:18-slim"]
    );
    let pinned = format!("team/app@{}", Digest::of(b"x"));
    assert_eq!(config.short_names().suggestions(&pinned), [format!("ghcr.io/{pinned}")]);
    assert_eq!(
        config.short_names().suggestions("gone"),
        ["registry.example:5000/gone", "docker.io/library/gone"]
    );
    assert_eq!(
        config.short_names().suggestions("a/b"),
        ["registry.example:5000/a/b", "docker.io/a/b"]
    );
    assert_eq!(config.short_names().suggestions("NOT A NAME"), Vec::<String>::new());
    let (_files, config) = config_of("");
    assert_eq!(
        config.short_names().suggestions("node:18"),
        ["docker.io/library/node:18"]
    );
}

#[test]
fn a_file_that_ends_anywhere_is_read_or_refused_with_its_line() {
    for end in 0..EXAMPLE.len() {
        if let Err(error) = RegistriesConf::parse(&File::of("r.conf", &EXAMPLE[..end])) {
            assert!(shown(&error).starts_with("r.conf:"), "{error}");
        }
    }
}

#[test]
fn keys_of_other_tools_are_passed_over() {
    let text = "credential-helpers = [\"secretservice\"]\nfuture = { a = 1 }\n\
        [[registry]]\nlocation = \"example.com\"\nnew = 3\n";
    let (_files, config) = config_of(text);
    assert_eq!(
        endpoints(&config, "example.com/a", Action::Read),
        ["https example.com/a"]
    );
    config_of("[registries.search]\nregistries = []\n[registries.block]\nregistries = []\n");
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let cases = [
        ("a = ", "r.conf:1: "),
        ("registry = 3", "r.conf:1: `registry`: expected a list, found a number"),
        (
            "registry = [1]",
            "r.conf:1: `registry`: expected a table, found a number",
        ),
        (
            "[[registry]]\n",
            "r.conf:1: a [[registry]] table needs `prefix` or `location`",
        ),
        (
            "[[registry]]\nlocation = 3",
            "r.conf:2: `location`: expected a string, found a number",
        ),
        (
            "[[registry]]\nlocation = \"https://a.example\"",
            "r.conf:2: `location`: expected HOST[:PORT][/PATH] without a scheme",
        ),
        (
            "[[registry]]\nlocation = \"a.example/UP\"",
            "r.conf:2: `location`: expected HOST",
        ),
        (
            "[[registry]]\nlocation = \"short\"",
            "r.conf:2: `location`: expected HOST",
        ),
        (
            "[[registry]]\nprefix = \"*.a.example/x\"",
            "r.conf:2: `prefix`: a wildcard must be",
        ),
        (
            "[[registry]]\nprefix = \"*a.example\"",
            "r.conf:2: `prefix`: a wildcard must be",
        ),
        (
            "[[registry]]\nprefix = \"a.*.example\"",
            "r.conf:2: `prefix`: expected HOST",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\ninsecure = \"yes\"",
            "r.conf:3: `insecure`: expected true or false, found a string",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\nblocked = 1",
            "r.conf:3: `blocked`: expected true or false",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\npull-from-mirror = \"all\"",
            "r.conf:3: `pull-from-mirror`: it is allowed only in",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\n[[registry.mirror]]\ninsecure = true",
            "r.conf:3: a [[registry.mirror]] table needs",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\n[[registry.mirror]]\nlocation = \"m.example\"\n\
            pull-from-mirror = \"x\"",
            "r.conf:5: `pull-from-mirror`: expected all",
        ),
        (
            "[[registry]]\nlocation = \"a.example\"\nmirror-by-digest-only = true\n\
            [[registry.mirror]]\nlocation = \"m.example\"\npull-from-mirror = \"all\"",
            "r.conf:6: `pull-from-mirror`: the registry's table",
        ),
        (
            "[[registry]]\nprefix = \"a.example/x:1\"\nlocation = \"a.example/x:2\"",
            "r.conf:1: `prefix` and `location` differ in tag",
        ),
        (
            "short-name-mode = \"maybe\"",
            "r.conf:1: `short-name-mode`: expected enforcing",
        ),
        (
            "unqualified-search-registries = \"a.example\"",
            "r.conf:1: `unqualified-search-registries`: expected a list",
        ),
        (
            "unqualified-search-registries = [\n\"a.example/x\"]",
            "r.conf:2: `unqualified-search-registries`: expected HOST[:PORT] without a path",
        ),
        (
            "[aliases]\nnode = \"node\"",
            "r.conf:2: `aliases`: \"node\" is not a full name",
        ),
        (
            "[aliases]\nnode = [1]",
            "r.conf:2: `aliases`: expected a string, found a list",
        ),
        ("[aliases]\nnode = \"\"\nnode = \"\"", "r.conf:3: "),
        (
            "[registries.insecure]\nregistries = [\"a.example\"]",
            "r.conf:2: [registries.insecure] belongs to version 1",
        ),
    ];
    for (text, expected) in cases {
        let error = refusal(text);
        assert!(error.starts_with(expected), "{text}\n{error}");
    }
    assert!(refusal("[registries.search]\nregistries = [\"a.example\"]").contains("[[registry]] tables"));
    let many = "{ location = \"m.example\" },".repeat(65);
    let error = refusal(&format!("[[registry]]\nlocation = \"a.example\"\nmirror = [{many}]"));
    assert!(error.contains("more than 64"), "{error}");
}
