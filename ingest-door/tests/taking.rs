//! Each request once, whatever fails and however many send it at once; and no more than may be taken.

mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::http::StatusCode;
use cloudping_ingest_door::registry::{self, MOST_GOOD_KEYS, MOST_KEYS, RegistryError};
use cloudping_ingest_door::{Door, Limits, Reason};
use cloudping_model::UtcMicros;
use cloudping_ports::{CommitError, Item, Key, LiveStore, StoreError, Write};
use cloudping_schemas::stored::{IngestSeen, keys};
use cloudping_testkit::{FaultPlan, Faulty, MemoryStore, Operation, When};
use support::{GOV, MINUTE, NOW, Rig, events, http, key, now, send, signed, vantage};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const AT_ONCE: i64 = 50;

fn wide() -> Limits {
    Limits { at_once_per_vantage: 100, at_once: 100, ..Limits::default() }
}

async fn statuses(answers: JoinSet<StatusCode>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for status in answers.join_all().await {
        *counts.entry(status.as_u16()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_fifty_times_at_once_through_two_doors_is_taken_once() {
    let rig = Rig::with(wide()).await;
    let doors = [rig.door.clone(), Door::new(rig.log.clone(), rig.store.clone(), now, wide())];
    let (events, mut answers) = (events(3), JoinSet::new());
    for nth in 0..AT_ONCE {
        let (door, request) = (doors[nth as usize % 2].clone(), http(&signed(&events, 0)));
        answers.spawn(async move { send(&door, request).await.status });
    }
    assert_eq!(statuses(answers).await, [(200, 1), (409, 49)].into());
    assert_eq!(rig.logged().await, events);
    let replayed: u64 = doors.iter().map(|door| door.counters().refused(Reason::Replayed)).sum();
    assert_eq!(replayed, 49);
}

/// A store whose first two readers of what was taken have both read before either goes on.
struct Meeting {
    store: Arc<Faulty<MemoryStore>>,
    both: Barrier,
    readings: AtomicUsize,
}

#[async_trait]
impl LiveStore for Meeting {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let item = self.store.get(key).await;
        if key.partition == keys::ingest_seen(&vantage(GOV)) && self.readings.fetch_add(1, Ordering::Relaxed) < 2 {
            self.both.wait().await;
        }
        item
    }

    async fn list(&self, partition: &str, sort: Range<&str>) -> Result<Vec<(Key, Item)>, StoreError> {
        self.store.list(partition, sort).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(writes).await
    }
}

#[tokio::test]
async fn of_two_doors_that_have_not_seen_a_request_one_takes_it() {
    let rig = Rig::new().await;
    let store = Arc::new(Meeting { store: rig.store.clone(), both: Barrier::new(2), readings: AtomicUsize::new(0) });
    let doors: [Door; 2] = std::array::from_fn(|_| Door::new(rig.log.clone(), store.clone(), now, Limits::default()));
    let request = || http(&signed(&events(1), 0));
    let (first, second) = tokio::join!(send(&doors[0], request()), send(&doors[1], request()));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!((statuses, rig.logged().await.len()), ([200, 409], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_at_once_through_five_doors_are_all_taken() {
    let rig = Rig::with(wide()).await;
    let door = || Door::new(rig.log.clone(), rig.store.clone(), now, wide());
    let doors: Vec<Door> = (0..5).map(|_| door()).collect();
    let (event, mut answers) = (events(1), JoinSet::new());
    for nth in 0..AT_ONCE {
        let (door, request) = (doors[nth as usize % 5].clone(), http(&signed(&event, nth)));
        answers.spawn(async move { send(&door, request).await.status });
    }
    assert_eq!(statuses(answers).await, [(200, 50)].into());
    assert_eq!(rig.logged().await.len(), 50);
}

#[tokio::test]
async fn a_request_is_refused_the_second_time_and_by_every_door() {
    let rig = Rig::new().await;
    let request = signed(&events(1), -4 * MINUTE);
    assert_eq!(rig.send(&request).await.accepted(), 1);
    rig.refuse(http(&request), Reason::Replayed, 409).await;
    let later = rig.other_door(|| NOW + MINUTE);
    assert_eq!(send(&later, http(&request)).await.status, 409);
    // Beyond the window its time alone refuses it.
    let much_later = rig.other_door(|| NOW + 2 * MINUTE);
    assert_eq!(send(&much_later, http(&request)).await.status, 401);
    assert_eq!(rig.logged().await.len(), 1);
}

#[tokio::test]
async fn what_was_taken_is_forgotten_when_no_door_takes_it_any_more() {
    let rig = Rig::new().await;
    for minute in 0..5 {
        assert_eq!(rig.send(&signed(&events(1), minute * MINUTE)).await.accepted(), 1);
    }
    let kept = async || rig.store.list(&keys::ingest_seen(&vantage(GOV)), keys::ALL).await.unwrap();
    assert_eq!(kept().await.len(), 5);
    let first = IngestSeen::decode(&kept().await[0].1.value).unwrap();
    assert_eq!(first.requests.len(), 1);
    let hour_later = rig.other_door(|| NOW + 62 * MINUTE);
    assert_eq!(send(&hour_later, http(&signed(&events(1), 62 * MINUTE))).await.accepted(), 1);
    let starts: Vec<String> = kept().await.into_iter().map(|(key, _)| key.sort).collect();
    let start = |minute| keys::pane_start((NOW + minute * MINUTE).floor(MINUTE));
    assert_eq!(starts, [3, 4, 62].map(start));
}

#[tokio::test]
async fn a_log_that_fails_in_the_middle_says_how_far_it_came() {
    let rig = Rig::new().await;
    let events = events(5);
    let third_fails = FaultPlan::none().fail(Operation::Append, 3, When::BeforeActing);
    let failing = Arc::new(Faulty::new(rig.log.clone(), third_fails));
    let door = Door::new(failing, rig.store.clone(), now, Limits::default());
    let request = signed(&events, 0);
    let answer = send(&door, http(&request)).await;
    assert_eq!((answer.status.as_u16(), answer.retry_after), (503, Some(1)));
    // Those behind the one that failed were on their way already.
    let problem = answer.problem();
    assert_eq!((problem.code.as_str(), problem.accepted), ("log", Some(4)));
    let written = [&events[..2], &events[3..]].concat();
    assert_eq!(rig.logged().await, written);
    // The same request again is a replay; signed anew it is taken, and identities tell what was there.
    assert_eq!(send(&door, http(&request)).await.status, 409);
    assert_eq!(send(&door, http(&signed(&events, 1))).await.accepted(), 5);
    assert_eq!(rig.logged().await, [written, events].concat());
    let counters = door.counters();
    assert_eq!((counters.requests, counters.rounds, counters.refused(Reason::Log)), (1, 9, 1));
}

#[tokio::test]
async fn a_store_that_fails_lets_nothing_into_the_log() {
    let rig = Rig::new().await;
    let event = events(1);
    for (after, operation, when) in [
        (0, Operation::Get, When::BeforeActing),
        (1, Operation::Commit, When::BeforeActing),
        (2, Operation::Commit, When::AfterActing),
        (3, Operation::List, When::BeforeActing),
    ] {
        rig.store.fail_next(operation, when);
        // The first of a minute looks for old items.
        let after = if operation == Operation::List { MINUTE } else { after };
        let answer = rig.send(&signed(&event, after)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().code.as_str()), (503, "store"));
        assert_eq!((rig.logged().await.len(), answer.retry_after), (0, Some(1)));
    }
    // Its answer was lost: the request counts as taken. Signed anew it passes.
    rig.refuse(http(&signed(&event, 2)), Reason::Replayed, 409).await;
    assert_eq!(rig.send(&signed(&event, 4)).await.accepted(), 1);
    assert_eq!(rig.door.counters().refused(Reason::Store), 4);
}

#[tokio::test]
async fn a_vantage_point_gets_its_rate_and_takes_nothing_from_others() {
    let rig = Rig::with(Limits { rounds_per_second: 2, rounds: 4, burst: 6, ..Limits::default() }).await;
    assert_eq!(rig.send(&signed(&events(4), 0)).await.accepted(), 4);
    let problem = rig.refuse(http(&signed(&events(4), 1)), Reason::TooMany, 429).await;
    assert_eq!(problem.code, "too_many");
    let answer = rig.send(&signed(&events(4), 1)).await;
    assert_eq!(answer.retry_after, Some(1), "two are there, two come in a second");
    assert_eq!(rig.send(&signed(&events(2), 1)).await.accepted(), 2);
    let laptop = cloudping_schemas::event::encode(&support::round("laptop", 0, NOW));
    let laptop = cloudping_ingest_client::Request::sign(&key("laptop", 1), [laptop.as_slice()], NOW);
    assert_eq!(rig.send(&laptop).await.accepted(), 1);
}

#[tokio::test]
async fn what_is_sent_again_uses_up_nothing() {
    let rig = Rig::with(Limits { rounds_per_second: 2, rounds: 4, burst: 6, ..Limits::default() }).await;
    let overheard = signed(&events(3), 0);
    assert_eq!(rig.send(&overheard).await.accepted(), 3);
    for _ in 0..9 {
        rig.refuse(http(&overheard), Reason::Replayed, 409).await;
    }
    assert_eq!(rig.send(&signed(&events(3), 1)).await.accepted(), 3);
}

#[tokio::test]
async fn no_more_requests_a_minute_than_are_remembered() {
    let rig = Rig::with(Limits { requests_per_minute: 2, ..Limits::default() }).await;
    for after in 0..2 {
        assert_eq!(rig.send(&signed(&events(1), after)).await.accepted(), 1);
    }
    let answer = rig.send(&signed(&events(1), 2)).await;
    assert_eq!((answer.status.as_u16(), answer.retry_after), (429, Some(30)), "the minute has half gone");
    assert_eq!(rig.send(&signed(&events(1), MINUTE)).await.accepted(), 1);
}

#[tokio::test]
async fn a_door_with_too_much_to_do_says_so() {
    let rig = Rig::with(Limits { at_once: 0, ..Limits::default() }).await;
    rig.refuse(http(&signed(&events(1), 0)), Reason::Busy, 503).await;
    let rig = Rig::with(Limits { at_once_per_vantage: 0, ..Limits::default() }).await;
    rig.refuse(http(&signed(&events(1), 0)), Reason::TooMany, 429).await;
}

#[tokio::test]
async fn keys_are_added_listed_and_revoked_for_good() {
    let (store, gov) = (MemoryStore::new(), vantage(GOV));
    let print = |number| key(GOV, number).fingerprint();
    registry::add(&store, &gov, print(1), "first", NOW).await.unwrap();
    let again = registry::add(&store, &gov, print(1), "", NOW).await;
    assert!(matches!(again, Err(RegistryError::Known { revoked: false, .. })), "{again:?}");
    registry::revoke(&store, &gov, print(1), NOW + 1).await.unwrap();
    registry::revoke(&store, &gov, print(1), NOW + 2).await.unwrap();
    let back = registry::add(&store, &gov, print(1), "", NOW).await;
    assert!(back.unwrap_err().to_string().ends_with("registered for us-gov-west-1 already, and revoked"));
    let unknown = registry::revoke(&store, &vantage("laptop"), print(1), NOW).await;
    assert!(matches!(unknown, Err(RegistryError::Unknown { .. })), "{unknown:?}");
    let long = registry::add(&store, &gov, print(2), &"x".repeat(201), NOW).await;
    assert!(matches!(long, Err(RegistryError::Note(201))), "{long:?}");
    let listed = registry::list(&store).await.unwrap();
    let [(of, listed)] = listed.as_slice() else { panic!("{listed:?}") };
    let [first] = listed.keys.as_slice() else { panic!("{listed:?}") };
    assert_eq!((of, first.fingerprint, first.note.as_str()), (&gov, print(1), "first"));
    assert_eq!((first.created_at, first.revoked_at), (NOW, Some(UtcMicros(NOW.0 + 1))));
}

#[tokio::test]
async fn a_vantage_point_has_no_more_keys_than_it_needs() {
    let (store, gov) = (MemoryStore::new(), vantage(GOV));
    let print = |number: usize| key(GOV, number as u8).fingerprint();
    for number in 0..MOST_GOOD_KEYS {
        registry::add(&store, &gov, print(number), "", NOW).await.unwrap();
    }
    let refused = registry::add(&store, &gov, print(99), "", NOW).await.unwrap_err();
    assert_eq!(refused.to_string(), "us-gov-west-1 has 4 good keys, expected less than 4");
    for number in MOST_GOOD_KEYS..MOST_KEYS {
        registry::revoke(&store, &gov, print(number - 1), NOW).await.unwrap();
        registry::add(&store, &gov, print(number), "", NOW).await.unwrap();
    }
    registry::revoke(&store, &gov, print(0), NOW).await.unwrap();
    let refused = registry::add(&store, &gov, print(99), "", NOW).await.unwrap_err();
    assert_eq!(refused.to_string(), "us-gov-west-1 has 32 registered keys, expected less than 32");
}
