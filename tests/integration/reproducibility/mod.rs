//! Format 1 with the real binary: golden digests and listings, influences that must not change a digest, and other
//! programs' reading of the layers and of their compressed form.

mod blobs;
mod deflate;
mod fixture;
mod golden;
mod listing;
mod readers;
mod same;
mod tar;
