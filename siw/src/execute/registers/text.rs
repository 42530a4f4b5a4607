//! Texts of lanes: borrowed from the snapshot, or made in the batch.

/// The text of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) enum Text<'a> {
    /// None.
    Absent,
    /// Of the snapshot.
    Borrowed(&'a [u8]),
    /// Made by an operation, in the arena of the batch.
    Made {
        /// Where it starts.
        at: usize,
        /// Its bytes.
        length: usize,
    },
}

impl<'a> Text<'a> {
    /// The bytes.
    #[inline]
    pub(in crate::execute) fn bytes<'b>(&self, arena: &'b [u8]) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        match *self {
            Text::Absent => None,
            Text::Borrowed(text) => Some(text),
            Text::Made { at, length } => Some(&arena[at..at + length]),
        }
    }
}
