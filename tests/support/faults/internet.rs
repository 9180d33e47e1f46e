//! All names and addresses of the world, behind one HTTP proxy: a registry has some of them, and everything else is a
//! honeypot. So what leaves for a private address or another host can be seen without a network.

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
    /// `registry` answers for `host` (`NAME:PORT`), and `answer` for everything else.
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
                Some(target) => registry.answer(&Head { target: format!("/{target}"), ..head.clone() }, body),
                None => keep(&keeping, head, body, &answer),
            }
        });
        Self { server, elsewhere }
    }

    /// The value of `HTTP_PROXY`.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.server.host())
    }

    /// What went to other places than the registry.
    pub fn elsewhere(&self) -> &Kept {
        &self.elsewhere
    }

    /// All requests.
    pub fn lines(&self) -> Vec<String> {
        self.server.log().lines()
    }
}

fn keep(kept: &Kept, head: &Head, body: &mut Body<'_>, answer: &impl Fn(&Head) -> Reply) -> Reply {
    kept.keep(head, body);
    answer(head)
}
