//! Bounds of a YAML file, which comes from outside.

/// Greatest size of a file: 16 MiB. Lists of all custom resources of an operator have about 5 MB.
pub const MAX_YAML_BYTES: usize = 16 * 1024 * 1024;

/// Greatest number of nodes of a file. A tree holds them all, in about 100 bytes each; the lists of custom resources
/// have about 100 000.
pub const MAX_NODES: usize = 500_000;

/// Greatest depth, also through aliases. Schemas of custom resources reach about 50; 128 is what `serde_json` allows.
pub const MAX_DEPTH: usize = 128;

/// Greatest number of nodes of a file if each alias is replaced by what it stands for. It bounds the time of a walk that
/// follows aliases.
pub const MAX_EXPANDED_NODES: usize = 4 * MAX_NODES;
