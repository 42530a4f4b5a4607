//! Immutable segments: the scrolls of one or more phexts in one file, written once and mapped.
//!
//! ```text
//! segments/<id>.seg   header | part | part | ... | part table | chunk checksums | trailer
//! part                header | heap | records | dictionaries | key blocks | zone map | permutation
//!                     | fences | directory | lines | postings
//! ```
//!
//! A part holds the scrolls of one phext in *slots*, numbered from 0 in the order of their texts. A
//! *rank* counts in coordinate order, a *position* in the order of the key blocks; see [`Order`] for
//! which of the three are the same. The sections answer a reader's questions:
//!
//! | question | sections | module |
//! |---|---|---|
//! | here is a coordinate, where is its text? | directory, then the entry in the heap | [`lookup`], [`directory`], [`heap`] |
//! | the same, to replace it, in a damaged part? | whichever are whole | [`place`] |
//! | what of a damaged part is whole? | all of them | [`salvage`] |
//! | what did a damaged header say? | chunk checksums | [`mend`] |
//! | here is a slot, which coordinate? | records, then the entry in the heap | [`heap`] |
//! | here is a slot, how long is its text, and where? | records | [`records`] |
//! | which slots lie between two coordinates? | fences, permutation | [`part`] |
//! | which blocks of 128 positions can hold a pattern? | zone map | [`keys`], [`columns`] |
//! | which positions have a component? | postings, where they pay | [`postings`] |
//! | where does line n of a text start? | lines | [`lines`] |
//! | are these bytes what was written? | chunk checksums | [`checksums`] |
//!
//! Byte tables: docs/FORMAT.md.

mod builder;
mod check;
pub(crate) mod checksums;
mod columns;
mod dictionary;
mod directory;
mod file;
mod heap;
mod huge;
mod key_hash;
mod keys;
#[cfg(feature = "lab")]
pub mod lab;
mod layout;
mod leaves;
mod lines;
mod lookup;
mod medium;
mod mend;
mod order;
mod order_choice;
mod part;
mod place;
mod postings;
mod records;
mod salvage;
mod stream;
mod trailer;
mod writer;

pub(crate) use builder::{PartLabel, PartSource};
pub(crate) use checksums::CHUNK_BYTES;
pub(crate) use columns::{Components, KeyColumn, ZoneMap, Zones};
pub(crate) use directory::Probe;
#[cfg(feature = "fuzzing")]
pub(crate) use file::reseal;
pub(crate) use file::{Segment, file_id, file_name, write_metered, write_segment, write_urgent};
pub use layout::BLOCK_SLOTS;
pub(crate) use layout::{GROUP_BLOCKS, MAX_NAME_BYTES};
pub(crate) use lookup::{Candidate, Confirmed};
pub(crate) use medium::is_absent;
pub use order::{Order, OrderError};
pub use part::TextPlace;
pub(crate) use part::{Entry, Found, Part};
pub(crate) use place::Place;
pub(crate) use salvage::SalvagedText;
pub(crate) use stream::SegmentStream;
