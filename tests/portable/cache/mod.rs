//! The cache: layers and blocks that are not made again.

mod records;
