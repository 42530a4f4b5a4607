//! The registers of a sentron while it runs.

use super::ResultRow;
use crate::{K, M, P, R, T};
use phext_storage::page_table::Lane;

/// The values of all registers. A register that was never written has no lanes.
#[derive(Debug, Default)]
pub(super) struct Registers<'a> {
    numbers: [Numbers; 16],
    places: [Vec<Lane<'a>>; 8],
    texts: [Vec<Option<&'a [u8]>>; 4],
    messages: [Vec<ResultRow<'a>>; 4],
    masks: [Vec<bool>; 4],
}

/// The lanes of an `r` register.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    /// The same number in every lane.
    Scalar(u64),
    /// A number a lane.
    Lanes(Vec<u64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::Scalar(0)
    }
}

impl Numbers {
    #[inline]
    pub(super) fn get(&self, lane: usize) -> u64 {
        match self {
            Numbers::Scalar(number) => *number,
            Numbers::Lanes(numbers) => numbers[lane],
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self, Numbers::Scalar(_))
    }
}

/// What an operation writes, put in place when the whole word is done.
#[derive(Debug)]
pub(super) enum Write<'a> {
    Numbers(R, Numbers),
    Places(P, Vec<Lane<'a>>),
    Texts(T, Vec<Option<&'a [u8]>>),
    Messages(M, Vec<ResultRow<'a>>),
    Mask(K, Vec<bool>),
}

impl<'a> Registers<'a> {
    pub(super) fn put(&mut self, write: Write<'a>) {
        match write {
            Write::Numbers(register, numbers) => self.numbers[register.0 as usize] = numbers,
            Write::Places(register, lanes) => self.places[register.0 as usize] = lanes,
            Write::Texts(register, texts) => self.texts[register.0 as usize] = texts,
            Write::Messages(register, rows) => self.messages[register.0 as usize] = rows,
            Write::Mask(register, mask) => self.masks[register.0 as usize] = mask,
        }
    }

    #[inline]
    pub(super) fn numbers(&self, register: R) -> &Numbers {
        &self.numbers[register.0 as usize]
    }

    #[inline]
    pub(super) fn places(&self, register: P) -> &[Lane<'a>] {
        &self.places[register.0 as usize]
    }

    #[inline]
    pub(super) fn texts(&self, register: T) -> &[Option<&'a [u8]>] {
        &self.texts[register.0 as usize]
    }

    #[inline]
    pub(super) fn messages(&self, register: M) -> &[ResultRow<'a>] {
        &self.messages[register.0 as usize]
    }

    /// Whether a lane is active under a mask; without one, every lane is.
    #[inline]
    pub(super) fn is_active(&self, mask: Option<K>, lane: usize) -> bool {
        mask.is_none_or(|mask| self.masks[mask.0 as usize][lane])
    }
}
