//! The environment that `tests/run` starts: its variables, and the access logs of its registries.

use std::fs;
use std::time::{Duration, Instant};

/// How long an access log may lag behind the reply before a test fails.
const LOG_PATIENCE: Duration = Duration::from_secs(20);

/// Returns a variable that `tests/run` sets.
pub fn part(name: &str) -> String {
    let name = format!("OCITECT_TEST_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with tests/run"))
}

/// Returns the line that sets the base of the tests.
pub fn on_base() -> String {
    format!("base = \"oci:{}\"", part("BASE"))
}

/// One request of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub sent_bytes: u64,
}

/// Returns the requests to a repository at one of the registries (`OPEN`, `SECOND`, `TLS`, `TOKEN`), in order, from the
/// `skip`th on. Waits until `last` is among them.
#[track_caller]
pub fn requests(registry: &str, repository: &str, skip: usize, last: impl Fn(&Request) -> bool) -> Vec<Request> {
    let log = part(&format!("REGISTRY_{registry}_LOG"));
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(&log).unwrap();
        let found: Vec<Request> = text.lines().filter_map(request).collect();
        let prefix = format!("/v2/{repository}/");
        let found: Vec<Request> = found
            .into_iter()
            .filter(|request| request.path.starts_with(&prefix))
            .skip(skip)
            .collect();
        if found.iter().any(&last) {
            return found;
        }
        assert!(
            began.elapsed() < LOG_PATIENCE,
            "the last request never came: {found:#?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn request(line: &str) -> Option<Request> {
    let mut quoted = line.split('"');
    let mut first = quoted.nth(1)?.split(' ');
    let mut numbers = quoted.next()?.split_whitespace();
    Some(Request {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        status: numbers.next()?.parse().ok()?,
        sent_bytes: numbers.next()?.parse().unwrap_or(0),
    })
}

/// Returns `true` for the request that publishes a tag.
pub fn is_put_of(tag: &str) -> impl Fn(&Request) -> bool {
    let end = format!("/manifests/{tag}");
    move |request| request.method == "PUT" && request.path.ends_with(&end) && request.status < 300
}
