//! What operations write.
//!
//! The operations of a word read what was there before it, so that what one of them writes waits until
//! the last of them is done, unless none of those after it reads that: then it writes at once, and to
//! the buffer that its register has where nothing else refers to it. Most operations do, which saves
//! the way of a buffer through the pool: a chain of loads that each wait for a store. Where such an operation
//! reads one or two other buffers, its own does not even leave the pool.

use super::{
    BufferId, LaneArray, Mask, NEXT_DENSE, NEXT_SPARSE, Number, NumberBuffer, Registers, Taken,
};
use crate::{K, P, R, T};

/// Most writes of a word: of DHASH and of an S operation.
pub(super) const MOST_WRITES: usize = 3;

/// What an operation writes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::execute) enum Write {
    #[default]
    Nothing,
    Scalar(R, u64),
    Numbers(R, BufferId),
    Texts(T, BufferId),
    /// What was put into [`Registers::next_dense_mask`].
    DenseMask(K),
    /// What was put into [`Registers::next_sparse_mask`].
    SparseMask(K),
}

impl Registers<'_> {
    /// Writes what an operation writes, at once or when the whole word is done.
    #[inline(always)]
    pub(in crate::execute) fn defer(&mut self, write: Write) {
        if self.memory.at_once {
            self.put(write);
        } else {
            self.keep(write);
        }
    }

    /// Keeps it until [`Self::put_deferred`]. In memory, field by field: a result that is returned is
    /// copied as a whole, and waits for its fields to be written.
    #[inline]
    fn keep(&mut self, write: Write) {
        let memory = &mut *self.memory;
        memory.deferred[memory.deferrals] = write;
        memory.deferrals += 1;
    }

    /// Puts in place what the operations of a word write.
    #[inline(always)]
    pub(in crate::execute) fn put_deferred(&mut self) {
        if self.memory.deferrals > 0 {
            self.put_each_deferred();
        }
    }

    #[inline(never)]
    fn put_each_deferred(&mut self) {
        for index in 0..std::mem::take(&mut self.memory.deferrals) {
            self.put(self.memory.deferred[index]);
        }
    }

    #[inline(always)]
    fn put(&mut self, write: Write) {
        match write {
            Write::Nothing => {}
            Write::Scalar(to, number) => self.put_scalar(to, number),
            Write::Numbers(to, lanes) => {
                let number = Number {
                    scalar: None,
                    lanes: Some(lanes),
                };
                self.put_number(to, number);
            }
            Write::Texts(to, buffer) => {
                if let Some(old) = self.memory.texts[to.index()].replace(buffer) {
                    self.buffers.texts.release(old);
                }
            }
            // The mask that the register had is the next to be written.
            Write::DenseMask(to) => self.memory.mask_places.0.swap(to.index(), NEXT_DENSE),
            Write::SparseMask(to) => self.memory.mask_places.0.swap(to.index(), NEXT_SPARSE),
        }
    }

    /// Gives a register places.
    #[inline]
    pub(in crate::execute) fn put_places(&mut self, to: P, buffer: BufferId) {
        if let Some(old) = self.memory.places[to.index()].replace(buffer) {
            self.buffers.places.release(old);
        }
    }

    /// Gives a register a number that is one for all lanes.
    #[inline]
    pub(in crate::execute) fn put_scalar(&mut self, to: R, number: u64) {
        let number = Number {
            scalar: Some(number),
            lanes: None,
        };
        self.put_number(to, number);
    }

    #[inline]
    fn put_number(&mut self, to: R, number: Number) {
        let memory = &mut *self.memory;
        memory.written |= 1 << to.index();
        let old = memory.numbers[to.index()].lanes;
        memory.numbers[to.index()] = number;
        if let Some(old) = old {
            memory.number_pool.release(old);
        }
    }

    /// A spare buffer to fill.
    #[inline]
    pub(in crate::execute) fn take_numbers(&mut self) -> Taken<NumberBuffer> {
        self.memory.number_pool.take()
    }

    /// A buffer to fill for a register, by an operation that reads those of `reads` meanwhile: that
    /// which the register has, if nobody would miss what it holds.
    #[inline(always)]
    pub(in crate::execute) fn take_numbers_for<const N: usize>(
        &mut self,
        to: R,
        reads: [BufferId; N],
    ) -> Taken<NumberBuffer> {
        let memory = &mut *self.memory;
        if memory.at_once
            && let Number {
                scalar: None,
                lanes: Some(lanes),
            } = memory.numbers[to.index()]
            && !reads.contains(&lanes)
            && let Some(taken) = memory.number_pool.take_back(lanes)
        {
            return taken;
        }
        memory.number_pool.take()
    }

    /// The buffer that a register has, where an operation may fill it in place, and one that it reads
    /// meanwhile; `None` where the operation must fill another.
    #[inline(always)]
    pub(in crate::execute) fn own_and_one(
        &mut self,
        to: R,
        other: BufferId,
    ) -> Option<(&mut LaneArray, &LaneArray)> {
        let memory = &mut *self.memory;
        let own = memory.numbers[to.index()].own(memory.at_once)?;
        let (own, other) = memory.number_pool.own_and_one(own, other)?;
        Some((&mut own.0, &other.0))
    }

    /// As [`Self::own_and_one`], with two that it reads.
    #[inline(always)]
    pub(in crate::execute) fn own_and_two(
        &mut self,
        to: R,
        others: [BufferId; 2],
    ) -> Option<(&mut LaneArray, [&LaneArray; 2])> {
        let memory = &mut *self.memory;
        let own = memory.numbers[to.index()].own(memory.at_once)?;
        let (own, [left, right]) = memory.number_pool.own_and_two(own, others)?;
        Some((&mut own.0, [&left.0, &right.0]))
    }

    /// As [`Self::own_and_one`], and a mask.
    #[inline(always)]
    pub(in crate::execute) fn own_and_masked(
        &mut self,
        to: R,
        other: BufferId,
        mask: K,
    ) -> Option<(&mut LaneArray, &LaneArray, &Mask)> {
        let memory = &mut *self.memory;
        let own = memory.numbers[to.index()].own(memory.at_once)?;
        let (own, other) = memory.number_pool.own_and_one(own, other)?;
        let place = memory.mask_places.0[mask.index()];
        Some((&mut own.0, &other.0, &memory.masks[usize::from(place)]))
    }

    #[inline]
    pub(in crate::execute) fn put_numbers(&mut self, taken: Taken<NumberBuffer>) -> BufferId {
        self.memory.number_pool.put(taken)
    }

    /// What an operation has filled, for a register.
    #[inline(always)]
    pub(in crate::execute) fn defer_numbers(&mut self, to: R, filled: Taken<NumberBuffer>) {
        let buffer = self.put_numbers(filled);
        if self.memory.numbers[to.index()].lanes != Some(buffer) {
            self.defer(Write::Numbers(to, buffer));
        }
    }
}
