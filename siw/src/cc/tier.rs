//! How far a stream is optimised.

use super::schedule::{Order, Strategy};
use serde::{Deserialize, Serialize};

/// How far a stream is optimised. It changes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizationTier {
    /// One operation a word, in the order of the program, over batches of one lane.
    #[serde(rename = "Tier0_Unstructured")]
    Tier0Unstructured,
    /// One operation a word, those of a pipe together, batched.
    #[serde(rename = "Tier1_PipeSeparated")]
    Tier1PipeSeparated,
    /// Up to three operations a word, batched.
    #[serde(rename = "Tier2_SIWPacked")]
    Tier2SiwPacked,
    /// The same with prefetches, double-buffered; lanes that are only counted are not made.
    #[serde(rename = "Tier3_PhextOptimal")]
    Tier3PhextOptimal,
}

impl OptimizationTier {
    /// All tiers, by their number.
    pub const ALL: [Self; 4] = [
        Self::Tier0Unstructured,
        Self::Tier1PipeSeparated,
        Self::Tier2SiwPacked,
        Self::Tier3PhextOptimal,
    ];

    /// The number of the tier, as in [`crate::Stream::tier`].
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The tier of a number, if there is one.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    pub(super) const fn is_packed(self) -> bool {
        matches!(self, Self::Tier2SiwPacked | Self::Tier3PhextOptimal)
    }

    /// How to make words, the best way first. The next is for when registers run out.
    pub(super) const fn strategies(self) -> &'static [Strategy] {
        match self {
            Self::Tier0Unstructured => ONE_A_WORD.split_at(1).1,
            Self::Tier1PipeSeparated => ONE_A_WORD,
            Self::Tier2SiwPacked | Self::Tier3PhextOptimal => THREE_A_WORD,
        }
    }
}

const fn one(order: Order) -> Strategy {
    let is_packed = false;
    Strategy { order, is_packed }
}

const fn three(order: Order) -> Strategy {
    let is_packed = true;
    Strategy { order, is_packed }
}

const ONE_A_WORD: &[Strategy] = &[
    one(Order::Pipe),
    one(Order::Program),
    one(Order::FewestRegisters),
];

const THREE_A_WORD: &[Strategy] = &[
    three(Order::CriticalPath),
    three(Order::CriticalPathWithinRegisters),
    three(Order::FewestRegisters),
    three(Order::Program),
    one(Order::FewestRegisters),
    one(Order::Program),
];
