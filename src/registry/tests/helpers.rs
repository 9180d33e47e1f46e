use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::super::auth_file::AuthFile;
use super::super::credentials::CredentialStore;
use super::super::helper::Helper;
use super::super::{remove_login, store_login};
use super::*;

/// A directory with one helper, `docker-credential-test`, that runs `body`.
fn helper(body: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_helper(directory.path(), body);
    directory
}

/// A shell writes the program. If this process had it open for writing, a process that another test starts at that
/// moment would inherit the open file, and the program could not be run.
fn write_helper(directory: &Path, body: &str) {
    let path = directory.join("docker-credential-test");
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .arg(body);
    assert!(shell.status().unwrap().success());
}

fn found(directory: &Path) -> Helper {
    Helper::find("test", Some(directory.as_os_str())).unwrap()
}

async fn error_of(body: &str) -> String {
    let directory = helper(body);
    let helper = found(directory.path()).with_time_limit(Duration::from_secs(20));
    helper.lookup("r.example").await.err().unwrap().to_string()
}

#[tokio::test]
async fn a_helper_is_told_the_server_and_answers() {
    let directory = helper(r#"printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}' "$1" "$(cat)""#);
    let credential = found(directory.path()).lookup("r.example").await.unwrap().unwrap();
    assert_eq!(credential.pair(), Some(("get", &"r.example".into())));
    let directory = helper(r#"echo '{"Username":"<token>","Secret":"id"}'"#);
    let credential = found(directory.path()).lookup("r.example").await.unwrap().unwrap();
    assert!(
        matches!(credential, super::super::credential::Credential::Identity { token, .. } if token.expose() == "id")
    );
}

#[tokio::test]
async fn nothing_found_is_no_error() {
    let directory = helper("echo 'credentials not found in native keychain'; exit 1");
    assert!(found(directory.path()).lookup("r.example").await.unwrap().is_none());
    assert!(!found(directory.path()).erase("r.example").await.unwrap());
}

#[tokio::test]
async fn helpers_that_fail_are_errors_without_secrets() {
    assert!(
        error_of("echo 'the key ring is locked'; exit 1")
            .await
            .contains("the key ring is locked")
    );
    for body in [
        r#"echo '{"Secret":"topsecret"}'; exit 1"#,
        "echo topsecret >&2; exit 1",
        "echo topsecret",
        r#"echo '{"Username":"u"}'"#,
        "exit 0",
        "exec yes topsecret",
    ] {
        let error = error_of(body).await;
        assert!(error.contains("test") && !error.contains("topsecret"), "{error}");
    }
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended() {
    let directory = helper("exec sleep 600");
    let helper = found(directory.path()).with_time_limit(Duration::from_millis(50));
    let error = helper.lookup("r.example").await.err().unwrap();
    assert!(error.to_string().contains("did not answer"), "{error}");
}

#[test]
fn only_programs_of_good_names_are_looked_for() {
    let directory = helper("exit 0");
    let path = Some(directory.path().as_os_str());
    for bad in ["", "../test", "a/b", "a b", "test\n", "missing"] {
        assert!(Helper::find(bad, path).is_err(), "{bad}");
    }
    let program = directory.path().join("docker-credential-test");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Helper::find("test", path).is_err());
    assert!(Helper::find("test", None).is_err());
    assert!(Helper::find("test", Some(OsString::from(".").as_os_str())).is_err());
}

fn login(user: &str) -> Login {
    Login {
        registry: "r.example".to_owned(),
        user: user.to_owned(),
        secret: "p".into(),
    }
}

/// base64 of `user:p`.
fn inline(user: char) -> String {
    let auth = match user {
        'a' => "YTpw",
        'b' => "Yjpw",
        _ => "Yzpw",
    };
    format!(r#""auths":{{"r.example":{{"auth":"{auth}"}}}}"#)
}

fn store(credentials: Credentials) -> CredentialStore {
    CredentialStore::new(&RegistryOptions {
        credentials,
        ..RegistryOptions::default()
    })
}

async fn user_of(credentials: &Credentials) -> Option<String> {
    let store = store(credentials.clone());
    let credential = store.lookup("r.example", "x").await.unwrap()?;
    credential.pair().map(|(user, _)| user.to_owned())
}

#[tokio::test]
async fn places_are_searched_in_order() {
    let directory = helper(r#"echo '{"Username":"helper","Secret":"p"}'"#);
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut credentials = Credentials {
        explicit: vec![login("explicit")],
        docker_auth_config: Some(format!("{{{}}}", inline('a')).into()),
        auth_file: Some(write("authfile", format!("{{{}}}", inline('b')))),
        files: vec![
            directory.path().join("missing"),
            write("empty", String::new()),
            write(
                "config.json",
                format!(r#"{{{},"credHelpers":{{"r.example":"test"}}}}"#, inline('c')),
            ),
            write("auth.json", format!("{{{}}}", inline('a'))),
        ],
        environment: vec![login("environment")],
        helper_path: Some(directory.path().into()),
    };
    assert_eq!(user_of(&credentials).await.as_deref(), Some("explicit"));
    credentials.explicit = vec![Login {
        registry: "other.example".to_owned(),
        ..login("x")
    }];
    assert_eq!(user_of(&credentials).await.as_deref(), Some("a"));
    credentials.docker_auth_config = Some("{}".into());
    assert_eq!(user_of(&credentials).await.as_deref(), Some("b"));
    std::fs::write(credentials.auth_file.as_ref().unwrap(), "{}").unwrap();
    assert_eq!(user_of(&credentials).await.as_deref(), Some("environment"));
    credentials.auth_file = None;
    assert_eq!(user_of(&credentials).await.as_deref(), Some("helper"));
    write_helper(
        directory.path(),
        "echo 'credentials not found in native keychain'; exit 1",
    );
    assert_eq!(user_of(&credentials).await.as_deref(), Some("c"));
    credentials.files.remove(2);
    assert_eq!(user_of(&credentials).await.as_deref(), Some("a"));
    credentials.files = vec![write(
        ".dockercfg",
        r#"{"https://r.example":{"auth":"Yjpw"}}"#.to_owned(),
    )];
    assert_eq!(user_of(&credentials).await.as_deref(), Some("b"));
    (credentials.files, credentials.environment) = (Vec::new(), Vec::new());
    assert_eq!(user_of(&credentials).await, None);
}

#[tokio::test]
async fn a_helper_that_fails_ends_the_search() {
    let directory = helper("exit 1");
    let file = directory.path().join("config.json");
    std::fs::write(&file, format!(r#"{{{},"credsStore":"test"}}"#, inline('a'))).unwrap();
    let helper_path = Some(directory.path().into());
    let credentials = Credentials {
        files: vec![file],
        helper_path,
        environment: vec![login("x")],
        ..Credentials::default()
    };
    assert!(store(credentials).lookup("r.example", "x").await.is_err());
}

#[tokio::test]
async fn a_login_is_written_whole_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("containers/auth.json");
    store_login(&path, None, &login("me")).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file = AuthFile::read(&path).unwrap().unwrap();
    assert_eq!(
        file.inline("r.example", "x").unwrap().unwrap().pair(),
        Some(("me", &"p".into()))
    );
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    assert!(remove_login(&path, None, "r.example").await.unwrap());
    assert!(!remove_login(&path, None, "r.example").await.unwrap());
    for bad in ["r.example/x", "r.example\nx", "", "u:p@r.example"] {
        assert!(remove_login(&path, None, bad).await.is_err(), "{bad}");
    }
    std::fs::write(&path, "{\"auths\":").unwrap();
    assert!(store_login(&path, None, &login("me")).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"auths\":");
}

#[tokio::test]
async fn a_login_goes_to_the_helper_that_the_file_names() {
    let directory = helper("cat > \"$(dirname \"$0\")/$1\"");
    let path = directory.path().join("config.json");
    let text = r#"{"credHelpers":{"r.example":"test"}}"#;
    std::fs::write(&path, text).unwrap();
    let helper_path = Some(directory.path().as_os_str());
    // The helper's own programs are found through the PATH that it inherits.
    assert_eq!(
        store_login(&path, helper_path, &login("me")).await.unwrap(),
        "the credential helper test"
    );
    let stored = std::fs::read_to_string(directory.path().join("store")).unwrap();
    assert_eq!(stored, r#"{"ServerURL":"r.example","Username":"me","Secret":"p"}"#);
    assert!(remove_login(&path, helper_path, "r.example").await.unwrap());
    assert_eq!(
        std::fs::read_to_string(directory.path().join("erase")).unwrap(),
        "r.example"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
