//! Whether a target is worth trying: a circuit breaker that tries one batch again after a pause.

use std::time::{Duration, Instant};

/// When a target is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many failures in a row open it, at least 1.
    pub failures: u32,
    /// The pause after that. It doubles with each trial that fails.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// What a batch may be sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The target is well.
    Usual,
    /// The target failed before; this batch finds out whether it is well again.
    Trial,
}

/// A breaker's state, in the field's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Batches pass.
    Closed,
    /// None passes.
    Open,
    /// One is on trial, or the next one will be.
    HalfOpen,
}

/// A circuit breaker. It starts closed.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Trying { since: Instant, pause: Duration },
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: State::Closed { failures: 0 } }
    }

    /// Asks for a batch to pass. Who gets one must say what became of it.
    pub fn pass(&mut self, now: Instant) -> Option<Pass> {
        match self.state {
            State::Closed { .. } => Some(Pass::Usual),
            State::Open { until, pause } if until <= now => {
                self.state = State::Trying { since: now, pause };
                Some(Pass::Trial)
            }
            // A trial whose end was never reported must not shut the target out for ever.
            State::Trying { since, pause } if since + self.policy.longest_pause <= now => {
                self.state = State::Trying { since: now, pause };
                Some(Pass::Trial)
            }
            State::Open { .. } | State::Trying { .. } => None,
        }
    }

    /// A batch was taken.
    pub fn succeeded(&mut self, pass: Pass) {
        // One that left before it opened proves nothing of what is now.
        if pass == Pass::Trial || matches!(self.state, State::Closed { .. }) {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// A batch was not taken, or nobody knows.
    pub fn failed(&mut self, pass: Pass, now: Instant) {
        let longest = self.policy.longest_pause;
        self.state = match (self.state, pass) {
            (State::Closed { failures }, _) if failures + 1 < self.policy.failures => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, _) => State::Open { until: now + self.policy.pause, pause: self.policy.pause },
            (State::Trying { pause, .. }, Pass::Trial) => {
                let pause = (pause * 2).min(longest);
                State::Open { until: now + pause, pause }
            }
            (unchanged, _) => unchanged,
        };
    }

    /// A batch had a pass and was not sent after all.
    pub fn unused(&mut self, pass: Pass, now: Instant) {
        if let (State::Trying { pause, .. }, Pass::Trial) = (self.state, pass) {
            self.state = State::Open { until: now, pause };
        }
    }

    /// Its state at this moment.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until, .. } if now < until => BreakerState::Open,
            State::Open { .. } | State::Trying { .. } => BreakerState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: BreakerPolicy =
        BreakerPolicy { failures: 3, pause: Duration::from_secs(1), longest_pause: Duration::from_secs(5) };

    fn opened(at: Instant) -> Breaker {
        let mut breaker = Breaker::new(POLICY);
        for _ in 0..3 {
            assert_eq!(breaker.pass(at), Some(Pass::Usual));
            breaker.failed(Pass::Usual, at);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_trial_closes_it() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert_eq!(breaker.state(start), BreakerState::Open);
        assert_eq!(breaker.pass(start + Duration::from_millis(999)), None);
        let later = start + Duration::from_secs(1);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        assert_eq!(breaker.pass(later), Some(Pass::Trial));
        assert_eq!(breaker.pass(later), None, "one at a time");
        breaker.succeeded(Pass::Trial);
        assert_eq!(breaker.pass(later), Some(Pass::Usual));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 5, 5] {
            assert_eq!(breaker.pass(now + Duration::from_secs(pause) - Duration::from_millis(1)), None, "{pause}");
            now += Duration::from_secs(pause);
            assert_eq!(breaker.pass(now), Some(Pass::Trial), "{pause}");
            breaker.failed(Pass::Trial, now);
        }
    }

    #[test]
    fn a_trial_that_did_not_take_place_is_given_to_the_next() {
        let start = Instant::now();
        let mut breaker = opened(start);
        let later = start + Duration::from_secs(1);
        let pass = breaker.pass(later).unwrap();
        breaker.unused(pass, later);
        assert_eq!(breaker.pass(later), Some(Pass::Trial));
    }

    #[test]
    fn stragglers_decide_nothing() {
        let start = Instant::now();
        let mut breaker = opened(start);
        breaker.succeeded(Pass::Usual);
        assert_eq!(breaker.state(start), BreakerState::Open);
        let later = start + Duration::from_secs(1);
        assert_eq!(breaker.pass(later), Some(Pass::Trial));
        breaker.failed(Pass::Usual, later);
        breaker.succeeded(Pass::Usual);
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        let much_later = later + POLICY.longest_pause;
        assert_eq!(breaker.pass(much_later), Some(Pass::Trial), "a trial that was never reported");
    }

    proptest! {
        /// Whatever happens: never two trials within a pause, and a target that is well again is found within the longest pause.
        #[test]
        fn a_target_that_heals_is_found(steps in proptest::collection::vec((0_u64..2_000, any::<bool>()), 1..100)) {
            let (mut breaker, mut now, mut last_trial) = (Breaker::new(POLICY), Instant::now(), None);
            for (pause, well) in steps {
                now += Duration::from_millis(pause);
                let Some(pass) = breaker.pass(now) else { continue };
                if pass == Pass::Trial {
                    if let Some(last) = last_trial {
                        prop_assert!(now - last >= POLICY.pause);
                    }
                    last_trial = Some(now);
                }
                if well { breaker.succeeded(pass) } else { breaker.failed(pass, now) }
            }
            let healed = now + POLICY.longest_pause;
            if let Some(pass) = breaker.pass(healed) {
                breaker.succeeded(pass);
            }
            prop_assert_eq!(breaker.state(healed), BreakerState::Closed);
        }
    }
}
