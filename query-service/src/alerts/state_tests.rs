//! The state machine against its promises, whatever the values and times.

use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{AlertPhase, AlertState};
use proptest::prelude::*;

use super::state::{Event, Policy, Reading, Side, is_at_rest, step};

const SECOND: i64 = 1_000_000;

/// Fires above 100 for 60 s, is back at 80 for 120 s.
fn policy() -> Policy {
    Policy {
        side: Side::Above,
        threshold: 100.0,
        clear: 80.0,
        for_us: 60 * SECOND,
        clear_for_us: 120 * SECOND,
        repeat_us: None,
        no_data_us: 90 * SECOND,
    }
}

/// What is told of a history of (seconds, reading).
fn told(policy: &Policy, history: &[(i64, Reading)]) -> Vec<(i64, Event)> {
    let mut state = AlertState::default();
    let mut events = Vec::new();
    for (second, reading) in history {
        let (after, event) = step(policy, &state, *reading, UtcMicros(second * SECOND));
        events.extend(event.map(|event| (*second, event)));
        state = after;
    }
    events
}

fn every_ten_seconds(readings: &[(usize, Reading)]) -> Vec<(i64, Reading)> {
    let all = readings.iter().flat_map(|(times, reading)| std::iter::repeat_n(*reading, *times));
    all.enumerate().map(|(at, reading)| (at as i64 * 10, reading)).collect()
}

use Reading::{Few, Missing, Value};

#[test]
fn it_fires_after_its_time_and_resolves_after_the_other() {
    let history = every_ten_seconds(&[(3, Value(50.0)), (20, Value(101.0)), (30, Value(80.0))]);
    assert_eq!(told(&policy(), &history), [(90, Event::Firing), (350, Event::Resolved)]);
    let short = every_ten_seconds(&[(3, Value(50.0)), (6, Value(500.0)), (30, Value(50.0))]);
    assert_eq!(told(&policy(), &short), []);
    let exactly = every_ten_seconds(&[(60, Value(100.0))]);
    assert_eq!(told(&policy(), &exactly), [], "the threshold itself is not beyond it");
}

#[test]
fn between_the_thresholds_nothing_changes() {
    let bounce = [(2, Value(99.0)), (2, Value(81.0)), (2, Value(150.0)), (2, Value(80.0))].repeat(20);
    let history = every_ten_seconds(&[vec![(7, Value(101.0))], bounce].concat());
    assert_eq!(told(&policy(), &history), [(60, Event::Firing)]);
}

#[test]
fn below_is_the_mirror_of_above() {
    let policy = Policy { side: Side::Below, threshold: 10.0, clear: 20.0, for_us: 0, clear_for_us: 0, ..policy() };
    let history = [(0, Value(10.0)), (1, Value(9.0)), (2, Value(15.0)), (3, Value(20.0)), (4, Value(9.9))];
    assert_eq!(told(&policy, &history), [(1, Event::Firing), (3, Event::Resolved), (4, Event::Firing)]);
}

#[test]
fn missing_data_is_neither_good_nor_bad() {
    // Silence before it has fired: the time begins anew.
    let history = every_ten_seconds(&[(6, Value(500.0)), (1, Missing), (6, Value(500.0))]);
    assert_eq!(told(&policy(), &history), []);
    // Silence within an episode: one notice, no resolving, no second firing.
    let history = every_ten_seconds(&[(7, Value(500.0)), (30, Missing), (10, Value(500.0)), (13, Value(1.0))]);
    let expected = [(60, Event::Firing), (160, Event::NoData), (370, Event::DataBack), (590, Event::Resolved)];
    assert_eq!(told(&policy(), &history), expected);
    // Never any data at all.
    assert_eq!(told(&policy(), &every_ten_seconds(&[(100, Missing)])), [(90, Event::NoData)]);
    let back = every_ten_seconds(&[(10, Missing), (3, Value(1.0))]);
    assert_eq!(told(&policy(), &back), [(90, Event::NoData), (100, Event::DataBack)]);
}

#[test]
fn too_few_samples_leave_everything_as_it_is() {
    let history = every_ten_seconds(&[(6, Value(500.0)), (100, Few), (1, Value(500.0)), (50, Few), (14, Value(1.0))]);
    assert_eq!(told(&policy(), &history), [(1060, Event::Firing), (1690, Event::Resolved)]);
    let state = AlertState { missing_since_us: Some(0), ..AlertState::default() };
    assert_eq!(step(&policy(), &state, Few, UtcMicros(SECOND)).0.missing_since_us, None, "it is no silence");
}

#[test]
fn an_episode_is_told_again_as_often_as_it_was_asked() {
    let policy = Policy { repeat_us: Some(300 * SECOND), ..policy() };
    let history = every_ten_seconds(&[(100, Value(500.0)), (20, Value(1.0))]);
    let repeats = [(60, Event::Firing), (360, Event::Repeat), (660, Event::Repeat), (960, Event::Repeat)];
    assert_eq!(told(&policy, &history), [&repeats[..], &[(1120, Event::Resolved)]].concat());
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        3 => (0.0..200.0_f64).prop_map(Value),
        1 => Just(Value(100.0)),
        1 => Just(Value(80.0)),
        1 => Just(Few),
        2 => Just(Missing),
    ]
}

fn history() -> impl Strategy<Value = Vec<(i64, Reading)>> {
    prop::collection::vec((1..100_i64, reading()), 1..200).prop_map(|steps| {
        let mut now = 0;
        let place = |(pause, reading)| {
            now += pause;
            (now, reading)
        };
        steps.into_iter().map(place).collect()
    })
}

proptest! {
    #[test]
    fn each_episode_fires_once_and_resolves_once(history in history(), repeat in prop::option::of(60..600_i64)) {
        let policy = Policy { repeat_us: repeat.map(|seconds| seconds * SECOND), ..policy() };
        let (mut firing, mut silent) = (false, false);
        for (_, event) in told(&policy, &history) {
            match event {
                Event::Firing => prop_assert!(!std::mem::replace(&mut firing, true), "fired twice"),
                Event::Resolved => prop_assert!(std::mem::replace(&mut firing, false), "resolved what was not firing"),
                Event::Repeat => prop_assert!(firing, "repeated what was not firing"),
                Event::NoData => prop_assert!(!std::mem::replace(&mut silent, true), "said twice that data are missing"),
                Event::DataBack => prop_assert!(silent),
            }
            // Firing or resolving tells as well that there are data again.
            silent &= !matches!(event, Event::Firing | Event::Resolved | Event::DataBack);
        }
    }

    #[test]
    fn within_the_band_nothing_is_told_after_the_firing(values in prop::collection::vec(80.001..200.0_f64, 1..200)) {
        let history: Vec<_> = values.iter().enumerate().map(|(at, value)| (at as i64 * 10, Value(*value))).collect();
        let mut history_of_one = vec![(-100, Value(150.0)), (-40, Value(150.0))];
        history_of_one.extend(history);
        prop_assert_eq!(told(&policy(), &history_of_one), vec![(-40, Event::Firing)]);
    }

    #[test]
    fn nothing_fires_before_its_time(history in history()) {
        let mut since = None;
        let mut state = AlertState::default();
        for (second, reading) in history {
            let (after, event) = step(&policy(), &state, reading, UtcMicros(second * SECOND));
            since = match reading {
                Value(value) if value > 100.0 => since.or(Some(second)),
                Few => since,
                _ => None,
            };
            if event == Some(Event::Firing) {
                prop_assert!(since.is_some_and(|since| second - since >= 60));
            }
            prop_assert_eq!(after.episode.is_some(), after.phase == AlertPhase::Firing || (after.phase == AlertPhase::NoData && after.episode.is_some()));
            prop_assert!(!(is_at_rest(&after) && after.breach_since_us.is_some()));
            state = after;
        }
    }

    /// What is stored is all there is to know: a restart anywhere changes nothing.
    #[test]
    fn a_restart_neither_repeats_nor_forgets(history in history()) {
        let mut state = AlertState::default();
        let mut events = Vec::new();
        for (second, reading) in &history {
            let kept = if is_at_rest(&state) { AlertState::default() } else { AlertState::decode(&state.encode()).unwrap() };
            let (after, event) = step(&policy(), &kept, *reading, UtcMicros(second * SECOND));
            events.extend(event.map(|event| (*second, event)));
            state = after;
        }
        prop_assert_eq!(events, told(&policy(), &history));
    }
}
