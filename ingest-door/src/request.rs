//! The head of a signed request, and its signature.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloudping_model::{UtcMicros, VantageId};
use cloudping_schemas::ingest::{
    CONTENT_TYPE, Fingerprint, KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, VANTAGE_HEADER, signed_text,
};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::limits::Limits;
use crate::refusal::{Reason, Refusal};

/// What a request says of itself before its body is read.
#[derive(Debug)]
pub struct Head {
    /// Who says to have measured.
    pub vantage: VantageId,
    /// When the request says to have been signed.
    pub time: UtcMicros,
    /// The body's length in bytes.
    pub length: usize,
    key: [u8; 32],
    signature: [u8; 64],
}

/// What identifies a request that was signed: the first half of the SHA-256 of the signed text.
pub type Mark = [u8; 16];

impl Head {
    /// Reads the headers.
    pub fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let plain = !headers.contains_key(header::CONTENT_ENCODING);
        if !plain || text(headers, header::CONTENT_TYPE.as_str()) != Some(CONTENT_TYPE) {
            let detail = format!("the body is expected to be {CONTENT_TYPE}, without a content-encoding");
            return Err(Refusal::new(Reason::MediaType, detail).field("content-type", CONTENT_TYPE));
        }
        let vantage = text(headers, VANTAGE_HEADER).and_then(|text| VantageId::new(text).ok());
        let vantage = vantage.ok_or_else(|| wrong(VANTAGE_HEADER, "1 to 64 characters out of a-z, 0-9 and . _ : -"))?;
        let time = text(headers, TIME_HEADER).and_then(micros);
        let time = time.ok_or_else(|| wrong(TIME_HEADER, "microseconds since 1970 in up to 18 decimal digits"))?;
        let key = bytes(headers, KEY_HEADER).ok_or_else(|| wrong(KEY_HEADER, "32 bytes in base64url, unpadded"))?;
        let signature = bytes(headers, SIGNATURE_HEADER);
        let signature = signature.ok_or_else(|| wrong(SIGNATURE_HEADER, "64 bytes in base64url, unpadded"))?;
        let Some(length) = headers.get(header::CONTENT_LENGTH) else {
            let detail = "the request does not say how long its body is, expected a content-length";
            return Err(Refusal::new(Reason::NoLength, detail));
        };
        let length = length.to_str().ok().and_then(|digits| digits.parse().ok());
        let length = length.ok_or_else(|| wrong("content-length", "the number of bytes of the body"))?;
        Ok(Self { vantage, time, length, key, signature })
    }

    /// Refuses what the door need not read the body of.
    pub fn check(&self, now: UtcMicros, limits: &Limits) -> Result<(), Refusal> {
        let off = self.time.0.saturating_sub(now.0);
        if off.abs() > limits.clock_us {
            let side = if off > 0 { "ahead of" } else { "behind" };
            let (off, most) = (off.abs() / 1_000_000, limits.clock_us / 1_000_000);
            let detail = format!("the request was signed {off} s {side} the door's clock: set the sender's clock");
            let refusal = Refusal::new(Reason::Clock, detail).door_time(now);
            return Err(refusal.field(TIME_HEADER, format!("at most {most} s from door_time_us")));
        }
        if self.length > limits.body_bytes {
            let detail = format!("the body has {} bytes, expected at most {}", self.length, limits.body_bytes);
            let expected = format!("at most {} bytes", limits.body_bytes);
            return Err(Refusal::new(Reason::TooLarge, detail).field("content-length", expected));
        }
        Ok(())
    }

    /// What the door knows of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha256(&self.key))
    }

    /// Checks the signature.
    pub fn verify(&self, body: &[u8]) -> Result<Mark, Refusal> {
        let text = signed_text(&self.vantage, self.time, sha256(body));
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        let verified = key.verify(text.as_bytes(), &self.signature);
        verified.map_err(|_unspecified| Refusal::unauthorized(Reason::Signature))?;
        Ok(*sha256(text.as_bytes()).first_chunk().expect("32 bytes have a first half"))
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// A header that is there once.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// So few digits that the number is far from overflow.
fn micros(digits: &str) -> Option<UtcMicros> {
    let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(UtcMicros)
}

fn bytes<const N: usize>(headers: &HeaderMap, name: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text(headers, name)?).ok()?.try_into().ok()
}

fn wrong(header: &str, expected: &str) -> Refusal {
    let detail = format!("the header {header} is missing or malformed, expected once {expected}");
    Refusal::new(Reason::Header, detail).field(header, expected)
}
