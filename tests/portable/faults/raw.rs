//! Requests without the program: they check the behavior of the proxy and of the registries in memory, which the other
//! tests rely on.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::support::faults::content::digest;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, stormy};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::proxy::Proxy;
use crate::support::faults::script::{Fault, Rule};

/// A parsed reply.
#[derive(Debug)]
struct Raw {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Raw {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }

    /// Returns path and query of `Location`.
    fn location(&self) -> String {
        let location = self
            .header("Location")
            .unwrap_or_else(|| panic!("no Location: {self:?}"));
        let path = location
            .strip_prefix("http://")
            .map_or(location, |rest| &rest[rest.find('/').unwrap()..]);
        path.to_owned()
    }
}

/// Sends one request on its own connection.
fn ask(host: &str, method: &str, target: &str, headers: &str, body: &[u8]) -> io::Result<Raw> {
    let mut stream = TcpStream::connect(host)?;
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}");
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?;
    // A server may reply and close the connection before it has all.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Raw {
        status,
        head,
        body: bytes.split_off(end + 4),
    })
}

fn get(host: &str, target: &str) -> Raw {
    ask(host, "GET", target, "", &[]).unwrap()
}

fn begin(host: &str) -> Raw {
    ask(host, "POST", "/v2/app/blobs/uploads/", "", &[]).unwrap()
}

fn closing(location: &str, content: &[u8]) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={}", digest(content))
}

/// An upload whose PATCH was interrupted after 1000 bytes, and the reply at its earlier address.
fn after_a_cut(flavour: Flavour) -> (Fake, Proxy, String, Raw) {
    let (fake, proxy) = stormy(flavour);
    let location = begin(&proxy.host()).location();
    proxy.rule(Rule::new(Fault::ResetInBody(1000)).on(&["PATCH"]).times(1));
    assert!(ask(&proxy.host(), "PATCH", &location, "", &[7; 5000]).is_err());
    let told = get(&proxy.host(), &location);
    (fake, proxy, location, told)
}

#[test]
fn distribution_3_keeps_what_came_and_takes_it_up_at_a_new_address() {
    let content = [7; 5000];
    let (fake, proxy, old, told) = after_a_cut(Flavour::distribution3());
    let host = proxy.host();
    assert_eq!((told.status, told.header("Range")), (204, Some("0-999")));
    assert_eq!(ask(&host, "PATCH", &old, "", &content[1000..]).unwrap().status, 416);
    let range = |start: usize, end: usize| format!("Content-Range: {start}-{end}\r\n");
    let new = told.location();
    assert_eq!(
        ask(&host, "PATCH", &new, &range(2000, 2999), &content[..1000])
            .unwrap()
            .status,
        416
    );
    let patched = ask(&host, "PATCH", &new, &range(1000, 1999), &content[..1000]).unwrap();
    assert_eq!((patched.status, patched.header("Range")), (202, Some("0-1999")));
    let put = ask(
        &host,
        "PUT",
        &closing(&patched.location(), &content),
        "",
        &content[2000..],
    )
    .unwrap();
    assert_eq!(put.status, 201, "{put:?}");
    assert!(fake.holds(&digest(&content)));

    let blob = format!("/v2/app/blobs/{}", digest(&content));
    assert_eq!(get(&host, &blob).body, content);
    let part = ask(&host, "GET", &blob, "Range: bytes=4990-\r\n", &[]).unwrap();
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(part.header("Content-Range"), Some("bytes 4990-4999/5000"));
    assert_eq!(
        ask(&host, "GET", &blob, "Range: bytes=5000-\r\n", &[]).unwrap().status,
        416
    );
}

#[test]
fn sessions_that_are_cut_are_lost_elsewhere() {
    let (fake, proxy, location, told) = after_a_cut(Flavour::distribution2());
    assert_eq!(told.status, 404);
    assert_eq!(get(&proxy.host(), &location).status, 404);
    assert_eq!(fake.sessions().count(), 0);
    let (_fake, _proxy, _, told) = after_a_cut(Flavour::zot());
    assert_eq!(told.status, 404);
    let (_fake, _proxy, _, told) = after_a_cut(Flavour::ecr());
    assert_eq!((told.status, told.header("Range")), (204, Some("0-0")));
}

#[test]
fn content_that_is_another_is_refused() {
    let fake = Fake::start(Flavour::distribution3());
    let location = begin(fake.host()).location();
    let put = ask(fake.host(), "PUT", &closing(&location, b"this"), "", b"that").unwrap();
    assert_eq!(put.status, 400);
    assert!(!fake.holds(&digest(b"this")) && !fake.holds(&digest(b"that")));
    assert_eq!(get(fake.host(), &location).status, 404);
}

#[test]
fn bodies_in_chunks_are_read() {
    let fake = Fake::start(Flavour::distribution3());
    let proxy = Proxy::start(fake.host());
    let location = begin(&proxy.host()).location();
    let mut stream = TcpStream::connect(proxy.host()).unwrap();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    // The next request follows immediately and must be separated from the body.
    let body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n";
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("Range: 0-10\r\n") && text.contains("HTTP/1.1 200 OK"),
        "{text}"
    );
    assert_eq!(proxy.log().count("GET", "/v2/"), 1);
}

#[test]
fn ecr_wants_large_parts_and_a_last_one() {
    let fake = Fake::start(Flavour::ecr());
    assert!(
        ask(fake.host(), "POST", "/v2/app/blobs/uploads/", "", &[]).is_err(),
        "nobody made the repository"
    );
    fake.make("app");
    let content = vec![9; 11 * MIB as usize];
    let (first, rest) = content.split_at(5 * MIB as usize);
    let mut location = begin(fake.host()).location();
    for part in [first, &rest[..first.len()]] {
        let patched = ask(fake.host(), "PATCH", &location, "", part).unwrap();
        assert_eq!((patched.status, patched.header("Range")), (201, Some("0-5242879")));
        location = patched.location();
    }
    assert_eq!(
        ask(fake.host(), "PUT", &closing(&location, &content), "", &[])
            .unwrap()
            .status,
        500
    );
    let put = ask(
        fake.host(),
        "PUT",
        &closing(&location, &content),
        "",
        &rest[first.len()..],
    )
    .unwrap();
    assert_eq!(put.status, 201);

    let mut location = begin(fake.host()).location();
    for part in [&first[..1000], &first[1000..]] {
        location = ask(fake.host(), "PATCH", &location, "", part).unwrap().location();
    }
    let put = ask(fake.host(), "PUT", &closing(&location, &content), "", rest).unwrap();
    assert_eq!(put.status, 400, "the first part is too small");
}

#[test]
fn parts_are_refused_as_each_registry_refuses_them() {
    let patched = |flavour: Flavour, headers: &str, body: &[u8]| {
        let fake = Fake::start(Flavour {
            tokens: None,
            ..flavour
        });
        let first = ask(fake.host(), "PATCH", &begin(fake.host()).location(), headers, body).unwrap();
        let second = match first.header("Location") {
            Some(_) => ask(fake.host(), "PATCH", &first.location(), "", body).unwrap().status,
            None => 0,
        };
        (first.status, second)
    };
    let large = vec![0; 4 * MIB as usize + 1];
    let range = format!("Content-Range: 0-{}\r\n", large.len() - 1);
    assert_eq!(patched(Flavour::ghcr(), &range, &large), (416, 0));
    assert_eq!(patched(Flavour::ghcr(), "", &large), (202, 202));
    assert_eq!(patched(Flavour::artifact_registry(), "", b"x"), (400, 0));
    assert_eq!(patched(Flavour::gitea(), "", b"x"), (202, 400));
    assert_eq!(patched(Flavour::behind_small_proxy(10), "", &large), (413, 0));
    let fake = Fake::start(Flavour {
        tokens: None,
        ..Flavour::gitea()
    });
    assert_eq!(begin(fake.host()).header("Range"), Some("0--1"));
}

#[test]
fn tokens_allow_what_they_were_asked_for_and_end() {
    let fake = Fake::start(Flavour::quay().tokens(|tokens| tokens.lives_requests = Some(2)));
    let refused = get(fake.host(), "/v2/app/manifests/latest");
    assert_eq!(refused.status, 401);
    let challenge = refused.header("WWW-Authenticate").unwrap().to_owned();
    let expected = format!(
        "Bearer realm=\"http://{}/token\",service=\"weather\",scope=\"repository:app:pull\"",
        fake.host()
    );
    assert_eq!(challenge, expected);
    let token = get(fake.host(), "/token?service=weather&scope=repository:app:pull");
    let token: serde_json::Value = serde_json::from_slice(&token.body).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", token["token"].as_str().unwrap());
    let with = |method: &str, target: &str| ask(fake.host(), method, target, &bearer, &[]).unwrap();
    assert_eq!(with("GET", "/v2/app/manifests/latest").status, 404);
    let short = with("POST", "/v2/app/blobs/uploads/");
    assert!(
        short.status == 401 && short.head.contains("insufficient_scope"),
        "{short:?}"
    );
    assert_eq!(with("GET", "/v2/app/manifests/latest").status, 404);
    assert!(with("GET", "/v2/app/manifests/latest").head.contains("invalid_token"));
}

#[test]
fn the_proxy_breaks_replies_and_connections_where_it_is_told() {
    let fake = Fake::start(Flavour::distribution3());
    let proxy = Proxy::start(fake.host());
    proxy.rule(Rule::new(Fault::ResetInReply(20)).at("/v2/").after(1).times(1));
    assert_eq!(get(&proxy.host(), "/v2/").status, 200);
    assert!(ask(&proxy.host(), "GET", "/v2/", "", &[]).is_err());
    assert_eq!(get(&proxy.host(), "/v2/").status, 200);
    proxy.script().clear();
    proxy.rule(Rule::new(Fault::CloseBeforeReply).on(&["POST"]));
    assert!(ask(&proxy.host(), "POST", "/v2/app/blobs/uploads/", "", &[]).is_err());
    assert_eq!(fake.sessions().count(), 1, "it was done all the same");
    proxy.script().clear();

    let before_bytes = proxy.sent_bytes();
    proxy.script().reset_each_after(10_000);
    let location = begin(&proxy.host()).location();
    assert!(ask(&proxy.host(), "PATCH", &location, "", &[1; 100_000]).is_err());
    proxy.script().clear();
    let passed_bytes = proxy.sent_bytes() - before_bytes;
    assert!((10_000..10_500).contains(&passed_bytes), "{passed_bytes}");
    let kept = get(&proxy.host(), &location);
    assert_eq!(proxy.log().body_bytes(), fake.log().body_bytes());
    assert_eq!(
        kept.header("Range"),
        Some(&*format!("0-{}", fake.log().body_bytes() - 1))
    );
}
