//! How many requests in how long, and what that says to the next one.
//!
//! The generic cell rate algorithm: all that is kept of a client is the moment at which its budget will be whole again. A request moves
//! this by its share of the window, and is refused where that would be more than a window away. So a client may spend the whole budget at
//! once, and it comes back evenly.
//!
//! Why not the crate `governor`: it reads the clock itself, has one rate for all of its clients, and keeps them in a locked map without a
//! bound. What would be left of it is the six lines of [`Budget::spend`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cloudping_schemas::stored::ApiRate;

const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = 86_400 * SECOND_US;
/// A request's share of the window, µs: shorter ones would be rounded too much.
const LEAST_SHARE_US: u64 = 10;

/// So many requests in so long. As text it is `600/1m` or `600/m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    requests: u32,
    /// µs.
    window: u64,
}

/// The text is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no budget, expected requests and a time of 1s to 1d, such as 600/1m, and at most 100,000 a second")]
pub struct NoBudget(String);

/// What is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests that may come at once.
    pub left: u32,
    /// When all of it is back, if nothing comes meanwhile.
    pub whole_in: Duration,
}

impl Budget {
    /// A budget of whole seconds.
    pub(crate) const fn of(requests: u32, seconds: u64) -> Self {
        Self { requests, window: seconds * SECOND_US }
    }

    /// A budget; `None` where it has no request, less than a second, more than a day, or more than 100,000 requests a second.
    #[must_use]
    pub fn new(requests: u32, window: Duration) -> Option<Self> {
        let window = u64::try_from(window.as_micros()).ok()?;
        let possible = requests > 0
            && (SECOND_US..=DAY_US).contains(&window)
            && u64::from(requests).saturating_mul(LEAST_SHARE_US) <= window;
        possible.then_some(Self { requests, window })
    }

    /// How many requests.
    #[must_use]
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// In how long.
    #[must_use]
    pub fn window(self) -> Duration {
        Duration::from_micros(self.window)
    }

    /// What `requests` at `now` make of a budget that was to be whole at `whole_at` (µs of one clock, both): when it will then be whole, and
    /// what is left; else how long to wait until they are let in.
    pub(super) fn spend(self, whole_at: u64, now: u64, requests: u32) -> Result<(u64, Standing), Duration> {
        let share = self.window / u64::from(self.requests);
        let most = share * u64::from(self.requests);
        // More than all is never spent: then the clock went back, and nobody shall wait until it has caught up.
        let before = Some(whole_at.saturating_sub(now)).filter(|spent| *spent <= most).unwrap_or(0);
        let spent = before.saturating_add(share.saturating_mul(u64::from(requests)));
        match most.checked_sub(spent) {
            Some(rest) => {
                let left = u32::try_from(rest / share).unwrap_or(u32::MAX);
                Ok((now.saturating_add(spent), Standing { left, whole_in: Duration::from_micros(spent) }))
            }
            None => Err(Duration::from_micros(spent - most)),
        }
    }
}

impl FromStr for Budget {
    type Err = NoBudget;

    fn from_str(text: &str) -> Result<Self, NoBudget> {
        let budget = || {
            let (requests, time) = text.split_once('/')?;
            let unit = match time.chars().next_back()? {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return None,
            };
            let number = &time[..time.len() - 1];
            let number: u64 = if number.is_empty() { 1 } else { number.parse().ok()? };
            Self::new(requests.parse().ok()?, Duration::from_secs(number.checked_mul(unit)?))
        };
        budget().ok_or_else(|| NoBudget(text.to_owned()))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.window / SECOND_US;
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let whole = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
        let (unit, name) = whole.unwrap_or((1, "s"));
        write!(f, "{}/{}{name}", self.requests, seconds / unit)
    }
}

impl From<Budget> for ApiRate {
    fn from(budget: Budget) -> Self {
        Self { requests: budget.requests, window_us: budget.window }
    }
}

impl TryFrom<ApiRate> for Budget {
    type Error = NoBudget;

    fn try_from(rate: ApiRate) -> Result<Self, NoBudget> {
        let budget = Self::new(rate.requests, Duration::from_micros(rate.window_us));
        budget.ok_or_else(|| NoBudget(format!("{}/{}us", rate.requests, rate.window_us)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_may_be_spent_at_once_and_then_it_comes_back_evenly() {
        let budget = Budget::of(3, 60);
        let mut whole_at = 0;
        for left in [2, 1, 0] {
            let (then, standing) = budget.spend(whole_at, 5, 1).unwrap();
            assert_eq!(standing.left, left);
            whole_at = then;
        }
        assert_eq!(budget.spend(whole_at, 5, 1), Err(Duration::from_secs(20)));
        assert_eq!(budget.spend(whole_at, 5 + 19_999_999, 1), Err(Duration::from_micros(1)));
        let (_, standing) = budget.spend(whole_at, 5 + 20_000_000, 1).unwrap();
        assert_eq!(standing, Standing { left: 0, whole_in: Duration::from_secs(60) });
        assert_eq!(budget.spend(whole_at, 5 + 60_000_000, 1).unwrap().1.left, 2);
        assert_eq!(budget.spend(whole_at, 0, 1).unwrap().1.left, 2, "the clock went back");
        assert!(budget.spend(0, 0, 4).is_err(), "more than there ever is");
    }

    #[test]
    fn budgets_are_read_and_written() {
        for (text, same) in [("600/m", "600/1m"), ("600/60s", "600/1m"), ("5/90s", "5/90s"), ("7/24h", "7/1d")] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), same);
        }
        for wrong in [
            "",
            "600",
            "600/",
            "0/m",
            "-1/m",
            "600/0s",
            "1/2d",
            "100001/s",
            "600/m ",
            "6e2/m",
            "600/µ",
            "1/99999999999999999999s",
        ] {
            let error = wrong.parse::<Budget>().unwrap_err().to_string();
            assert!(error.contains("expected requests and a time of 1s to 1d, such as 600/1m"), "{error}");
        }
        let budget = Budget::of(600, 60);
        assert_eq!(Budget::try_from(ApiRate::from(budget)), Ok(budget));
        assert!(Budget::try_from(ApiRate { requests: 0, window_us: 60_000_000 }).is_err());
    }

    proptest! {
        /// Whatever is asked when: no more is given than was there and came since, and who waits as long as told is served.
        #[test]
        fn gives_no_more_than_it_may(
            requests in 1_u32..50,
            seconds in 1_u64..100,
            pauses in proptest::collection::vec(0_u64..3_000_000, 1..200),
        ) {
            let budget = Budget::of(requests, seconds);
            let (mut whole_at, mut now, mut given) = (0, 0, 0_u64);
            for pause in pauses {
                now += pause;
                match budget.spend(whole_at, now, 1) {
                    Ok((then, _)) => {
                        whole_at = then;
                        given += 1;
                    }
                    Err(wait) => {
                        let later = now + u64::try_from(wait.as_micros()).unwrap();
                        prop_assert!(budget.spend(whole_at, later, 1).is_ok());
                        prop_assert!(budget.spend(whole_at, later - 1, 1).is_err());
                    }
                }
                let share = seconds * SECOND_US / u64::from(requests);
                prop_assert!(given <= u64::from(requests) + now / share);
            }
        }
    }
}
