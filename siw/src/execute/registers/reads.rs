//! What operations read while something else is written.

use super::{Active, BufferId, Mask, Memory, Number, PlaceBuffer, Pool};
use crate::{K, P, R};
use phext_storage::page_table::Lane;

/// What a register of numbers has, or an operand.
#[derive(Debug, Clone, Copy)]
pub(in crate::execute) enum Held {
    /// The number of all lanes.
    Scalar(u64),
    /// A number a lane.
    Lanes(BufferId),
}

impl Held {
    /// Its buffer, if there is one, else another.
    #[inline(always)]
    pub(in crate::execute) fn buffer_or(self, other: BufferId) -> BufferId {
        match self {
            Held::Scalar(_) => other,
            Held::Lanes(lanes) => lanes,
        }
    }
}

impl Number {
    /// The scalar if it is one.
    #[inline(always)]
    pub(in crate::execute) fn held(&self) -> Held {
        match (self.scalar, self.lanes) {
            (Some(scalar), _) => Held::Scalar(scalar),
            (None, Some(lanes)) => Held::Lanes(lanes),
            (None, None) => unreachable!("the validator has seen that the register was written"),
        }
    }

    /// Its buffer, which an operation that writes at once may fill if the register is no scalar.
    #[inline(always)]
    pub(super) fn own(&self, at_once: bool) -> Option<BufferId> {
        match self.scalar {
            None if at_once => self.lanes,
            _ => None,
        }
    }
}

impl Memory {
    #[inline]
    pub(super) fn number_at(&self, register: R, lane: usize) -> u64 {
        let number = &self.numbers[register.index()];
        match (number.scalar, number.lanes) {
            (Some(scalar), _) => scalar,
            (None, Some(lanes)) => self.number_pool.filled(lanes).0[lane],
            (None, None) => unreachable!("the validator has seen that {register:?} was written"),
        }
    }

    #[inline]
    pub(super) fn place_buffer(&self, register: P) -> BufferId {
        self.places[register.index()].expect("the validator has seen that places were written")
    }

    #[inline]
    pub(super) fn mask(&self, register: K) -> &Mask {
        &self.masks[usize::from(self.mask_places.0[register.index()])]
    }

    #[inline]
    pub(super) fn active(&self, mask: Option<K>, width: usize) -> Active<'_> {
        let mask = mask.map(|mask| self.mask(mask));
        Active { mask, width }
    }
}

/// What can be read while a buffer of texts is filled.
#[derive(Debug, Clone, Copy)]
pub(in crate::execute) struct Readable<'r, 'a> {
    pub(super) memory: &'r Memory,
    pub(super) place_pool: &'r Pool<PlaceBuffer<'a>>,
}

impl<'r, 'a> Readable<'r, 'a> {
    #[inline]
    pub(in crate::execute) fn number_at(self, register: R, lane: usize) -> u64 {
        self.memory.number_at(register, lane)
    }

    #[inline]
    pub(in crate::execute) fn places(self, register: P) -> &'r [Lane<'a>] {
        self.place_pool.get(self.memory.place_buffer(register))
    }

    #[inline]
    pub(in crate::execute) fn active(self, mask: Option<K>, width: usize) -> Active<'r> {
        self.memory.active(mask, width)
    }
}
