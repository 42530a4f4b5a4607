//! Masks as bitmaps.

use crate::BATCH_LANES;

/// Words of a mask.
pub(in crate::execute) const MASK_WORDS: usize = BATCH_LANES / 64;

/// A bit a lane. Bits beyond the lanes of the batch are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct Mask(pub(in crate::execute) [u64; MASK_WORDS]);

impl Default for Mask {
    fn default() -> Self {
        Self([0; MASK_WORDS])
    }
}

impl Mask {
    #[inline]
    pub(in crate::execute) fn get(&self, lane: usize) -> bool {
        self.0[lane / 64] >> (lane % 64) & 1 == 1
    }

    /// Clears the bits from `lanes` on.
    #[inline]
    pub(in crate::execute) fn truncate(&mut self, lanes: usize) {
        if lanes == BATCH_LANES {
            return;
        }
        self.0[lanes / 64] &= (1 << (lanes % 64)) - 1;
        // Not a slice of so many, which is filled by a call.
        for (index, word) in self.0.iter_mut().enumerate() {
            if index > lanes / 64 {
                *word = 0;
            }
        }
    }

    /// The active lanes, ascending.
    pub(in crate::execute) fn lanes(self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(index, word)| {
            let some = |rest: u64| (rest != 0).then_some(rest);
            let rest = std::iter::successors(some(word), move |rest| some(rest & (rest - 1)));
            rest.map(move |rest| index * 64 + rest.trailing_zeros() as usize)
        })
    }

    /// How many lanes are active.
    #[inline]
    pub(in crate::execute) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// The lanes that an operation acts on: those of a mask, or all of the batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::execute) struct Active<'m> {
    pub(in crate::execute) mask: Option<&'m Mask>,
    pub(in crate::execute) width: usize,
}

impl Active<'_> {
    #[inline]
    pub(in crate::execute) fn get(&self, lane: usize) -> bool {
        self.mask.is_none_or(|mask| mask.get(lane))
    }

    /// Those of some lanes that are active.
    pub(in crate::execute) fn of(&self, mut lanes: Mask) -> Mask {
        if let Some(mask) = self.mask {
            for (lanes, active) in lanes.0.iter_mut().zip(&mask.0) {
                *lanes &= active;
            }
        }
        lanes.truncate(self.width);
        lanes
    }

    #[inline]
    pub(in crate::execute) fn count(&self) -> u64 {
        self.mask.map_or(self.width as u64, Mask::count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_batch_are_cleared() {
        for width in [1, 63, 64, 65, 1000, 1023, 1024] {
            let mut mask = Mask([u64::MAX; MASK_WORDS]);
            mask.truncate(width);
            assert_eq!(mask.count(), width as u64);
            assert!(mask.get(width - 1));
            assert!(mask.lanes().eq(0..width));
            assert!(width == BATCH_LANES || !mask.get(width));
        }
    }
}
