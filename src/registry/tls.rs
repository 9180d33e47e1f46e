//! TLS: whom to trust, and the cryptography. The provider is graviola (cargo feature `graviola`, the default) or ring
//! (cargo feature `ring`, for other processors).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::config::EndpointTls;
use crate::model::escape;
use crate::store::StoreError;

/// Protocols offered in the handshake, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is said of one host besides the common roots.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostTls {
    /// Its directory of certificates, `certs.d/HOST[:PORT]`.
    pub(super) directory: Option<PathBuf>,
    /// What options and configuration say.
    pub(super) terms: EndpointTls,
}

/// Makes the configuration for one host. The error names the file that cannot be used.
pub(super) fn client_config(
    system_roots: &[CertificateDer<'static>],
    ca_files: &[PathBuf],
    host: &HostTls,
) -> Result<ClientConfig, StoreError> {
    let files = match &host.directory {
        Some(directory) => HostFiles::list(directory)?,
        None => HostFiles::default(),
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_roots.iter().cloned());
    for path in ca_files.iter().chain(&files.authorities).chain(&host.terms.ca_files) {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| unusable(path, &error.to_string()))?;
        }
    }
    let provider = Arc::new(provider()?);
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| no_tls(&error.to_string(), None))?;
    let builder = match host.terms.skip_verify {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(algorithms))),
        false => builder.with_root_certificates(roots),
    };
    let mut config = match host.terms.identity.clone().or(files.identity) {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| unusable(&key, &error.to_string()))?;
            let chain = certificates(&certificate)?;
            let built = builder.with_client_auth_cert(chain, private);
            built.map_err(|error| unusable(&certificate, &error.to_string()))?
        }
    };
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn provider() -> Result<CryptoProvider, StoreError> {
    #[cfg(feature = "graviola")]
    if missing_processor_feature().is_none() {
        return Ok(rustls_graviola::default_provider());
    }
    #[cfg(feature = "ring")]
    {
        Ok(rustls::crypto::ring::default_provider())
    }
    #[cfg(not(feature = "ring"))]
    {
        #[cfg(feature = "graviola")]
        let lacking = missing_processor_feature();
        #[cfg(not(feature = "graviola"))]
        let lacking: Option<&str> = None;
        let reason = match lacking {
            Some(feature) => format!("this processor lacks {feature}, which the cryptography of this build needs"),
            None => "this build has no cryptography".to_owned(),
        };
        Err(no_tls(&reason, Some("build it with the cargo feature `ring`: cargo install ocitect --features ring")))
    }
}

/// What graviola asserts at its first use.
#[cfg(all(feature = "graviola", target_arch = "x86_64"))]
fn missing_processor_feature() -> Option<&'static str> {
    macro_rules! first_missing {
        ($($name:tt),*) => {{
            $(if !std::arch::is_x86_feature_detected!($name) { return Some($name); })*
            None
        }};
    }
    first_missing!("aes", "pclmulqdq", "bmi1", "bmi2", "adx", "avx", "avx2")
}

/// What graviola asserts at its first use.
#[cfg(all(feature = "graviola", target_arch = "aarch64"))]
fn missing_processor_feature() -> Option<&'static str> {
    macro_rules! first_missing {
        ($($name:tt),*) => {{
            $(if !std::arch::is_aarch64_feature_detected!($name) { return Some($name); })*
            None
        }};
    }
    first_missing!("neon", "aes", "pmull", "sha2")
}

fn no_tls(reason: &str, help: Option<&str>) -> StoreError {
    let help = help.map(ToOwned::to_owned);
    StoreError::Malformed { place: "TLS".to_owned(), reason: reason.to_owned(), help }
}

fn unusable(path: &Path, reason: &str) -> StoreError {
    let place = escape(path.as_os_str().as_encoded_bytes());
    StoreError::Malformed { place, reason: reason.to_owned(), help: Some("a PEM file is expected".to_owned()) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let text = std::fs::read(path).map_err(|cause| StoreError::io("reading", path, cause))?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(unusable(path, "it holds no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

/// What stands in a host's directory of `certs.d`.
#[derive(Debug, Default, PartialEq, Eq)]
struct HostFiles {
    authorities: Vec<PathBuf>,
    /// Certificate and key of the client; the first pair by name.
    identity: Option<(PathBuf, PathBuf)>,
}

impl HostFiles {
    fn list(directory: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("reading", directory, cause);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let mut files = Self::default();
        for path in &paths {
            let partner = |extension| {
                let partner = path.with_extension(extension);
                match paths.contains(&partner) {
                    true => Ok(partner),
                    false => Err(unusable(path, &format!("there is no .{extension} file of the same name beside it"))),
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

/// Takes any certificate; the handshake's signature must be that certificate's all the same.
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl fmt::Debug for AnyCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AnyCertificate")
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_is_offered_first() {
        let config = client_config(&[], &[], &HostTls::default()).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn a_file_that_is_not_a_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let missing = client_config(&[], std::slice::from_ref(&path), &HostTls::default()).unwrap_err();
        assert!(matches!(missing, StoreError::Io { .. }), "{missing}");
        for bad in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, bad).unwrap();
            let error = client_config(&[], std::slice::from_ref(&path), &HostTls::default()).unwrap_err();
            assert!(error.to_string().contains("ca.pem"), "{error}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.crt", "b.crt", "notes.txt", "client.cert", "client.key"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let files = HostFiles::list(directory.path()).unwrap();
        assert_eq!(files.authorities, [directory.path().join("a.crt"), directory.path().join("b.crt")]);
        assert_eq!(files.identity.unwrap().1, directory.path().join("client.key"));
        for lone in ["other.cert", "other.key"] {
            std::fs::write(directory.path().join(lone), "").unwrap();
            assert!(HostFiles::list(directory.path()).unwrap_err().to_string().contains(lone));
            std::fs::remove_file(directory.path().join(lone)).unwrap();
        }
    }
}
