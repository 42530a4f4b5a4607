//! The registers of a sentron.
//!
//! | registers | lane holds |
//! |---|---|
//! | `r0`-`r15` | 64 bits, an unsigned integer or a double |
//! | `p0`-`p7` | a coordinate and the slot of its scroll, if it has one |
//! | `t0`-`t3` | a text, borrowed from the map or made in this batch, or no text |
//! | `m0`-`m3` | a packed row |
//! | `k0`-`k3` | a bit: whether the lane is active |
//!
//! A register is a vector of the lanes of the current batch. An `r` register written in `once` is a
//! *scalar*: all its lanes are equal, it outlives the batch, and operations on lanes read it as a
//! broadcast value. An `m` register that CTOP, CDOT or CTALLY accumulates into in `each` outlives the batch
//! too; `last` reads its rows.
//!
//! An operation without a mask acts on all lanes of the batch.

use std::fmt;

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterClass {
    /// `r`: 64-bit numbers.
    Number,
    /// `p`: coordinates and slots.
    Place,
    /// `t`: texts.
    Text,
    /// `m`: messages, which are packed rows.
    Message,
    /// `k`: masks.
    Mask,
}

impl RegisterClass {
    /// All classes.
    pub const ALL: [Self; 5] = [
        Self::Number,
        Self::Place,
        Self::Text,
        Self::Message,
        Self::Mask,
    ];

    /// How many registers the class has.
    pub const fn count(self) -> u8 {
        match self {
            Self::Number => 16,
            Self::Place => 8,
            Self::Text | Self::Message | Self::Mask => 4,
        }
    }

    /// The letter before the number of a register.
    pub const fn letter(self) -> char {
        match self {
            Self::Number => 'r',
            Self::Place => 'p',
            Self::Text => 't',
            Self::Message => 'm',
            Self::Mask => 'k',
        }
    }

    /// Where the registers of the class begin in a [`RegisterSet`].
    const fn first_bit(self) -> u8 {
        match self {
            Self::Number => 0,
            Self::Place => 16,
            Self::Text => 24,
            Self::Message => 28,
            Self::Mask => 32,
        }
    }
}

macro_rules! register {
    ($name:ident, $class:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub u8);

        impl $name {
            /// The class of these registers.
            pub const CLASS: RegisterClass = RegisterClass::$class;
            /// How many of these registers there are.
            pub const COUNT: usize = RegisterClass::$class.count() as usize;

            /// The number of the register as an array index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

register!(R, Number, "A register of 64-bit numbers, `r0`-`r15`.");
register!(P, Place, "A register of coordinates and slots, `p0`-`p7`.");
register!(T, Text, "A register of texts, `t0`-`t3`.");
register!(M, Message, "A register of messages, `m0`-`m3`.");
register!(K, Mask, "A mask register, `k0`-`k3`.");

/// A register of any class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// What it holds.
    pub class: RegisterClass,
    /// Its number within the class.
    pub number: u8,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.class.letter(), self.number)
    }
}

/// A set of registers, of the phext as what SSCATTR writes and SFLUSH waits for, and of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RegisterSet(u64);

impl RegisterSet {
    pub(crate) const EMPTY: Self = Self(0);
    /// The writes to the phext, a resource like a register as far as dependencies go.
    pub(crate) const PHEXT: Self = Self(1 << 36);
    /// The messages on their way to the sink and to other sentrons, likewise.
    pub(crate) const MAIL: Self = Self(1 << 37);
    /// Number of members a set can have.
    pub(crate) const MEMBERS: usize = 38;

    /// The set of one register; empty when the class has no register of that number.
    pub(crate) const fn of(register: Register) -> Self {
        if register.number >= register.class.count() {
            return Self::EMPTY;
        }
        Self(1 << (register.class.first_bit() + register.number))
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a register of coordinates and slots is in the set.
    pub(crate) const fn has_places(self) -> bool {
        let class = RegisterClass::Place;
        self.0 >> class.first_bit() & ((1 << class.count()) - 1) != 0
    }

    /// The positions of the members, ascending, each below [`Self::MEMBERS`].
    pub(crate) fn positions(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let position = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(position)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_has_its_own_bit() {
        let mut all = RegisterSet::PHEXT.union(RegisterSet::MAIL);
        for class in RegisterClass::ALL {
            for number in 0..class.count() {
                let one = RegisterSet::of(Register { class, number });
                assert!(!all.contains(one), "{class:?} {number}");
                all = all.union(one);
            }
            let beyond = Register {
                class,
                number: class.count(),
            };
            assert_eq!(RegisterSet::of(beyond), RegisterSet::EMPTY);
        }
        assert!(all.positions().eq(0..RegisterSet::MEMBERS));
    }
}
