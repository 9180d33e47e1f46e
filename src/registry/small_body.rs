//! Bodies of replies that are read into memory, with limits on size and time.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::body::silent;
use super::transport::Reply;

/// Why a small body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It exceeds the limit.
    TooLarge,
    /// The connection failed.
    Broken(io::Error),
}

/// Longest time that a small body may take. The largest has 4 MiB, which needs 14 KiB a second. Without this limit a
/// body that arrives byte by byte would never time out.
const SMALL_BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads a body into memory. The buffer grows by what arrives, not by what a header says.
pub(super) async fn read_small(reply: Reply, limit_bytes: u64) -> Result<Bytes, Unread> {
    let mut bytes = BytesMut::new();
    let read = timeout(SMALL_BODY_TIMEOUT, read_pieces(reply, limit_bytes, &mut bytes)).await;
    read.unwrap_or_else(|_| Err(Unread::Broken(silent(SMALL_BODY_TIMEOUT, bytes.len() as u64))))?;
    Ok(bytes.freeze())
}

async fn read_pieces(mut reply: Reply, limit_bytes: u64, bytes: &mut BytesMut) -> Result<(), Unread> {
    while let Some(piece) = reply.piece().await.map_err(Unread::Broken)? {
        if (bytes.len() + piece.len()) as u64 > limit_bytes {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(())
}
