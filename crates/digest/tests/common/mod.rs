//! Latencies that are the same in every run and on every machine.

#![allow(dead_code, reason = "each test binary uses some of it")]

pub mod sets;

pub use sets::Numbers;

impl Numbers {
    /// About 70 ms with about 0.3 ms of bell-shaped jitter: the sum of 12 uniform numbers (variance 1 each twelfth). Integers only.
    pub fn around_70_ms(&mut self) -> u32 {
        let jitter: u64 = (0..12).map(|_| self.below(301)).sum();
        (70_000 - 1_800 + jitter) as u32
    }

    pub fn many_around_70_ms(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.around_70_ms()).collect()
    }
}
