//! The verifying reader: its content has the descriptor's size and digest, or reading ends in an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::error::{Side, StoreError};
use super::source::{BlobReader, Source};
use crate::model::{Descriptor, Hasher};

/// Opens a blob or a manifest. This is the only way to read one: digest and size are verified while it is read.
pub async fn open(source: &dyn Source, descriptor: &Descriptor) -> Result<VerifiedReader, StoreError> {
    let inner = source.open_unverified(descriptor).await?;
    Ok(VerifiedReader {
        inner,
        hasher: Some(Hasher::new()),
        descriptor: descriptor.clone(),
        read_bytes: 0,
        place: source.describe(),
        side: source.side(),
    })
}

/// A reader that returns an error instead of the end if the bytes do not match the descriptor's digest and size. It
/// never returns more bytes than that size.
pub struct VerifiedReader {
    inner: BlobReader,
    /// Taken when the end was reached and verified.
    hasher: Option<Hasher>,
    descriptor: Descriptor,
    read_bytes: u64,
    place: String,
    side: Side,
}

impl VerifiedReader {
    fn damaged(&self, expected: String, actual: String) -> io::Error {
        let digest = self.descriptor.digest;
        let place = self.place.clone();
        let side = self.side;
        io::Error::new(
            io::ErrorKind::InvalidData,
            StoreError::Damaged {
                digest,
                place,
                expected,
                actual,
                side,
            },
        )
    }

    fn failed(&self, cause: io::Error) -> io::Error {
        let kind = cause.kind();
        let error = StoreError::from_reader(cause).unwrap_or_else(|cause| StoreError::Read {
            digest: self.descriptor.digest,
            place: self.place.clone(),
            side: self.side,
            cause,
        });
        io::Error::new(kind, error)
    }

    fn check_end(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let wanted = self.descriptor.size_bytes;
        let found = self.read_bytes;
        if found < wanted {
            return Err(self.damaged(format!("{wanted} bytes"), format!("{found} bytes")));
        }
        let wanted = self.descriptor.digest;
        let found = hasher.digest();
        if found != wanted {
            return Err(self.damaged(wanted.to_string(), found.to_string()));
        }
        Ok(())
    }
}

impl AsyncRead for VerifiedReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Err(cause) = ready!(this.inner.as_mut().poll_read(context, buffer)) {
            return Poll::Ready(Err(this.failed(cause)));
        }
        let fresh = &buffer.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(this.check_end());
        }
        this.read_bytes += fresh.len() as u64;
        if this.read_bytes > this.descriptor.size_bytes {
            buffer.set_filled(before);
            let wanted = format!("{} bytes", this.descriptor.size_bytes);
            return Poll::Ready(Err(this.damaged(wanted, "more".to_owned())));
        }
        if let Some(hasher) = &mut this.hasher {
            hasher.update(fresh);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::super::MemoryStore;
    use super::*;
    use crate::model::{Digest, MediaType};

    async fn read(stored: &'static [u8], descriptor: &Descriptor) -> Result<Vec<u8>, StoreError> {
        let store = MemoryStore::new("memory").with_raw(descriptor.digest, stored);
        let mut bytes = Vec::new();
        match open(&store, descriptor).await?.read_to_end(&mut bytes).await {
            Ok(_) => Ok(bytes),
            Err(cause) => Err(StoreError::from_reader(cause).unwrap()),
        }
    }

    #[tokio::test]
    async fn what_is_whole_is_read() {
        let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
        assert_eq!(read(b"content", &descriptor).await.unwrap(), b"content");
        let empty = Descriptor::of(MediaType::OciLayer, b"");
        assert_eq!(read(b"", &empty).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn cut_long_and_altered_content_is_an_error() {
        let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
        for bad in [&b"conten"[..], b"contents", b"c0ntent", b""] {
            let error = read(bad, &descriptor).await.unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        }
        let lying = Descriptor::new(MediaType::OciLayer, Digest::of(b"content"), 3);
        assert!(matches!(
            read(b"content", &lying).await,
            Err(StoreError::Damaged { .. })
        ));
    }
}
