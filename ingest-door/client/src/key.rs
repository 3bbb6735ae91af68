//! A vantage point's key: made once, kept in a file that nobody else can read.

use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudping_model::VantageId;
use cloudping_schemas::ingest::Fingerprint;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The first word of a key's text, with its version.
const KIND: &str = "cloudping-ingest-key-1";
/// The longest file that is read as a key.
const MOST_BYTES: u64 = 1024;

/// An Ed25519 key of one vantage point. As text it is one line: its kind, the vantage point and the seed in base64url.
pub struct Key {
    vantage: VantageId,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key")]
    Random,
    /// A file cannot be read or written.
    #[error("key file {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("key file {}: its mode is {mode:o}, expected 600: nobody else may read it (chmod 600)", path.display())]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The text is no key. It is not shown: it may be a secret.
    #[error("not a key, expected one line: {KIND} VANTAGE SEED, as `cloudping ingest-key new` writes it")]
    Text,
}

fn metadata(path: &Path) -> Result<Metadata, KeyError> {
    std::fs::metadata(path).map_err(|source| KeyError::File { path: path.to_owned(), source })
}

/// The seed stays out of logs.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("vantage", &self.vantage).field("fingerprint", &self.fingerprint()).finish()
    }
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate(vantage: VantageId) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_unspecified| KeyError::Random)?;
        Ok(Self::from_seed(vantage, seed))
    }

    /// The key of a seed.
    #[must_use]
    pub fn from_seed(vantage: VantageId, seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        Self { vantage, seed, pair }
    }

    /// Reads a key's text.
    ///
    /// # Errors
    /// [`KeyError::Text`].
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [KIND, vantage, seed] = words[..] else { return Err(KeyError::Text) };
        let seed = URL_SAFE_NO_PAD.decode(seed).ok().and_then(|seed| seed.try_into().ok());
        match (VantageId::new(vantage), seed) {
            (Ok(vantage), Some(seed)) => Ok(Self::from_seed(vantage, seed)),
            _ => Err(KeyError::Text),
        }
    }

    /// Its text, the secret included.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{KIND} {} {}\n", self.vantage, URL_SAFE_NO_PAD.encode(self.seed))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`]; also when others than its owner may read it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let mode = metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
        Self::read_credential(path)
    }

    /// Reads a key file out of a folder that the service manager guards: there an access list lets one user in, and shows as the
    /// group's permission.
    ///
    /// # Errors
    /// [`KeyError::File`] and [`KeyError::Text`].
    pub fn read_credential(path: &Path) -> Result<Self, KeyError> {
        if metadata(path)?.len() > MOST_BYTES {
            return Err(KeyError::Text);
        }
        let text = std::fs::read_to_string(path);
        Self::from_text(&text.map_err(|source| KeyError::File { path: path.to_owned(), source })?)
    }

    /// Writes a key file that is not there yet, for its owner only; it is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyError::File`], also where there is a file: a key that is overwritten is lost.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = options.and_then(|mut file| {
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| KeyError::File { path: path.to_owned(), source })
    }

    /// Whose it is.
    #[must_use]
    pub fn vantage(&self) -> &VantageId {
        &self.vantage
    }

    /// What the door is told of it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let bytes = digest(&SHA256, self.public());
        Fingerprint(bytes.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// The public key, 32 bytes.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The signature over these bytes, 64 bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from_seed(VantageId::new("us-gov-west-1").unwrap(), std::array::from_fn(|at| at as u8))
    }

    #[test]
    fn a_key_is_what_it_always_was() {
        // RFC 8032, section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed = seed.parse::<Fingerprint>().unwrap().0;
        let key = Key::from_seed(VantageId::new("a").unwrap(), seed);
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public(), public.parse::<Fingerprint>().unwrap().0);
        assert_eq!(
            self::key().to_text(),
            "cloudping-ingest-key-1 us-gov-west-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
        );
    }

    #[test]
    fn a_file_is_written_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        key().write_new(&path).unwrap();
        let read = Key::read(&path).unwrap();
        assert_eq!((read.to_text(), read.fingerprint()), (key().to_text(), key().fingerprint()));
        let other = Key::generate(VantageId::new("b").unwrap()).unwrap();
        assert!(matches!(other.write_new(&path), Err(KeyError::File { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), key().to_text());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Key::read(&path).unwrap_err().to_string();
        assert!(error.contains("its mode is 640, expected 600"), "{error}");
        assert!(Key::read_credential(&path).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let text = key().to_text();
        for bad in
            ["", "hello", &text.replace("-1 ", "-2 "), &text.replace("us-gov", "US GOV"), &text[..text.len() - 3]]
        {
            let error = Key::from_text(bad).unwrap_err().to_string();
            assert!(error.starts_with("not a key, expected one line: cloudping-ingest-key-1 VANTAGE SEED"), "{error}");
        }
        let shown = format!("{:?}", key());
        assert!(!shown.contains("AAECAw") && shown.contains("us-gov-west-1"), "{shown}");
    }

    #[test]
    fn no_two_new_keys_are_alike() {
        let new = || Key::generate(VantageId::new("a").unwrap()).unwrap().fingerprint();
        assert_ne!(new(), new());
    }
}
