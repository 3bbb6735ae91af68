//! The archive's tables, and how their files are encoded.

use arrow::datatypes::SchemaRef;
use cloudping_schemas::tables;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Rows of a row group: large enough for long runs, small enough to be read in parallel.
const ROW_GROUP_ROWS: usize = 1_000_000;
/// Rows of a page, and rows that the encoder takes at once: pages end between them. Smaller pages cost samples 8 % in size, larger ones make
/// a query for one pair read more.
const SAMPLES_PAGE: (usize, usize) = (20_000, 4_096);
/// The same of rollups, of which a pair has few rows in a file: a question for one pair's year decodes a page of each file.
const ROLLUPS_PAGE: (usize, usize) = (1_024, 1_024);
/// zstd's level for files that are soon merged into others, of -7 to 22.
const PASSING_LEVEL: i32 = 3;
/// The same for files that stay: where lateness has outliers, its deltas take a tenth less than at 3.
const LASTING_LEVEL: i32 = 9;
/// Bytes of a dictionary of latencies, four a value, beyond which deltas are smaller for the rest of the row group.
const HOVERING_DICTIONARY: usize = 16 << 10;

/// What is known of the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// They have just come, in whatever order, and are soon merged into other files.
    Passing,
    /// They are sorted for good, few of each series.
    Sparse,
    /// They are sorted for good, and so many of each series that its latencies repeat.
    Dense,
}

/// One of the archive's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row a probe.
    Samples,
    /// One row a series and hour.
    Rollup1h,
    /// One row a series and day.
    Rollup1d,
    /// One row a route step.
    Changes,
    /// One row a region or target.
    Regions,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 5] = [Self::Samples, Self::Rollup1h, Self::Rollup1d, Self::Changes, Self::Regions];

    /// The table's name, and its folder's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => tables::SAMPLES,
            Self::Rollup1h => tables::ROLLUP_1H,
            Self::Rollup1d => tables::ROLLUP_1D,
            Self::Changes => tables::CHANGES,
            Self::Regions => tables::REGIONS,
        }
    }

    /// The table's columns.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Samples => tables::samples(),
            Self::Rollup1h => tables::rollup_1h(),
            Self::Rollup1d => tables::rollup_1d(),
            Self::Changes => tables::changes(),
            Self::Regions => tables::regions(),
        }
    }

    /// What a row of it is.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Samples => "One row a probe between two cloud regions.",
            Self::Rollup1h => "One row a series and hour: counts, exact percentiles, a mergeable digest.",
            Self::Rollup1d => "One row a series and day: counts, exact percentiles, a mergeable digest.",
            Self::Changes => "One row a lasting step in the latency of a series: another route.",
            Self::Regions => {
                "One row a region or target: where it is, since when it measured, whether the account may use it."
            }
        }
    }

    /// The column that the table's folders stand for; `None` where the whole table lies in one.
    #[must_use]
    pub fn partition(self) -> Option<&'static str> {
        match self {
            Self::Samples | Self::Rollup1h => Some(tables::PARTITION),
            Self::Rollup1d | Self::Changes => Some(tables::MONTH),
            Self::Regions => None,
        }
    }

    /// The column of a row's time, which its partition follows from; `None` where it has none.
    #[must_use]
    pub fn time(self) -> Option<&'static str> {
        match self {
            Self::Samples => Some("ts"),
            Self::Rollup1h => Some("hour"),
            Self::Rollup1d => Some("day"),
            Self::Changes => Some("minute"),
            Self::Regions => None,
        }
    }

    /// The columns whose least and greatest value each file tells, so that readers can pass over it.
    pub(crate) fn statistics_columns(self) -> &'static str {
        match self {
            Self::Samples => "ts,source,target,epoch,round",
            Self::Rollup1h => "hour,source,target",
            Self::Rollup1d => "day,source,target",
            Self::Changes => "minute,source,target",
            Self::Regions => "id",
        }
    }

    /// Columns whose neighbours are near each other: times and counters that rise, round-trip times that hover.
    fn delta_encoded(self) -> &'static [&'static str] {
        match self {
            Self::Samples => &["ts", "round", "rtt_us", "connect_us"],
            Self::Rollup1h | Self::Rollup1d => &["min_us", "max_us"],
            Self::Changes | Self::Regions => &[],
        }
    }

    /// Those of them that hold few values many times where one series has many rows.
    fn hovering(self) -> &'static [&'static str] {
        if self == Self::Samples { &["rtt_us", "connect_us"] } else { &[] }
    }

    /// Columns of which nobody looks for a stretch of values within a file.
    fn without_page_index(self) -> &'static [&'static str] {
        match self {
            Self::Samples => &[
                "connect_us",
                "retransmits",
                "address",
                "epoch",
                "round",
                "origin",
                "gap_reason",
                "gap_rounds",
                "gap_us",
            ],
            _ => &[],
        }
    }

    /// How the table's files are encoded.
    ///
    /// zstd over pages; times, rounds and latencies as deltas, everything else by dictionary. A pair-day of a probe a second over a millisecond has
    /// a few hundred different round-trip times, and a dictionary of them is smaller than deltas; of a pair across an ocean, deltas are.
    /// BYTE_STREAM_SPLIT would make latencies of fewer rows smaller, but Spark's vectorised reader and older Trino refuse it for integers.
    pub(crate) fn writer_properties(self, rows: Rows) -> WriterProperties {
        let level = if rows == Rows::Passing { PASSING_LEVEL } else { LASTING_LEVEL };
        let is_rollup = matches!(self, Self::Rollup1h | Self::Rollup1d);
        let (page_rows, batch_rows) = if is_rollup { ROLLUPS_PAGE } else { SAMPLES_PAGE };
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(batch_rows);
        for &column in self.delta_encoded() {
            let has_dictionary = rows == Rows::Dense && self.hovering().contains(&column);
            let path = ColumnPath::from(column);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), has_dictionary)
                .set_column_dictionary_page_size_limit(path.clone(), HOVERING_DICTIONARY)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        for &column in self.without_page_index() {
            properties = properties.set_column_statistics_enabled(column.into(), EnabledStatistics::Chunk);
        }
        if is_rollup {
            // Every digest differs, and its extremes help nobody.
            let digest = ColumnPath::from("digest");
            properties = properties
                .set_column_dictionary_enabled(digest.clone(), false)
                .set_column_statistics_enabled(digest, EnabledStatistics::None);
        }
        properties.build()
    }
}
