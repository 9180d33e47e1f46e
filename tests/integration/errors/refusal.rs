//! The base image of the tests of errors, and the requests that a failed command sent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::refusal::base;
use crate::support::{Request, part, requests};

/// Returns the base image of the tests, as specs name it.
pub fn test_base() -> String {
    base(&format!("oci:{}", part("BASE")))
}

/// Returns the requests for a repository so far. The last one is sent here, so that all others have been logged.
pub fn requests_so_far(registry: &str, repository: &str) -> Vec<Request> {
    let host = part(&format!("REGISTRY_{registry}"));
    let mut stream = TcpStream::connect(&host).unwrap();
    let head = format!("GET /v2/{repository}/manifests/the-end HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    let mut found = requests(registry, repository, 0, |request| request.path.ends_with("/the-end"));
    found.retain(|request| !request.path.ends_with("/the-end"));
    found
}

/// Checks that the registry received no request for this repository that could write.
#[track_caller]
pub fn assert_only_read(registry: &str, repository: &str) {
    for request in requests_so_far(registry, repository) {
        assert!(["GET", "HEAD"].contains(&request.method.as_str()), "{request:?}");
    }
}
