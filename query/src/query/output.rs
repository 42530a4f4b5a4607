//! What of the scrolls.

use phext_siw::TallyKey;

/// What of the scrolls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A row a scroll.
    Rows(Fields),
    /// One row: the number of scrolls, in `number`.
    Count,
    /// One row: the number of scrolls in `number`, and the sum, the least and the greatest of their
    /// lengths in `tally`, which is not there where there is no scroll.
    Lengths,
    /// A row for each distinct key: the key in `coordinate`, with 1 in the other components, and the
    /// number of its scrolls in `number`. All keys are in memory until the last scroll was seen.
    Groups {
        /// What the scrolls of a group have in common: so many components from the library on, or the
        /// component of one dimension.
        key: TallyKey,
        /// Whether `tally` has the sum, the least and the greatest length of the group.
        lengths: bool,
    },
}

impl Default for Output {
    fn default() -> Output {
        Output::Rows(Fields::default())
    }
}

/// The fields of a row besides the coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// The text, or a part of it.
    pub text: Option<Slice>,
    /// The length of the whole text in bytes, which costs no look at the text.
    pub length: bool,
    /// XXH3-128 of the whole text, which costs no look at the text; 0 where there is no scroll.
    pub checksum: bool,
    /// The distance from the coordinate of a search for the nearest, in `number`.
    pub distance: bool,
}

/// How much of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// All of it.
    Whole,
    /// Bytes; what lies behind the end is left out. They may begin and end inside a character.
    Bytes {
        /// The first byte, counted from 0.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Lines with their line breaks; what lies behind the end is left out.
    Lines {
        /// The first line, counted from 1.
        from: u64,
        /// How many.
        count: u64,
    },
}

impl Fields {
    /// None but the coordinate.
    pub const NONE: Fields = Fields {
        text: None,
        length: false,
        checksum: false,
        distance: false,
    };
    /// The text alone.
    pub const TEXT: Fields = Fields {
        text: Some(Slice::Whole),
        ..Fields::NONE
    };
    /// The length alone.
    pub const LENGTH: Fields = Fields {
        length: true,
        ..Fields::NONE
    };
}
