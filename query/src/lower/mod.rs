//! From a selection to a program: which operations give which rows.
//!
//! ```text
//! lanes       SLANES, SASSOC or SNEIGHBR          what the page table finds
//! mask        STEST                               coordinates, which are at hand
//!             DLEN DCMP                           lengths, from records
//!             SGATHER DMATCH                      texts, of the lanes that are left
//! output      rows:    SGATHER DLEN DHASH SDIST CPACK CSEND
//!             totals:  DRED                 | CREDUCE CPACK CSEND
//!             groups:  CTALLY               | CMERGE CSEND
//!             the best: CTOP                | CMERGE CSEND
//! writes      SSCATTR                           | SFLUSH
//! ```
//!
//! What is cheap comes first, and each test looks at the lanes that the ones before left. What is
//! behind `|` runs once, over all sentrons of a group.

mod output;
mod select;
mod write;

pub(crate) use output::{best, coordinates, groups, lengths, number_of, rows};
pub(crate) use select::Behind;
pub(crate) use write::{Change, scatter};
