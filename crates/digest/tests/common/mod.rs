//! Latencies that are the same in every run and on every machine: integers only, no generator whose algorithm may change.

#![allow(dead_code, reason = "each test binary uses some of it")]

/// A stream of 64-bit numbers (splitmix64; Steele, Lea and Flood, 2014).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..below`.
    pub fn below(&mut self, below: u64) -> u64 {
        self.draw() % below
    }

    /// About 70 ms with about 0.3 ms of bell-shaped jitter: the sum of 12 uniform numbers (variance 1 each twelfth).
    pub fn around_70_ms(&mut self) -> u32 {
        let jitter: u64 = (0..12).map(|_| self.below(301)).sum();
        (70_000 - 1_800 + jitter) as u32
    }

    pub fn many_around_70_ms(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| self.around_70_ms()).collect()
    }
}
