//! Immutable segments: the scrolls of one or more phexts in one file, written once and mapped.
//!
//! ```text
//! segments/<id>.seg   header | part | part | ... | part table | chunk checksums | trailer
//! part                header | dictionaries | key blocks | zone map | by-coordinate
//!                     | directory | heap | records
//! ```
//!
//! A part holds the scrolls of one phext in *slots*, numbered from 0 in the part's [`Order`]. The
//! sections answer a reader's questions:
//!
//! | question | sections | module |
//! |---|---|---|
//! | here is a coordinate, which slot? | directory, then the key in the heap | [`directory`] |
//! | here is a slot, which coordinate? | key blocks, dictionaries | [`keys`] |
//! | here is a slot, where is its text? | records, heap | [`records`] |
//! | which slots lie between two coordinates? | by-coordinate, key blocks | [`part`] |
//! | which blocks of 128 slots can hold a pattern? | zone map, which nothing asks yet | [`keys`] |
//! | are these bytes what was written? | chunk checksums | [`checksums`] |
//!
//! Byte tables: docs/FORMAT.md.

mod builder;
mod check;
pub(crate) mod checksums;
mod dictionary;
mod directory;
mod file;
mod keys;
mod layout;
mod medium;
mod order;
mod order_choice;
mod part;
mod records;
mod writer;

pub(crate) use builder::PartSource;
pub(crate) use checksums::CHUNK_BYTES;
pub(crate) use file::{Segment, file_id, file_name, write_segment};
pub(crate) use medium::is_absent;
pub use order::{Order, OrderError};
pub(crate) use part::Part;
