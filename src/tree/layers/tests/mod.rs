//! Layers that the tests write, and the tree that they give.

mod merging;
mod streams;

use super::super::LayerError;
use super::super::testing::{LayerTar, listing, tree_of};

/// Adds entries to a layer.
type Fill = fn(LayerTar) -> LayerTar;

fn shown(layers: &[Fill]) -> Vec<String> {
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer(LayerTar::new()).finish()).collect();
    listing(&tree_of(&layers).unwrap())
}

fn error_of(layers: &[Fill]) -> LayerError {
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer(LayerTar::new()).finish()).collect();
    tree_of(&layers).unwrap_err()
}
