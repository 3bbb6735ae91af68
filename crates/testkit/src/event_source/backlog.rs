//! What of one shard was read and is not done with: decides what the next invocation holds.

use std::collections::VecDeque;

use cloudping_ports::{Record, SequenceNumber, ShardId};
use serde_json::Value;

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function answered.
    Answered(Value),
    /// It failed, with what it said.
    Failed(String),
}

/// A batch that was given up: what the on-failure destination is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// The shard; `None` only on the way here.
    pub shard: Option<ShardId>,
    /// The first record of the batch.
    pub first: SequenceNumber,
    /// How many records it had.
    pub records: usize,
}

/// What an outcome led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Records that the function is done with.
    pub done: usize,
    /// A batch that was tried too often.
    pub discarded: Option<Discarded>,
}

/// The batches of a shard that wait, the oldest first.
#[derive(Debug, Default)]
pub struct Backlog {
    batches: VecDeque<Vec<Record>>,
    /// How often the first one was tried.
    tried: u32,
}

impl Backlog {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Takes what was read.
    pub fn push(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.batches.push_back(records);
        }
    }

    /// The next invocation's records.
    pub fn next(&self) -> Option<&[Record]> {
        self.batches.front().map(Vec::as_slice)
    }

    /// Books what became of [`Backlog::next`].
    pub fn settle(&mut self, outcome: &Outcome, bisect: bool, retries: u32) -> Settled {
        let Some(mut batch) = self.batches.pop_front() else { return Settled::default() };
        let kept = first_failure(&batch, outcome);
        if kept == batch.len() {
            self.tried = 0;
            return Settled { done: kept, discarded: None };
        }
        let rest = batch.split_off(kept);
        self.tried = if kept > 0 { 0 } else { self.tried + 1 };
        if self.tried > retries {
            self.tried = 0;
            let discarded = Discarded { shard: None, first: rest[0].sequence.clone(), records: rest.len() };
            return Settled { done: kept, discarded: Some(discarded) };
        }
        let whole = matches!(outcome, Outcome::Failed(_));
        self.put_back(rest, bisect && whole);
        Settled { done: kept, discarded: None }
    }

    fn put_back(&mut self, mut rest: Vec<Record>, in_halves: bool) {
        if in_halves && rest.len() > 1 {
            let second = rest.split_off(rest.len() / 2);
            self.batches.push_front(second);
            // Halves are new batches.
            self.tried = 0;
        }
        self.batches.push_front(rest);
    }
}

/// The place of the first record that is to be sent again; the batch's length when there is none.
///
/// An answer that names a record which is not of the batch, or none, fails the whole batch, as AWS has it.
fn first_failure(batch: &[Record], outcome: &Outcome) -> usize {
    let Outcome::Answered(answer) = outcome else { return 0 };
    let Some(failures) = answer.get("batchItemFailures").and_then(Value::as_array) else { return batch.len() };
    let place = |failure: &Value| {
        let named = failure.get("itemIdentifier").and_then(Value::as_str);
        batch.iter().position(|record| named == Some(record.sequence.as_str()))
    };
    failures.iter().map(|failure| place(failure).unwrap_or(0)).min().unwrap_or(batch.len())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn backlog(records: u64) -> Backlog {
        let mut backlog = Backlog::default();
        backlog.push((1..=records).map(|n| Record { sequence: n.into(), data: Bytes::new() }).collect());
        backlog
    }

    fn waiting(backlog: &Backlog) -> Vec<Vec<String>> {
        let names = |batch: &Vec<Record>| batch.iter().map(|record| record.sequence.to_string()).collect();
        backlog.batches.iter().map(names).collect()
    }

    fn failures(sequences: &[&str]) -> Outcome {
        let named: Vec<_> = sequences.iter().map(|sequence| json!({ "itemIdentifier": sequence })).collect();
        Outcome::Answered(json!({ "batchItemFailures": named }))
    }

    #[test]
    fn an_answer_without_failures_ends_the_batch() {
        for answer in [json!(null), json!({}), json!({ "batchItemFailures": [] }), json!({ "batchItemFailures": null })]
        {
            let mut backlog = backlog(3);
            assert_eq!(backlog.settle(&Outcome::Answered(answer), true, 2), Settled { done: 3, discarded: None });
            assert!(backlog.is_empty());
        }
    }

    #[test]
    fn a_partial_failure_sends_the_rest_again() {
        let mut backlog = backlog(4);
        assert_eq!(backlog.settle(&failures(&["4", "3"]), true, 2).done, 2);
        assert_eq!(waiting(&backlog), [["3", "4"]]);
        assert_eq!(backlog.settle(&failures(&["no such"]), true, 2).done, 0, "an unknown name fails all");
        assert_eq!(waiting(&backlog), [["3", "4"]]);
    }

    #[test]
    fn a_failed_batch_is_bisected_until_the_culprit_is_alone_and_given_up() {
        let mut backlog = backlog(4);
        let failed = Outcome::Failed("out of memory".to_owned());
        assert_eq!(backlog.settle(&failed, true, 1), Settled::default());
        assert_eq!(waiting(&backlog), [["1", "2"], ["3", "4"]]);
        backlog.settle(&failed, true, 1);
        assert_eq!(waiting(&backlog), [vec!["1"], vec!["2"], vec!["3", "4"]]);
        assert_eq!(backlog.settle(&failed, true, 1), Settled::default());
        let settled = backlog.settle(&failed, true, 1);
        assert_eq!(settled.discarded, Some(Discarded { shard: None, first: 1.into(), records: 1 }));
        assert_eq!(backlog.settle(&failures(&[]), true, 1).done, 1);
        assert_eq!(waiting(&backlog), [["3", "4"]]);
    }

    #[test]
    fn without_bisecting_the_whole_batch_is_given_up() {
        let mut backlog = backlog(3);
        for _ in 0..2 {
            assert_eq!(backlog.settle(&failures(&["1"]), false, 2), Settled::default());
        }
        let given_up = backlog.settle(&failures(&["1"]), false, 2).discarded.unwrap();
        assert_eq!((given_up.first, given_up.records), (1.into(), 3));
        assert!(backlog.is_empty());
    }
}
