use arrow::array::UInt32Array;
use arrow::compute::{concat_batches, take_record_batch};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_schemas::tables::Origin;
use futures::stream;
use parquet::basic::Encoding;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::Tables;
use crate::sample_rows::sample_rows;

/// 2026-03-01, in days since 1970-01-01.
const DAY: i32 = 20_513;

/// Rows of series (source, target, number of rows), of one day and sorted, with 200 different round-trip times.
fn rows(day: i32, series: &[(&str, &str, usize)]) -> RecordBatch {
    let start = i64::from(day) * 86_400_000_000;
    let round = |(source, target, samples): &(&str, &str, usize)| Round {
        id: RoundId { vantage: VantageId::new(source).unwrap(), epoch: 1, number: 9 },
        started_at: UtcMicros(start),
        gap: None,
        samples: (0..*samples as u32)
            .map(|nth| Sample {
                target: TargetId::new(target).unwrap(),
                offset_us: nth * 1_001,
                protocol: Protocol::TcpConnect,
                outcome: Outcome::Answered,
                rtt_us: Some(20_000 + nth * 7 % 200),
                connect_us: None,
                retransmits: 0,
                family: Family::V4,
                address: None,
            })
            .collect(),
    };
    sample_rows(&series.iter().map(round).collect::<Vec<_>>(), Origin::Measured).unwrap()
}

struct Written {
    _directory: tempfile::TempDir,
    files: Vec<(Add, ParquetMetaData)>,
}

async fn written(batches: Vec<RecordBatch>, file_bytes: u64) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let open = Tables::in_directory(directory.path()).open_or_create(Table::Samples).await.unwrap();
    let batches = stream::iter(batches.into_iter().map(Ok::<_, DeltaTableError>));
    let adds = write_sorted_files(Table::Samples, &open, batches, file_bytes).await.unwrap();
    let metadata = |add: &Add| {
        let path = directory.path().join("samples").join(&add.path);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), add.size.cast_unsigned());
        SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap().metadata().clone()
    };
    let files = adds.into_iter().map(|add| (add.clone(), metadata(&add))).collect();
    Written { _directory: directory, files }
}

fn groups(file: &ParquetMetaData) -> Vec<i64> {
    file.row_groups().iter().map(|group| group.num_rows()).collect()
}

fn has_dictionary(file: &ParquetMetaData, column: &str) -> bool {
    let chunk = file.row_group(0).columns().iter().find(|chunk| chunk.column_path().string() == column).unwrap();
    chunk.encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY)
}

#[tokio::test]
async fn row_groups_end_with_a_series_whatever_the_batches_are() {
    let all =
        rows(DAY, &[("a", "b", 30_000), ("a", "c", 30_000), ("a", "d", 30_000), ("b", "a", 100), ("c", "a", 70_000)]);
    let whole = written(vec![all.clone()], FILE_BYTES).await;
    let parts = (0..all.num_rows()).step_by(9_999).map(|at| all.slice(at, 9_999.min(all.num_rows() - at)));
    let cut = written(parts.collect(), FILE_BYTES).await;
    for written in [whole, cut] {
        let [(_, file)] = &written.files[..] else { panic!("{} files", written.files.len()) };
        assert_eq!(groups(file), [90_000, 70_100]);
        assert!(!has_dictionary(file, "rtt_us"), "30,000 rows a series");
    }
}

#[tokio::test]
async fn files_end_with_a_series_and_their_statistics_are_exact() {
    let all = rows(DAY, &[("a", "b", 70_000), ("a", "c", 80_000), ("b", "a", 90_000)]);
    let written = written(vec![all], 1).await;
    let told: Vec<_> = written
        .files
        .iter()
        .map(|(add, file)| (groups(file), has_dictionary(file, "rtt_us"), statistics_of(add)))
        .collect();
    let statistics = |rows: i64, source: &str, target: &str, last: &str| {
        serde_json::json!({
            "numRecords": rows,
            "minValues": {"ts": "2026-03-01T00:00:00.000000Z", "source": source, "target": target, "epoch": 1, "round": 9},
            "maxValues": {"ts": last, "source": source, "target": target, "epoch": 1, "round": 9},
            "nullCount": {"ts": 0, "source": 0, "target": 0, "epoch": 0, "round": 0},
        })
    };
    let expected = [
        (vec![70_000], true, statistics(70_000, "a", "b", "2026-03-01T00:01:10.068999Z")),
        (vec![80_000], true, statistics(80_000, "a", "c", "2026-03-01T00:01:20.078999Z")),
        (vec![90_000], true, statistics(90_000, "b", "a", "2026-03-01T00:01:30.088999Z")),
    ];
    assert_eq!(told, expected);
    for (add, _) in &written.files {
        assert!(add.path.starts_with("date=2026-03-01/part-"), "{}", add.path);
        assert_eq!(add.partition_values["date"].as_deref(), Some("2026-03-01"));
        assert!(add.modification_time > 0 && add.data_change);
    }
}

fn statistics_of(add: &Add) -> serde_json::Value {
    serde_json::from_str(add.stats.as_deref().unwrap()).unwrap()
}

#[tokio::test]
async fn a_file_is_of_one_day() {
    let days = [rows(DAY, &[("a", "b", 10), ("b", "a", 5)]), rows(DAY + 1, &[("a", "b", 7)])];
    let schema = days[0].schema();
    let written = written(vec![concat_batches(&schema, &days).unwrap()], FILE_BYTES).await;
    let told: Vec<_> = (written.files.iter())
        .map(|(add, file)| (add.partition_values["date"].clone().unwrap(), file.file_metadata().num_rows()))
        .collect();
    assert_eq!(told, [("2026-03-01".to_owned(), 15), ("2026-03-02".to_owned(), 7)]);
}

#[tokio::test]
async fn rows_of_many_days_in_any_order_are_told_apart() {
    let days = [rows(DAY, &[("a", "b", 40)]), rows(DAY + 1, &[("a", "b", 60)])];
    let all = concat_batches(&days[0].schema(), &days).unwrap();
    let mixed: UInt32Array = (0..100).map(|nth| nth * 37 % 100).collect();
    let mixed = take_record_batch(&all, &mixed).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let open = Tables::in_directory(directory.path()).open_or_create(Table::Samples).await.unwrap();
    let batches = stream::iter([Ok::<_, DeltaTableError>(mixed)]);
    let adds = write_files(Table::Samples, &open, batches).await.unwrap();
    let rows: Vec<_> = adds.iter().map(|add| statistics_of(add)["numRecords"].as_u64().unwrap()).collect();
    assert_eq!(rows, [40, 60]);
}

#[tokio::test]
async fn a_failing_stream_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let open = Tables::in_directory(directory.path()).open_or_create(Table::Samples).await.unwrap();
    let batches = stream::iter([Ok(rows(DAY, &[("a", "b", 10)])), Err(DeltaTableError::generic("broken"))]);
    let error = write_files(Table::Samples, &open, batches).await.unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
}
