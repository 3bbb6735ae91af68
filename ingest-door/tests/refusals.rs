//! Whatever is wrong with a request is told clearly, counted, and leaves no trace in the log or the live store.

mod support;

use axum::body::Body;
use axum::http::{HeaderValue, Request as HttpRequest};
use cloudping_ingest_client::Request;
use cloudping_ingest_door::{Limits, Reason, registry};
use cloudping_model::{Family, Level, Protocol, RouteChange, TargetId, UtcMicros};
use cloudping_schemas::event;
use cloudping_schemas::ingest::{self, PATH};
use futures::stream;
use proptest::prelude::*;
use support::{GOV, MINUTE, NOW, Rig, events, http, key, round, send, signed, signed_body, vantage, with_header};

const DAY: i64 = 86_400_000_000;

/// A request that is good but for its only event.
fn with_event(event: Vec<u8>) -> HttpRequest<Body> {
    http(&signed(&[event], 0))
}

#[tokio::test]
async fn a_good_request_is_appended_in_order() {
    let rig = Rig::new().await;
    let events = events(5);
    assert_eq!(rig.send(&signed(&events, 0)).await.accepted(), 5);
    assert_eq!(rig.logged().await, events);
    let counters = rig.door.counters();
    assert_eq!((counters.requests, counters.rounds, counters.all_refused()), (1, 5, 0));
}

#[tokio::test]
async fn headers_that_are_missing_malformed_or_there_twice_are_named() {
    let rig = Rig::new().await;
    let good = signed(&events(1), 0);
    let headers = [ingest::VANTAGE_HEADER, ingest::KEY_HEADER, ingest::TIME_HEADER, ingest::SIGNATURE_HEADER];
    for name in headers {
        for value in [None, Some(""), Some("!"), Some("+5"), Some("AAAA====")] {
            let problem = rig.refuse(with_header(&good, name, value), Reason::Header, 400).await;
            assert_eq!(problem.field.as_deref(), Some(name));
            assert!(problem.expected.is_some() && problem.detail.contains(name), "{problem:?}");
        }
        let mut twice = http(&good);
        let value = twice.headers()[name].clone();
        twice.headers_mut().append(name, value);
        rig.refuse(twice, Reason::Header, 400).await;
    }
    rig.refuse(with_header(&good, ingest::TIME_HEADER, Some("1234567890123456789")), Reason::Header, 400).await;
    rig.refuse(with_header(&good, "content-type", Some("application/json")), Reason::MediaType, 415).await;
    rig.refuse(with_header(&good, "content-type", None), Reason::MediaType, 415).await;
    rig.refuse(with_header(&good, "content-encoding", Some("gzip")), Reason::MediaType, 415).await;
    rig.refuse(with_header(&good, "content-length", None), Reason::NoLength, 411).await;
    rig.refuse(with_header(&good, "content-length", Some("-1")), Reason::Header, 400).await;
    assert_eq!(rig.send(&good).await.accepted(), 1);
}

#[tokio::test]
async fn nothing_but_the_one_place_answers() {
    let rig = Rig::new().await;
    for (method, path) in [("GET", PATH), ("PUT", PATH), ("POST", "/"), ("POST", "/v1/rounds/"), ("GET", "/metrics")] {
        let request = HttpRequest::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let problem = rig.refuse(request, Reason::NoSuchPlace, 404).await;
        assert!(problem.detail.contains("expected POST at /v1/rounds"), "{problem:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_the_doors_time() {
    let rig = Rig::new().await;
    for (after, said) in [
        (DAY, "86400 s ahead of the door's clock"),
        (-DAY, "86400 s behind the door's clock"),
        (5 * MINUTE + 1, "300 s ahead"),
        (-5 * MINUTE - 1, "300 s behind"),
    ] {
        let problem = rig.refuse(http(&signed(&events(1), after)), Reason::Clock, 401).await;
        assert_eq!(problem.door_time_us, Some(NOW.0));
        assert!(problem.detail.contains(said), "{problem:?}");
    }
    for after in [5 * MINUTE, -5 * MINUTE] {
        assert_eq!(rig.send(&signed(&events(1), after)).await.accepted(), 1);
    }
}

#[tokio::test]
async fn no_key_but_the_vantage_points_own_writes_and_no_answer_says_which_was_nearly_right() {
    let rig = Rig::new().await;
    let event = events(1);
    let by = |key| http(&Request::sign(&key, event.iter().map(Vec::as_slice), NOW));
    let mut problems = vec![
        rig.refuse(by(key(GOV, 9)), Reason::UnknownKey, 401).await,
        rig.refuse(by(key("nobody", 1)), Reason::UnknownKey, 401).await,
    ];
    // The key of another vantage point is good for that one only: neither under this one's name ...
    let stolen = key("laptop", 1);
    let mut request = by(stolen);
    request.headers_mut().insert(ingest::VANTAGE_HEADER, HeaderValue::from_static(GOV));
    problems.push(rig.refuse(request, Reason::Signature, 401).await);
    registry::revoke(&*rig.store, &vantage(GOV), key(GOV, 1).fingerprint(), NOW).await.unwrap();
    problems.push(rig.refuse(http(&signed(&event, 0)), Reason::RevokedKey, 401).await);
    assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
    // ... nor, signed in its own, with this one's rounds.
    let problem = rig.refuse(by(key("laptop", 1)), Reason::OtherVantage, 403).await;
    assert_eq!((problem.round, problem.field.as_deref()), (Some(0), Some("vantage_id")));
    assert_eq!(problem.expected.as_deref(), Some("laptop"));
}

#[tokio::test]
async fn a_second_key_takes_over_without_a_pause() {
    let rig = Rig::new().await;
    let event = events(1);
    let by = |number, after| Request::sign(&key(GOV, number), event.iter().map(Vec::as_slice), NOW + after);
    registry::add(&*rig.store, &vantage(GOV), key(GOV, 2).fingerprint(), "next", NOW).await.unwrap();
    assert_eq!(rig.send(&by(1, 0)).await.accepted() + rig.send(&by(2, 1)).await.accepted(), 2);
    registry::revoke(&*rig.store, &vantage(GOV), key(GOV, 1).fingerprint(), NOW).await.unwrap();
    rig.refuse(http(&by(1, 2)), Reason::RevokedKey, 401).await;
    assert_eq!(rig.send(&by(2, 3)).await.accepted(), 1);
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_measure() {
    let limits = Limits { body_bytes: 500, rounds: 3, round_bytes: 200, ..Limits::default() };
    let rig = Rig::with(limits).await;
    let problem = rig.refuse(http(&signed(&[vec![8; 600]], 0)), Reason::TooLarge, 413).await;
    assert_eq!(problem.field.as_deref(), Some("content-length"));
    let problem = rig.refuse(http(&signed(&[events(1).remove(0), vec![8; 201]], 0)), Reason::TooLarge, 413).await;
    assert_eq!((problem.round, problem.expected.as_deref()), (Some(1), Some("at most 200 bytes")));
    let problem = rig.refuse(http(&signed(&events(4), 0)), Reason::TooLarge, 413).await;
    assert_eq!((problem.field.as_deref(), problem.expected.as_deref()), (Some("rounds"), Some("at most 3")));
    assert_eq!(rig.send(&signed(&events(3), 0)).await.accepted(), 3);
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_refused_without_being_kept() {
    let rig = Rig::new().await;
    let good = signed(&events(2), 0);
    let length = good.body.len();
    for other in [length - 1, length + 1] {
        rig.refuse(with_header(&good, "content-length", Some(&other.to_string())), Reason::Body, 400).await;
    }
    // It never ends; what is beyond the length that was said is not waited for.
    let (mut endless, chunk) = (http(&good), good.body.clone());
    *endless.body_mut() = Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())));
    rig.refuse(endless, Reason::Body, 400).await;
    let (mut broken, chunk) = (http(&good), good.body[..9].to_vec());
    let chunks = [Ok(chunk), Err(std::io::Error::other("the connection was reset"))];
    *broken.body_mut() = Body::from_stream(stream::iter(chunks));
    rig.refuse(broken, Reason::Body, 400).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_long() {
    let rig = Rig::new().await;
    let mut slow = http(&signed(&events(1), 0));
    *slow.body_mut() = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    rig.refuse(slow, Reason::TooSlow, 408).await;
}

#[tokio::test]
async fn a_body_that_is_no_list_of_rounds_is_refused() {
    let rig = Rig::new().await;
    // Damaged before it was signed.
    let whole = signed(&events(3), 0).body;
    let problem = rig.refuse(http(&signed_body(whole[..whole.len() - 3].to_vec(), 0)), Reason::Body, 400).await;
    assert_eq!(problem.round, Some(2));
    assert!(problem.detail.ends_with("follow"), "{problem:?}");
    let problem = rig.refuse(http(&signed_body([&whole, &[0x80][..]].concat(), 0)), Reason::Body, 400).await;
    assert_eq!(problem.round, Some(3));
    // Damaged after it was signed.
    let mut cut = signed(&events(3), 0);
    cut.body.pop();
    rig.refuse(http(&cut), Reason::Signature, 401).await;
    let problem = rig.refuse(http(&signed(&[], 0)), Reason::Body, 400).await;
    assert_eq!(problem.expected.as_deref(), Some("one round at least"));
}

#[tokio::test]
async fn one_bad_round_refuses_its_request_and_names_the_field() {
    let rig = Rig::new().await;
    let good = events(1).remove(0);
    let change = RouteChange {
        vantage: vantage(GOV),
        target: TargetId::new("eu-west-1").unwrap(),
        protocol: Protocol::TcpConnect,
        family: Family::V4,
        minute: NOW,
        found_at: NOW,
        before_us: 1,
        after_us: 2,
        score: 1.5,
        ended: Level { since: NOW, count: 0, percentiles_us: None },
        addresses: None,
    };
    // The field `schema_version`, as the first of a message.
    let version = [&[8, 9], &good[2..]].concat();
    let mut odd_target = good.clone();
    let name = odd_target.windows(9).position(|window| window == b"eu-west-1").unwrap();
    odd_target[name] = b'E';
    let far = |at: UtcMicros| event::encode(&round(GOV, 0, at));
    for (bad, reason, field) in [
        (version, Reason::Schema, "schema_version"),
        (b"\xff\xff".to_vec(), Reason::Schema, "event"),
        (Vec::new(), Reason::Schema, "schema_version"),
        (good[..good.len() - 1].to_vec(), Reason::Schema, "event"),
        (event::encode_change(&change), Reason::Schema, "event"),
        (odd_target, Reason::Schema, "targets"),
        (far(NOW + DAY), Reason::RoundTime, "started_at_us"),
        (far(NOW - 400 * DAY), Reason::RoundTime, "started_at_us"),
    ] {
        let problem = rig.refuse(http(&signed(&[good.clone(), bad.clone(), good.clone()], 0)), reason, 422).await;
        assert_eq!((problem.round, problem.field.as_deref()), (Some(1), Some(field)), "{problem:?}");
        assert!(problem.expected.is_some());
        rig.refuse(with_event(bad), reason, 422).await;
    }
    assert_eq!(rig.send(&signed(&[good], 0)).await.accepted(), 1);
}

/// Flips every single bit of a request's signed headers and of its body.
#[tokio::test]
async fn no_bit_of_a_signed_request_can_be_changed() {
    let good = signed(&events(2), 0);
    let (mut refused, mut same) = (0, 0);
    let headers: Vec<_> = good.headers.iter().filter(|(name, _)| name.starts_with("cloudping-")).collect();
    for (name, value) in headers {
        for bit in 0..value.len() * 8 {
            let mut bytes = value.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // What is no header at all cannot be sent.
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { continue };
            let mut request = http(&good);
            request.headers_mut().insert(*name, value);
            tried(request, &mut refused, &mut same).await;
        }
    }
    for bit in 0..good.body.len() * 8 {
        let mut request = good.clone();
        request.body[bit / 8] ^= 1 << (bit % 8);
        tried(http(&request), &mut refused, &mut same).await;
    }
    assert!(refused > 2_000, "{refused} refused, {same} taken with the same effect");
}

async fn tried(request: HttpRequest<Body>, refused: &mut u32, same: &mut u32) {
    let rig = Rig::new().await;
    let before = rig.writes();
    if send(&rig.door, request).await.status.is_client_error() {
        assert_eq!(rig.writes(), before);
        *refused += 1;
    } else {
        assert_eq!(rig.logged().await, events(2));
        *same += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A vantage point that is out of its mind: what it signs is refused as a whole, or every reader of the log can read it.
    #[test]
    fn what_is_let_through_can_be_read(damage in proptest::collection::vec((0_usize..400, any::<u8>()), 0..4), cut in 0_usize..40) {
        let mut events = events(3);
        for (at, byte) in damage {
            let all: usize = events.iter().map(Vec::len).sum();
            let mut at = at % all;
            for event in &mut events {
                if let Some(found) = event.get_mut(at) {
                    *found = byte;
                    break;
                }
                at -= event.len();
            }
        }
        let last = events.last_mut().unwrap();
        last.truncate(last.len().saturating_sub(cut.saturating_sub(30)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::new().await;
            let before = rig.writes();
            let answer = rig.send(&signed(&events, 0)).await;
            if answer.status.is_success() {
                for (logged, sent) in rig.logged().await.iter().zip(&events) {
                    assert_eq!(logged, sent);
                    assert_eq!(event::decode(logged).unwrap().id.vantage.as_str(), GOV);
                }
            } else {
                assert!(answer.status.is_client_error());
                assert_eq!(rig.writes(), before);
            }
        });
    }
}
