//! Format 1 through the real binary: golden digests and listings, what must not change a digest, and other programs'
//! reading of the layers and of what they are compressed to.

mod blobs;
mod deflate;
mod fixture;
mod golden;
mod listing;
mod readers;
mod same;
mod standard;
#[path = "../support/sandbox.rs"]
mod support;
mod tar;
