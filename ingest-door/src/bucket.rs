//! A token bucket: so many a second for long, and a bounded number at once.

use std::time::Duration;

use cloudping_model::UtcMicros;

/// Parts of a token: one token a second is one part a µs, so that whole numbers are exact.
const PARTS: u64 = 1_000_000;

/// A token bucket. It starts full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    per_second: u64,
    most: u64,
    /// In parts of a token.
    level: u64,
    at: UtcMicros,
}

impl TokenBucket {
    /// A full bucket of `most` tokens that fills with so many a second (at least one).
    pub fn new(per_second: u32, most: u64, now: UtcMicros) -> Self {
        let most = most.saturating_mul(PARTS);
        Self { per_second: u64::from(per_second.max(1)), most, level: most, at: now }
    }

    /// Puts tokens back that were taken for nothing.
    pub fn give_back(&mut self, tokens: u64) {
        self.level = self.level.saturating_add(tokens.saturating_mul(PARTS)).min(self.most);
    }

    /// Takes so many tokens, or none and says how long until they are there; a clock that went back fills nothing.
    ///
    /// # Errors
    /// The time to wait. More tokens than the bucket holds are never there.
    pub fn take(&mut self, now: UtcMicros, tokens: u64) -> Result<(), Duration> {
        let elapsed = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(elapsed.saturating_mul(self.per_second)).min(self.most);
        self.at = now;
        let wanted = tokens.saturating_mul(PARTS);
        match self.level.checked_sub(wanted) {
            Some(left) => {
                self.level = left;
                Ok(())
            }
            None => Err(Duration::from_micros((wanted - self.level).div_ceil(self.per_second))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_then_the_rate_holds() {
        let mut bucket = TokenBucket::new(10, 30, UtcMicros(0));
        assert_eq!(bucket.take(UtcMicros(0), 30), Ok(()));
        assert_eq!(bucket.take(UtcMicros(0), 1), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(UtcMicros(99_999), 1), Err(Duration::from_micros(1)));
        assert_eq!(bucket.take(UtcMicros(100_000), 1), Ok(()));
        assert_eq!(bucket.take(UtcMicros(50_000), 1), Err(Duration::from_millis(100)), "the clock went back");
        assert_eq!(bucket.take(UtcMicros(i64::MAX), 30), Ok(()));
    }

    proptest! {
        /// Whatever is asked when: no more is given than was there and came since, and who waits as long as told is served.
        #[test]
        fn gives_no_more_than_it_may(asked in proptest::collection::vec((0_i64..2_000_000, 0_u64..50), 1..99)) {
            let (rate, most) = (7, 40);
            let (mut bucket, mut now, mut given) = (TokenBucket::new(rate, most, UtcMicros(0)), 0, 0);
            for (pause, tokens) in asked {
                now += pause;
                match bucket.take(UtcMicros(now), tokens) {
                    Ok(()) => given += tokens,
                    Err(wait) if tokens <= most => {
                        let mut later = bucket.clone();
                        let at = UtcMicros(now + i64::try_from(wait.as_micros()).unwrap());
                        prop_assert_eq!(later.take(at, tokens), Ok(()));
                    }
                    Err(_) => {}
                }
                prop_assert!(given * 1_000_000 <= most * 1_000_000 + now.unsigned_abs() * u64::from(rate));
            }
        }
    }
}
