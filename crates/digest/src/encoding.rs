//! Compact, versioned bytes for [`LatencyDigest`] and [`SeriesSummary`].
//!
//! Version 2. `v` is an unsigned LEB128 varint in its shortest form, `z` a zigzag varint. Equal contents have equal bytes, and
//! encoding what was decoded gives the same bytes again. Version 1 is still read.
//!
//! A summary is a version byte (2) and a body:
//!
//! | field | as | |
//! |---|---|---|
//! | header | v | n, the count of RTTs, times 4; + 2 for a sketch; + 1 if counts follow |
//! | last_at | z | UTC µs of the newest probe, relative to a base known to the reader; absent when nothing was sent |
//! | lost | v | this and the next two only if the header says so, and then not all zero |
//! | retransmitted | v | at most lost |
//! | unknown | v | |
//!
//! then, where every value is kept (n at most [`EXACT_LIMIT`](crate::EXACT_LIMIT), in a pane
//! [`STORED_EXACT_LIMIT`](crate::STORED_EXACT_LIMIT)):
//!
//! | field | as | |
//! |---|---|---|
//! | values | n × v | µs, ascending: the first, then differences |
//!
//! and for a sketch:
//!
//! | field | as | |
//! |---|---|---|
//! | sum | v | µs |
//! | min | v | µs |
//! | range | v | max - min, µs |
//! | sum_sq | v, up to 128 bits | µs² |
//! | centroids | v | how many, 1 to [`MAX_CENTROIDS`](crate::MAX_CENTROIDS) |
//! | centroids | 2 v each | ascending: the mean in whole µs, rounded down, as a difference from the one before (the first: from min); (weight - 1) times 4, + the mean's quarters of a µs |
//!
//! The mean of equal values is exact and has no quarters; that of differing values has one to three.
//!
//! A digest is a version byte (2) and the same body without last_at and counts. In both the base of last_at is 1970; the body alone,
//! relative to a pane's start, is [`SeriesSummary::put`]'s.

use crate::bytes::Reader;
use crate::{DecodeError, EXACT_LIMIT, LatencyDigest, SeriesSummary, body, version1};

const VERSION: u8 = 2;

impl LatencyDigest {
    /// The digest as bytes of the newest version: about 80 for 60 values, at most 1,024 whatever the count.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        body::put_digest(self, &mut out);
        out
    }

    /// Reads bytes written by [`LatencyDigest::encode`] of this or any earlier release.
    ///
    /// # Errors
    /// Bytes that no encoder wrote, with the first field that tells. Allocates no more than the length of `bytes` justifies.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let digest = match read_version(&mut reader)? {
            1 => version1::read_digest(&mut reader)?,
            _ => body::read_digest(&mut reader)?,
        };
        reader.finish()?;
        Ok(digest)
    }
}

impl SeriesSummary {
    /// The summary as bytes of the newest version: a digest's, and about 10 more.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.put(0, &mut out);
        out
    }

    /// Reads bytes written by [`SeriesSummary::encode`] of this or any earlier release.
    ///
    /// # Errors
    /// Bytes that no encoder wrote, with the first field that tells. Allocates no more than the length of `bytes` justifies.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let summary = match read_version(&mut reader)? {
            1 => version1::read_summary(&mut reader)?,
            _ => {
                let mut rest = reader.rest();
                let summary = Self::take_at_most(EXACT_LIMIT, &mut rest, 0)?;
                reader = Reader::new(rest);
                summary
            }
        };
        reader.finish()?;
        Ok(summary)
    }
}

/// The version, once it is known to be one of ours.
fn read_version(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    match reader.byte("version")? {
        version @ 1..=VERSION => Ok(version),
        other => Err(DecodeError::new("version", "1 or 2", other)),
    }
}
