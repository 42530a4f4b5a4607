//! What a writer asks for, and what it learns.

use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::log::Lsn;
use crate::segment::MAX_NAME_BYTES;
use bytes::Bytes;

/// A change of one scroll. The text must hold no phext break: the caller has checked it, with
/// [`crate::phext::validate_text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOp {
    /// Makes the text the scroll; an empty text deletes it.
    Put {
        /// Where.
        coordinate: Coordinate,
        /// The text.
        text: Bytes,
    },
    /// Adds the text at the end of the scroll, which may not exist yet.
    Append {
        /// Where.
        coordinate: Coordinate,
        /// The text to add.
        text: Bytes,
    },
    /// Deletes the scroll, which may not exist.
    Delete {
        /// Where.
        coordinate: Coordinate,
    },
}

impl WriteOp {
    /// Where it changes something.
    pub(super) fn coordinate(&self) -> &Coordinate {
        match self {
            WriteOp::Put { coordinate, .. }
            | WriteOp::Append { coordinate, .. }
            | WriteOp::Delete { coordinate } => coordinate,
        }
    }
}

/// Changes to one phext that take effect together or not at all, in order.
///
/// A batch on an unknown phext creates it, unless it is empty or only deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBatch {
    /// The phext's name.
    pub phext: String,
    /// The changes.
    pub operations: Vec<WriteOp>,
}

/// What a durable batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The batch's place in the commit order.
    pub lsn: Lsn,
    /// For each operation, the length in bytes of the scroll that was there before.
    pub previous_lengths: Vec<Option<u64>>,
}

/// Checks a phext name: at most 255 bytes, without `/`, `\`, NUL and `..`. The empty name is one.
///
/// # Errors
/// [`StoreError::Name`] with the reason.
pub fn validate_name(name: &str) -> Result<()> {
    // Each commit does this. What is refused is ASCII, which UTF-8 has as it is; looking for it as text takes
    // 240 instructions more for a short name, of the 9,800 of a commit.
    let bytes = name.as_bytes();
    let is_refused = |&byte: &u8| matches!(byte, b'/' | b'\\' | 0);
    let reason = if bytes.len() > MAX_NAME_BYTES {
        "it is longer than 255 bytes"
    } else if bytes.iter().any(is_refused) {
        "it holds a slash, a backslash or a NUL"
    } else if bytes.windows(2).any(|pair| pair == b"..") {
        "it holds `..`"
    } else {
        return Ok(());
    };
    Err(StoreError::Name { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, valid| assert_eq!(validate_name(name).is_ok(), valid, "{name}");
        check("", true);
        check("notes", true);
        check("a.b-c>d é", true);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
        check("a/b", false);
        check("a\\b", false);
        check("a\0b", false);
        check("..", false);
        check("a..b", false);
    }
}
