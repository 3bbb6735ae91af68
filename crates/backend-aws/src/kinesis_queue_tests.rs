use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { linger: Duration::from_millis(5), patience: Duration::from_secs(1) };

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn queue(keys: &[&str]) -> Queue<usize> {
    let mut queue = Queue::new(LIMITS);
    for (number, key) in keys.iter().enumerate() {
        queue.push(key, Bytes::from(number.to_string()), number, ms(0));
    }
    queue
}

/// The keys of the request that goes now.
fn sent(queue: &mut Queue<usize>, now: Duration) -> Vec<Arc<str>> {
    match queue.next(now) {
        Next::Send(records) => records.into_iter().map(|sent| sent.key).collect(),
        Next::Wait(until) => panic!("nothing goes before {until:?}"),
    }
}

fn waits(queue: &mut Queue<usize>, now: Duration) -> Option<Duration> {
    match queue.next(now) {
        Next::Send(records) => panic!("{records:?} go"),
        Next::Wait(until) => until,
    }
}

fn all_taken(queue: &mut Queue<usize>, keys: Vec<Arc<str>>, now: Duration) -> Vec<usize> {
    let answer = Answer::Records(vec![None; keys.len()]);
    let settled = queue.answered(keys, answer, now, 1.0, |_| false);
    settled.into_iter().map(|(caller, result)| result.map(|()| caller).unwrap()).collect()
}

fn failed(passes: bool) -> Answer {
    Answer::Failed { passes, cause: Cause::new("why") }
}

#[test]
fn the_first_goes_at_once_and_others_gather_behind_it() {
    let mut queue = queue(&["a"]);
    assert_eq!(sent(&mut queue, ms(0)), ["a".into()]);
    queue.push("b", Bytes::new(), 1, ms(1));
    queue.push("c", Bytes::new(), 2, ms(3));
    assert_eq!(waits(&mut queue, ms(3)), Some(ms(6)), "b has 5 ms to linger");
    assert_eq!(sent(&mut queue, ms(6)), ["b".into(), "c".into()]);
    queue.push("d", Bytes::new(), 3, ms(7));
    assert_eq!(all_taken(&mut queue, vec!["a".into()], ms(8)), [0]);
    assert_eq!(waits(&mut queue, ms(8)), Some(ms(12)), "b and c are still under way");
    assert_eq!(all_taken(&mut queue, vec!["b".into(), "c".into()], ms(9)), [1, 2]);
    assert_eq!(sent(&mut queue, ms(9)), ["d".into()], "nothing is under way");
}

#[test]
fn a_key_has_one_record_under_way() {
    let mut queue = queue(&["a", "a", "b", "a"]);
    assert_eq!(sent(&mut queue, ms(0)), ["a".into(), "b".into()]);
    assert_eq!(waits(&mut queue, ms(100)), None);
    let answer = Answer::Records(vec![Some(Cause::new("full")), None]);
    let settled = queue.answered(vec!["a".into(), "b".into()], answer, ms(100), 1.0, |_| false);
    assert_eq!(settled.len(), 1);
    assert_eq!(waits(&mut queue, ms(100)), Some(ms(150)), "the pause before the second try");
    let Next::Send(again) = queue.next(ms(150)) else { panic!("the pause is over") };
    assert_eq!(again[0].data, "0", "the record that was not taken, not the next");
    assert_eq!(all_taken(&mut queue, vec!["a".into()], ms(160)), [0]);
    assert_eq!(sent(&mut queue, ms(160)), ["a".into()]);
}

#[test]
fn a_request_is_full_by_count_or_by_bytes() {
    let keys: Vec<String> = (0..1_200).map(|number| format!("{number:04}")).collect();
    let mut by_count = queue(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let sizes: Vec<usize> = (0..3).map(|_| sent(&mut by_count, ms(0)).len()).take(2).collect();
    assert_eq!(sizes, [500, 500]);
    let mut by_bytes = Queue::new(LIMITS);
    for number in 0..12 {
        by_bytes.push(&format!("{number:02}"), vec![0; BYTES_OF_A_RECORD - 2].into(), number, ms(0));
    }
    assert_eq!(sent(&mut by_bytes, ms(0)).len(), 5);
    assert_eq!(sent(&mut by_bytes, ms(0)).len(), 5, "a full request does not linger");
    assert_eq!(waits(&mut by_bytes, ms(0)), Some(ms(5)), "two are left, and linger");
}

#[test]
fn few_requests_are_under_way() {
    let mut queue = queue(&["a"]);
    sent(&mut queue, ms(0));
    for (number, key) in (1..REQUESTS_IN_FLIGHT).zip(["b", "c", "d", "e", "f"]) {
        queue.push(key, Bytes::new(), number, ms(0));
        sent(&mut queue, ms(5));
    }
    queue.push("z", Bytes::new(), 9, ms(5));
    assert_eq!(waits(&mut queue, ms(50)), None);
    assert_eq!(all_taken(&mut queue, vec!["a".into()], ms(50)), [0]);
    assert_eq!(sent(&mut queue, ms(50)), ["z".into()]);
}

#[test]
fn a_lasting_refusal_is_told_at_once_to_all_of_its_key() {
    let mut queue = queue(&["a", "a", "b"]);
    let keys = sent(&mut queue, ms(0));
    let settled = queue.answered(keys, failed(false), ms(1), 1.0, |_| false);
    let texts: Vec<String> = settled.iter().map(|(_, result)| result.as_ref().unwrap_err().to_string()).collect();
    assert_eq!(texts[0], "Kinesis: why");
    assert!(texts[1].contains("not sent") && texts[1].contains("why"), "{}", texts[1]);
    assert_eq!(texts[2], "Kinesis: why");
    assert!(queue.is_empty());
}

#[test]
fn patience_ends_and_says_how_often_it_was_tried() {
    let mut queue = queue(&["a", "a"]);
    let (mut now, mut tries) = (ms(0), 0);
    let settled = loop {
        let keys = sent(&mut queue, now);
        tries += 1;
        now += ms(10);
        let settled = queue.answered(keys, failed(true), now, 1.0, |_| false);
        if !settled.is_empty() {
            break settled;
        }
        now = waits(&mut queue, now).expect("another try is planned");
    };
    // Pauses of 50, 100, 200, 400 and 800 ms.
    assert_eq!(tries, 6);
    assert!(matches!(
        &settled[..],
        [(0, Err(AppendError::GivenUp { tries: 6, .. })), (1, Err(AppendError::Behind { .. }))]
    ));
    assert!(queue.is_empty());
}

#[test]
fn who_has_left_is_not_waited_for() {
    let mut queue = queue(&["a", "a"]);
    let keys = sent(&mut queue, ms(0));
    let settled = queue.answered(keys, failed(true), ms(1), 1.0, |caller| *caller == 0);
    assert!(settled.is_empty());
    let Next::Send(next) = queue.next(ms(1)) else { panic!("the second may go") };
    assert_eq!(next[0].data, "1");
}

#[test]
fn an_answer_that_is_too_short_is_no_success() {
    let mut queue = queue(&["a", "b"]);
    let keys = sent(&mut queue, ms(0));
    let settled = queue.answered(keys, Answer::Records(vec![None]), ms(1), 0.0, |_| false);
    assert_eq!(settled.len(), 1);
    assert_eq!(sent(&mut queue, ms(1)), ["b".into()]);
}

#[test]
fn records_that_kinesis_would_refuse() {
    assert!(check("key", &[0; BYTES_OF_A_RECORD - 3]).is_ok());
    let text = check("key", &[0; BYTES_OF_A_RECORD - 2]).unwrap_err().to_string();
    assert!(text.contains("1048577 bytes") && text.contains("1048576"), "{text}");
    assert!(check(&"ß".repeat(256), &[]).is_ok(), "characters count, not bytes");
    let text = check(&"x".repeat(257), &[]).unwrap_err().to_string();
    assert!(text.contains("257 characters") && text.contains("256"), "{text}");
    assert!(check("", &[]).is_err());
}

#[test]
fn pauses_double_up_to_a_bound() {
    let longest: Vec<u128> = (1..=8).map(|tries| pause(tries, 1.0).as_millis()).collect();
    assert_eq!(longest, [50, 100, 200, 400, 800, 1_600, 3_000, 3_000]);
    assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
    assert_eq!(pause(4, 0.0), Duration::ZERO);
}

/// A stream as plain as can be, that misbehaves at random: what it took, of each key, in the order in which it took it.
struct Model {
    rng: fastrand::Rng,
    stored: BTreeMap<Arc<str>, Vec<usize>>,
}

impl Model {
    /// Carries out a request, in any order; a record is its number.
    fn put(&mut self, records: &[Sent]) -> Answer {
        let mut outcomes = vec![None; records.len()];
        let whole = self.rng.u8(0..10);
        let mut order: Vec<usize> = (0..records.len()).collect();
        self.rng.shuffle(&mut order);
        for at in order {
            // Of a request that fails as a whole some records may have been taken.
            let refused = self.rng.u8(0..if whole == 0 { 2 } else { 6 }) == 0;
            if refused {
                outcomes[at] = Some(Cause::new("throttled"));
            } else {
                let number = String::from_utf8_lossy(&records[at].data).parse().expect("the test wrote a number");
                self.stored.entry(Arc::clone(&records[at].key)).or_default().push(number);
            }
        }
        match whole {
            0 => Answer::Failed { passes: true, cause: Cause::new("lost") },
            1 if self.rng.u8(0..4) == 0 => Answer::Failed { passes: false, cause: Cause::new("denied") },
            _ => Answer::Records(outcomes),
        }
    }

    /// The order in which the numbers of each key came first.
    fn check(&self, acknowledged: &BTreeMap<usize, bool>) {
        let mut found = HashSet::new();
        for (key, numbers) in &self.stored {
            let firsts: Vec<usize> = numbers.iter().copied().filter(|number| found.insert(*number)).collect();
            assert!(firsts.is_sorted(), "{key}: {numbers:?}");
        }
        for (number, taken) in acknowledged {
            assert!(!taken || found.contains(number), "{number} was acknowledged and is not there");
        }
    }
}

/// Pushes, requests and answers in any order: answers overtake one another, as on several connections.
fn simulate(seed: u64, pushes: usize, keys: usize) {
    let mut model = Model { rng: fastrand::Rng::with_seed(seed), stored: BTreeMap::new() };
    let mut queue: Queue<usize> = Queue::new(LIMITS);
    let (mut now, mut pushed) = (ms(0), 0);
    let mut under_way: Vec<(Vec<Sent>, Answer)> = Vec::new();
    let mut acknowledged = BTreeMap::new();
    while pushed < pushes || !queue.is_empty() {
        now += ms(model.rng.u64(0..30));
        if pushed < pushes && model.rng.bool() {
            let key = format!("key {}", model.rng.usize(0..keys));
            queue.push(&key, Bytes::from(pushed.to_string()), pushed, now);
            pushed += 1;
        }
        if let Next::Send(records) = queue.next(now) {
            let distinct: HashSet<&str> =
                under_way.iter().flat_map(|(records, _)| records).chain(&records).map(|sent| &*sent.key).collect();
            let total: usize = under_way.iter().map(|(records, _)| records.len()).sum();
            assert_eq!(distinct.len(), total + records.len(), "one record of a key is under way");
            assert!(!records.is_empty() && records.len() <= RECORDS_OF_A_REQUEST);
            let answer = model.put(&records);
            under_way.push((records, answer));
        }
        assert!(under_way.len() <= REQUESTS_IN_FLIGHT);
        if !under_way.is_empty() && model.rng.u8(0..3) == 0 {
            let (records, answer) = under_way.swap_remove(model.rng.usize(0..under_way.len()));
            let keys = records.into_iter().map(|sent| sent.key).collect();
            let chance = model.rng.f64();
            for (number, result) in queue.answered(keys, answer, now, chance, |_| false) {
                assert_eq!(acknowledged.insert(number, result.is_ok()), None, "{number} is settled once");
            }
        }
    }
    assert!(under_way.is_empty() && queue.due.is_empty());
    assert_eq!(acknowledged.len(), pushes, "every record is settled");
    model.check(&acknowledged);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_no_record_overtakes(seed: u64, pushes in 0..200_usize, keys in 1..12_usize) {
        simulate(seed, pushes, keys);
    }
}
