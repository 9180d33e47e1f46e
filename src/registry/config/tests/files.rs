//! Which files are read, and which take precedence.

use super::*;

fn table(location: &str) -> String {
    format!("[[registry]]\nprefix = \"example.com\"\nlocation = \"{location}\"\n")
}

fn upstream(config: &Config) -> String {
    endpoints(config, "example.com/a", Action::Push).pop().unwrap()
}

#[test]
fn no_files_say_nothing() {
    let files = Files::new();
    assert_eq!(upstream(&files.config()), "https example.com/a");
    let none = Config::read(&ConfigFiles::default(), &BTreeSet::new()).unwrap();
    assert_eq!(upstream(&none), "https example.com/a");
}

#[test]
fn drop_in_files_replace_tables_of_the_same_prefix_in_sorted_order() {
    let files = Files::new();
    files.write(
        "system/registries.conf",
        &format!(
            "{}[[registry]]\nlocation = \"kept.example\"\ninsecure = true\n",
            table("main.example")
        ),
    );
    assert_eq!(upstream(&files.config()), "https main.example/a");
    files.write("system/registries.conf.d/20-b.conf", &table("b.example"));
    files.write("system/registries.conf.d/10-a.conf", &table("a.example"));
    files.write("system/registries.conf.d/30-c.conf.bak", "not toml [");
    files.write("system/registries.conf.d/sub.conf/x.conf", "not toml [");
    assert_eq!(upstream(&files.config()), "https b.example/a");
    files.write("user/registries.conf.d/00-mine.conf", &table("mine.example"));
    assert_eq!(upstream(&files.config()), "https mine.example/a");
    assert_eq!(
        endpoints(&files.config(), "kept.example/a", Action::Read),
        ["either kept.example/a insecure"]
    );
}

#[test]
fn the_user_s_file_stands_in_for_all_of_the_system_s() {
    let files = Files::new();
    files.write("system/registries.conf", &table("main.example"));
    files.write("system/registries.conf.d/10-a.conf", &table("a.example"));
    files.write("user/registries.conf", "");
    assert_eq!(upstream(&files.config()), "https example.com/a");
    files.write("user/registries.conf.d/10-a.conf", &table("mine.example"));
    assert_eq!(upstream(&files.config()), "https mine.example/a");
}

#[test]
fn a_file_that_is_named_is_read_alone_and_must_be_there() {
    let files = Files::new();
    files.write("user/registries.conf", &table("user.example"));
    files.write("user/registries.conf.d/1.conf", &table("drop-in.example"));
    files.write("named.conf", &table("named.example"));
    let places = ConfigFiles {
        registries_conf: Some(files.path("named.conf")),
        ..files.places()
    };
    assert_eq!(
        upstream(&Config::read(&places, &BTreeSet::new()).unwrap()),
        "https named.example/a"
    );
    let places = ConfigFiles {
        registries_conf: Some(files.path("missing.conf")),
        ..files.places()
    };
    let error = Config::read(&places, &BTreeSet::new()).unwrap_err();
    assert!(shown(&error).contains("missing.conf"), "{error}");
    let places = ConfigFiles {
        registries_conf: Some("/dev/null".into()),
        ..files.places()
    };
    assert_eq!(
        upstream(&Config::read(&places, &BTreeSet::new()).unwrap()),
        "https example.com/a"
    );
}

#[test]
fn lists_replace_and_aliases_merge() {
    let files = Files::new();
    files.write(
        "system/registries.conf",
        "unqualified-search-registries = [\"a.example\"]\n[aliases]\nx = \"b.example/x\"\ny = \"a.example/y\"\n",
    );
    files.write(
        "system/registries.conf.d/1.conf",
        "[aliases]\nx = \"\"\nz = \"b.example/z\"\n",
    );
    let config = files.config();
    assert_eq!(config.short_names().suggestions("x"), ["a.example/x"]);
    assert_eq!(config.short_names().suggestions("y"), ["a.example/y"]);
    assert_eq!(config.short_names().suggestions("z"), ["b.example/z"]);
    files.write(
        "system/registries.conf.d/2.conf",
        "unqualified-search-registries = []\n",
    );
    assert_eq!(files.config().short_names().suggestions("x"), ["docker.io/library/x"]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let files = Files::new();
    files.write("user/registries.conf", &" ".repeat(1024 * 1024 + 1));
    let read = || shown(&Config::read(&files.places(), &BTreeSet::new()).unwrap_err());
    assert!(
        read().contains("registries.conf: it has more than 1048576 bytes"),
        "{}",
        read()
    );
    fs::write(files.path("user/registries.conf"), b"a = \"\xff\"").unwrap();
    assert!(read().contains("registries.conf: it is not UTF-8"), "{}", read());
    fs::remove_file(files.path("user/registries.conf")).unwrap();
    fs::create_dir(files.path("user/registries.conf")).unwrap();
    assert!(read().contains("cannot read"), "{}", read());
}

#[test]
fn errors_have_place_and_hint() {
    let files = Files::new();
    files.write(
        "user/registries.conf",
        "[registries.block]\nregistries = [\"a.example\"]",
    );
    let error = Config::read(&files.places(), &BTreeSet::new()).unwrap_err();
    assert_eq!(error.error_kind(), crate::model::ErrorKind::Input);
    assert!(error.help().unwrap().starts_with("write it in version 2"));
    for part in ["registries.conf:2", "version 1"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn plain_http_of_the_command_line_goes_before_the_files() {
    let files = Files::new();
    files.write(
        "user/registries.conf",
        "[[registry]]\nlocation = \"example.com\"\n[[registry.mirror]]\nlocation = \"m.example:5000\"\n",
    );
    let plain = BTreeSet::from(["m.example:5000".to_owned(), "example.com".to_owned()]);
    let config = Config::read(&files.places(), &plain).unwrap();
    assert_eq!(
        endpoints(&config, "example.com/a", Action::Read),
        ["http m.example:5000/a?ns=example.com mirror", "http example.com/a"]
    );
}
