//! Upload of one blob, in spite of transient failures: a session, a body in a mode that the registry supports, and
//! after each failure a resume from the confirmed offset or a new session (distribution-spec, "Pushing blobs").
//!
//! - [`mode`] decides how the bytes are sent, [`answer`] what the replies mean.
//! - [`session`] has the requests around the bodies, [`replay_buffer`] the bytes, which can be sent again.
//! - [`journal`] records uploads in progress, for the next process.
//!
//! A PUT or a PATCH is never sent twice to the same location. Retries are bounded by progress: a failure counts until
//! the registry confirms more bytes of this blob than ever before.

mod answer;
mod journal;
mod mode;
mod replay_buffer;
mod session;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use url::Url;

use self::answer::{Step, UploadError, Verdict, is_done, verdict};
use self::journal::{Entry, Journal, Subject};
use self::mode::{UploadMode, UploadStrategy, chunk_bytes, rest_goes_in_chunks};
use self::replay_buffer::ReplayBuffer;
use self::session::Session;
use super::RegistryRepository;
use super::client::{Destination, Request};
use super::manifests::declared_digest;
use super::origin::{canonical, origin};
use super::request_error::RequestError;
use super::retry::Backoff;
use super::transport::{Connection, Payload, Reply};
use crate::model::Descriptor;
use crate::store::{Source, StoreError};

pub(super) use self::mode::UnsupportedModes;
#[cfg(any(test, fuzzing))]
pub(super) use self::session::held_bytes;

/// The action, for messages.
const UPLOADING: &str = "uploading a blob";

/// Tokens that may expire in transit without progress in between: a wait for the first may have shortened the second.
const MAX_ENDED_TOKENS: u32 = 2;

/// From this size on, restarting a blob's upload is reported to the user.
const NOTICED_BYTES: u64 = 1024 * 1024;

/// Longest part of a chunk that is kept to be sent again. Four concurrent uploads keep 32 MiB. Of larger chunks, which
/// some registries require, the beginning is read from the source again.
const MAX_KEPT_BYTES: u64 = 8 * 1024 * 1024;

/// An upload in progress.
struct Upload<'a> {
    repository: &'a RegistryRepository,
    descriptor: &'a Descriptor,
    buffer: ReplayBuffer<'a>,
    journal: Journal,
    strategy: UploadStrategy,
    backoff: Backoff,
    /// Most bytes that were confirmed in any session.
    high_water: u64,
    ended_tokens: u32,
    /// An empty request failed to close a session that had all bytes.
    failed_to_close: bool,
    /// It was restarted, because the registry had other content than it was sent.
    was_doubtful: bool,
    /// The registry can resume an interrupted session.
    resumes: bool,
    /// The error of the first refused mode.
    refusal: Option<StoreError>,
}

impl RegistryRepository {
    /// Uploads a blob: in `session`, the location of a session that the registry has opened without a request, or else
    /// in a new one. On return the registry has confirmed that it has the blob.
    ///
    /// If the journal has a session of another process, that one is resumed.
    pub(super) async fn upload(
        &self,
        descriptor: &Descriptor,
        source: &dyn Source,
        session: Option<Url>,
    ) -> Result<(), StoreError> {
        // The semaphore is never closed.
        let _permit = self.write_state.uploads.acquire().await;
        let upload = Upload {
            repository: self,
            descriptor,
            buffer: ReplayBuffer::new(source, descriptor),
            journal: self.journal(descriptor).await?,
            strategy: UploadStrategy::new(self.client.refusals().of(self.registry())),
            backoff: self.backoff(),
            high_water: 0,
            ended_tokens: 0,
            failed_to_close: false,
            was_doubtful: false,
            resumes: true,
            refusal: None,
        };
        upload.run(session).await
    }

    fn registry(&self) -> &str {
        canonical(self.repository.registry())
    }

    async fn journal(&self, descriptor: &Descriptor) -> Result<Journal, StoreError> {
        let Some(directory) = &self.options().journal_directory else {
            return Ok(Journal::none());
        };
        let subject = Subject {
            origin: origin(&self.base()?),
            repository: self.repository.path().to_owned(),
            digest: descriptor.digest,
            size_bytes: descriptor.size_bytes,
        };
        Ok(Journal::open(directory, subject).await)
    }
}

impl Upload<'_> {
    async fn run(mut self, offered: Option<Url>) -> Result<(), StoreError> {
        let mut session = self.first_session(offered).await?;
        while let Err(upload_error) = self.send_rest(&mut session).await {
            match self.next_session(upload_error, session).await? {
                Some(next) => session = next,
                None => break,
            }
        }
        self.journal.remove().await;
        self.repository
            .client
            .refusals()
            .remember(self.repository.registry(), self.strategy.refused());
        Ok(())
    }

    /// Returns the session of another process, the session in `offered`, or a new one.
    async fn first_session(&mut self, offered: Option<Url>) -> Result<Session, StoreError> {
        let digest = self.descriptor.digest;
        if let Some(noted) = self.journal.read().await {
            if let Some(session) = self.resume_noted(noted).await {
                if let Some(offered) = offered {
                    self.repository.abort_session(offered).await;
                }
                return Ok(session);
            }
            if self.descriptor.size_bytes > NOTICED_BYTES {
                let line = format!("restarting upload of {digest}: the registry discarded the partial upload");
                self.repository.note(line);
            }
        }
        match offered {
            Some(location) => {
                let session = Session::new(location, self.mode()?);
                self.note(&session).await;
                Ok(session)
            }
            None => self.start().await,
        }
    }

    /// Resumes a session of the journal. Errors are ignored, since a new session may work.
    async fn resume_noted(&mut self, noted: Entry) -> Option<Session> {
        let digest = self.descriptor.digest;
        let size_bytes = self.descriptor.size_bytes;
        let session = Session {
            offset: noted.offset_bytes,
            // It is not known how much the other process has sent.
            sent: size_bytes,
            ..Session::new(noted.location, self.strategy.mode()?)
        };
        let resumed = self
            .repository
            .resume_session(&session, &mut self.repository.backoff())
            .await;
        let session = resumed
            .inspect_err(|error| tracing::info!(%error, "not resuming the recorded upload"))
            .ok()??;
        let line = format!(
            "resuming upload of {digest} at {} of {size_bytes} bytes",
            session.offset
        );
        tracing::info!("{line}");
        self.repository.note(line);
        self.confirm(&session).await;
        Some(session)
    }

    fn mode(&mut self) -> Result<UploadMode, StoreError> {
        self.strategy.mode().ok_or_else(|| {
            let all_refused = || {
                self.repository
                    .protocol_error(UPLOADING, "the registry refused every mode of uploading")
            };
            self.refusal.take().unwrap_or_else(all_refused)
        })
    }

    async fn start(&mut self) -> Result<Session, StoreError> {
        let mode = self.mode()?;
        let session = self.repository.start_session(mode, &mut self.backoff).await?;
        self.note(&session).await;
        Ok(session)
    }

    /// Sends the bytes that the registry does not have yet, and has the blob stored.
    async fn send_rest(&mut self, session: &mut Session) -> Result<(), UploadError> {
        self.buffer.seek(session.offset).await?;
        let size_bytes = self.descriptor.size_bytes;
        let is_resumed = session.offset > 0;
        let step = match session.mode {
            _ if session.offset == size_bytes => Step::Close,
            UploadMode::Chunks => Step::Chunk,
            _ if is_resumed && rest_goes_in_chunks(self.repository.registry()) => Step::Chunk,
            _ if is_resumed => Step::Rest,
            UploadMode::Whole => Step::Whole,
            UploadMode::Streamed => Step::Streamed,
        };
        match step {
            Step::Chunk => return self.send_chunks(session).await,
            Step::Close => {}
            step => self.send_step(session, step, size_bytes).await?,
        }
        match step {
            Step::Whole => Ok(()),
            _ => self.send_step(session, Step::Close, size_bytes).await,
        }
    }

    async fn send_chunks(&mut self, session: &mut Session) -> Result<(), UploadError> {
        let size_bytes = self.descriptor.size_bytes;
        let chunk_bytes = chunk_bytes(self.repository.registry(), session.chunk_min_bytes);
        self.buffer.keep(chunk_bytes.min(MAX_KEPT_BYTES));
        loop {
            let until = size_bytes.min(session.offset + chunk_bytes);
            // The last chunk is sent with the request that stores the blob: ECR was seen to fail if that request is
            // empty.
            if until == size_bytes && !self.strategy.closes_empty() {
                return self.send_step(session, Step::LastChunk, until).await;
            }
            self.send_step(session, Step::Chunk, until).await?;
            if until == size_bytes {
                return self.send_step(session, Step::Close, until).await;
            }
        }
    }

    /// Sends one request with the bytes from the session's offset to `until`.
    async fn send_step(&mut self, session: &mut Session, step: Step, until: u64) -> Result<(), UploadError> {
        let request = self.request(session, step, until);
        session.was_closed |= step.closes();
        let sent = self.repository.send_once(request).await;
        let handed = self.buffer.handed();
        session.sent = session.sent.max(handed);
        if let Some(failure) = self.buffer.take_failure() {
            return Err(failure.into());
        }
        let lost = |request_error| UploadError {
            verdict: Verdict::Interrupted { is_loss: true },
            request_error,
        };
        let reply = sent.map_err(lost)?;
        if !is_done(reply.status()) {
            return Err(self.upload_error(session, step, reply).await);
        }
        if handed < until {
            let error = self
                .repository
                .protocol_error(UPLOADING, "the registry replied before everything was sent");
            return Err(lost(RequestError::new(error, true)));
        }
        if step.closes() {
            return Ok(self.check_stored(&reply).await?);
        }
        if let Some(location) = self.repository.next_location(&reply, UPLOADING)? {
            session.location = location;
        }
        // The reply's Range is ignored: some registries report the end of the first chunk, some the chunk's length.
        session.offset = until;
        self.confirm(session).await;
        Ok(())
    }

    fn request(&self, session: &Session, step: Step, until: u64) -> Request {
        let address = if step.closes() {
            session.closing_address(self.descriptor.digest)
        } else {
            session.location.clone()
        };
        let to = Destination::Address(address);
        let mut request = Request::new(UPLOADING, step.method(), to, self.repository.push_scopes());
        let headers = &mut request.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if step.is_ranged() {
            let range = HeaderValue::from_str(&format!("{}-{}", session.offset, until - 1));
            headers.insert(CONTENT_RANGE, range.expect("digits and a hyphen are a header's value"));
        }
        request.payload = if session.offset < until {
            Payload::Stream(self.buffer.body(until))
        } else {
            Payload::Bytes(Bytes::new())
        };
        if step.is_chunk() {
            // A connection may not survive more than one chunk.
            request.connection = Connection::Own;
        }
        request
    }

    async fn upload_error(&self, session: &Session, step: Step, reply: Reply) -> UploadError {
        let what = Some(format!("the upload of {}", self.descriptor.digest));
        UploadError {
            verdict: verdict(reply.status(), step, session.offset),
            request_error: self.repository.request_error(reply, what).await,
        }
    }

    /// Checks that the blob is stored. The standard's status is 201. Another one is accepted if the blob exists, and
    /// none if it names another digest.
    async fn check_stored(&self, reply: &Reply) -> Result<(), StoreError> {
        let digest = self.descriptor.digest;
        if let Some(stored) = declared_digest(reply.headers()).filter(|stored| *stored != digest) {
            let detail = format!("the registry stored {stored} instead of {digest}");
            return Err(self.repository.protocol_error(UPLOADING, detail));
        }
        if reply.status() == StatusCode::CREATED || self.repository.contains(self.descriptor).await? {
            return Ok(());
        }
        let detail = format!("the registry accepted {}, but does not have it", self.descriptor.digest);
        Err(self.repository.protocol_error(UPLOADING, detail))
    }

    /// Returns the session to continue in after a failure, or `None` if the blob exists all the same.
    async fn next_session(
        &mut self,
        upload_error: UploadError,
        session: Session,
    ) -> Result<Option<Session>, StoreError> {
        let UploadError { verdict, request_error } = upload_error;
        match verdict {
            Verdict::Interrupted { is_loss } => {
                self.repository
                    .wait(&mut self.backoff, UPLOADING, request_error)
                    .await?;
                self.recover(session, is_loss).await
            }
            Verdict::Final => {
                self.give_up(session).await;
                Err(request_error.error)
            }
            Verdict::Doubtful => {
                self.give_up(session).await;
                if std::mem::replace(&mut self.was_doubtful, true) {
                    return Err(request_error.error);
                }
                tracing::info!(error = %request_error.error, "restarting the upload");
                self.start().await.map(Some)
            }
            Verdict::Refused { step, status } => {
                tracing::info!(error = %request_error.error, ?step, "continuing the upload in another mode");
                self.resumes &= session.mode == UploadMode::Chunks || !step.is_ranged();
                self.give_up(session).await;
                if let Some(mode) = step.mode() {
                    self.strategy.refuse(mode, status);
                    self.refusal.get_or_insert(request_error.error);
                }
                self.start().await.map(Some)
            }
            Verdict::TokenEnded => {
                self.ended_tokens += 1;
                if self.ended_tokens > MAX_ENDED_TOKENS {
                    return Err(request_error.error);
                }
                // A refused request stores nothing.
                let session = Session {
                    was_closed: false,
                    ..session
                };
                self.recover(session, false).await
            }
        }
    }

    /// Recovers from an request_error: if the blob exists, it is done; if the registry confirms a part, the upload
    /// resumes there; otherwise it restarts.
    async fn recover(&mut self, session: Session, is_loss: bool) -> Result<Option<Session>, StoreError> {
        let was_all_sent = session.sent == self.descriptor.size_bytes;
        if session.was_closed && was_all_sent && self.repository.contains(self.descriptor).await? {
            return Ok(None);
        }
        // ECR was seen to fail whenever a session is closed without bytes: then the last ones are sent with that
        // request.
        let closed_empty = session.was_closed && session.offset == self.descriptor.size_bytes;
        if closed_empty && std::mem::replace(&mut self.failed_to_close, true) {
            self.give_up(session).await;
            self.strategy
                .refuse(UploadMode::Streamed, StatusCode::INTERNAL_SERVER_ERROR);
            return self.start().await.map(Some);
        }
        if self.resumes
            && session.sent > 0
            && let Some(resumed) = self.repository.resume_session(&session, &mut self.backoff).await?
        {
            tracing::info!(digest = %self.descriptor.digest, offset = resumed.offset, "continuing the upload");
            self.confirm(&resumed).await;
            return Ok(Some(resumed));
        }
        if is_loss && session.sent > 0 {
            self.strategy.lose();
        }
        self.start().await.map(Some)
    }

    /// Records the confirmed offset and the session's location.
    async fn confirm(&mut self, session: &Session) {
        if session.offset > self.high_water {
            self.high_water = session.offset;
            self.ended_tokens = 0;
            self.backoff.progressed();
        }
        self.note(session).await;
    }

    async fn note(&self, session: &Session) {
        let entry = Entry {
            location: session.location.clone(),
            offset_bytes: session.offset,
        };
        self.journal.write(entry).await;
    }

    /// Cancels a session of a registry that still replies.
    async fn give_up(&self, session: Session) {
        self.journal.remove().await;
        self.repository.abort_session(session.location).await;
    }
}
