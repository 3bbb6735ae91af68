//! Reading protobuf without building messages: every sample of the system passes through here.
//!
//! Accepts what `prost` accepts ([the encoding](https://protobuf.dev/programming-guides/encoding/)): packed and single elements of a
//! repeated field alike, unknown fields, varints that are longer than need be. Groups it does not, which proto3 has not either; and of
//! a single field that comes twice only the last is looked at.

use std::ops::Range;

/// What makes bytes no message of the expected type.
pub(super) type WireError = &'static str;

/// A field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    pub(super) fn varint(self) -> Result<u64, WireError> {
        if let Self::Varint(value) = self { Ok(value) } else { Err("a number is expected to be a varint") }
    }

    pub(super) fn fixed64(self) -> Result<u64, WireError> {
        if let Self::Fixed64(value) = self { Ok(value) } else { Err("epoch is expected to be a fixed64") }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], WireError> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err("a text is expected to have a length") }
    }

    /// Appends a repeated number, packed or not; more than 32 bits are cut off.
    pub(super) fn append_to(self, column: &mut Vec<u32>) -> Result<(), WireError> {
        match self {
            Self::Bytes(packed) => append_packed(packed, column),
            Self::Varint(value) => {
                column.push(value as u32);
                Ok(())
            }
            Self::Fixed64(_) | Self::Fixed32 => Err("a column is expected to hold varints"),
        }
    }
}

/// The fields of a message, one after the other.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    whole: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { whole: message, at: 0 }
    }

    /// How far has been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Short texts of one field that stand together from here on: gives where each is.
    #[inline]
    pub(super) fn texts(&mut self, number: u8, places: &mut Vec<Range<usize>>) {
        let tag = number << 3 | 2;
        while let [found, length, rest @ ..] = &self.whole[self.at..]
            && *found == tag
            && *length < 0x80
            && usize::from(*length) <= rest.len()
        {
            let start = self.at + 2;
            self.at = start + usize::from(*length);
            places.push(start..self.at);
        }
    }

    /// [`Self::texts`] that are all of one length, four bytes: where one ends need not be read to find the next.
    #[inline]
    pub(super) fn quads(&mut self, number: u8, places: &mut Vec<Range<usize>>) {
        const LENGTH: u8 = 4;
        const STRIDE: usize = 2 + LENGTH as usize;
        let tag = number << 3 | 2;
        let (fields, _) = self.whole[self.at..].as_chunks::<STRIDE>();
        let alike = fields.iter().take_while(|field| field[0] == tag && field[1] == LENGTH).count();
        let start = self.at + 2;
        places.extend((0..alike).map(|at| start + at * STRIDE..start + at * STRIDE + usize::from(LENGTH)));
        self.at += alike * STRIDE;
    }

    /// The next field's number and value.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.at == self.whole.len() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| "a field's tag has more than 32 bits")?;
        let number = tag >> 3;
        if number == 0 {
            return Err("a field has the number 0");
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                self.array::<4>()?;
                Field::Fixed32
            }
            _ => return Err("a field has an unknown wire type"),
        };
        Ok(Some((number, field)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let rest = &self.whole[self.at..];
        let taken = rest.get(..length).ok_or("a field is longer than the message")?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| "a field is longer than the message")
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        if let Some(byte) = self.whole.get(self.at).filter(|byte| **byte < 0x80) {
            self.at += 1;
            return Ok(u64::from(*byte));
        }
        let (value, read) = varint(&self.whole[self.at..])?;
        self.at += read;
        Ok(value)
    }
}

fn append_packed(packed: &[u8], column: &mut Vec<u32>) -> Result<(), WireError> {
    let before = column.len();
    if packed.iter().fold(0, |any, byte| any | byte) < 0x80 {
        column.extend(packed.iter().map(|byte| u32::from(*byte)));
        return Ok(());
    }
    // At most one value a byte.
    column.resize(before + packed.len(), 0);
    let (mut at, mut count) = (0, before);
    // Lengths of one to three bytes come in no order: without branches none is guessed wrong.
    while let Some(word) = packed.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            break;
        }
        let bits = ends.trailing_zeros() + 1;
        column[count] = without_marks(word & (u64::MAX >> (u64::BITS - bits)));
        (at, count) = (at + bits as usize / 8, count + 1);
    }
    while at < packed.len() {
        let (value, read) = varint(&packed[at..])?;
        column[count] = value as u32;
        (at, count) = (at + read, count + 1);
    }
    column.truncate(count);
    Ok(())
}

/// The lowest 32 bits of a varint of up to eight bytes, the first in the lowest.
#[inline]
fn without_marks(word: u64) -> u32 {
    let low = word & 0x7f | word >> 1 & 0x3f80 | word >> 2 & 0x1f_c000;
    (low | word >> 3 & 0x0fe0_0000 | word >> 4 & 0xf000_0000) as u32
}

/// A varint from the front, and how many bytes it has.
fn varint(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        if at == 9 && *byte > 1 {
            return Err("a varint has more than 64 bits");
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < 10 { "a varint ends too soon" } else { "a varint has more than 64 bits" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_are_prosts(bytes in proptest::collection::vec(any::<u8>(), 0..14)) {
            let mut rest = bytes.as_slice();
            let expected = prost::encoding::decode_varint(&mut rest).ok();
            let expected = expected.map(|value| (value, bytes.len() - rest.len()));
            prop_assert_eq!(varint(&bytes).ok(), expected);
        }

        #[test]
        fn packed_columns_come_back(values in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut packed = Vec::new();
            values.iter().for_each(|value| prost::encoding::encode_varint(value >> (value % 64), &mut packed));
            let mut column = Vec::new();
            append_packed(&packed, &mut column).unwrap();
            let expected: Vec<u32> = values.iter().map(|value| (value >> (value % 64)) as u32).collect();
            prop_assert_eq!(column, expected);
        }
    }
}
