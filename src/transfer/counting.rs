//! A source that counts what is read from it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};

use super::events::{Event, Observer};
use super::graph::Graph;
use crate::model::{Descriptor, Repository, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError};

/// Bytes between two events of one blob: some hundred events a second at the speed of a disk.
const EVENT_EVERY_BYTES: u64 = 1024 * 1024;

/// Passes all calls on to `inner`, except for manifests that were read before, and reports the bytes that are read to
/// an observer.
pub(super) struct Counting<'a> {
    pub inner: &'a dyn Source,
    /// The documents of the image that were read, if it is known.
    pub graph: Option<&'a Graph>,
    pub observer: std::sync::Arc<dyn Observer>,
}

#[async_trait]
impl Source for Counting<'_> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn side(&self) -> Side {
        self.inner.side()
    }

    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        self.inner.resolve(selector).await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let reader: BlobReader = match self.graph.and_then(|graph| graph.document(&descriptor.digest)) {
            Some(bytes) => Box::pin(std::io::Cursor::new(bytes)),
            None => self.inner.open_unverified(descriptor).await?,
        };
        self.observer.event(Event::Started(descriptor));
        Ok(Box::pin(CountingReader {
            inner: reader,
            observer: self.observer.clone(),
            descriptor: descriptor.clone(),
            read_bytes: 0,
            told_bytes: 0,
        }))
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        self.inner.origin(descriptor)
    }
}

struct CountingReader {
    inner: BlobReader,
    observer: std::sync::Arc<dyn Observer>,
    descriptor: Descriptor,
    read_bytes: u64,
    told_bytes: u64,
}

impl AsyncRead for CountingReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(this.inner.as_mut().poll_read(context, buffer))?;
        this.read_bytes += (buffer.filled().len() - before) as u64;
        let at_end = buffer.filled().len() == before && this.told_bytes != this.read_bytes;
        if at_end || this.read_bytes - this.told_bytes >= EVENT_EVERY_BYTES {
            this.told_bytes = this.read_bytes;
            this.observer.event(Event::Progress(&this.descriptor, this.read_bytes));
        }
        Poll::Ready(Ok(()))
    }
}
