//! Names that delete files of lower layers (image-spec, layer.md, "Whiteouts").

/// Prefix of the name of a whiteout, which deletes the file of the rest of its name.
pub const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// Name of the whiteout that deletes everything below its directory.
pub const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";
