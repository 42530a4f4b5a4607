//! Numbers of which the i-th is drawn in proportion to `1 / (i + 1)^0.99`, as YCSB draws them.

use rand::Rng;
use rand::rngs::StdRng;

const EXPONENT: f64 = 0.99;

/// Draws by the method of Gray et al., "Quickly generating billion-record synthetic databases"
/// (1994), which needs no table.
pub(super) struct Zipf {
    count: u64,
    /// The sum of all weights.
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    /// Numbers below `count`.
    pub(super) fn new(count: u64) -> Zipf {
        let weights = |count: u64| (1..=count).map(|i| (i as f64).powf(-EXPONENT));
        let zeta: f64 = weights(count).sum();
        let of_two: f64 = weights(2).sum();
        let below = 1.0 - (2.0 / count as f64).powf(1.0 - EXPONENT);
        Zipf {
            count,
            zeta,
            alpha: 1.0 / (1.0 - EXPONENT),
            eta: below / (1.0 - of_two / zeta),
        }
    }

    /// One of them.
    pub(super) fn draw(&self, random: &mut StdRng) -> u64 {
        let share: f64 = random.random();
        let weight = share * self.zeta;
        if weight < 1.0 {
            return 0;
        }
        if weight < 1.0 + 0.5f64.powf(EXPONENT) {
            return 1;
        }
        let drawn = self.count as f64 * (self.eta * share - self.eta + 1.0).powf(self.alpha);
        (drawn as u64).min(self.count - 1)
    }
}

/// Spreads numbers over `0..count`: those drawn often come to lie anywhere.
pub(super) fn scramble(drawn: u64, count: u64) -> u64 {
    // FNV-1a over the eight bytes, as in YCSB.
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    drawn
        .to_le_bytes()
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325, fold)
        % count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn shares_are_those_of_the_law() {
        let (count, draws) = (1_000, 200_000);
        let zipf = Zipf::new(count);
        let mut random = StdRng::seed_from_u64(5);
        let mut drawn = vec![0_u32; count as usize];
        for _ in 0..draws {
            drawn[zipf.draw(&mut random) as usize] += 1;
        }
        for at in [0, 1] {
            let expected = f64::from(draws) / ((at + 1) as f64).powf(EXPONENT) / zipf.zeta;
            let off = f64::from(drawn[at]) / expected - 1.0;
            assert!(off.abs() < 0.05, "{at}: {off:.3} off");
        }
        let first_hundred: u32 = drawn[..100].iter().sum();
        let share = f64::from(first_hundred) / f64::from(draws);
        assert!((0.66..0.74).contains(&share), "{share}");
    }

    #[test]
    fn scrambled_numbers_are_spread() {
        let halves = (0..1_000).filter(|&drawn| scramble(drawn, 10_000) < 5_000);
        assert!((400..600).contains(&halves.count()));
    }
}
