//! Size and speed on an hour of 39 regions. Not a check: run it by `cargo test -p cloudping-batch-rollup --test measure -- --ignored --nocapture`.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use cloudping_batch_rollup::{Archiver, Rollup, Table, Tables};
use cloudping_model::{Family, Outcome, Protocol, Round, RoundId, Sample, TargetId, UtcMicros, VantageId};
use cloudping_testkit::MemoryLog;
use common::{HOUR, SECOND, TEN, append, open};
use parquet::file::reader::{FileReader, SerializedFileReader};

const REGIONS: u32 = 39;
const SECONDS_A_ROUND: i64 = 10;

/// A round-trip time that hovers over the pair's base with a long tail: the sum of small steps and a rare detour.
fn rtt(random: &mut fastrand::Rng, from: u32, to: u32) -> u32 {
    let base = 2_000 + (from * 31 + to * 17) % 97 * 2_100;
    let jitter: u32 = (0..4).map(|_| random.u32(0..120)).sum();
    let detour = if random.u32(0..200) == 0 { random.u32(0..30_000) } else { 0 };
    base + jitter + detour
}

fn round(random: &mut fastrand::Rng, from: u32, number: u64) -> Round {
    let gap = 900_000 / REGIONS;
    let samples = (0..REGIONS).filter(|to| *to != from).map(|to| {
        let lost = random.u32(0..200) == 0;
        let rtt = rtt(random, from, to);
        Sample {
            target: TargetId::new(&format!("region-{to:02}")).unwrap(),
            offset_us: to * gap + random.u32(0..200),
            protocol: Protocol::TcpConnect,
            outcome: if lost { Outcome::Timeout } else { Outcome::Answered },
            rtt_us: (!lost).then_some(rtt),
            connect_us: (!lost).then(|| rtt + random.u32(15..120)),
            retransmits: 0,
            family: Family::V4,
            address: Some(IpAddr::V4(Ipv4Addr::from([10, 9, to as u8, 1]))),
        }
    });
    let samples = samples.collect();
    Round {
        id: RoundId {
            vantage: VantageId::new(&format!("region-{from:02}")).unwrap(),
            epoch: 1_772_000_000 + u64::from(from),
            number,
        },
        started_at: UtcMicros(TEN + number.cast_signed() * SECONDS_A_ROUND * SECOND + random.i64(0..500_000)),
        gap: None,
        samples,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and takes long"]
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn an_hour_of_39_regions() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::in_directory(directory.path());
    let log = Arc::new(MemoryLog::default());
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..(HOUR / SECOND / SECONDS_A_ROUND).cast_unsigned() {
        for from in 0..REGIONS {
            append(&log, &[round(&mut random, from, number)]).await;
        }
    }
    let start = Instant::now();
    let archived = Archiver::new(log, tables.clone()).run_once().await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("archive: {archived:?}, {seconds:.1} s, {:.0} rows/s", archived.rows as f64 / seconds);
    let start = Instant::now();
    let rolled = Rollup::new(tables.clone()).run_once().await.unwrap();
    println!("rollup: {rolled:?}, {:.1} s", start.elapsed().as_secs_f64());
    for table in Table::ALL {
        print_sizes(&tables, table).await;
    }
}

async fn print_sizes(tables: &Tables, table: Table) {
    let files: Vec<String> = open(tables, table).await.get_file_uris().unwrap().collect();
    let (mut rows, mut bytes, mut columns) = (0, 0, std::collections::BTreeMap::new());
    for file in files {
        let file = std::fs::File::open(file).unwrap();
        bytes += file.metadata().unwrap().len();
        let reader = SerializedFileReader::new(file).unwrap();
        for group in reader.metadata().row_groups() {
            rows += group.num_rows();
            for column in group.columns() {
                *columns.entry(column.column_path().string()).or_insert(0) += column.compressed_size();
            }
        }
    }
    println!("{}: {rows} rows, {:.3} bytes a row", table.name(), bytes as f64 / rows as f64);
    for (column, size) in columns {
        println!("    {column}: {:.3}", size as f64 / rows as f64);
    }
}
