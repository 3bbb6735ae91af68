use std::collections::VecDeque;

use cloudping_model::{Family, Gap, GapReason, Outcome, Protocol, RoundId, Sample, TargetId, UtcMicros};
use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_secs(1);

fn vantage() -> VantageId {
    VantageId::new("here").unwrap()
}

fn round(number: u64, samples: usize) -> Round {
    let sample = Sample {
        target: TargetId::new("there").unwrap(),
        offset_us: 1,
        protocol: Protocol::TcpConnect,
        outcome: Outcome::Answered,
        rtt_us: Some(80_000),
        connect_us: Some(80_100),
        retransmits: 0,
        family: Family::V4,
        address: None,
    };
    Round {
        id: RoundId { vantage: vantage(), epoch: 7, number },
        started_at: UtcMicros(1_700_000_000_000_000),
        gap: None,
        samples: vec![sample; samples],
    }
}

fn open(directory: &Path, limit: u64) -> Spool {
    Spool::open(directory, &vantage(), limit, INTERVAL).unwrap()
}

/// Sends everything; the numbers and gaps that the log sees.
fn drain(spool: &mut Spool) -> Vec<(u64, Option<Gap>)> {
    let mut seen = Vec::new();
    while let Some(Waiting { place, data }) = spool.offer().unwrap() {
        let round = event::decode(&data).unwrap();
        seen.push((round.id.number, round.gap));
        spool.sent(place).unwrap();
    }
    seen
}

fn dropped(rounds: u64) -> Option<Gap> {
    gaps::dropped(rounds, INTERVAL)
}

#[test]
fn rounds_come_out_in_order_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path(), DEFAULT_BYTES);
    for number in 0..3 {
        assert_eq!(spool.push(&round(number, 2)).unwrap(), 0);
    }
    let first = spool.offer().unwrap().unwrap();
    spool.sent(first.place).unwrap();
    let bytes = spool.bytes();
    drop(spool);
    let mut spool = open(directory.path(), DEFAULT_BYTES);
    assert_eq!(spool.bytes(), bytes);
    spool.push(&round(3, 2)).unwrap();
    assert_eq!(drain(&mut spool), [(1, None), (2, None), (3, None)]);
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn a_full_spool_drops_the_oldest_and_the_next_round_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let size = event::encode(&round(100, 5)).len() as u64;
    let mut spool = open(directory.path(), 3 * size);
    for number in 100..103 {
        assert_eq!(spool.push(&round(number, 5)).unwrap(), 0);
    }
    assert_eq!(spool.push(&round(103, 5)).unwrap(), 1);
    assert_eq!(spool.push(&round(104, 5)).unwrap(), 1);
    drop(spool);
    let mut spool = open(directory.path(), 3 * size);
    assert_eq!(drain(&mut spool), [(102, dropped(2)), (103, None), (104, None)]);
}

#[test]
fn a_round_that_may_have_arrived_is_neither_dropped_nor_changed() {
    let directory = tempfile::tempdir().unwrap();
    let size = event::encode(&round(100, 5)).len() as u64;
    let mut spool = open(directory.path(), 3 * size);
    (100..103).for_each(|number| assert_eq!(spool.push(&round(number, 5)).unwrap(), 0));
    let offered = spool.offer().unwrap().unwrap();
    assert_eq!(spool.push(&round(103, 5)).unwrap(), 1);
    drop(spool);
    let mut spool = open(directory.path(), 3 * size);
    assert_eq!(spool.push(&round(104, 5)).unwrap(), 1);
    assert_eq!(spool.offer().unwrap().unwrap(), offered);
    assert_eq!(drain(&mut spool), [(100, None), (103, dropped(2)), (104, None)]);
}

#[test]
fn what_a_dropped_round_reported_stays_reported() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path(), event::encode(&round(100, 5)).len() as u64 + 20);
    let gap = Gap { reason: GapReason::Overload, rounds: 4, micros: 4_000_000 };
    spool.push(&Round { gap: Some(gap), ..round(100, 5) }).unwrap();
    assert_eq!(spool.push(&round(101, 5)).unwrap(), 5);
    assert_eq!(drain(&mut spool), [(101, dropped(5))]);
}

#[test]
fn a_round_with_a_gap_of_its_own_leaves_the_report_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path(), DEFAULT_BYTES);
    spool.missing(2).unwrap();
    let own = Some(Gap { reason: GapReason::Suspended, rounds: 9, micros: 9_000_000 });
    spool.push(&Round { gap: own, ..round(5, 1) }).unwrap();
    spool.push(&round(6, 0)).unwrap();
    spool.push(&round(7, 1)).unwrap();
    assert_eq!(
        drain(&mut spool),
        [(5, own), (6, None), (7, dropped(2))],
        "nor has the archive a row of one without a probe"
    );
}

#[test]
fn what_was_refused_and_what_was_dropped_behind_it_is_reported_behind_both() {
    let directory = tempfile::tempdir().unwrap();
    let size = event::encode(&round(100, 5)).len() as u64;
    let mut spool = open(directory.path(), 3 * size);
    (100..103).for_each(|number| assert_eq!(spool.push(&round(number, 5)).unwrap(), 0));
    let offered = spool.offer().unwrap().unwrap();
    (103..105).for_each(|number| assert_eq!(spool.push(&round(number, 5)).unwrap(), 1));
    spool.refused(offered.place).unwrap();
    assert_eq!(spool.bytes(), 2 * size);
    drop(spool);
    let mut spool = open(directory.path(), 3 * size);
    let reporting = spool.offer().unwrap().unwrap();
    spool.refused(reporting.place).unwrap();
    assert_eq!(drain(&mut spool), [(104, dropped(4))]);
}

#[test]
fn a_round_larger_than_the_spool_is_counted_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path(), 200);
    assert_eq!(spool.push(&round(0, 500)).unwrap(), 1);
    spool.push(&round(1, 1)).unwrap();
    assert_eq!(drain(&mut spool), [(1, dropped(1))]);
}

#[test]
fn the_file_stays_near_its_bound_however_much_passes_through() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 4 << 20;
    let mut spool = open(directory.path(), limit);
    let size = event::encode(&round(0, 3_000)).len() as u64;
    for number in 0..(4 * limit / size) {
        spool.push(&round(number, 3_000)).unwrap();
        assert!(spool.bytes() <= limit);
    }
    let file = fs::metadata(directory.path().join("here.redb")).unwrap().len();
    assert!(file <= 2 * limit + (4 << 20), "{file} bytes on disk for {limit}");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("here.redb");
    let _held = open(directory.path(), 1);
    let error = Spool::open(directory.path(), &vantage(), 1, INTERVAL).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let file = path.join("below");
    let error = Spool::open(&file, &vantage(), 1, INTERVAL).unwrap_err();
    assert!(matches!(error, SpoolError::Directory { .. }), "{error}");
}

/// What may happen to a spool.
#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    /// The oldest is offered; the append fails, and may have taken effect.
    Offer,
    /// The oldest is offered, arrives, and is removed.
    Send,
    /// The oldest is offered, and the log will never take it.
    Refuse,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60_usize).prop_map(Step::Push),
        1 => Just(Step::Offer),
        2 => Just(Step::Send),
        1 => Just(Step::Refuse),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against a queue in memory: order, bytes, and that every round either arrives or is counted in a gap, exactly once.
    #[test]
    fn agrees_with_a_queue(steps in proptest::collection::vec(step(), 1..60)) {
        const LIMIT: u64 = 1_000;
        let directory = tempfile::tempdir().unwrap();
        let mut spool = open(directory.path(), LIMIT);
        let (mut pushed, mut reported, mut lost) = (0_u64, 0_u64, 0_u64);
        let (mut queue, mut first_is_offered) = (VecDeque::<u64>::new(), false);
        let mut arrived: Vec<u64> = Vec::new();
        for step in steps {
            match step {
                Step::Push(samples) => {
                    let dropped = spool.push(&round(pushed, samples)).unwrap();
                    queue.push_back(pushed);
                    pushed += 1;
                    lost += dropped;
                    // The oldest goes first, but never the one that was offered; at last the new one itself.
                    let kept = usize::from(first_is_offered);
                    for _ in 0..dropped { prop_assert!(queue.remove(kept).is_some()); }
                    prop_assert!(spool.bytes() <= LIMIT);
                }
                Step::Offer | Step::Send | Step::Refuse => {
                    let offered = spool.offer().unwrap();
                    prop_assert_eq!(offered.is_some(), !queue.is_empty());
                    let Some(Waiting { place, data }) = offered else { continue };
                    let round = event::decode(&data).unwrap();
                    prop_assert_eq!(Some(&round.id.number), queue.front());
                    first_is_offered = true;
                    if matches!(step, Step::Send) {
                        reported += round.gap.map_or(0, |gap| gap.rounds);
                        arrived.push(round.id.number);
                        queue.pop_front();
                        spool.sent(place).unwrap();
                        first_is_offered = false;
                    } else if matches!(step, Step::Refuse) {
                        // What it would have reported is not reported yet.
                        lost += 1;
                        queue.pop_front();
                        spool.refused(place).unwrap();
                        first_is_offered = false;
                    }
                }
                Step::Restart => {
                    drop(spool);
                    spool = open(directory.path(), LIMIT);
                    first_is_offered = !queue.is_empty();
                }
            }
        }
        // One round more carries what is not reported yet; it may need room first.
        for (number, gap) in drain(&mut spool) {
            reported += gap.map_or(0, |gap| gap.rounds);
            arrived.push(number);
        }
        prop_assert_eq!(spool.push(&round(pushed, 1)).unwrap(), 0);
        reported += drain(&mut spool).iter().map(|(_, gap)| gap.map_or(0, |gap| gap.rounds)).sum::<u64>();
        prop_assert!(arrived.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(arrived.len() as u64 + lost, pushed);
        prop_assert_eq!(reported, lost);
    }
}
