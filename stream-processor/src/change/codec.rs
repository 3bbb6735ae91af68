//! A detector's state as bytes, relative to a minute that its keeper knows.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | bits 0-5: minutes in the level (0: no level yet, to 32); bit 6: in a run; bit 7: the scale's count is 255 and left out |
//! | *no level yet* | |
//! | varint each | the medians so far in µs, oldest first, then 0 |
//! | varint | minute, zigzag of `base - minute`; left out if there are no medians |
//! | *level* | |
//! | varint | minute, zigzag of `base - minute` |
//! | varint | level, 1/16 µs |
//! | varint | scale above, 1/16 µs |
//! | varint | scale below, zigzag of its distance from that above |
//! | 2 | correlation, 1/32768, little-endian |
//! | varint | range, 1/256 standard deviation |
//! | 1 | latest residual, 1/32 standard deviation |
//! | 1 | the scale's count, if bit 7 is clear |
//! | *in a run* | |
//! | 2 | sum, 1/1024 standard deviation, little-endian |
//! | 1 | minutes since the run's first |
//! | varint | zigzag of the level's movement since, µs |
//! | 1 | how many medians, 1 to 5 |
//! | varint each | zigzag of their distance from the level, µs, oldest first |
//!
//! Varints are LEB128 in the shortest form; zigzag maps 0, -1, 1, -2 to 0, 1, 2, 3.

use super::detector::{Detector, FINE, LARGEST_LAST, LARGEST_SUM, LARGEST_US, LEVEL_MEMORY, RECENT};

const IN_RUN: u8 = 1 << 6;
const TRAINED: u8 = 1 << 7;

/// Bytes that [`Detector::put`] does not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change state: {field}: expected {expected}")]
pub struct ChangeStateError {
    /// The field at fault.
    pub field: &'static str,
    /// What is to be found there.
    pub expected: &'static str,
}

fn fault(field: &'static str, expected: &'static str) -> ChangeStateError {
    ChangeStateError { field, expected }
}

impl Detector {
    /// Appends the state, 14 bytes as a rule and at most 60. `base_minute` (minutes since 1970) is any minute that the reader
    /// will know; the nearer to the latest minute seen, the shorter.
    pub fn put(&self, base_minute: i64, out: &mut Vec<u8>) {
        let settled = self.trained == u8::MAX;
        let head = self.seen | if self.sum != 0 { IN_RUN } else { 0 } | if settled { TRAINED } else { 0 };
        out.push(head);
        if *self == Self::default() {
            out.push(0);
            return;
        }
        if self.seen == 0 {
            let known = self.recent.iter().filter(|median| **median > 0);
            known.for_each(|median| put_varint(out, u64::from(*median)));
            out.push(0);
            put_signed(out, base_minute.wrapping_sub(i64::from(self.minute)));
            return;
        }
        put_signed(out, base_minute.wrapping_sub(i64::from(self.minute)));
        put_varint(out, u64::from(self.level));
        put_varint(out, u64::from(self.up));
        put_signed(out, i64::from(self.down) - i64::from(self.up));
        out.extend(self.correlation.to_le_bytes());
        put_varint(out, u64::from(self.range));
        out.extend(self.last.to_le_bytes());
        if !settled {
            out.push(self.trained);
        }
        if self.sum != 0 {
            self.put_run(out);
        }
    }

    fn put_run(&self, out: &mut Vec<u8>) {
        out.extend(self.sum.to_le_bytes());
        out.push(self.age);
        put_signed(out, i64::from(self.moved));
        let level_us = i64::from(self.level / FINE);
        let known = self.recent.iter().filter(|median| **median > 0);
        out.push(known.clone().count() as u8);
        known.for_each(|median| put_signed(out, i64::from(*median) - level_us));
    }

    /// Reads what [`put`](Self::put) wrote with the same `base_minute` from the front of `bytes`, and advances them.
    ///
    /// # Errors
    /// If the bytes end too early, or hold a state that no series of minutes leads to by its fields' ranges.
    pub fn take(bytes: &mut &[u8], base_minute: i64) -> Result<Self, ChangeStateError> {
        let head = byte(bytes, "head")?;
        let mut state = Self { seen: head & (IN_RUN - 1), ..Self::default() };
        if state.seen > LEVEL_MEMORY {
            return Err(fault("head", "at most 32 minutes in the level"));
        }
        if state.seen == 0 {
            if head != 0 {
                return Err(fault("head", "neither run nor scale where there is no level"));
            }
            state.take_first(bytes, base_minute)?;
            return Ok(state);
        }
        state.minute = take_minute(bytes, base_minute)?;
        state.level = take_u32(bytes, "level")?;
        state.up = take_u32(bytes, "scale above")?;
        let apart = take_signed(bytes, "scale below")?;
        let down = i64::from(state.up).checked_add(apart).and_then(|down| u32::try_from(down).ok());
        state.down = down.ok_or(fault("scale below", "a number of 32 bits"))?;
        state.correlation = i16::from_le_bytes([byte(bytes, "correlation")?, byte(bytes, "correlation")?]);
        let range = u16::try_from(take_varint(bytes, "range")?);
        state.range = range.map_err(|_| fault("range", "a number of 16 bits"))?;
        state.last = byte(bytes, "latest residual")? as i8;
        if !(-LARGEST_LAST..=LARGEST_LAST).contains(&state.last) {
            return Err(fault("latest residual", "at most 3.2 standard deviations"));
        }
        state.trained = if head & TRAINED != 0 { u8::MAX } else { byte(bytes, "scale's count")? };
        if head & TRAINED == 0 && !(RECENT as u8..u8::MAX).contains(&state.trained) {
            return Err(fault("scale's count", "5 to 254 minutes"));
        }
        if head & IN_RUN != 0 {
            state.take_run(bytes)?;
        }
        Ok(state)
    }

    /// The medians of a series that has no level yet.
    fn take_first(&mut self, bytes: &mut &[u8], base_minute: i64) -> Result<(), ChangeStateError> {
        let mut count = 0;
        loop {
            let median = take_varint(bytes, "first medians")?;
            if median == 0 {
                break;
            }
            count += 1;
            if count == RECENT {
                return Err(fault("first medians", "at most 4"));
            }
            self.recent.rotate_left(1);
            self.recent[RECENT - 1] = median_in_range(i64::try_from(median).unwrap_or(i64::MAX))?;
        }
        if count > 0 {
            self.minute = take_minute(bytes, base_minute)?;
        }
        Ok(())
    }

    fn take_run(&mut self, bytes: &mut &[u8]) -> Result<(), ChangeStateError> {
        self.sum = i16::from_le_bytes([byte(bytes, "sum")?, byte(bytes, "sum")?]);
        if self.sum == 0 || !(-LARGEST_SUM..=LARGEST_SUM).contains(&self.sum) {
            return Err(fault("sum", "at most 16 standard deviations, and not 0"));
        }
        self.age = byte(bytes, "age")?;
        let moved = i16::try_from(take_signed(bytes, "movement")?);
        self.moved = moved.map_err(|_| fault("movement", "a number of 16 bits"))?;
        let count = usize::from(byte(bytes, "run")?);
        if count == 0 || count > RECENT {
            return Err(fault("run", "1 to 5 medians"));
        }
        let level_us = i64::from(self.level / FINE);
        for place in &mut self.recent[RECENT - count..] {
            let apart = take_signed(bytes, "run")?;
            *place = median_in_range(level_us.saturating_add(apart))?;
        }
        Ok(())
    }
}

fn median_in_range(median: i64) -> Result<u32, ChangeStateError> {
    let found = u32::try_from(median).ok().filter(|median| (1..=LARGEST_US).contains(median));
    found.ok_or(fault("median", "1 to 268435455 µs"))
}

fn take_minute(bytes: &mut &[u8], base_minute: i64) -> Result<i32, ChangeStateError> {
    let minute = base_minute.wrapping_sub(take_signed(bytes, "minute")?);
    i32::try_from(minute).map_err(|_| fault("minute", "a number of 32 bits"))
}

fn byte(bytes: &mut &[u8], field: &'static str) -> Result<u8, ChangeStateError> {
    let (first, rest) = bytes.split_first().ok_or(fault(field, "more bytes"))?;
    *bytes = rest;
    Ok(*first)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8], field: &'static str) -> Result<u64, ChangeStateError> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let next = byte(bytes, field)?;
        let bits = u64::from(next & 0x7f);
        if bits << shift >> shift != bits || (next == 0 && shift > 0) {
            return Err(fault(field, "a varint of 64 bits in its shortest form"));
        }
        value |= bits << shift;
        if next < 0x80 {
            return Ok(value);
        }
    }
    Err(fault(field, "a varint of 64 bits in its shortest form"))
}

fn take_u32(bytes: &mut &[u8], field: &'static str) -> Result<u32, ChangeStateError> {
    u32::try_from(take_varint(bytes, field)?).map_err(|_| fault(field, "a number of 32 bits"))
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn take_signed(bytes: &mut &[u8], field: &'static str) -> Result<i64, ChangeStateError> {
    let value = take_varint(bytes, field)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}
