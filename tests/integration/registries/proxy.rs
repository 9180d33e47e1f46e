//! Proxies: which requests use them, and which do not.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::registries::images::{all_requests, is_read, small_image};
use crate::support::{Outcome, Sandbox, part};

/// Longest head of a request that the proxy reads.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A proxy on a free loopback port, which connects every client to one address, whatever name it requests.
struct Proxy {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Serves one connection: its client, the address to connect to, and the record of its requests.
type Serve = fn(TcpStream, &str, &Mutex<Vec<String>>) -> io::Result<()>;

impl Proxy {
    /// Starts an HTTP proxy, which records the first lines of requests.
    fn http(upstream: String) -> Self {
        Self::start(upstream, serve_http)
    }

    /// Starts a SOCKS 5 proxy, which records users and host names.
    fn socks(upstream: String) -> Self {
        Self::start(upstream, serve_socks)
    }

    fn start(upstream: String, serve: Serve) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let upstream = upstream.clone();
                let noted = noted.clone();
                // The client reports a connection that breaks.
                thread::spawn(move || serve(client, &upstream, &noted).ok());
            }
        });
        Self { address, seen }
    }

    /// Returns the recorded requests.
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Passes bytes on in both directions until both have ended.
fn join(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    let mut from_client = client.try_clone()?;
    let mut to_server = server.try_clone()?;
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// One request for each connection: the head is passed on with the address made relative, the rest unchanged.
fn serve_http(mut client: TcpStream, upstream: &str, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    seen.lock().unwrap().push(line.to_owned());
    let mut server = TcpStream::connect(upstream)?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let mut words = line.splitn(3, ' ');
        let method = words.next();
        let url = words.next();
        let version = words.next();
        let path = url.unwrap_or_default().splitn(4, '/').nth(3).unwrap_or_default();
        let method = method.unwrap_or_default();
        let version = version.unwrap_or_default();
        write!(server, "{method} /{path} {version}\r\nConnection: close\r\n{headers}")?;
    }
    join(client, server)
}

fn with(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = sandbox.command(arguments);
    command.envs(variables.iter().copied());
    Outcome::of(command)
}

#[test]
fn loopback_is_reached_directly_whatever_the_proxy() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let proxy = Proxy::http(part("REGISTRY_OPEN"));
    let reference = format!("{}/proxy/direct:1", part("REGISTRY_OPEN"));
    for variables in [
        [("HTTP_PROXY", &*proxy.address), ("HTTPS_PROXY", &proxy.address)],
        [("http_proxy", &proxy.address), ("https_proxy", &proxy.address)],
    ] {
        with(&sandbox, &["push", "oci:image", &reference], &variables).expect(0);
    }
    assert_eq!(proxy.seen(), [""; 0]);
}

#[test]
fn plain_http_to_another_machine_goes_by_flag_alone_and_through_the_proxy() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let proxy = Proxy::http(part("REGISTRY_OPEN"));
    let push = ["push", "oci:image", "registry.test:5000/proxy/plain:1"];
    let variables = [("HTTP_PROXY", &*proxy.address)];
    let flag = ["--plain-http", "registry.test:5000"];
    let pushed = with(&sandbox, &[&push[..], &flag].concat(), &variables).expect(0);
    assert_eq!(pushed.digest(), digest);
    let lines = proxy.seen();
    assert!(
        lines.iter().all(|line| line.contains(" http://registry.test:5000/v2/")),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("PUT ")), "{lines:#?}");
    let seen = all_requests(&sandbox, "OPEN", "proxy/plain", 0);
    assert!(seen.iter().any(|request| !is_read(request)));

    let other = ["push", "oci:image", "registry.test:5001/proxy/plain:1"];
    with(&sandbox, &[&other[..], &flag].concat(), &variables).expect(5);
    with(&sandbox, &push, &variables).expect(5);
    assert_eq!(proxy.seen(), lines, "nothing more went by plain HTTP");
}

#[test]
fn https_goes_through_a_tunnel_and_the_certificate_is_checked_at_its_end() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let proxy = Proxy::http(part("REGISTRY_TLS"));
    let push = [
        "push",
        "oci:image",
        "registry.test/proxy/tunnel:1",
        "--ca-file",
        &part("REGISTRY_TLS_CA"),
    ];
    let address = format!("http://user:proxy-secret@{}", proxy.address);
    let refused = with(&sandbox, &push, &[("HTTPS_PROXY", &address)]).expect(5);
    // The registry's certificate is for localhost.
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("proxy-secret"), "{}", refused.stderr);
    let lines = proxy.seen();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line == "CONNECT registry.test:443 HTTP/1.1"),
        "{lines:?}"
    );
}

#[test]
fn what_no_proxy_names_is_reached_directly() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let proxy = Proxy::http(part("REGISTRY_OPEN"));
    let push = [
        "push",
        "oci:image",
        "registry.invalid:5000/x:1",
        "--plain-http",
        "registry.invalid:5000",
    ];
    for no_proxy in ["registry.invalid", ".invalid", "*", "other.test,registry.invalid:5000"] {
        with(
            &sandbox,
            &push,
            &[("HTTP_PROXY", &*proxy.address), ("NO_PROXY", no_proxy)],
        )
        .expect(5)
        .says(&["registry.invalid:5000"]);
    }
    assert_eq!(proxy.seen(), [""; 0]);
}

#[test]
fn an_address_of_a_proxy_that_cannot_be_used_is_an_error_where_it_is_needed() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let push = ["push", "oci:image", "registry.invalid/x:1"];
    for variable in ["HTTPS_PROXY", "all_proxy"] {
        for address in [
            "ftp://user:proxy-secret@x",
            "socks6://user:proxy-secret@x:1080",
            "http://user:proxy-secret@",
        ] {
            let failed = with(&sandbox, &push, &[(variable, address)]).expect(2);
            assert!(!failed.stderr.contains("proxy-secret"), "{}", failed.stderr);
            failed.says(&["the proxy in", variable, "socks5h"]);
            with(&sandbox, &["inspect", "oci:image"], &[(variable, address)]).expect(0);
            with(&sandbox, &["build", "--offline"], &[(variable, address)]).expect(0);
            let reference = format!("{}/proxy/unused:1", part("REGISTRY_OPEN"));
            with(&sandbox, &["push", "oci:image", &reference], &[(variable, address)]).expect(0);
        }
    }
}

#[test]
fn a_proxy_that_is_down_is_named_with_its_variable_and_without_its_password() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "socks5", "socks5h"] {
        for (variable, plain) in [("HTTPS_PROXY", false), ("http_proxy", true), ("ALL_PROXY", false)] {
            let mut push = vec!["push", "oci:image", "registry.invalid:5000/x:1"];
            if plain {
                push.extend(["--plain-http", "registry.invalid:5000"]);
            }
            // For socks5 the target's name is resolved locally, not by the proxy.
            if scheme == "socks5" {
                push[2] = "192.0.2.1:5000/x:1";
                push.drain(3..);
                push.extend(["--plain-http", "192.0.2.1:5000"].iter().filter(|_| plain));
            }
            let address = format!("{scheme}://user:proxy-secret@{free}");
            let failed = with(&sandbox, &push, &[(variable, &address)]).expect(5);
            assert!(!failed.stderr.contains("proxy-secret"), "{}", failed.stderr);
            failed.says(&[
                &format!("the proxy {scheme}://{free} ({variable})"),
                "NO_PROXY",
                "tried 3 times",
            ]);
        }
    }
}

fn read_bytes(client: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_counted(client: &mut TcpStream) -> io::Result<String> {
    let count = read_bytes(client, 1)?[0];
    Ok(String::from_utf8_lossy(&read_bytes(client, count.into())?).into_owned())
}

fn serve_socks(mut client: TcpStream, upstream: &str, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let methods = read_bytes(&mut client, 2)?[1];
    let methods = read_bytes(&mut client, methods.into())?;
    let mut who = String::from("nobody");
    if methods.contains(&2) {
        client.write_all(&[5, 2])?;
        read_bytes(&mut client, 1)?;
        who = format!("{}:{}", read_counted(&mut client)?, read_counted(&mut client)?);
        client.write_all(&[1, 0])?;
    } else {
        client.write_all(&[5, 0])?;
    }
    let kind = read_bytes(&mut client, 4)?[3];
    let host = match kind {
        1 => read_bytes(&mut client, 4)?
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join("."),
        3 => read_counted(&mut client)?,
        _ => return Err(io::Error::other("an address of another kind")),
    };
    let port = read_bytes(&mut client, 2)?;
    asked
        .lock()
        .unwrap()
        .push(format!("{who} {host}:{}", u16::from_be_bytes([port[0], port[1]])));
    let server = TcpStream::connect(upstream)?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    join(client, server)
}

#[test]
fn socks_proxies_lead_to_registries() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let socks = Proxy::socks(part("REGISTRY_OPEN"));
    for (scheme, host) in [("socks5h", "registry.test"), ("socks5", "192.0.2.1")] {
        for (at, variable) in ["HTTP_PROXY", "ALL_PROXY", "all_proxy"].into_iter().enumerate() {
            let reference = format!("{host}:5000/proxy/{scheme}:{at}");
            let push = ["push", "oci:image", &reference, "--plain-http", &format!("{host}:5000")];
            let address = format!("{scheme}://{}", socks.address);
            let pushed = with(&sandbox, &push, &[(variable, &address)]).expect(0);
            assert_eq!(pushed.digest(), digest);
            assert_eq!(socks.seen().last().unwrap(), &format!("nobody {host}:5000"));
        }
    }
    let with_login = format!("socks5h://user:p%40ss@{}", socks.address);
    let push = [
        "push",
        "oci:image",
        "registry.test:5000/proxy/login:1",
        "--plain-http",
        "registry.test:5000",
    ];
    with(&sandbox, &push, &[("HTTP_PROXY", &with_login)]).expect(0);
    assert_eq!(socks.seen().last().unwrap(), "user:p@ss registry.test:5000");
}

#[test]
fn tls_is_spoken_with_the_registry_behind_a_socks_proxy() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let socks = Proxy::socks(part("REGISTRY_TLS"));
    let push = [
        "push",
        "oci:image",
        "registry.test/proxy/tls:1",
        "--ca-file",
        &part("REGISTRY_TLS_CA"),
    ];
    let address = format!("socks5h://{}", socks.address);
    let refused = with(&sandbox, &push, &[("HTTPS_PROXY", &address)]).expect(5);
    // The registry's certificate is for localhost.
    refused.says(&["the certificate of registry.test is for another name"]);
    assert_eq!(socks.seen(), ["nobody registry.test:443"]);
}

#[test]
fn a_socks_proxy_is_not_asked_for_what_needs_none() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let socks = Proxy::socks(part("REGISTRY_OPEN"));
    let address = format!("socks5h://{}", socks.address);
    let variables = [("ALL_PROXY", &*address), ("NO_PROXY", "registry.invalid")];
    with(&sandbox, &["inspect", "oci:image"], &variables).expect(0);
    with(&sandbox, &["build", "--offline"], &variables).expect(0);
    let reference = format!("{}/proxy/socks-direct:1", part("REGISTRY_OPEN"));
    with(&sandbox, &["push", "oci:image", &reference], &variables).expect(0);
    let push = [
        "push",
        "oci:image",
        "registry.invalid:5000/x:1",
        "--plain-http",
        "registry.invalid:5000",
    ];
    with(&sandbox, &push, &variables).expect(5).says(&["registry.invalid"]);
    assert_eq!(socks.seen(), [""; 0]);
}
