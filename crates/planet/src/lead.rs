//! How long before a packet's time the router must ask to be woken.

/// Follows the 90th percentile of how late this machine's timers wake the router, by stochastic approximation: each late
/// wake-up raises the estimate, each early one lowers it, in the proportion of the quantile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    ns: u64,
}

impl Lead {
    const START_NS: u64 = 60_000;
    /// Less would miss the cost of the wake-up itself.
    const LEAST_NS: u64 = 5_000;
    /// More would burn CPU for machines that cannot be helped.
    const MOST_NS: u64 = 120_000;
    const UP_NS: u64 = 1_800;
    const DOWN_NS: u64 = 200;

    pub fn new() -> Self {
        Self { ns: Self::START_NS }
    }

    /// Notes that a wake-up came `late_ns` after the time asked for.
    pub fn observe(&mut self, late_ns: u64) {
        let next = if late_ns > self.ns { self.ns + Self::UP_NS } else { self.ns.saturating_sub(Self::DOWN_NS) };
        self.ns = next.clamp(Self::LEAST_NS, Self::MOST_NS);
    }

    pub fn ns(self) -> u64 {
        self.ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_90th_percentile() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut lead = Lead::new();
        let mut covered = 0;
        for round in 0..20_000 {
            // Uniform over 0 to 80 us: the 90th percentile is 72 us.
            let late = random.u64(0..80_000);
            covered += u64::from(round >= 10_000 && late <= lead.ns());
            lead.observe(late);
        }
        assert!((8_800..9_200).contains(&covered), "{covered}");
    }

    #[test]
    fn stays_within_bounds() {
        let mut lead = Lead::new();
        (0..1_000).for_each(|_| lead.observe(u64::MAX));
        assert_eq!(lead.ns(), Lead::MOST_NS);
        (0..1_000).for_each(|_| lead.observe(0));
        assert_eq!(lead.ns(), Lead::LEAST_NS);
    }
}
