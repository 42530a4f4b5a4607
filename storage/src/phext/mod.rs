//! Phext text: many scrolls in one stream, told apart by control bytes.
//!
//! A document is read by dead reckoning. Reading starts at `1.1.1/1.1.1/1.1.1`; every break adds 1
//! to its dimension and sets the dimensions below it back to 1; the text between two breaks is the
//! scroll at the coordinate reached.
//!
//! | break      | byte | adds 1 to    | sets to 1            |
//! |------------|------|--------------|----------------------|
//! | library    | 0x01 | 0 library    | shelf to scroll      |
//! | shelf      | 0x1F | 1 shelf      | series to scroll     |
//! | series     | 0x1E | 2 series     | collection to scroll |
//! | collection | 0x1D | 3 collection | volume to scroll     |
//! | volume     | 0x1C | 4 volume     | book to scroll       |
//! | book       | 0x1A | 5 book       | chapter to scroll    |
//! | chapter    | 0x19 | 6 chapter    | section and scroll   |
//! | section    | 0x18 | 7 section    | scroll               |
//! | scroll     | 0x17 | 8 scroll     | nothing              |
//!
//! The line break 0x0A separates lines inside a scroll and is text here.
//!
//! Invariants:
//! - A break never lowers the coordinate, so scrolls are met in strictly ascending order and no
//!   coordinate is met twice.
//! - An empty scroll is not stored: a document cannot tell it from an absent one.
//! - Writing what was read yields the shortest document with the same scrolls (the *normalised*
//!   document); reading and writing that one again yields the same bytes.
//!
//! | file           | question it answers                                        |
//! |----------------|------------------------------------------------------------|
//! | `delimiter.rs` | Where is the next break, and may this text be stored?      |
//! | `position.rs`  | Which coordinate do these breaks lead to?                  |
//! | `reader.rs`    | What scrolls are in this stream or slice?                  |
//! | `writer.rs`    | Which breaks lead from one scroll to the next?             |
//! | `summary.rs`   | What does the table of contents show of a scroll?          |
//! | `checksum.rs`  | Are two documents the same?                                |
//!
//! Left out on purpose: merging and subtracting documents, which are operations on stored maps,
//! and anything that holds a whole document in memory.

pub mod checksum;
pub mod delimiter;
mod error;
mod position;
pub mod reader;
pub mod summary;
pub mod writer;

pub use checksum::{checksum, checksum_hex};
pub use delimiter::{dimension_of, validate_text};
pub use error::{PhextError, TextError};
pub use reader::{PhextReader, parse_slice};
pub use summary::{summary, write_toc_line};
pub use writer::{PhextWriter, breaks_between, runs_between};
