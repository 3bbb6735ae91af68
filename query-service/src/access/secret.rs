//! The text of a key: what a client keeps secret.
//!
//! `cp_`, the 32 random bytes in hex, and the CRC-32 of all that in hex: 75 signs. The prefix and the checksum are for those who look for
//! leaked secrets in code and logs: they find keys, and hardly anything else, without asking anybody.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// What every key begins with.
const PREFIX: &str = "cp_";
const SECRET_BYTES: usize = 32;
/// Of the prefix and the secret: what the checksum is of.
const CHECKED: usize = PREFIX.len() + 2 * SECRET_BYTES;
const LENGTH: usize = CHECKED + 8;
/// A prefix and so many digits are a key, or were one.
const TELLING_DIGITS: usize = 16;

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers for a key")]
pub struct NoRandomness;

/// The secret of a key.
pub struct Secret([u8; SECRET_BYTES]);

/// The secret stays out of logs.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(of {})", self.id())
    }
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Reads a key's text; `None` where it is none, be it for one wrong sign.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let checksum = text.get(CHECKED..LENGTH).filter(|_| text.len() == LENGTH)?;
        let digits = text.strip_prefix(PREFIX)?.as_bytes().get(..2 * SECRET_BYTES)?;
        if checksum != checksum_of(text.get(..CHECKED)?) {
            return None;
        }
        Some(Self(bytes(digits)?))
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = format!("{PREFIX}{}", hex(&self.0));
        let checksum = checksum_of(&text);
        text + &checksum
    }

    /// What is stored of it.
    ///
    /// One round of SHA-256 is right here: slow hashes make it dear to try the few passwords that people choose, and there is no trying
    /// 256 random bits. A slow one would only make each request dear.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        hash
    }

    /// The key's name in lists and logs.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.hash())
    }
}

/// The public name of a key: the first 8 bytes of its hash, in hex. It opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

/// The text is no key's id. It is not shown: it may be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key's id, expected 16 hex digits as `cloudping key list` shows them")]
pub struct NoKeyId;

impl KeyId {
    /// The id of a key with this hash.
    #[must_use]
    pub fn of(hash: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for KeyId {
    type Err = NoKeyId;

    fn from_str(text: &str) -> Result<Self, NoKeyId> {
        bytes(text.as_bytes()).map(Self).ok_or(NoKeyId)
    }
}

/// Whether a key stands in this text of an address, or a good part of one.
pub(crate) fn holds_key(text: &str) -> bool {
    let digits = |from: &str| from.bytes().take_while(u8::is_ascii_hexdigit).count();
    // The prefix as it is, and with its underscore escaped.
    ["cp_", "cp%5F", "cp%5f"].into_iter().any(|prefix| {
        let mut after = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
        after.any(|rest| digits(rest) >= TELLING_DIGITS)
    })
}

/// Whether a key may stand in this text of an address, be it without its prefix: then it goes into no log.
pub(crate) fn may_hold_key(text: &str) -> bool {
    let mut digits = 0;
    let secret = text.bytes().any(|byte| {
        digits = if byte.is_ascii_hexdigit() { digits + 1 } else { 0 };
        digits >= 2 * SECRET_BYTES
    });
    secret || holds_key(text)
}

fn checksum_of(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Bytes of exactly so many lower-case hex digits.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret(std::array::from_fn(|at| at as u8))
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let text = secret().to_text();
        // The checksum is zlib's.
        assert_eq!(text, "cp_000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f360e25d5");
        assert_eq!(Secret::parse(&text).unwrap().0, secret().0);
        // SHA-256 of the bytes 0 to 31.
        assert_eq!(secret().id().to_string(), "630dcd2966c43366");
        assert_eq!("630dcd2966c43366".parse(), Ok(secret().id()));
    }

    #[test]
    fn any_wrong_sign_makes_it_no_key() {
        let text = secret().to_text();
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
            assert!(Secret::parse(std::str::from_utf8(&wrong).unwrap()).is_none(), "at {at}");
        }
        let upper = text.to_uppercase();
        for wrong in ["", "cp_", &text[1..], &text[..74], &format!("{text}0"), &upper, "cp_é", &"é".repeat(40)] {
            assert!(Secret::parse(wrong).is_none(), "{wrong}");
        }
        for wrong in ["", "630dcd2966c4336", "630DCD2966C43366", &text] {
            assert_eq!(wrong.parse::<KeyId>(), Err(NoKeyId));
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let text = secret().to_text();
        let shown = format!("{:?}", secret());
        assert!(!shown.contains(&text[3..20]), "{shown}");
        assert_ne!(Secret::generate().unwrap().0, Secret::generate().unwrap().0);
    }

    #[test]
    fn keys_are_found_in_addresses() {
        let text = secret().to_text();
        let (cut, escaped) = (&text[..30], text.replace('_', "%5F"));
        for hidden in [text.as_str(), cut, &escaped, &format!("source=a&q={text}")] {
            assert!(holds_key(hidden) && may_hold_key(hidden), "{hidden}");
        }
        // Which may as well be a cursor.
        assert!(may_hold_key(&text[3..]) && !holds_key(&text[3..]));
        for plain in
            ["", "source=eu-west-1&target=us-east-1", "cp_1", "q=select+cp_id+from+samples", "2026-01-01T00:00:00Z"]
        {
            assert!(!may_hold_key(plain), "{plain}");
        }
    }
}
