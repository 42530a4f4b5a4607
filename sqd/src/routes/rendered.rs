//! Rows as text, each written for itself.

use super::assembly::{Assembly, Pieces};
use bytes::Bytes;
use phext_query::{Chunk, ResultRow};
use std::io;
use std::sync::Arc;

/// How rows are written.
pub(super) trait Format: Send + Sync + 'static {
    /// Before all rows.
    const BEGIN: &'static str = "";
    /// Behind all rows.
    const END: &'static str = "";
    /// Between two rows.
    const SEPARATOR: &'static str = "";

    /// Writes a row; nothing of one that has no place in the answer.
    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()>;
}

/// An answer of rows in a format.
#[derive(Debug)]
pub(super) struct Rendering<F> {
    format: Arc<F>,
    is_first: bool,
}

impl<F> Rendering<F> {
    pub(super) fn new(format: F) -> Rendering<F> {
        Rendering {
            format: Arc::new(format),
            is_first: true,
        }
    }
}

impl<F> Clone for Rendering<F> {
    fn clone(&self) -> Self {
        Rendering {
            format: Arc::clone(&self.format),
            is_first: self.is_first,
        }
    }
}

impl<F: Format> Assembly for Rendering<F> {
    const SHOWS_ITS_END: bool = !F::END.is_empty();

    type Chunk = Rendered<F>;

    fn maker(&self) -> Box<dyn Fn() -> Rendered<F> + Send + Sync> {
        let format = Arc::clone(&self.format);
        Box::new(move || Rendered {
            format: Arc::clone(&format),
            text: Vec::new(),
            ends: Vec::new(),
        })
    }

    fn begin(&mut self, out: &mut Pieces) {
        out.text(F::BEGIN);
    }

    fn add(&mut self, chunk: Rendered<F>, out: &mut Pieces) {
        let mut text = Bytes::from(chunk.text);
        if self.is_first && !text.is_empty() {
            self.is_first = false;
            let _ = text.split_to(F::SEPARATOR.len());
        }
        out.text(text);
    }

    fn end(&mut self, out: &mut Pieces) {
        out.text(F::END);
    }
}

/// Rows as text, each behind a separator.
pub(super) struct Rendered<F> {
    format: Arc<F>,
    text: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl<F: Format> Chunk for Rendered<F> {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        let start = self.text.len();
        self.text.extend_from_slice(F::SEPARATOR.as_bytes());
        self.format.write(row, &mut self.text)?;
        if self.text.len() == start + F::SEPARATOR.len() {
            self.text.truncate(start);
        }
        self.ends.push(self.text.len());
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.ends[..])
    }

    fn rows(&self) -> u64 {
        self.ends.len() as u64
    }

    fn truncate(&mut self, rows: u64) {
        self.ends
            .truncate(usize::try_from(rows).unwrap_or(usize::MAX));
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::assembly::Kept;

    struct Lines;

    impl Format for Lines {
        const BEGIN: &'static str = "[";
        const END: &'static str = "]";
        const SEPARATOR: &'static str = ", ";

        fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
            out.extend_from_slice(row.text.unwrap_or_default());
            Ok(())
        }
    }

    fn chunk(texts: &[&str]) -> Rendered<Lines> {
        let mut chunk = Rendering::new(Lines).maker()();
        for text in texts {
            let row = ResultRow {
                text: Some(text.as_bytes()),
                ..ResultRow::default()
            };
            chunk.add(&row).unwrap();
        }
        chunk
    }

    fn joined(chunks: impl IntoIterator<Item = Rendered<Lines>>) -> String {
        let (mut rendering, mut pieces) = (Rendering::new(Lines), Pieces::default());
        rendering.begin(&mut pieces);
        for chunk in chunks {
            rendering.add(chunk, &mut pieces);
        }
        rendering.end(&mut pieces);
        let mut kept = Kept::default();
        for piece in pieces {
            assert_eq!(kept.push(piece), None);
        }
        String::from_utf8(kept.bytes).unwrap()
    }

    #[test]
    fn separators_stand_between_rows_whatever_the_chunks() {
        let chunks = [&[][..], &[""], &["a", "", "b"], &[], &["c"]];
        assert_eq!(joined(chunks.map(chunk)), "[a, b, c]");
        assert_eq!(joined([]), "[]");
    }

    #[test]
    fn chunks_are_cut_behind_a_row() {
        let mut cut = chunk(&["one", "two", "three"]);
        cut.truncate(2);
        assert_eq!(cut.rows(), 2);
        assert_eq!(joined([cut]), "[one, two]");
        let mut none = chunk(&["one"]);
        none.truncate(0);
        assert_eq!(joined([none]), "[]");
    }
}
