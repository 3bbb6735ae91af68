//! Who may vouch for a door: the public authorities, and those that a file names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// The longest file that is read: every public authority together has less.
const MOST_BYTES: u64 = 1 << 20;

/// Authorities beside the public ones (Mozilla's list), which are always believed.
#[derive(Clone)]
pub struct Authorities(Vec<Certificate<'static>>);

/// Why a file names no authorities.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file of certificates.
    #[error("{}: {found}, expected certificates of authorities as PEM (-----BEGIN CERTIFICATE-----)", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it is.
        found: String,
    },
}

impl Authorities {
    /// Reads a file of PEM certificates; what else it holds is passed over.
    ///
    /// # Errors
    /// [`AuthoritiesError`]: also where one of its certificates cannot be read, since the door's may be of that one.
    pub fn read(path: &Path) -> Result<Self, AuthoritiesError> {
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text));
        read.map_err(|source| AuthoritiesError::File { path: path.to_owned(), source })?;
        certificates(&text).map(Self).map_err(|found| AuthoritiesError::Content { path: path.to_owned(), found })
    }

    /// How a door is believed by these.
    pub(crate) fn tls(&self) -> TlsConfig {
        let public = TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der.as_ref()));
        let all: Vec<_> = public.chain(self.0.iter().cloned()).collect();
        TlsConfig::builder().root_certs(RootCerts::new_with_certs(&all)).build()
    }
}

/// The certificates of a text, each one that TLS can take for an authority's; else what the text is.
fn certificates(text: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {} MiB", MOST_BYTES >> 20));
    }
    let (mut found, mut roots) = (Vec::new(), RootCertStore::empty());
    for item in parse_pem(text) {
        let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? else { continue };
        let nth = found.len() + 1;
        let taken = roots.add(CertificateDer::from(certificate.der()));
        taken.map_err(|error| format!("its certificate {nth} cannot be read ({error})"))?;
        found.push(certificate);
    }
    match (found.is_empty(), text.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err("it is empty".to_owned()),
        (true, false) => Err("it has no certificate".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem()
    }

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, text).unwrap();
        let error = Authorities::read(&path).err().unwrap().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        error
    }

    #[test]
    fn certificates_are_read_whatever_is_between_them() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let text = format!("Our authority\n{}{key}And the next\n{}", authority(), authority());
        assert_eq!(certificates(text.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn what_names_no_authority_is_refused_and_said() {
        assert!(refused("").contains("it is empty, expected certificates of authorities as PEM"));
        assert!(refused("hello\n").contains("it has no certificate"));
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(refused(&key).contains("it has no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(refused(&format!("{}{broken}", authority())).contains("its certificate 2 cannot be read"));
        assert!(refused(&"x".repeat(2 << 20)).contains("it has more than 1 MiB"));
        let nowhere = Authorities::read(Path::new("/nowhere/ca.pem")).err().unwrap().to_string();
        assert!(nowhere.starts_with("/nowhere/ca.pem: No such file"), "{nowhere}");
    }
}
