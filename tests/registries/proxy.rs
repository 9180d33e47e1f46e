//! Proxies: what goes through them, and what does not.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::images::{all_requests, is_read, small_image};
use crate::support::{Outcome, Sandbox, part};

/// Longest head of a request that the proxy reads.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A proxy on a free loopback port, which leads every request to one address, whatever name it asks for.
struct Proxy {
    address: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, seen) = (upstream.clone(), seen.clone());
                // A connection that breaks is the client's to complain of.
                thread::spawn(move || serve(client, &upstream, &seen).ok());
            }
        });
        Self { address, lines }
    }

    /// The first lines of the requests so far.
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// One request a connection: the head is passed on with the address made relative, the rest as it comes.
fn serve(mut client: TcpStream, upstream: &str, seen: &Mutex<Vec<String>>) -> io::Result<()> {
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
        let (method, url, version) = (words.next(), words.next(), words.next());
        let path = url.unwrap_or_default().splitn(4, '/').nth(3).unwrap_or_default();
        let (method, version) = (method.unwrap_or_default(), version.unwrap_or_default());
        write!(server, "{method} /{path} {version}\r\nConnection: close\r\n{headers}")?;
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
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
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    let reference = format!("{}/proxy/direct:1", part("REGISTRY_OPEN"));
    for variables in [
        [("HTTP_PROXY", &*proxy.address), ("HTTPS_PROXY", &proxy.address)],
        [("http_proxy", &proxy.address), ("https_proxy", &proxy.address)],
    ] {
        with(&sandbox, &["push", "oci:image", &reference], &variables).expect(0);
    }
    assert_eq!(proxy.lines(), [""; 0]);
}

#[test]
fn plain_http_to_another_machine_goes_by_flag_alone_and_through_the_proxy() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    let push = ["push", "oci:image", "registry.test:5000/proxy/plain:1"];
    let variables = [("HTTP_PROXY", &*proxy.address)];
    let flag = ["--plain-http", "registry.test:5000"];
    let pushed = with(&sandbox, &[&push[..], &flag].concat(), &variables).expect(0);
    assert_eq!(pushed.digest(), digest);
    let lines = proxy.lines();
    assert!(lines.iter().all(|line| line.contains(" http://registry.test:5000/v2/")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("PUT ")), "{lines:#?}");
    let seen = all_requests(&sandbox, "OPEN", "proxy/plain", 0);
    assert!(seen.iter().any(|request| !is_read(request)));

    let other = ["push", "oci:image", "registry.test:5001/proxy/plain:1"];
    with(&sandbox, &[&other[..], &flag].concat(), &variables).expect(5);
    with(&sandbox, &push, &variables).expect(5);
    assert_eq!(proxy.lines(), lines, "nothing more went by plain HTTP");
}

#[test]
fn https_goes_through_a_tunnel_and_the_certificate_is_checked_at_its_end() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let proxy = Proxy::start(part("REGISTRY_TLS"));
    let push = ["push", "oci:image", "registry.test/proxy/tunnel:1", "--ca-file", &part("REGISTRY_TLS_CA")];
    let address = format!("http://user:proxy-secret@{}", proxy.address);
    let refused = with(&sandbox, &push, &[("HTTPS_PROXY", &address)]).expect(5);
    // The registry's certificate is for localhost.
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("proxy-secret"), "{}", refused.stderr);
    let lines = proxy.lines();
    assert!(!lines.is_empty() && lines.iter().all(|line| line == "CONNECT registry.test:443 HTTP/1.1"), "{lines:?}");
}

#[test]
fn what_no_proxy_names_is_reached_directly() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    let push = ["push", "oci:image", "registry.invalid:5000/x:1", "--plain-http", "registry.invalid:5000"];
    for no_proxy in ["registry.invalid", ".invalid", "*", "other.test,registry.invalid:5000"] {
        with(&sandbox, &push, &[("HTTP_PROXY", &*proxy.address), ("NO_PROXY", no_proxy)])
            .expect(5)
            .says(&["registry.invalid:5000"]);
    }
    assert_eq!(proxy.lines(), [""; 0]);
}

#[test]
fn an_address_of_a_proxy_that_cannot_be_used_is_an_error_without_its_password() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let push = ["push", "oci:image", "registry.invalid/x:1"];
    let failed = with(&sandbox, &push, &[("HTTPS_PROXY", "socks5://user:proxy-secret@x")]).expect(2);
    assert!(!failed.stderr.contains("proxy-secret"), "{}", failed.stderr);
    failed.says(&["the address of the proxy", "HTTPS_PROXY"]);
}
