//! What a repair found, what is lost, and what it does.

use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::log::Lsn;
use std::fmt;
use std::path::PathBuf;

/// What a repair says. Nothing is damaged where `damages` is empty.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// What is damaged or lost, in sentences.
    pub damages: Vec<String>,
    /// What the repaired store will not hold, or holds too much.
    pub losses: Vec<Loss>,
    /// What was or would be done, in sentences.
    pub actions: Vec<String>,
    /// Where the files that are replaced go.
    pub directory: Option<PathBuf>,
    /// Whether it was done.
    pub is_applied: bool,
}

impl RepairReport {
    /// What was read; `None`, and the damage told, where it is damaged.
    ///
    /// # Errors
    /// All others: they say nothing of what is stored.
    pub(super) fn unless_damaged<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(error) if error.is_damage() => {
                self.damages.push(error.to_string());
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

/// A loss that a repair cannot mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Scrolls whose bytes are damaged.
    Scrolls {
        /// The phext's name.
        phext: String,
        /// The damaged segment.
        segment: PathBuf,
        /// The coordinates that are known.
        coordinates: Vec<Coordinate>,
        /// Scrolls whose coordinates are lost as well.
        unnamed: u64,
    },
    /// All scrolls of a part that cannot be opened.
    Part {
        /// The phext's name; empty where that is lost too.
        phext: String,
        /// The damaged or missing segment.
        segment: PathBuf,
        /// The part's index in it.
        index: u32,
        /// Bytes of text that were current in it, where the catalog says so.
        text_bytes: Option<u64>,
    },
    /// A segment that tells nothing of its parts.
    Segment {
        /// Its file.
        path: PathBuf,
    },
    /// Acknowledged commits that the log no longer holds.
    Commits {
        /// The first.
        first: Lsn,
        /// The last.
        last: Lsn,
    },
    /// Commits after this one, if there were any: the file that they were logged to is lost, and nothing
    /// else tells how many it held.
    Later {
        /// The last commit that is known of.
        after: Lsn,
    },
    /// Commits that neither a segment nor the log holds. They are no loss where they only deleted.
    Unknown {
        /// The first.
        first: Lsn,
        /// The last.
        last: Lsn,
    },
    /// Scrolls that were deleted in commits up to this one may be there again.
    Deletes {
        /// The last commit whose deletes may have come back.
        last: Lsn,
    },
    /// A loss from what a named snapshot holds; the rest of it is kept.
    OfSnapshot {
        /// The snapshot's name.
        snapshot: String,
        /// What it will not hold.
        loss: Box<Loss>,
    },
    /// Named snapshots, if there were any: no file tells their names any more, nor what they held.
    Snapshots,
    /// Settings, orders and times of creation of phexts, and phexts without scrolls.
    Settings,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Scrolls {
                phext,
                segment,
                coordinates,
                unnamed,
            } => {
                let count = coordinates.len() as u64 + unnamed;
                write!(
                    f,
                    "{count} scrolls of phext {phext:?} in {}:",
                    segment.display()
                )?;
                for coordinate in coordinates {
                    write!(f, " {coordinate}")?;
                }
                match unnamed {
                    0 => Ok(()),
                    _ => write!(f, " and {unnamed} whose coordinates are lost too"),
                }
            }
            Loss::Part {
                phext,
                segment,
                index,
                text_bytes,
            } => {
                let segment = segment.display();
                write!(
                    f,
                    "all scrolls of phext {phext:?} in part {index} of {segment}"
                )?;
                match text_bytes {
                    Some(bytes) => write!(f, ", {bytes} bytes of text"),
                    None => Ok(()),
                }
            }
            Loss::Segment { path } => {
                write!(
                    f,
                    "all scrolls in {}, of phexts that are not known",
                    path.display()
                )
            }
            Loss::Commits { first, last } => write!(f, "acknowledged commits {first} to {last}"),
            Loss::Later { after } => write!(
                f,
                "commits after {after}, if there were any: no file tells how many the log held"
            ),
            Loss::Unknown { first, last } => write!(
                f,
                "commits {first} to {last} are neither in a segment nor in the log; that is no loss if \
                 they only deleted"
            ),
            Loss::Deletes { last } => write!(
                f,
                "not lost but perhaps too much: scrolls that were deleted or replaced as a whole phext \
                 in commits up to {last} may be there again"
            ),
            Loss::OfSnapshot { snapshot, loss } => {
                write!(f, "from the named snapshot {snapshot:?}: {loss}")
            }
            Loss::Snapshots => write!(
                f,
                "named snapshots, if there were any: no file tells their names any more, nor what they held"
            ),
            Loss::Settings => write!(
                f,
                "settings, orders and times of creation of phexts, and phexts without scrolls"
            ),
        }
    }
}
