//! Which series the columns are of.

use std::collections::BTreeMap;

use cloudping_digest::SeriesSummary;
use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{PaneReader, SeriesKey, SeriesTable, StoredError};

use crate::Columns;

/// Why a stored pane cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It has a series that has no place yet.
    #[error("the pane has a series that the series table has not")]
    Unknown,
    /// It is no pane.
    #[error(transparent)]
    Stored(#[from] StoredError),
}

/// The series of one vantage point. Their places are those of its series table, in which panes of version 1 do not stand; series that are
/// known only from these have places too.
#[derive(Debug, Clone, Default)]
pub struct Places {
    names: SeriesTable,
    /// The place here of each place of the series table.
    stored: Vec<u32>,
}

impl Places {
    /// Takes over what the series table has more than it had the last time.
    pub fn learn(&mut self, table: &SeriesTable) {
        let new = table.keys().iter().skip(self.stored.len());
        self.stored.extend(new.map(|key| self.names.place(key)));
    }

    /// The series at a place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&SeriesKey> {
        self.names.get(place)
    }

    /// Where a series is.
    #[must_use]
    pub fn find(&self, key: &SeriesKey) -> Option<u32> {
        self.names.find(key)
    }

    /// Gives places to the series that a stored pane spells out.
    ///
    /// # Errors
    /// [`StoredError`] when it is no pane.
    pub fn learn_spelt_out(&mut self, bytes: &[u8]) -> Result<(), StoredError> {
        for (key, _) in PaneReader::open(bytes)?.spelt_out {
            self.names.place(&key);
        }
        Ok(())
    }

    /// Reads a stored pane of any version: its start and its series.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Unknown`] asks for [`Places::learn`] from the series table as it is now, and for
    /// [`Places::learn_spelt_out`].
    pub fn read(&self, bytes: &[u8]) -> Result<(UtcMicros, Columns), ReadError> {
        let pane = PaneReader::open(bytes)?;
        if !pane.spelt_out.is_empty() {
            let place = |key: &SeriesKey| self.names.find(key).ok_or(ReadError::Unknown);
            let placed = pane.spelt_out.iter().map(|(key, summary)| Ok((place(key)?, summary.clone())));
            return Ok((pane.start, collect(placed.collect::<Result<_, ReadError>>()?)));
        }
        let place_of = |stored: u32| self.stored.get(stored as usize).copied();
        if self.stored.is_sorted() {
            let columns = Columns::read(&pane, place_of)?.ok_or(ReadError::Unknown)?;
            return Ok((pane.start, columns));
        }
        let in_stored_order = Columns::read(&pane, Some)?.unwrap_or_default();
        let place = |stored| place_of(stored).ok_or(ReadError::Unknown);
        let placed = in_stored_order.summaries().map(|(stored, summary)| Ok((place(stored)?, summary)));
        Ok((pane.start, collect(placed.collect::<Result<_, ReadError>>()?)))
    }
}

fn collect(placed: BTreeMap<u32, SeriesSummary>) -> Columns {
    let mut columns = Columns::default();
    placed.into_iter().for_each(|(place, summary)| columns.push(place, summary));
    columns
}

#[cfg(test)]
mod tests {
    use cloudping_model::{Family, Protocol, TargetId};
    use cloudping_schemas::stored::PaneItem;

    use super::*;

    fn key(target: &str) -> SeriesKey {
        SeriesKey { target: TargetId::new(target).unwrap(), protocol: Protocol::TcpConnect, family: Family::V4 }
    }

    fn pane(targets: &[(&str, u32)]) -> PaneItem {
        let mut pane = PaneItem::starting(UtcMicros(60_000_000));
        for (target, rtt_us) in targets {
            pane.series.insert(key(target), SeriesSummary::from_sorted(&[*rtt_us], Default::default()));
        }
        pane
    }

    fn read(places: &Places, bytes: &[u8]) -> Vec<(String, u32)> {
        let (start, columns) = places.read(bytes).unwrap();
        assert_eq!(start, UtcMicros(60_000_000));
        let name = |place| places.get(place).unwrap().target.to_string();
        columns.summaries().map(|(place, summary)| (name(place), summary.max_us().unwrap())).collect()
    }

    #[test]
    fn a_pane_that_is_newer_than_the_table_asks_for_it() {
        let (mut table, mut places) = (SeriesTable::default(), Places::default());
        let bytes = pane(&[("a", 1)]).encode(&mut table);
        places.learn(&table);
        assert_eq!(read(&places, &bytes), [("a".to_owned(), 1)]);
        let newer = pane(&[("a", 2), ("b", 3)]).encode(&mut table);
        assert!(matches!(places.read(&newer), Err(ReadError::Unknown)));
        places.learn(&table);
        assert_eq!(read(&places, &newer), [("a".to_owned(), 2), ("b".to_owned(), 3)]);
        assert!(matches!(places.read(b"\xff"), Err(ReadError::Stored(_))));
    }

    /// Series that old panes spell out have places before the table has them, in another order.
    #[test]
    fn places_of_panes_that_spell_their_series_out_stay() {
        let mut places = Places::default();
        let golden = include_str!("../../../schemas/golden/pane-v1.hex");
        let hex = golden.trim().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let spelt_out: Vec<u8> = hex.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        assert!(matches!(places.read(&spelt_out), Err(ReadError::Unknown)));
        places.learn_spelt_out(&spelt_out).unwrap();
        assert_eq!(places.read(&spelt_out).unwrap().1.len(), 2);
        let (old_c, old_a) = (places.names.place(&key("c")), places.names.place(&key("a")));
        let mut table = SeriesTable::default();
        let bytes = pane(&[("a", 1), ("b", 2), ("c", 3)]).encode(&mut table);
        assert!(matches!(places.read(&bytes), Err(ReadError::Unknown)));
        places.learn(&table);
        assert_eq!((places.find(&key("c")), places.find(&key("a"))), (Some(old_c), Some(old_a)));
        let series = [("c".to_owned(), 3), ("a".to_owned(), 1), ("b".to_owned(), 2)];
        assert_eq!(read(&places, &bytes), series);
    }
}
