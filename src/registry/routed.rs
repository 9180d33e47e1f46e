//! A repository by its name, whichever hosts its requests go to: mirrors first, the upstream last
//! (containers-registries.conf(5)).
//!
//! Content of a mirror is verified by digest like all content. A mirror is another host with its own credentials and
//! learns nothing but the upstream's name. It is read from and never written to.

use std::io;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::stream::try_unfold;
use tokio_util::io::StreamReader;

use super::config::{Action, RepositoryEndpoint};
use super::mirrors::Verdict;
use super::pull::Pull;
use super::{Client, RegistryRepository};
use crate::model::{Descriptor, Diagnostic as _, Repository, Root, Selector, Tag};
use crate::store::{BlobReader, Ensured, Side, Sink, Source, StoreError};

/// A repository: a source and a sink of images.
#[derive(Clone)]
pub struct RoutedRepository {
    client: Client,
    repository: Repository,
    /// The host that it is written to, with its state.
    writer: Arc<OnceLock<RegistryRepository>>,
}

/// The hosts to read something from, best first, and the failures of those that were tried.
struct Candidates {
    client: Client,
    rest: std::vec::IntoIter<RepositoryEndpoint>,
    /// Mirrors that failed, with the reason.
    tried: Vec<String>,
}

impl Client {
    /// Returns a repository to read and write, at the hosts from the configuration.
    pub fn repository(&self, repository: Repository) -> RoutedRepository {
        RoutedRepository {
            client: self.clone(),
            repository,
            writer: Arc::default(),
        }
    }
}

impl RoutedRepository {
    /// Returns the repository's name.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the host that it is written to.
    pub(super) fn writer(&self) -> Result<RegistryRepository, StoreError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer.clone());
        }
        let mut endpoints = self.client.config()?.endpoints(&self.repository, Action::Push)?;
        let upstream = endpoints.pop().ok_or_else(|| no_endpoint(&self.repository))?;
        let writer = RegistryRepository::new(&self.client, upstream);
        Ok(self.writer.get_or_init(|| writer).clone())
    }

    fn candidates(&self, action: Action<'_>) -> Result<Candidates, StoreError> {
        let mut endpoints = self.client.config()?.endpoints(&self.repository, action)?;
        if matches!(action, Action::Read | Action::Resolve(Selector::Digest(_)))
            && let Some(found_at) = self.client.mirrors().found_at(&self.repository)
            && !endpoints.contains(&found_at)
        {
            endpoints.insert(0, found_at);
        }
        endpoints.retain(|endpoint| !self.client.mirrors().is_disabled(endpoint));
        Ok(Candidates {
            client: self.client.clone(),
            rest: endpoints.into_iter(),
            tried: Vec::new(),
        })
    }
}

impl Candidates {
    fn next(&mut self) -> Option<RegistryRepository> {
        self.rest
            .next()
            .map(|endpoint| RegistryRepository::new(&self.client, endpoint))
    }

    /// Returns the content at the next host, from the current offset.
    fn go_on(&mut self, pull: Pull, error: StoreError) -> Result<Pull, StoreError> {
        self.failed(pull.repository(), error)?;
        let next = self.next().ok_or_else(|| no_endpoint(&pull.repository().repository))?;
        Ok(pull.moved_to(next))
    }

    /// Records a failure. Returns `Ok` if the next host is to be tried.
    fn failed(&mut self, at: &RegistryRepository, error: StoreError) -> Result<(), StoreError> {
        let verdict = Verdict::of(&error);
        if !at.endpoint.is_mirror || verdict == Verdict::Final {
            return Err(with_mirrors(error, &self.tried));
        }
        let mirror = at.repository.to_string();
        let why = error.to_string();
        if self.client.mirrors().disable(&at.endpoint, verdict) {
            tracing::info!(mirror, why, "the mirror is skipped for the rest of this run");
            at.note(format!(
                "the mirror {mirror} is skipped for the rest of this run: {why}"
            ));
        } else {
            tracing::debug!(mirror, why, "the mirror does not have it");
        }
        self.tried.push(format!("{mirror} ({why})"));
        Ok(())
    }
}

#[async_trait]
impl Source for RoutedRepository {
    fn describe(&self) -> String {
        self.repository.to_string()
    }

    fn side(&self) -> Side {
        Side::Remote
    }

    /// [`Selector::Only`] is the tag `latest`, as in references.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let mut candidates = self.candidates(Action::Resolve(selector))?;
        while let Some(at) = candidates.next() {
            match at.resolve(selector).await {
                Ok(root) => {
                    if at.endpoint.is_mirror {
                        tracing::debug!(mirror = %at.repository, "the mirror has it");
                        self.client.mirrors().found(&self.repository, &at.endpoint);
                    }
                    return Ok(root);
                }
                Err(error) => candidates.failed(&at, error)?,
            }
        }
        Err(no_endpoint(&self.repository))
    }

    /// If a mirror fails in the middle, reading resumes at the next host: the caller hashes the whole.
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let mut candidates = self.candidates(Action::Read)?;
        let first = candidates.next().ok_or_else(|| no_endpoint(&self.repository))?;
        let mut pull = Pull::new(first, descriptor.clone());
        while let Err(error) = pull.connect().await {
            pull = candidates.go_on(pull, error)?;
        }
        let pieces = try_unfold((candidates, pull), |(mut candidates, mut pull)| async move {
            loop {
                match pull.next().await {
                    Ok(piece) => return Ok::<_, io::Error>(piece.map(|piece| (piece, (candidates, pull)))),
                    Err(error) => pull = candidates.go_on(pull, error).map_err(io::Error::other)?,
                }
            }
        });
        Ok(Box::pin(StreamReader::new(Box::pin(pieces))))
    }

    fn origin(&self, _descriptor: &Descriptor) -> Option<Repository> {
        Some(self.repository.clone())
    }
}

#[async_trait]
impl Sink for RoutedRepository {
    fn describe(&self) -> String {
        self.repository.to_string()
    }

    fn concurrency_limit(&self) -> usize {
        super::sink::CONCURRENT_BLOBS
    }

    async fn check_access(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.writer()?.check_access(tags).await
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        self.writer()?.contains(descriptor).await
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        self.writer()?.put(descriptor, source).await
    }

    async fn ensure(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Ensured, StoreError> {
        self.writer()?.ensure(descriptor, source).await
    }

    fn keeps_manifests_whole(&self) -> bool {
        self.writer().is_ok()
    }

    async fn is_published(&self, root: &Root, tags: &[Tag]) -> Result<bool, StoreError> {
        self.writer()?.is_published(root, tags).await
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        self.writer()?.publish(root, tags).await
    }
}

/// The configuration always has an endpoint; without one no request can be sent.
fn no_endpoint(repository: &Repository) -> StoreError {
    StoreError::remote("choosing a host", &repository.to_string(), "no host is left")
}

/// Adds the mirrors that were tried to the upstream's error.
fn with_mirrors(error: StoreError, tried: &[String]) -> StoreError {
    if tried.is_empty() {
        return error;
    }
    let said = format!("these mirrors failed before: {}", tried.join("; "));
    let all = error
        .help()
        .map_or_else(|| said.clone(), |help| format!("{help}; {said}"));
    error.with_help(all)
}
