//! The series of a vantage point, numbered in the order in which they were first seen.

use std::collections::HashMap;

use cloudping_model::{Family, Protocol, TargetId};
use prost::Message;

use super::{StoredError, check_version, message, wire, wrong};
use crate::event::{family_of, protocol_code, protocol_of};

const VERSION: u32 = 1;
const ITEM: &str = "series table";

/// What tells one series of a vantage point from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The target.
    pub target: TargetId,
    /// The protocol.
    pub protocol: Protocol,
    /// The address family.
    pub family: Family,
}

impl SeriesKey {
    /// Reads a key from its stored parts.
    pub(super) fn read(item: &'static str, (target, protocol, family): (&str, u32, u32)) -> Result<Self, StoredError> {
        Ok(Self {
            target: TargetId::new(target)?,
            protocol: protocol_of(protocol).ok_or_else(|| wrong(item, "protocol", protocol, "0 to 4"))?,
            family: family_of(family).ok_or_else(|| wrong(item, "family", family, "4 or 6"))?,
        })
    }
}

/// Every series that a vantage point ever had: panes count through this list, which only grows, at its end.
#[derive(Debug, Clone, Default)]
pub struct SeriesTable {
    keys: Vec<SeriesKey>,
    places: HashMap<SeriesKey, u32>,
}

impl SeriesTable {
    /// The series at a place.
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&SeriesKey> {
        self.keys.get(place as usize)
    }

    /// Where a series is.
    #[must_use]
    pub fn find(&self, key: &SeriesKey) -> Option<u32> {
        self.places.get(key).copied()
    }

    /// Where a series is; added at the end if it is new.
    pub fn place(&mut self, key: &SeriesKey) -> u32 {
        if let Some(place) = self.find(key) {
            return place;
        }
        let place = u32::try_from(self.keys.len()).expect("a vantage point has far fewer than 2^32 series");
        self.keys.push(key.clone());
        self.places.insert(key.clone(), place);
        place
    }

    /// All series, in their places.
    #[must_use]
    pub fn keys(&self) -> &[SeriesKey] {
        &self.keys
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The item's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let series = self.keys.iter().map(|key| wire::SeriesId {
            target: key.target.as_str().to_owned(),
            protocol: protocol_code(key.protocol),
            family: u32::from(key.family.number()),
        });
        wire::SeriesTable { schema_version: VERSION, series: series.collect() }.encode_to_vec()
    }

    /// Reads an item of any version that was ever written.
    ///
    /// # Errors
    /// [`StoredError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let item: wire::SeriesTable = message(ITEM, bytes)?;
        check_version(ITEM, item.schema_version, VERSION)?;
        let mut table = Self::default();
        for id in &item.series {
            let key = SeriesKey::read(ITEM, (&id.target, id.protocol, id.family))?;
            if table.find(&key).is_some() {
                return Err(wrong(ITEM, "series", format_args!("{} twice", key.target), "each series once"));
            }
            table.place(&key);
        }
        Ok(table)
    }
}

impl PartialEq for SeriesTable {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}
