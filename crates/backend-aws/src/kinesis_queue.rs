//! Which records the next PutRecords carries, and what its answer means for each: decisions only. Time and chance are
//! arguments.
//!
//! PutRecords promises no order among the records of a request, and may take some of them only. So a partition key has a
//! *lane*, of which only the first record is ever under way: a request carries at most one record of a key, and as long as
//! that record is not settled, those behind it wait.
//!
//! A record that fails for good takes those behind it with it: their callers append again, in their order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::kinesis_error::{AppendError, Cause};

/// The most records that Kinesis takes in a request.
pub(crate) const RECORDS_OF_A_REQUEST: usize = 500;
/// The most bytes of a request: data and partition keys.
pub(crate) const BYTES_OF_A_REQUEST: usize = 5 * 1024 * 1024;
/// The most bytes of a record: its data and its partition key.
pub(crate) const BYTES_OF_A_RECORD: usize = 1024 * 1024;
/// The longest partition key.
pub(crate) const CHARACTERS_OF_A_KEY: usize = 256;
/// Requests under way at the same time.
pub(crate) const REQUESTS_IN_FLIGHT: usize = 4;
/// The longest pause before the second try; it doubles with each further try.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How long records wait for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A record waits so long for company, while other requests are under way.
    pub(crate) linger: Duration,
    /// From the first try of a record to the last.
    pub(crate) patience: Duration,
}

/// One record of a request.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) key: Arc<str>,
    pub(crate) data: Bytes,
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send these in one request.
    Send(Vec<Sent>),
    /// Nothing before this time, unless a record or an answer comes; `None`: nothing at all.
    Wait(Option<Duration>),
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// For each of its records why it was not taken, if it was not.
    Records(Vec<Option<Cause>>),
    /// It failed as a whole; some of its records may have been taken.
    Failed {
        /// Whether to try again.
        passes: bool,
        cause: Cause,
    },
}

/// A caller, and what to tell it.
pub(crate) type Settled<C> = (C, Result<(), AppendError>);

#[derive(Debug)]
struct Waiting<C> {
    data: Bytes,
    caller: C,
    since: Duration,
    tries: u32,
    /// When it was first sent.
    tried_at: Duration,
}

/// Records on their way to a stream. `C` stands for the one who waits for a record. Times count from any moment, the same for all.
#[derive(Debug)]
pub(crate) struct Queue<C> {
    limits: Limits,
    /// The records of each partition key in their order; the first may be under way.
    lanes: HashMap<Arc<str>, VecDeque<Waiting<C>>>,
    /// The lanes of which nothing is under way, by the time from which their first record may go; of the same time the one that
    /// came first.
    due: BTreeSet<(Duration, u64, Arc<str>)>,
    in_flight: usize,
    turn: u64,
}

/// Whether Kinesis would take such a record.
///
/// # Errors
/// [`AppendError::Key`] or [`AppendError::TooLarge`].
pub(crate) fn check(key: &str, data: &[u8]) -> Result<(), AppendError> {
    let (characters, bytes) = (key.chars().count(), key.len() + data.len());
    if !(1..=CHARACTERS_OF_A_KEY).contains(&characters) {
        return Err(AppendError::Key { characters });
    }
    if bytes > BYTES_OF_A_RECORD { Err(AppendError::TooLarge { bytes }) } else { Ok(()) }
}

impl<C> Queue<C> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, lanes: HashMap::new(), due: BTreeSet::new(), in_flight: 0, turn: 0 }
    }

    /// Whether every record is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Takes a record that passed [`check`].
    pub(crate) fn push(&mut self, key: &str, data: Bytes, caller: C, now: Duration) {
        let waiting = Waiting { data, caller, since: now, tries: 0, tried_at: now };
        match self.lanes.get_mut(key) {
            Some(lane) => lane.push_back(waiting),
            None => {
                let key: Arc<str> = key.into();
                self.lanes.insert(Arc::clone(&key), VecDeque::from([waiting]));
                self.is_due(now, key);
            }
        }
    }

    fn is_due(&mut self, at: Duration, key: Arc<str>) {
        self.turn += 1;
        self.due.insert((at, self.turn, key));
    }

    /// What to do now. While nothing is under way what is there goes at once; behind a request records gather until one has lingered
    /// or a request is full.
    pub(crate) fn next(&mut self, now: Duration) -> Next {
        if self.in_flight == REQUESTS_IN_FLIGHT {
            return Next::Wait(None);
        }
        let Some((oldest, ..)) = self.due.first() else { return Next::Wait(None) };
        let at = if self.in_flight == 0 { *oldest } else { *oldest + self.limits.linger };
        let (count, full) = self.fitting(now);
        if count == 0 || (!full && now < at) {
            return Next::Wait(Some(at));
        }
        self.in_flight += 1;
        Next::Send((0..count).filter_map(|_| self.take_first(now)).collect())
    }

    /// How many of the due records fit into a request, and whether it is full with them.
    fn fitting(&self, now: Duration) -> (usize, bool) {
        let (mut count, mut bytes) = (0, 0);
        for (_, _, key) in self.due.iter().take_while(|(at, ..)| *at <= now) {
            bytes += key.len() + self.lanes.get(key).and_then(VecDeque::front).map_or(0, |first| first.data.len());
            if bytes > BYTES_OF_A_REQUEST {
                return (count, true);
            }
            count += 1;
            if count == RECORDS_OF_A_REQUEST {
                return (count, true);
            }
        }
        (count, false)
    }

    fn take_first(&mut self, now: Duration) -> Option<Sent> {
        let (_, _, key) = self.due.pop_first()?;
        let first = self.lanes.get_mut(&key)?.front_mut()?;
        if first.tries == 0 {
            first.tried_at = now;
        }
        first.tries += 1;
        Some(Sent { data: first.data.clone(), key })
    }

    /// Takes in what became of a request that carried a record of each of `keys`. `chance`, from 0 to 1, sets the pause before another
    /// try: one for all its records, so that they travel together again. A record whose caller has `left` is not tried again.
    pub(crate) fn answered(
        &mut self,
        keys: Vec<Arc<str>>,
        answer: Answer,
        now: Duration,
        chance: f64,
        left: impl Fn(&C) -> bool,
    ) -> Vec<Settled<C>> {
        self.in_flight -= 1;
        let mut settled = Vec::new();
        match answer {
            Answer::Records(outcomes) => {
                // An answer that is too short says nothing of the last records.
                let silent = || Some(Cause::new("PutRecords left the record out of its answer"));
                let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(silent));
                for (key, outcome) in keys.into_iter().zip(outcomes) {
                    match outcome {
                        None => self.taken(key, &mut settled),
                        Some(cause) => self.failed(key, (true, &cause), now, chance, &left, &mut settled),
                    }
                }
            }
            Answer::Failed { passes, cause } => {
                for key in keys {
                    self.failed(key, (passes, &cause), now, chance, &left, &mut settled);
                }
            }
        }
        settled
    }

    fn taken(&mut self, key: Arc<str>, settled: &mut Vec<Settled<C>>) {
        let first = self.lanes.get_mut(&key).and_then(VecDeque::pop_front);
        settled.extend(first.map(|first| (first.caller, Ok(()))));
        self.go_on(key);
    }

    /// The next record of a lane whose first was settled may go.
    fn go_on(&mut self, key: Arc<str>) {
        match self.lanes.get(&key).and_then(VecDeque::front).map(|first| first.since) {
            Some(since) => self.is_due(since, key),
            None => drop(self.lanes.remove(&key)),
        }
    }

    fn failed(
        &mut self,
        key: Arc<str>,
        (passes, cause): (bool, &Cause),
        now: Duration,
        chance: f64,
        left: &impl Fn(&C) -> bool,
        settled: &mut Vec<Settled<C>>,
    ) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(first) = lane.front() else { return };
        let (tries, spent) = (first.tries, now.saturating_sub(first.tried_at));
        let cause = cause.clone();
        if left(&first.caller) {
            lane.pop_front();
            return self.go_on(key);
        }
        let error = match passes {
            true if spent < self.limits.patience => return self.is_due(now + pause(tries, chance), key),
            true => AppendError::GivenUp { tries, spent, cause: cause.clone() },
            false => AppendError::Refused { cause: cause.clone() },
        };
        let lane = self.lanes.remove(&key).unwrap_or_default();
        let behind = std::iter::repeat_with(|| AppendError::Behind { cause: cause.clone() });
        let errors = std::iter::once(error).chain(behind);
        settled.extend(lane.into_iter().zip(errors).map(|(waiting, error)| (waiting.caller, Err(error))));
    }
}

/// Full jitter: any pause up to a bound that doubles with each try. See "Exponential Backoff And Jitter", AWS Architecture
/// Blog, 2015: it spreads callers best.
fn pause(tries: u32, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    doubled.min(LONGEST_PAUSE).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
#[path = "kinesis_queue_tests.rs"]
mod tests;
