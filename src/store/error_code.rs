//! The error codes of registries (distribution-spec, "Error Codes").

use std::fmt;

/// The code in the error document of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCode {
    /// The registry does not have the blob.
    BlobUnknown,
    /// The upload of the blob is invalid.
    BlobUploadInvalid,
    /// The registry does not have the upload session.
    BlobUploadUnknown,
    /// The content does not match its digest.
    DigestInvalid,
    /// The manifest refers to content that the registry does not have.
    ManifestBlobUnknown,
    /// The manifest is invalid.
    ManifestInvalid,
    /// The registry does not have the manifest.
    ManifestUnknown,
    /// The name of the repository is invalid.
    NameInvalid,
    /// The registry does not have the repository.
    NameUnknown,
    /// The content does not match its size.
    SizeInvalid,
    /// Authentication is required.
    Unauthorized,
    /// The account has no permission.
    Denied,
    /// The registry does not support the operation.
    Unsupported,
    /// Too many requests.
    TooManyRequests,
    /// A code that the specification does not list, such as that of a token service.
    Other(String),
}

/// The codes of the specification, and their names.
const NAMES: [(ErrorCode, &str); 14] = [
    (ErrorCode::BlobUnknown, "BLOB_UNKNOWN"),
    (ErrorCode::BlobUploadInvalid, "BLOB_UPLOAD_INVALID"),
    (ErrorCode::BlobUploadUnknown, "BLOB_UPLOAD_UNKNOWN"),
    (ErrorCode::DigestInvalid, "DIGEST_INVALID"),
    (ErrorCode::ManifestBlobUnknown, "MANIFEST_BLOB_UNKNOWN"),
    (ErrorCode::ManifestInvalid, "MANIFEST_INVALID"),
    (ErrorCode::ManifestUnknown, "MANIFEST_UNKNOWN"),
    (ErrorCode::NameInvalid, "NAME_INVALID"),
    (ErrorCode::NameUnknown, "NAME_UNKNOWN"),
    (ErrorCode::SizeInvalid, "SIZE_INVALID"),
    (ErrorCode::Unauthorized, "UNAUTHORIZED"),
    (ErrorCode::Denied, "DENIED"),
    (ErrorCode::Unsupported, "UNSUPPORTED"),
    (ErrorCode::TooManyRequests, "TOOMANYREQUESTS"),
];

impl From<&str> for ErrorCode {
    fn from(text: &str) -> Self {
        let known = NAMES.into_iter().find(|(_, name)| *name == text);
        known.map_or_else(|| Self::Other(text.to_owned()), |(code, _)| code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Other(text) = self {
            return formatter.write_str(text);
        }
        let name = NAMES.iter().find(|(code, _)| code == self).map(|(_, name)| *name);
        formatter.write_str(name.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shown_as_they_are_read() {
        for (code, name) in NAMES {
            assert_eq!(ErrorCode::from(name), code);
            assert_eq!(code.to_string(), name);
        }
        for other in ["denied", "invalid_grant", "BLOB_UNKNOWN "] {
            assert_eq!(ErrorCode::from(other), ErrorCode::Other(other.to_owned()));
            assert_eq!(ErrorCode::from(other).to_string(), other);
        }
    }
}
