//! Servers that quote what they were sent: no secret of a run is ever shown, wherever it occurs and however it is
//! encoded.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::{Outcome, Sandbox};

const USER: &str = "sailor";
/// Has characters that every encoding escapes.
const PASSWORD: &str = "S3CR?>\"t\\pass&w/%41ord";
const TOKEN: &str = "T0K.eyJhbGciOi-_~+/tail==";
const HEADER: &str = "H3ADER-of-the-hosts-file";

/// The place of the secret in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    ErrorMessage,
    ErrorCode,
    LongErrorMessage,
    TokenError,
    Location,
    RelativeLocation,
    LocationPath,
    Realm,
    ContentEncoding,
    ContentType,
    Document,
}

const PLACES: [Place; 11] = [
    Place::ErrorMessage,
    Place::ErrorCode,
    Place::LongErrorMessage,
    Place::TokenError,
    Place::Location,
    Place::RelativeLocation,
    Place::LocationPath,
    Place::Realm,
    Place::ContentEncoding,
    Place::ContentType,
    Place::Document,
];

impl Place {
    /// Returns a reply with a text in it, for a request with a token.
    fn reply(self, text: &str) -> (u16, String, String) {
        // Characters that a header cannot hold are left out: such a secret is sent back in another way.
        let line: String = text
            .chars()
            .filter(|character| matches!(character, ' '..='~'))
            .collect();
        let error = |code: &str, message: &str| json!({ "errors": [{ "code": code, "message": message }] }).to_string();
        match self {
            Self::ErrorMessage => (
                403,
                String::new(),
                error("DENIED", &format!("token {text} lacks a right")),
            ),
            Self::ErrorCode => (400, String::new(), error(text, "no")),
            Self::LongErrorMessage => (
                403,
                String::new(),
                error("DENIED", &format!("{} {text}", "x".repeat(300 - text.len() / 2))),
            ),
            Self::TokenError => (403, String::new(), json!({ "details": text }).to_string()),
            Self::Location => (307, format!("Location: /at/{line}:\r\n"), String::new()),
            // Each of them replaces the text after the last slash of the previous one.
            Self::RelativeLocation => (307, format!("Location: {line}\r\n"), String::new()),
            Self::LocationPath => (307, format!("Location: ftp://example.com/{line}\r\n"), String::new()),
            Self::Realm => {
                let quoted = line.replace('\\', "\\\\").replace('"', "\\\"");
                let realm = format!("WWW-Authenticate: Bearer realm=\"ftp://example.com/{quoted}\"\r\n");
                (401, realm, String::new())
            }
            Self::ContentEncoding => (200, format!("Content-Encoding: {line}\r\n"), "{}".to_owned()),
            Self::ContentType => (200, format!("Content-Type: {line}\r\n"), "{}".to_owned()),
            Self::Document => (
                200,
                String::new(),
                json!({ "schemaVersion": 2, "mediaType": text }).to_string(),
            ),
        }
    }
}

/// A registry with its token service, which sends `text` back at `place`. Returns `HOST:PORT`.
fn start(place: Place, text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let own = host.clone();
    let text = Arc::new(text);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let host = own.clone();
            let text = text.clone();
            thread::spawn(move || serve(&stream, &host, place, &text));
        }
    });
    host
}

fn serve(stream: &TcpStream, host: &str, place: Place, text: &str) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).ok()?;
        head.push(byte[0].into());
        if head.starts_with('\u{16}') {
            return None;
        }
    }
    let has = |name: &str| head.to_ascii_lowercase().contains(&format!("\r\n{name}: "));
    let (status, headers, body) = if head.contains(" /token") {
        match place {
            Place::TokenError => place.reply(text),
            _ => (200, String::new(), json!({ "token": TOKEN }).to_string()),
        }
    } else if has("authorization") {
        place.reply(text)
    } else {
        (
            401,
            format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n"),
            String::new(),
        )
    };
    let length = format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let body = if head.starts_with("HEAD ") { "" } else { &body };
    let mut stream = stream;
    stream
        .write_all(format!("HTTP/1.1 {status} Status\r\n{headers}{length}{body}").as_bytes())
        .ok()
}

/// Returns the encodings that a secret is sent or quoted in.
fn encodings(user: &str, secret: &str) -> Vec<String> {
    let pair = format!("{user}:{secret}");
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let quoted = json!(secret).to_string();
    vec![
        secret.to_owned(),
        STANDARD.encode(&pair),
        STANDARD_NO_PAD.encode(&pair),
        URL_SAFE.encode(&pair),
        URL_SAFE_NO_PAD.encode(&pair),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        percent.to_lowercase(),
        percent,
        quoted.trim_matches('"').to_owned(),
        quoted,
        secret.replace('&', "&amp;").replace('"', "&quot;").replace('>', "&gt;"),
        secret
            .chars()
            .map(|character| format!("\\u{:04x}", u32::from(character)))
            .collect(),
    ]
}

fn inspect(sandbox: &Sandbox, host: &str, more: &[&str]) -> Outcome {
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    sandbox.write(
        "home/.docker/config.json",
        json!({ "auths": { host: { "auth": auth } } }).to_string(),
    );
    let hosts = format!("[host.\"http://{host}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
    let header = format!("[host.\"http://{host}\".header]\nx-key = \"{HEADER}\"\n");
    sandbox.write(
        &format!("home/.config/containers/certs.d/{host}/hosts.toml"),
        format!("{hosts}{header}"),
    );
    let mut command = sandbox.command(&[&["inspect", &format!("{host}/app:1")], more].concat());
    command.env("HTTPS_PROXY", "http://proxy-user:PR0XY-password@proxy.invalid:3128");
    Outcome::of(command)
}

/// Checks that the output does not contain the text as it was sent back, the secret itself, or the parts of either that
/// the escaping of messages does not change.
#[track_caller]
fn assert_blank(outcome: &Outcome, secret: &str, sent_back: &str, what: &str) {
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    let parts = [secret, sent_back]
        .into_iter()
        .flat_map(|text| text.split(['"', '\\', '%', '&', '/', '?', '>', ':', ' ']));
    for part in [secret, sent_back]
        .into_iter()
        .chain(parts.filter(|part| part.len() >= 4))
    {
        assert!(!printed.contains(part), "{what}: {part:?} is in\n{printed}");
    }
}

#[test]
fn no_place_and_no_encoding_shows_a_secret() {
    let sandbox = Sandbox::new();
    let mut seen = 0;
    for place in PLACES {
        for (user, secret) in [
            (USER, PASSWORD),
            ("", TOKEN),
            ("", HEADER),
            ("proxy-user", "PR0XY-password"),
        ] {
            // A token service that refuses has not issued a token.
            if place == Place::TokenError && secret == TOKEN {
                continue;
            }
            for (number, sent_back) in encodings(user, secret).into_iter().enumerate() {
                // One place is enough for cases that differ only in the encoding.
                if place != Place::ErrorMessage && ![0, 1, 7, 13].contains(&number) {
                    continue;
                }
                let host = start(place, sent_back.clone());
                for more in [&[][..], &["-vv"], &["--progress", "json"]] {
                    let what = format!("{place:?} {sent_back} {more:?}");
                    let outcome = inspect(&sandbox, &host, more);
                    assert_ne!(outcome.code, 0, "{what}: {}", outcome.stdout);
                    assert_blank(&outcome, secret, &sent_back, &what);
                    seen += usize::from(outcome.stderr.contains("***"));
                }
            }
        }
    }
    assert!(seen > 200, "only {seen} of the messages quoted anything");
}

#[test]
fn what_is_blanked_leaves_the_rest_of_the_message() {
    let sandbox = Sandbox::new();
    let host = start(Place::ErrorMessage, TOKEN.to_owned());
    inspect(&sandbox, &host, &[])
        .expect(4)
        .says(&["returned 403 (DENIED): token *** lacks a right"]);
}
