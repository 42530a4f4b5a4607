//! Percentiles of what was counted.

use serde::Serialize;

/// Percentiles: the least number that so many percent are not above (nearest rank).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Percentiles {
    /// Of these numbers; zeros where there are none.
    pub(super) fn of(numbers: impl IntoIterator<Item = f64>) -> Percentiles {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (numbers.len() * percent).div_ceil(100);
            numbers.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Percentiles {
            p50: at(50),
            p90: at(90),
            p99: at(99),
        }
    }
}

/// Percentiles of counts, and their mean: what queries cost altogether.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    #[serde(flatten)]
    pub(super) percentiles: Percentiles,
    pub(super) mean: f64,
}

impl Spread {
    /// Of these counts.
    pub(super) fn of(counts: &[u64]) -> Spread {
        let sum: u64 = counts.iter().sum();
        Spread {
            percentiles: Percentiles::of(counts.iter().map(|&count| count as f64)),
            mean: ratio(sum, counts.len() as u64),
        }
    }
}

/// A part of a whole; 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => part as f64 / whole as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_occur() {
        let of = |numbers: &[u32]| Percentiles::of(numbers.iter().copied().map(f64::from));
        let check = |numbers: &[u32], p50, p90, p99| {
            assert_eq!(of(numbers), Percentiles { p50, p90, p99 }, "{numbers:?}");
        };
        check(&[], 0.0, 0.0, 0.0);
        check(&[7], 7.0, 7.0, 7.0);
        check(&[9, 1], 1.0, 9.0, 9.0);
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5.0, 9.0, 10.0);
        let hundred: Vec<u32> = (1..=100).rev().collect();
        check(&hundred, 50.0, 90.0, 99.0);
    }

    #[test]
    fn a_spread_has_a_mean() {
        assert_eq!(Spread::of(&[1, 2, 9]).mean, 4.0);
        assert_eq!(Spread::of(&[]).mean, 0.0);
    }
}
