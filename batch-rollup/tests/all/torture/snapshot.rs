//! What one reader sees, and whether it may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use cloudping_batch_rollup::{Table, Tables};
use cloudping_model::{Round, RoundId};
use datafusion::prelude::SessionContext;

use crate::common::*;

/// A sample as far as a reader tells it from others, with what it measured.
type Seen = (String, i64, i64, String, i64, Option<i64>);

/// The answer to a query over one version of a table; `None` while there is no such table.
async fn answer(tables: &Tables, table: Table, query: &str) -> Option<RecordBatch> {
    let open = tables.open(table).await.unwrap()?;
    let session = SessionContext::new();
    open.update_datafusion_session(&session.state()).unwrap();
    session.register_table(table.name(), Arc::new(open.table_provider().build().await.unwrap())).unwrap();
    let frame = session.sql(query).await.unwrap();
    let schema = frame.schema().inner().clone();
    Some(concat_batches(&schema, &frame.collect().await.unwrap()).unwrap())
}

fn samples_of(round: &Round) -> impl Iterator<Item = Seen> {
    let (source, epoch, number) = (round.id.vantage.to_string(), round.id.epoch, round.id.number);
    round.samples.iter().map(move |sample| {
        let rtt = sample.rtt_us.map(i64::from);
        let target = sample.target.to_string();
        (source.clone(), epoch.cast_signed(), number.cast_signed(), target, round.sent_at(sample).0, rtt)
    })
}

/// Reads one version of the samples: every sample in it is one of `all`'s and there once, rounds are whole, and those of `acknowledged` are
/// among them.
///
/// # Panics
/// When anything of that is not so, or a file is missing.
pub async fn samples_are_sound(tables: &Tables, all: &[Round], acknowledged: &[Round]) -> usize {
    let query = "SELECT source, epoch, round, target, ts, rtt_us FROM samples";
    let Some(found) = answer(tables, Table::Samples, query).await else {
        assert!(acknowledged.is_empty(), "the table is not there");
        return 0;
    };
    let numbers = |column| ints(&found, column).into_iter().map(Option::unwrap);
    let words = |column| texts(&found, column).into_iter().map(Option::unwrap);
    let ids = words("source").zip(numbers("epoch")).zip(numbers("round")).zip(words("target"));
    let measured = numbers("ts").zip(ints(&found, "rtt_us"));
    let mut seen: BTreeMap<Seen, u32> = BTreeMap::new();
    for ((((source, epoch), round), target), (ts, rtt)) in ids.zip(measured) {
        *seen.entry((source, epoch, round, target, ts, rtt)).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "seen more than once: {twice:?}");
    let mut unknown: BTreeSet<Seen> = seen.into_keys().collect();
    let acknowledged: BTreeSet<&RoundId> = acknowledged.iter().map(|round| &round.id).collect();
    let (mut once, mut lost) = (BTreeSet::new(), Vec::new());
    for round in all.iter().filter(|round| once.insert(&round.id)) {
        let there = samples_of(round).filter(|sample| unknown.remove(sample)).count();
        let whole = there == round.samples.len();
        assert!(whole || there == 0, "{there} samples of {:?}", round.id);
        if !whole && acknowledged.contains(&round.id) {
            lost.push(&round.id);
        }
    }
    assert!(unknown.is_empty(), "nobody measured {unknown:?}");
    assert!(lost.is_empty(), "of {} acknowledged rounds are lost: {lost:?}", acknowledged.len());
    found.num_rows()
}

/// Reads one version of the hourly rollup: no series and hour is there twice.
pub async fn hours_are_sound(tables: &Tables) {
    let query = "SELECT count(*) AS n, count(DISTINCT concat_ws('|', source, target, protocol, family, hour)) AS distinct_n FROM rollup_1h";
    if let Some(found) = answer(tables, Table::Rollup1h, query).await {
        assert_eq!(ints(&found, "n"), ints(&found, "distinct_n"));
    }
}

/// The tables at rest: exactly these rounds, and hours that count them.
pub async fn everything_is_there_once(tables: &Tables, all: &[Round]) {
    let rows = samples_are_sound(tables, all, all).await;
    assert_eq!(rows, expected_rows(all).len());
    hours_are_sound(tables).await;
    let sums = answer(tables, Table::Rollup1h, "SELECT sum(sent) AS sent, sum(received) AS received FROM rollup_1h");
    let sums = sums.await.unwrap();
    let distinct: BTreeMap<&RoundId, &Round> = all.iter().map(|round| (&round.id, round)).collect();
    let samples = || distinct.values().flat_map(|round| &round.samples);
    let sent = samples().filter(|sample| sample.outcome.was_sent()).count() as i64;
    let received = samples().filter(|sample| sample.rtt_us.is_some()).count() as i64;
    assert_eq!((ints(&sums, "sent"), ints(&sums, "received")), (vec![Some(sent)], vec![Some(received)]));
}
