//! How payloads stand in JSON.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};

/// Padded when written, read with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a payload stands in JSON, which has text and no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formatter {
    /// RFC 4648, section 4, with padding; read without it as well. Takes any bytes.
    #[default]
    Base64,
    /// Two digits a byte, in lower case; read in either. Takes any bytes.
    Hex,
    /// A character a byte. Takes bytes below 128 only: none is replaced.
    Ascii,
    /// The text itself. Takes valid UTF-8 only: nothing is replaced.
    Utf8,
}

/// A payload that a formatter cannot write, or data that it cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Data is not {formatter} at byte {at}, expected {}", formatter.takes())]
pub struct FormatError {
    /// The formatter.
    pub formatter: Formatter,
    /// The place of the first byte that is wrong, from 0; the length where something is missing at the end.
    pub at: usize,
}

/// A text names no formatter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("formatter {0:?}: expected base64, hex, ascii or utf8")]
pub struct FormatterError(String);

impl Formatter {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Base64, Self::Hex, Self::Ascii, Self::Utf8];

    /// Its name in JSON and in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Ascii => "ascii",
            Self::Utf8 => "utf8",
        }
    }

    fn takes(self) -> &'static str {
        match self {
            Self::Base64 => "A-Z, a-z, 0-9, + and /, with = only at the end",
            Self::Hex => "an even number of hexadecimal digits",
            Self::Ascii => "bytes below 128 only",
            Self::Utf8 => "valid UTF-8",
        }
    }

    /// The payload as text.
    ///
    /// # Errors
    /// [`FormatError`] where the payload has bytes that this formatter does not take.
    pub fn write(self, payload: &[u8]) -> Result<String, FormatError> {
        let wrong = |at| FormatError { formatter: self, at };
        let text = |payload| std::str::from_utf8(payload).map(str::to_owned);
        match self {
            Self::Base64 => Ok(BASE64.encode(payload)),
            Self::Hex => Ok(HEXLOWER_PERMISSIVE.encode(payload)),
            Self::Ascii => match payload.iter().position(|byte| !byte.is_ascii()) {
                Some(at) => Err(wrong(at)),
                None => text(payload).map_err(|error| wrong(error.valid_up_to())),
            },
            Self::Utf8 => text(payload).map_err(|error| wrong(error.valid_up_to())),
        }
    }

    /// The payload as text, in base64 where this formatter cannot write it; and which of the two it was.
    #[must_use]
    pub fn write_or_base64(self, payload: &[u8]) -> (Self, String) {
        self.write(payload).map_or_else(|_| (Self::Base64, BASE64.encode(payload)), |data| (self, data))
    }

    /// The payload that a text stands for.
    ///
    /// # Errors
    /// [`FormatError`] where the text is not of this formatter.
    pub fn read(self, data: &str) -> Result<Vec<u8>, FormatError> {
        use base64::DecodeError::{InvalidByte, InvalidLastSymbol, InvalidLength, InvalidPadding};
        let wrong = |at| FormatError { formatter: self, at };
        match self {
            Self::Base64 => BASE64.decode(data).map_err(|error| match error {
                InvalidByte(at, _) | InvalidLastSymbol(at, _) => wrong(at),
                InvalidLength(_) | InvalidPadding => wrong(data.len()),
            }),
            Self::Hex => HEXLOWER_PERMISSIVE.decode(data.as_bytes()).map_err(|error| wrong(error.position)),
            Self::Ascii => match data.bytes().position(|byte| !byte.is_ascii()) {
                Some(at) => Err(wrong(at)),
                None => Ok(data.as_bytes().to_vec()),
            },
            Self::Utf8 => Ok(data.as_bytes().to_vec()),
        }
    }
}

impl fmt::Display for Formatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Formatter {
    type Err = FormatterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|formatter| formatter.name() == text).ok_or_else(|| FormatterError(text.to_owned()))
    }
}
