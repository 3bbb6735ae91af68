//! Windows: tumbling panes that are stored, and rolling windows that are merges of panes.

use crate::UtcMicros;

const MINUTE_US: i64 = 60_000_000;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// A tumbling window, aligned to UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// One day.
    Day,
}

impl Pane {
    /// Every pane, the smallest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length in µs.
    #[inline]
    #[must_use]
    pub fn micros(self) -> i64 {
        match self {
            Self::Minute => MINUTE_US,
            Self::Hour => HOUR_US,
            Self::Day => DAY_US,
        }
    }

    /// The name used in keys, tables and APIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// The start of the pane that holds `at`.
    #[inline]
    #[must_use]
    pub fn start_of(self, at: UtcMicros) -> UtcMicros {
        at.floor(self.micros())
    }

    /// The next larger pane.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::Minute => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }
}

/// A rolling window: it ends now and advances with the panes that it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rolling {
    /// The last five minutes: the minute that is running and the four before it.
    FiveMinutes,
    /// The last hour: the minute that is running and the 59 before it.
    Hour,
    /// The last day: the hour that is running and the 23 before it.
    Day,
    /// The last week: the day that is running and the six before it.
    Week,
    /// The last 30 days: the day that is running and the 29 before it.
    Month,
    /// The last 365 days: the day that is running and the 364 before it.
    Year,
}

impl Rolling {
    /// Every rolling window, the shortest first.
    pub const ALL: [Self; 6] = [Self::FiveMinutes, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The name used in APIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Year => "365d",
        }
    }

    /// The window of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// The panes that it advances by.
    #[must_use]
    pub fn pane(self) -> Pane {
        match self {
            Self::FiveMinutes | Self::Hour => Pane::Minute,
            Self::Day => Pane::Hour,
            Self::Week | Self::Month | Self::Year => Pane::Day,
        }
    }

    /// How many panes it holds, the running one included.
    #[must_use]
    pub fn panes(self) -> i64 {
        match self {
            Self::FiveMinutes => 5,
            Self::Hour => 60,
            Self::Day => 24,
            Self::Week => 7,
            Self::Month => 30,
            Self::Year => 365,
        }
    }

    /// The start of the oldest pane in the window that ends at `now`.
    #[must_use]
    pub fn first_pane(self, now: UtcMicros) -> UtcMicros {
        self.pane().start_of(now) - (self.panes() - 1) * self.pane().micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_window_covers_its_panes_and_ends_with_the_running_one() {
        let now = UtcMicros(10 * HOUR_US + 90_000_000);
        assert_eq!(Rolling::FiveMinutes.first_pane(now), UtcMicros(10 * HOUR_US + MINUTE_US - 4 * MINUTE_US));
        assert_eq!(Rolling::Day.first_pane(now), UtcMicros(10 * HOUR_US - 23 * HOUR_US));
        assert_eq!(Rolling::Week.first_pane(now), UtcMicros(-6 * DAY_US));
    }

    #[test]
    fn names_are_their_own_inverse() {
        for window in Rolling::ALL {
            assert_eq!(Rolling::from_name(window.name()), Some(window));
        }
        assert_eq!(Rolling::from_name("2h"), None);
    }
}
