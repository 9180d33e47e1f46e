//! A registry in memory, of a flavour, on its own port.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::Reply;
use super::content::Contents;
use super::flavour::Flavour;
use super::hook::{Act, Hook};
use super::http::{Body, Head};
use super::log::Log;
use super::server::Server;
use super::storage::Storage;
use super::tokens::TokenService;
use super::uploads::Sessions;

/// The registry as its tests see it.
pub struct Fake {
    server: Server,
    registry: Arc<Registry>,
}

/// The registry as its requests see it.
pub struct Registry {
    pub(super) flavour: Flavour,
    pub(super) scheme: &'static str,
    pub(super) contents: Arc<Mutex<Contents>>,
    pub(super) sessions: Sessions,
    pub(super) tokens: TokenService,
    /// The storage that blobs are read from, if it is at another address.
    pub(super) storage: Option<Storage>,
    hooks: Mutex<Vec<Hook>>,
    manifests_read: AtomicUsize,
}

impl Fake {
    /// Serves plain HTTP.
    pub fn start(flavour: Flavour) -> Self {
        let registry = Arc::new(Registry::new(flavour, "http"));
        let serving = registry.clone();
        Self {
            server: Server::start(move |head, body| serving.answer(head, body)),
            registry,
        }
    }

    /// Serves HTTPS, as `localhost:PORT`, with the certificate of the test registries.
    pub fn start_tls(flavour: Flavour) -> Self {
        let registry = Arc::new(Registry::new(flavour, "https"));
        let serving = registry.clone();
        Self {
            server: Server::start_tls(move |head, body| serving.answer(head, body)),
            registry,
        }
    }

    /// Returns the registry alone, for another server.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }

    /// `HOST:PORT`
    pub fn host(&self) -> &str {
        self.server.host()
    }

    /// `HOST:PORT/NAME`
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Returns the requests so far, including those for tokens.
    pub fn log(&self) -> &Log {
        self.server.log()
    }

    /// Adds a fault. If several match a request, the first applies.
    pub fn hook(&self, hook: Hook) -> &Self {
        self.registry.hooks.lock().unwrap().push(hook);
        self
    }

    /// Removes all hooks.
    pub fn unhook(&self) {
        self.registry.hooks.lock().unwrap().clear();
    }

    /// Returns the registry's content.
    pub fn contents(&self) -> MutexGuard<'_, Contents> {
        self.registry.contents()
    }

    /// Returns `true` if the blob exists in any repository.
    pub fn holds(&self, digest: &str) -> bool {
        self.contents().blobs.contains_key(digest)
    }

    /// Creates a repository, for registries that require it before a push.
    pub fn make(&self, repository: &str) -> &Self {
        self.contents().repositories.entry(repository.to_owned()).or_default();
        self
    }

    pub fn sessions(&self) -> &Sessions {
        &self.registry.sessions
    }

    pub fn tokens(&self) -> &TokenService {
        &self.registry.tokens
    }

    /// Returns the requests to the storage of blobs.
    pub fn storage_log(&self) -> &Log {
        self.registry
            .storage
            .as_ref()
            .expect("this flavour has its blobs elsewhere")
            .log()
    }
}

impl Registry {
    fn new(flavour: Flavour, scheme: &'static str) -> Self {
        let contents = Arc::<Mutex<Contents>>::default();
        let storage = flavour
            .presigned
            .map(|presigned| Storage::start(presigned, contents.clone()));
        let sessions = Sessions::default();
        let tokens = TokenService::default();
        let hooks = Mutex::default();
        let manifests_read = AtomicUsize::new(0);
        Self {
            flavour,
            scheme,
            contents,
            sessions,
            tokens,
            storage,
            hooks,
            manifests_read,
        }
    }

    pub fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_quota_used_up(&self) -> bool {
        let read = self.manifests_read.fetch_add(1, Ordering::SeqCst);
        self.flavour.pull_quota.is_some_and(|quota| read >= quota)
    }

    pub(super) fn answer(&self, head: &Head, body: &mut Body<'_>) -> Reply {
        let caught = {
            let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
            hooks.iter().find(|hook| hook.meets(head)).map(|hook| hook.act.clone())
        };
        match caught {
            None => self.route(head, body),
            Some(Act::Answer(reply)) => reply,
            Some(Act::AnswerAfterBody(reply)) => {
                body.each(|_| {});
                reply
            }
            Some(Act::Ask(change)) => {
                let mut head = head.clone();
                change(&mut head);
                self.route(&head, body)
            }
            Some(Act::Change(change)) => change(self.route(head, body)),
        }
    }
}
