//! TLS from a certificate and a key in files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificate that a door shows, read and checked.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

/// Why there is no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file is not what it should be.
    Malformed(PathBuf, String),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(formatter, "{}: {error}", path.display()),
            Self::Malformed(path, reason) => write!(formatter, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// TLS with a chain of certificates, the server's own first, and its private key, both as PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let text = |path: &Path| fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error));
        let malformed =
            |path: &Path, expected: &str| TlsError::Malformed(path.to_owned(), format!("expected {expected} as PEM"));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(certificates)?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| malformed(certificates, "certificates"))?;
        let private = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|_| malformed(key, "a private key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unfit = |error: rustls::Error| TlsError::Malformed(key.to_owned(), error.to_string());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.map_err(unfit)?.with_no_client_auth().with_single_cert(chain, private);
        let mut config = config.map_err(unfit)?;
        // A client that starts with TLS at once must say that it means this protocol.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_something_else_are_named() {
        let missing = Tls::read(Path::new("/nowhere/cert.pem"), Path::new("/nowhere/key.pem")).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/cert.pem: "), "{missing}");
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let wrong = Tls::read(here, here).unwrap_err().to_string();
        assert!(wrong.ends_with("Cargo.toml: expected certificates as PEM"), "{wrong}");
    }
}
