//! A source that reports what is read from it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};

use super::graph::Graph;
use super::report::Reporter;
use crate::events::Task;
use crate::model::{Descriptor, Repository, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError};

/// Passes all calls on to `inner`, except for manifests that were read before, and reports the bytes that are read.
pub(super) struct Counting<'a> {
    pub inner: &'a dyn Source,
    /// The documents of the image that were read, if it is known.
    pub graph: Option<&'a Graph>,
    pub reporter: &'a Reporter,
    /// The task of the blob that was opened last.
    pub task: Mutex<Option<Arc<Task>>>,
}

impl Counting<'_> {
    /// Returns the task of the blob that was opened last.
    pub fn into_task(self) -> Option<Arc<Task>> {
        // Each change is one assignment, so a poisoned lock holds a consistent value.
        self.task.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task, and ends that of an earlier attempt.
    fn restart(&self, descriptor: &Descriptor) -> Arc<Task> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = task.take() {
            earlier.finish(String::new());
        }
        Arc::clone(task.insert(Arc::new(self.reporter.start(descriptor, self.graph))))
    }
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
        let inner: BlobReader = match self.graph.and_then(|graph| graph.document(&descriptor.digest)) {
            Some(bytes) => Box::pin(std::io::Cursor::new(bytes)),
            None => self.inner.open_unverified(descriptor).await?,
        };
        let task = self.restart(descriptor);
        Ok(Box::pin(CountingReader { inner, task }))
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        self.inner.origin(descriptor)
    }
}

struct CountingReader {
    inner: BlobReader,
    task: Arc<Task>,
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
        this.task.advance((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}
