//! Where results go.

use phext_storage::coordinate::Coordinate;
use std::io;

/// A row of a result. A field is there when the stream packs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResultRow<'a> {
    /// The coordinate of the scroll.
    pub coordinate: Option<Coordinate>,
    /// The text; `None` also where the coordinate holds no scroll.
    pub text: Option<&'a [u8]>,
    /// Length of the text in bytes.
    pub length: Option<u64>,
    /// XXH3-128 of the text.
    pub checksum: Option<u128>,
    /// A number, such as a count.
    pub number: Option<u64>,
}

/// Whether a sink wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next row, please.
    Continue,
    /// Enough: the stream ends.
    Stop,
}

/// Takes the rows of a result, in order.
pub trait Sink {
    /// Takes a row.
    ///
    /// # Errors
    /// Where it cannot be passed on; the stream ends with [`super::ExecuteError::Sink`].
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow>;
}

/// A closure is a sink.
impl<F: FnMut(&ResultRow<'_>) -> io::Result<Flow>> Sink for F {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        self(row)
    }
}
