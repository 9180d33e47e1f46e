//! TLS: trusted certificates, and the cryptography. The provider is graviola (cargo feature `graviola`, the default) or
//! ring (cargo feature `ring`, for other processors).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificates::{HostFiles, certificates, private_key, unusable};
use super::config::EndpointTls;
use super::failure::Failure;
use crate::store::StoreError;

/// Protocols offered in the handshake, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Settings of one host, in addition to the system's roots.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostTls {
    /// Its directory of certificates, `certs.d/HOST[:PORT]`.
    pub(super) directory: Option<PathBuf>,
    /// Settings from options and configuration files.
    pub(super) terms: EndpointTls,
}

/// Builds the configuration for one host. The error names the file that cannot be used.
pub(super) fn client_config<'a>(
    system_roots: impl FnOnce() -> Result<&'a [CertificateDer<'static>], StoreError>,
    ca_files: &[PathBuf],
    host: &HostTls,
) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(provider().map_err(Failure::NoTls)?);
    let files = match &host.directory {
        Some(directory) => HostFiles::list(directory)?,
        None => HostFiles::default(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(no_tls)?
        .dangerous();
    let verifier = if host.terms.skip_verify {
        Verifier::any(&provider)
    } else {
        let named = ca_files.iter().chain(&files.authorities).chain(&host.terms.ca_files);
        let system_roots = system_roots()?;
        let trusted = trusted(system_roots, named)?;
        Verifier::trusted(trusted, provider)?
    };
    let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match host.terms.identity.clone().or(files.identity) {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(&certificate)?;
            let private = private_key(&key)?;
            let built = builder.with_client_auth_cert(chain, private);
            built.map_err(|error| unusable(&certificate, &error.to_string()))?
        }
    };
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Returns the configuration of a client without TLS, which the HTTP library requires and never uses. It needs no
/// processor feature.
pub(super) fn config_without_tls() -> Result<ClientConfig, StoreError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(unchecked_provider()?))
        .with_safe_default_protocol_versions()
        .map_err(no_tls)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Returns the cryptography provider, if this machine supports it.
fn provider() -> Result<CryptoProvider, StoreError> {
    #[cfg(all(feature = "graviola", feature = "ring"))]
    if missing_processor_feature().is_some() {
        return Ok(rustls::crypto::ring::default_provider());
    }
    #[cfg(all(feature = "graviola", not(feature = "ring")))]
    if let Some(missing) = missing_processor_feature() {
        let reason = format!("this processor does not support {missing}, which the cryptography of this build needs");
        return Err(no_tls(reason).with_help(WITH_RING));
    }
    unchecked_provider()
}

/// Returns the cryptography provider. Creating it needs no processor feature, using it does.
fn unchecked_provider() -> Result<CryptoProvider, StoreError> {
    #[cfg(feature = "graviola")]
    {
        Ok(rustls_graviola::default_provider())
    }
    #[cfg(all(feature = "ring", not(feature = "graviola")))]
    {
        Ok(rustls::crypto::ring::default_provider())
    }
    #[cfg(not(any(feature = "graviola", feature = "ring")))]
    {
        Err(no_tls("this build has no cryptography").with_help(WITH_RING))
    }
}

/// The build for a processor that this one does not support.
#[cfg(all(not(feature = "ring"), target_os = "linux", target_arch = "x86_64"))]
const WITH_RING: &str = concat!(
    "use the binary of the release that is made for all processors, ocitect-x86_64-unknown-linux-musl-ring-v",
    env!("CARGO_PKG_VERSION"),
    ".tgz, or compile it: cargo install --locked --no-default-features --features ring ocitect"
);
/// The build for a processor that this one does not support. Releases have none.
#[cfg(all(not(feature = "ring"), not(all(target_os = "linux", target_arch = "x86_64"))))]
const WITH_RING: &str = "compile ocitect with other cryptography: \
                         cargo install --locked --no-default-features --features ring ocitect";

/// Returns a missing processor feature that graviola asserts at its first use.
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

/// Returns a missing processor feature that graviola asserts at its first use.
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

fn no_tls(reason: impl ToString) -> StoreError {
    StoreError::malformed("TLS", reason.to_string())
}

/// Returns the trusted certificates: the system's, and those of the files.
fn trusted<'a>(
    system_roots: &[CertificateDer<'static>],
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<Trusted, StoreError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_roots.iter().cloned());
    let mut all = system_roots.to_vec();
    for path in files {
        for certificate in certificates(path)? {
            roots
                .add(certificate.clone())
                .map_err(|error| unusable(path, &error.to_string()))?;
            all.push(certificate);
        }
    }
    Ok(Trusted { roots, all })
}

struct Trusted {
    roots: RootCertStore,
    /// The trusted certificates, as they are stored.
    all: Vec<CertificateDer<'static>>,
}

/// Which certificates are accepted. The handshake's signature must always match the certificate.
#[derive(Debug)]
struct Verifier {
    accepted: Accepted,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Accepted {
    /// Any certificate.
    Any,
    /// Certificates of a trusted authority, and certificates that are trusted themselves: a registry's self-signed one,
    /// with or without the CA flag. Names and dates are always checked.
    Trusted {
        /// `None` if nothing is trusted.
        issued: Option<Arc<WebPkiServerVerifier>>,
        all: Vec<CertificateDer<'static>>,
    },
}

impl Verifier {
    fn any(provider: &CryptoProvider) -> Self {
        Self {
            accepted: Accepted::Any,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn trusted(trusted: Trusted, provider: Arc<CryptoProvider>) -> Result<Self, StoreError> {
        let algorithms = provider.signature_verification_algorithms;
        let Trusted { roots, all } = trusted;
        let issued = if roots.is_empty() {
            None
        } else {
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            Some(built.map_err(no_tls)?)
        };
        Ok(Self {
            accepted: Accepted::Trusted { issued, all },
            algorithms,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Accepted::Trusted { issued, all } = &self.accepted else {
            return Ok(ServerCertVerified::assertion());
        };
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let Some(issued) = issued else { return Err(unknown) };
        let verified = issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_of_issuer_alone(&error) => {
                if !all.iter().any(|certificate| certificate == end_entity) {
                    return Err(if is_own_authority(&error) { unknown } else { error });
                }
                // Dates are checked before the issuer, and names after it.
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&parsed, server_name).map(|()| ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns `true` if the only problem of a certificate is its issuer: an untrusted one, or itself, as an authority.
fn is_of_issuer_alone(error: &rustls::Error) -> bool {
    let of_issuer = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
    match error {
        rustls::Error::InvalidCertificate(error) if of_issuer.contains(error) => true,
        other => is_own_authority(other),
    }
}

/// Returns `true` if a certificate is an authority's and is used for a server.
fn is_own_authority(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_is_offered_first() {
        let Ok(config) = client_config(|| Ok(&[]), &[], &HostTls::default()) else {
            panic!("no configuration")
        };
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }
}
