//! Reading and writing the primitives of the encodings: bytes, LEB128 varints, little-endian numbers.

use std::fmt::Display;

/// Bytes that are not what an encoder writes. Names the field at fault and what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// The field at fault, by its name in the format's description.
    pub field: &'static str,
    /// What a valid encoding holds there.
    pub expected: String,
    /// What these bytes hold there.
    pub found: String,
}

impl DecodeError {
    pub(crate) fn new(field: &'static str, expected: impl Display, found: impl Display) -> Self {
        Self { field, expected: expected.to_string(), found: found.to_string() }
    }
}

/// Appends `value` as an LEB128 varint: seven bits a byte, least significant first, the high bit set on all bytes but the last.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`put_varint`] appends.
pub(crate) fn varint_len(value: u64) -> usize {
    ((value | 1).ilog2() / 7 + 1) as usize
}

/// [`put_varint`] for 128 bits.
pub(crate) fn put_varint_u128(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps signed to unsigned so that numbers near zero, of either sign, become short varints.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A cursor over bytes of unknown origin. Every read names its field, for the error.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn f64_le(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn i32_le(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_le_bytes(self.array(field)?))
    }

    /// Reads a varint as [`put_varint`] writes it: the shortest form is the only one accepted, so that equal values have equal bytes.
    #[inline]
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        match *self.rest {
            [byte, ref tail @ ..] if byte < 0x80 => {
                self.rest = tail;
                Ok(u64::from(byte))
            }
            [low, high, ref tail @ ..] if high < 0x80 && high > 0 => {
                self.rest = tail;
                Ok(u64::from(high) << 7 | u64::from(low & 0x7f))
            }
            _ => self.long_varint(field),
        }
    }

    fn long_varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0;
        // Nine bytes hold 63 bits, so that nothing is shifted out.
        for (i, &byte) in self.rest.iter().take(9).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 && (byte > 0 || i == 0) {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
            if byte < 0x80 {
                break;
            }
        }
        self.odd_varint(field)
    }

    /// A varint of ten bytes, or one that must be refused.
    #[cold]
    fn odd_varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let value = self.varint_u128(field)?;
        u64::try_from(value).map_err(|_| DecodeError::new(field, "at most 64 bits", value))
    }

    /// [`Reader::varint`] for 128 bits.
    pub(crate) fn varint_u128(&mut self, field: &'static str) -> Result<u128, DecodeError> {
        let mut value = 0u128;
        let mut shift = 0u32;
        loop {
            let byte = self.byte(field)?;
            let bits = u128::from(byte & 0x7f);
            if shift >= u128::BITS || (bits << shift) >> shift != bits {
                return Err(DecodeError::new(field, "a varint of at most 128 bits", "a longer one"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError::new(field, "a varint in its shortest form", "one padded with zeros"));
                }
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// Ends the reading: bytes that are left over belong to nothing and are an error.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::new("end", "no further bytes", format_args!("{} more", self.rest.len())))
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            return Err(DecodeError::new(
                field,
                format_args!("{N} more bytes"),
                format_args!("{} before the end", self.rest.len()),
            ));
        };
        self.rest = tail;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_have_the_published_bytes() {
        for (value, bytes) in [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn zigzag_keeps_small_numbers_small() {
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_padded_varint_is_refused() {
        let error = Reader::new(&[0x80, 0]).varint("n").unwrap_err();
        assert_eq!(error.to_string(), "n: expected a varint in its shortest form, found one padded with zeros");
    }

    #[test]
    fn a_varint_too_wide_is_refused() {
        let mut wide = Vec::new();
        put_varint_u128(&mut wide, u128::from(u64::MAX) + 1);
        assert!(Reader::new(&wide).varint("n").is_err());
        assert!(Reader::new(&[0xff; 40]).varint_u128("n").is_err());
    }

    #[test]
    fn a_cut_varint_is_refused() {
        let error = Reader::new(&[0x80]).varint("n").unwrap_err();
        assert_eq!(error.to_string(), "n: expected 1 more bytes, found 0 before the end");
    }

    proptest! {
        #[test]
        fn varints_of_64_bits_come_back(value: u64, bits in 0u32..64) {
            let value = value >> bits;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint("value"), Ok(value));
            prop_assert!(reader.finish().is_ok());
        }

        #[test]
        fn both_widths_read_alike(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0)], 0..12)) {
            let narrow = Reader::new(&bytes).varint("value").ok();
            let wide = Reader::new(&bytes).varint_u128("value").ok();
            prop_assert_eq!(narrow, wide.and_then(|value| u64::try_from(value).ok()));
        }

        #[test]
        fn varints_come_back(value: u128) {
            let mut out = Vec::new();
            put_varint_u128(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint_u128("value"), Ok(value));
            prop_assert!(reader.finish().is_ok());
        }
    }
}
