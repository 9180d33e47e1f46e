//! Files of certificates and keys: those of `--ca-file`, of `hosts.toml`, and of a host's directory in `certs.d`.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::{Pipes, escape_path, is_irregular, read_input};
use crate::store::StoreError;

/// Size limit of a file of certificates or of a key, in bytes: twenty times a system's bundle of authorities.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Returns the error for a configured file that cannot be used.
pub(super) fn unusable(path: &Path, reason: &str) -> StoreError {
    StoreError::malformed(escape_path(path), reason).with_help("expected a PEM file")
}

/// Reads the certificates of a file. A file without any is an error.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let text = read(path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(unusable(path, "it contains no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

/// Reads the certificates of a system file, without the entries that cannot be parsed.
pub(super) fn parsable_certificates(path: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let text = read_input(path, Pipes::Refused, MAX_FILE_BYTES)?;
    Ok(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect())
}

/// Reads the private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, StoreError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| unusable(path, &error.to_string()))
}

/// Reads a file, once for each host that uses it.
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    read_input(path, Pipes::Refused, MAX_FILE_BYTES).map_err(|cause| match cause.kind() {
        kind if kind == std::io::ErrorKind::FileTooLarge || is_irregular(&cause) => unusable(path, &cause.to_string()),
        _ => StoreError::io("read", path, cause),
    })
}

/// The files in a host's directory of `certs.d`.
#[derive(Debug, Default)]
pub(super) struct HostFiles {
    pub(super) authorities: Vec<PathBuf>,
    /// Certificate and key of the client: the first pair by name.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

impl HostFiles {
    /// Lists a directory. A client certificate without its key is an error, and so is a key without its certificate.
    pub(super) fn list(directory: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("read", directory, cause);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let mut files = Self::default();
        for path in &paths {
            let partner = |extension| {
                let partner = path.with_extension(extension);
                if paths.contains(&partner) {
                    Ok(partner)
                } else {
                    Err(unusable(
                        path,
                        &format!("there is no .{extension} file with the same name next to it"),
                    ))
                }
            };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => files.authorities.push(path.clone()),
                Some("cert") => {
                    let pair = (path.clone(), partner("key")?);
                    files.identity.get_or_insert(pair);
                }
                Some("key") => drop(partner("cert")?),
                _ => {}
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_a_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let missing = certificates(&path).unwrap_err();
        assert!(matches!(missing, StoreError::Io { .. }), "{missing}");
        let large = vec![b'x'; MAX_FILE_BYTES as usize + 1];
        for bad in [
            &b""[..],
            b"nonsense",
            b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            &large,
        ] {
            std::fs::write(&path, bad).unwrap();
            for error in [certificates(&path).unwrap_err(), private_key(&path).unwrap_err()] {
                assert!(error.to_string().contains("ca.pem"), "{error}");
            }
        }
        for device in ["/dev/zero", "/dev/tty"] {
            assert!(certificates(Path::new(device)).is_err(), "{device}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.crt", "b.crt", "notes.txt", "client.cert", "client.key"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let files = HostFiles::list(directory.path()).unwrap();
        assert_eq!(
            files.authorities,
            [directory.path().join("a.crt"), directory.path().join("b.crt")]
        );
        assert_eq!(files.identity.unwrap().1, directory.path().join("client.key"));
        for lone in ["other.cert", "other.key"] {
            std::fs::write(directory.path().join(lone), "").unwrap();
            assert!(
                HostFiles::list(directory.path())
                    .unwrap_err()
                    .to_string()
                    .contains(lone)
            );
            std::fs::remove_file(directory.path().join(lone)).unwrap();
        }
    }
}
