//! Divisions and square roots that every minute would need, made once.

/// `1 / (n + more)` by `n`.
pub(super) const fn reciprocals<const N: usize>(more: f32) -> [f32; N] {
    let mut table = [0.0; N];
    let mut n = 0;
    while n < N {
        table[n] = 1.0 / (n as f32 + more);
        n += 1;
    }
    table
}

/// `sqrt(n / (n + 1))` by `n`: the standard deviation of a minute over that of its distance from the mean of `n` others.
pub(super) const fn self_starting<const N: usize>() -> [f32; N] {
    let mut table = [0.0; N];
    let mut n = 1;
    while n < N {
        table[n] = root(n as f32 / (n as f32 + 1.0));
        n += 1;
    }
    table
}

/// `sqrt((1 - r) / (1 + r))` by the correlation `r` in steps of `1 / N`: the standard deviation of a minute over that of the
/// long run (per minute) in a first-order autoregression. Uncorrelated up to the first step, then at each step's middle.
pub(super) const fn short_of_long_run<const N: usize>() -> [f32; N] {
    let mut table = [1.0; N];
    let mut n = 1;
    while n < N {
        let correlation = (n as f32 + 0.5) / N as f32;
        table[n] = root((1.0 - correlation) / (1.0 + correlation));
        n += 1;
    }
    table
}

/// Square root of a number between 0.001 and 1 by Newton's method (`f32::sqrt` is not to be had in constants).
const fn root(square: f32) -> f32 {
    let mut root = 1.0;
    let mut rounds = 0;
    while rounds < 16 {
        root = (root + square / root) / 2.0;
        rounds += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_roots() {
        for n in 1..=1_000 {
            let square = n as f32 / 1_000.0;
            assert!((root(square) - square.sqrt()).abs() < 1e-6, "{square}");
        }
    }

    #[test]
    fn entries_by_hand() {
        assert_eq!(reciprocals::<4>(2.0), [0.5, 1.0 / 3.0, 0.25, 0.2]);
        assert!((self_starting::<4>()[3] - 0.75_f32.sqrt()).abs() < 1e-6);
        let table = short_of_long_run::<32>();
        assert_eq!(table[0], 1.0);
        assert!((table[16] - 0.565).abs() < 0.001, "{}", table[16]);
    }
}
