//! Time as a number: no code below the edge reads a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcMicros(pub i64);

impl UtcMicros {
    /// The latest multiple of `step_us` (µs, positive) at or before this moment.
    #[inline]
    #[must_use]
    pub fn floor(self, step_us: i64) -> Self {
        Self(self.0.div_euclid(step_us) * step_us)
    }

    /// The time since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Debug for UtcMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

impl Add<i64> for UtcMicros {
    type Output = Self;

    fn add(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<i64> for UtcMicros {
    type Output = Self;

    fn sub(self, micros: i64) -> Self {
        Self(self.0.saturating_sub(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_towards_the_past_on_both_sides_of_1970() {
        assert_eq!(UtcMicros(125).floor(60), UtcMicros(120));
        assert_eq!(UtcMicros(-1).floor(60), UtcMicros(-60));
        assert_eq!(UtcMicros(120).floor(60), UtcMicros(120));
    }

    #[test]
    fn since_never_goes_below_zero() {
        assert_eq!(UtcMicros(5).since(UtcMicros(2)), Duration::from_micros(3));
        assert_eq!(UtcMicros(2).since(UtcMicros(5)), Duration::ZERO);
    }
}
