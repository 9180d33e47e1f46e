//! All names and addresses of the network, behind one HTTP proxy: some belong to a registry, and all others to a
//! honeypot. So requests to a private address or another host can be observed without a network.

use std::sync::Arc;

use super::answer::Reply;
use super::fake::Registry;
use super::honeypot::Kept;
use super::http::{Body, Head};
use super::server::Server;

pub struct Internet {
    server: Server,
    elsewhere: Kept,
}

impl Internet {
    /// `registry` serves `host` (`NAME:PORT`), and `answer` all other addresses.
    pub fn start(
        host: &'static str,
        registry: Arc<Registry>,
        answer: impl Fn(&Head) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let elsewhere = Kept::default();
        let keeping = elsewhere.clone();
        let server = Server::start(move |head, body| {
            let own = format!("http://{host}/");
            match head.target.strip_prefix(&own) {
                Some(target) => registry.answer(
                    &Head {
                        target: format!("/{target}"),
                        ..head.clone()
                    },
                    body,
                ),
                None => keep(&keeping, head, body, &answer),
            }
        });
        Self { server, elsewhere }
    }

    /// Returns the value of `HTTP_PROXY`.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.server.host())
    }

    /// Returns the requests to addresses other than the registry's.
    pub fn elsewhere(&self) -> &Kept {
        &self.elsewhere
    }

    /// Returns all requests.
    pub fn lines(&self) -> Vec<String> {
        self.server.log().lines()
    }
}

fn keep(kept: &Kept, head: &Head, body: &mut Body<'_>, answer: &impl Fn(&Head) -> Reply) -> Reply {
    kept.keep(head, body);
    answer(head)
}
