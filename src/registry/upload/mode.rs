//! Upload modes: how a blob is sent, and which mode is next if a registry refuses one or a session is lost.
//!
//! One PUT of all bytes works with nearly all registries and needs the fewest requests. A session whose body was
//! interrupted may be lost (distribution 2.8 drops it whatever the method was), and a body that is interrupted
//! repeatedly never arrives in one piece. So after two lost sessions the blob is sent in chunks, each of which is safe
//! once it is confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use reqwest::StatusCode;

use crate::model::locked;

/// Smallest chunk, in bytes: ECR accepts smaller parts only as the last one.
const CHUNK_BYTES: u64 = 5 * 1024 * 1024;

/// Largest chunk, in bytes, whatever a registry requests: a broken connection costs that much.
const MAX_CHUNK_BYTES: u64 = 64 * 1024 * 1024;

/// Largest chunk of GHCR, which replies 416 to larger ranges.
const GHCR_CHUNK_BYTES: u64 = 4 * 1024 * 1024;
const GHCR: &str = "ghcr.io";

/// Lost sessions after which a blob is sent in chunks.
const LOSSES_BEFORE_CHUNKS: u32 = 2;

/// How the bytes of a blob are sent in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UploadMode {
    /// One PUT with all bytes (distribution-spec, "POST then PUT").
    Whole,
    /// One PATCH with all bytes and without a range, then an empty PUT, like Docker.
    Streamed,
    /// A PATCH with its range for each chunk, and a PUT with the last (distribution-spec, "Pushing a blob in chunks").
    Chunks,
}

/// Modes that a registry has refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refused {
    modes: BTreeSet<UploadMode>,
    /// PUT requests with a body, of any size: the session is then closed with an empty one.
    put_bodies: bool,
}

/// Modes that each registry has refused so far, by its name; for the blobs that follow.
#[derive(Default)]
pub(in crate::registry) struct UnsupportedModes(Mutex<BTreeMap<String, Refused>>);

impl UnsupportedModes {
    pub(super) fn of(&self, registry: &str) -> Refused {
        self.known().get(registry).cloned().unwrap_or_default()
    }

    /// Stores the refusals after the blob was uploaded all the same: a registry that refuses every mode has another
    /// reason.
    pub(super) fn remember(&self, registry: &str, refused: &Refused) {
        if *refused != Refused::default() {
            let mut known = self.known();
            let of_registry = known.entry(registry.to_owned()).or_default();
            of_registry.modes.extend(&refused.modes);
            of_registry.put_bodies |= refused.put_bodies;
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Refused>> {
        locked(&self.0)
    }
}

/// State of the choice for one blob.
pub(super) struct UploadStrategy {
    refused: Refused,
    losses: u32,
}

impl UploadStrategy {
    pub(super) fn new(refused: Refused) -> Self {
        Self { refused, losses: 0 }
    }

    /// Returns the mode of the next session, or `None` if all were refused.
    pub(super) fn mode(&self) -> Option<UploadMode> {
        use UploadMode::{Chunks, Streamed, Whole};
        let order = match (self.refused.modes.contains(&Whole), self.losses) {
            (false, 0) => [Whole, Chunks, Streamed],
            (false, losses) if losses < LOSSES_BEFORE_CHUNKS => [Streamed, Whole, Chunks],
            _ => [Chunks, Streamed, Whole],
        };
        order.into_iter().find(|mode| !self.refused.modes.contains(mode))
    }

    /// Returns `true` if a session is closed without a body.
    pub(super) fn closes_empty(&self) -> bool {
        self.refused.put_bodies
    }

    /// Records that the registry does not support a mode.
    pub(super) fn refuse(&mut self, mode: UploadMode, status: StatusCode) {
        self.refused.modes.insert(mode);
        if mode == UploadMode::Whole && status != StatusCode::PAYLOAD_TOO_LARGE {
            self.refused.put_bodies = true;
        }
    }

    /// Records that a session was lost with its content. This is transient, and not remembered for other blobs.
    pub(super) fn lose(&mut self) {
        self.losses += 1;
    }

    pub(super) fn refused(&self) -> &Refused {
        &self.refused
    }
}

/// Returns the size of a registry's chunks, of which a session requires at least `asked` bytes
/// (`OCI-Chunk-Min-Length`).
pub(super) fn chunk_bytes(registry: &str, asked: Option<u64>) -> u64 {
    if registry == GHCR {
        return GHCR_CHUNK_BYTES;
    }
    asked.unwrap_or_default().clamp(CHUNK_BYTES, MAX_CHUNK_BYTES)
}

/// Returns `true` if the rest of a resumed blob is sent in chunks too, because one request may not be as large.
pub(super) fn rest_goes_in_chunks(registry: &str) -> bool {
    registry == GHCR
}

#[cfg(test)]
mod tests {
    use super::UploadMode::{Chunks, Streamed, Whole};
    use super::*;

    fn next_mode(refused: &[UploadMode], losses: u32) -> Option<UploadMode> {
        let mut strategy = UploadStrategy::new(Refused::default());
        refused
            .iter()
            .for_each(|mode| strategy.refuse(*mode, StatusCode::METHOD_NOT_ALLOWED));
        (0..losses).for_each(|_| strategy.lose());
        strategy.mode()
    }

    #[test]
    fn losses_and_refusals_lead_to_other_modes() {
        for (losses, expected) in [(0, Whole), (1, Streamed), (2, Chunks), (9, Chunks)] {
            assert_eq!(next_mode(&[], losses), Some(expected), "{losses}");
        }
        let cases: [(&[UploadMode], u32, Option<UploadMode>); 9] = [
            (&[Whole], 0, Some(Chunks)),
            (&[Whole], 1, Some(Chunks)),
            (&[Whole, Chunks], 0, Some(Streamed)),
            (&[Streamed], 1, Some(Whole)),
            (&[Streamed], 2, Some(Chunks)),
            (&[Chunks], 2, Some(Streamed)),
            (&[Chunks, Streamed], 2, Some(Whole)),
            (&[Chunks, Streamed], 0, Some(Whole)),
            (&[Whole, Streamed, Chunks], 0, None),
        ];
        for (refused, losses, expected) in cases {
            assert_eq!(next_mode(refused, losses), expected, "{refused:?} {losses}");
        }
    }

    #[test]
    fn bodies_of_put_are_given_up_but_not_for_their_size() {
        for (status, expected) in [
            (StatusCode::PAYLOAD_TOO_LARGE, false),
            (StatusCode::METHOD_NOT_ALLOWED, true),
        ] {
            let mut strategy = UploadStrategy::new(Refused::default());
            strategy.refuse(Whole, status);
            assert_eq!(strategy.closes_empty(), expected);
        }
    }

    #[test]
    fn refusals_are_remembered_by_registry() {
        let refusals = UnsupportedModes::default();
        let mut strategy = UploadStrategy::new(refusals.of("a.example"));
        strategy.lose();
        refusals.remember("a.example", strategy.refused());
        assert_eq!(refusals.of("a.example"), Refused::default());
        strategy.refuse(Whole, StatusCode::PAYLOAD_TOO_LARGE);
        refusals.remember("a.example", strategy.refused());
        assert_eq!(UploadStrategy::new(refusals.of("a.example")).mode(), Some(Chunks));
        assert_eq!(UploadStrategy::new(refusals.of("b.example")).mode(), Some(Whole));
    }

    #[test]
    fn chunks_are_as_large_as_asked_within_bounds() {
        for (registry, asked, expected) in [
            ("r.example", None, CHUNK_BYTES),
            ("r.example", Some(1), CHUNK_BYTES),
            ("r.example", Some(20_000_000), 20_000_000),
            ("r.example", Some(u64::MAX), MAX_CHUNK_BYTES),
            ("ghcr.io", None, GHCR_CHUNK_BYTES),
            ("ghcr.io", Some(u64::MAX), GHCR_CHUNK_BYTES),
        ] {
            assert_eq!(chunk_bytes(registry, asked), expected, "{registry} {asked:?}");
        }
    }
}
