//! How much of a destination's waiting room is taken, and by whom.

/// What a datagram weighs beside its payload, in bytes: what the gateway keeps about it.
const OVERHEAD: usize = 64;
/// A sender may hold so many times what is free.
const FACTOR: u64 = 8;

/// Why a datagram finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There is none left.
    NoRoom,
    /// What is left is kept for other senders.
    UnfairShare,
}

/// The waiting room of one destination: the datagrams that are in a batch and not yet delivered.
///
/// A sender may hold at most eight times what is free (a dynamic threshold, as switches have it for their ports). Alone it gets eight ninths of the
/// room; of many that send too much, each gets the same; and there is always room for one that has sent nothing yet.
#[derive(Debug)]
pub struct Shares {
    limit: u64,
    total: u64,
    held: Vec<u64>,
}

impl Shares {
    /// An empty room of so many bytes for so many senders.
    #[must_use]
    pub fn new(limit: u64, senders: usize) -> Self {
        Self { limit, total: 0, held: vec![0; senders] }
    }

    /// Takes room for a payload of so many bytes.
    ///
    /// # Errors
    /// [`Full`], with nothing taken.
    pub fn take(&mut self, sender: u32, bytes: usize) -> Result<(), Full> {
        let weight = weight(bytes);
        let free = self.limit.saturating_sub(self.total);
        let Some(held) = self.held.get_mut(sender as usize).filter(|_| weight <= free) else {
            return Err(Full::NoRoom);
        };
        if *held + weight > (free - weight).saturating_mul(FACTOR) {
            return Err(Full::UnfairShare);
        }
        *held += weight;
        self.total += weight;
        Ok(())
    }

    /// Gives the room of a payload back.
    pub fn give_back(&mut self, sender: u32, bytes: usize) {
        let weight = weight(bytes);
        if let Some(held) = self.held.get_mut(sender as usize) {
            *held = held.saturating_sub(weight);
            self.total = self.total.saturating_sub(weight);
        }
    }

    /// What is taken, in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

fn weight(bytes: usize) -> u64 {
    (bytes + OVERHEAD) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fills the room as far as these senders may, in turns.
    fn fill(shares: &mut Shares, senders: std::ops::Range<u32>) -> Vec<u64> {
        let mut taken = vec![0; senders.len()];
        loop {
            let before: u64 = taken.iter().sum();
            for (sender, taken) in senders.clone().zip(&mut taken) {
                *taken += u64::from(shares.take(sender, 64).is_ok());
            }
            if taken.iter().sum::<u64>() == before {
                return taken;
            }
        }
    }

    #[test]
    fn one_sender_gets_most_of_the_room_and_leaves_some() {
        let mut shares = Shares::new(128 * 900, 8);
        assert_eq!(fill(&mut shares, 0..1), [800]);
        assert_eq!(shares.take(0, 64), Err(Full::UnfairShare));
        assert!(fill(&mut shares, 1..2)[0] >= 80, "there is room for another");
    }

    #[test]
    fn senders_that_send_too_much_share_alike() {
        let mut shares = Shares::new(128 * 10_000, 8);
        let taken = fill(&mut shares, 0..8);
        assert!(taken.iter().all(|it| it.abs_diff(taken[0]) <= 1), "{taken:?}");
        assert!(taken.iter().sum::<u64>() > 9_500, "{taken:?}");
    }

    #[test]
    fn what_does_not_fit_at_all_is_told_apart() {
        let mut shares = Shares::new(1_000, 1);
        assert_eq!(shares.take(0, 937), Err(Full::NoRoom));
        assert_eq!(shares.take(0, 900), Err(Full::UnfairShare));
        assert_eq!(shares.take(0, 100), Ok(()));
    }

    proptest! {
        /// Never more than the limit, and all that was taken can be given back.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0_u32..5, 0_usize..300, any::<bool>()), 1..300)) {
            let (limit, mut held) = (10_000, Vec::new());
            let mut shares = Shares::new(limit, 5);
            for (sender, bytes, back) in steps {
                if back {
                    if let Some((sender, bytes)) = held.pop() {
                        shares.give_back(sender, bytes);
                    }
                } else if shares.take(sender, bytes).is_ok() {
                    held.push((sender, bytes));
                }
                let expected: u64 = held.iter().map(|(_, bytes)| *bytes as u64 + 64).sum();
                prop_assert_eq!(shares.total(), expected);
                prop_assert!(expected <= limit);
            }
        }
    }
}
