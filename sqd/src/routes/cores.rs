//! Long reads on the core pool.
//!
//! Rows become text on the core that finds them, chunk by chunk, and the task of the request puts the
//! chunks together: no thread waits for a client. Where an answer is too long to be kept, the first run
//! counts its bytes and a second one streams it, over the same snapshot.

use super::render::{BUFFER_BYTES, PIECES};
use super::{Answer, Refusal};
use crate::http::{Body, Response};
use crate::library::Library;
use bytes::Bytes;
use phext_query::{
    Chunk, Chunks, CorePool, ExecuteError, Plan, PoolError, PoolOptions, Query, ResultRow, Work,
};
use phext_storage::Phext;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The pool, and what all of its streams have in common.
#[derive(Debug)]
pub(crate) struct Cores {
    pool: CorePool,
    /// How long a query may take.
    deadline: Option<Duration>,
}

impl Cores {
    pub(crate) fn start(deadline: Option<Duration>) -> io::Result<Cores> {
        let pool = CorePool::start(&PoolOptions::default())?;
        for warning in pool.warnings() {
            tracing::warn!("core pool: {warning}");
        }
        let (workers, inline_lanes) = (pool.workers(), pool.inline_lanes());
        tracing::info!(workers, inline_lanes, "core pool started");
        Ok(Cores { pool, deadline })
    }

    fn work(
        &self,
        query: &Query,
        phext: &Arc<Phext>,
        library: &Arc<Library>,
    ) -> Result<Work, Refusal> {
        let deadline = self.deadline.map(|deadline| Instant::now() + deadline);
        // Tenants may share a library, and with it the work on it.
        let tenant = Arc::as_ptr(library) as u64;
        Ok(Plan::new(query)?.into_work(Arc::clone(phext), tenant, deadline))
    }

    /// Runs a query and hands each chunk on.
    pub(super) async fn each<C: Chunk>(
        &self,
        query: &Query,
        phext: &Arc<Phext>,
        library: &Arc<Library>,
        mut take: impl FnMut(C),
    ) -> Result<(), Refusal> {
        let mut chunks = self.pool.submit(self.work(query, phext, library)?);
        while let Some(chunk) = next(&mut chunks).await? {
            take(chunk);
        }
        Ok(())
    }

    /// Answers with the rows of a query in a format.
    pub(super) async fn respond<F: Format>(
        &self,
        query: &Query,
        phext: &Arc<Phext>,
        library: &Arc<Library>,
    ) -> Answer {
        let mut kept = Kept::default();
        kept.push(F::BEGIN.as_bytes());
        let mut is_first = true;
        self.each(query, phext, library, |chunk: Rendered<F>| {
            kept.push(chunk.text(&mut is_first));
        })
        .await?;
        kept.push(F::END.as_bytes());
        let body = match kept.overflowed {
            false => Body::Full(Bytes::from(kept.bytes)),
            true => {
                let chunks = self.pool.submit(self.work(query, phext, library)?);
                stream::<F>(kept.length, chunks)
            }
        };
        Ok(Response::new(200, F::CONTENT_TYPE, body))
    }
}

async fn next<C: Chunk>(chunks: &mut Chunks<C>) -> Result<Option<C>, PoolError> {
    poll_fn(|context| chunks.poll_next(context)).await
}

/// Streams an answer. When the client goes, the stream ends with the chunks.
fn stream<F: Format>(length: u64, mut chunks: Chunks<Rendered<F>>) -> Body {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let mut is_first = true;
        let mut piece = Bytes::from_static(F::BEGIN.as_bytes());
        loop {
            let is_gone = sender.send(Ok(piece)).await.is_err();
            if is_gone {
                return;
            }
            piece = match next(&mut chunks).await {
                Ok(Some(chunk)) => chunk.into_text(&mut is_first),
                Ok(None) => break,
                Err(error) => {
                    // The client sees a reset.
                    let _ = sender.send(Err(io::Error::other(error))).await;
                    return;
                }
            };
        }
        let end = Bytes::from_static(F::END.as_bytes());
        // Whoever is gone misses nothing.
        let _ = sender.send(Ok(end)).await;
    });
    Body::Stream {
        length,
        chunks: receiver,
    }
}

/// Keeps what fits and counts everything.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    length: u64,
    overflowed: bool,
}

impl Kept {
    fn push(&mut self, text: &[u8]) {
        self.length += text.len() as u64;
        self.overflowed |= self.length > BUFFER_BYTES as u64;
        match self.overflowed {
            false => self.bytes.extend_from_slice(text),
            true => self.bytes = Vec::new(),
        }
    }
}

/// How rows are written.
pub(super) trait Format: Send + 'static {
    const CONTENT_TYPE: &'static str;
    const BEGIN: &'static str = "";
    const END: &'static str = "";
    /// Between two rows.
    const SEPARATOR: &'static str = "";

    /// Writes a row; nothing of one that has no place in the answer.
    fn write(row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()>;
}

/// Rows as text, each behind a separator.
pub(super) struct Rendered<F> {
    text: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    format: PhantomData<F>,
}

impl<F> Default for Rendered<F> {
    fn default() -> Self {
        Rendered {
            text: Vec::new(),
            ends: Vec::new(),
            format: PhantomData,
        }
    }
}

impl<F: Format> Rendered<F> {
    /// The text, of the first chunk that has any without the separator in front.
    fn text(&self, is_first: &mut bool) -> &[u8] {
        let before_first = *is_first && !self.text.is_empty();
        *is_first &= self.text.is_empty();
        &self.text[if before_first { F::SEPARATOR.len() } else { 0 }..]
    }

    fn into_text(self, is_first: &mut bool) -> Bytes {
        let start = self.text.len() - self.text(is_first).len();
        Bytes::from(self.text).slice(start..)
    }
}

impl<F: Format> Chunk for Rendered<F> {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        let start = self.text.len();
        self.text.extend_from_slice(F::SEPARATOR.as_bytes());
        F::write(row, &mut self.text)?;
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

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Refusal {
        match error {
            PoolError::Execute(error) => ExecuteError::from(error).into(),
            PoolError::Deadline | PoolError::Stopped => Refusal::new(503, error.to_string()),
            _ => Refusal::new(500, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines;

    impl Format for Lines {
        const CONTENT_TYPE: &'static str = "text/plain";
        const SEPARATOR: &'static str = ", ";

        fn write(row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
            out.extend_from_slice(row.text.unwrap_or_default());
            Ok(())
        }
    }

    fn chunk(texts: &[&str]) -> Rendered<Lines> {
        let mut chunk = Rendered::default();
        for text in texts {
            let row = ResultRow {
                text: Some(text.as_bytes()),
                ..ResultRow::default()
            };
            chunk.add(&row).unwrap();
        }
        chunk
    }

    #[test]
    fn separators_stand_between_rows_whatever_the_chunks() {
        let mut is_first = true;
        let mut joined = Vec::new();
        for texts in [&[][..], &[""], &["a", "", "b"], &[], &["c"]] {
            joined.extend_from_slice(chunk(texts).text(&mut is_first));
        }
        assert_eq!(joined, b"a, b, c");
    }

    #[test]
    fn chunks_are_cut_behind_a_row() {
        let mut cut = chunk(&["one", "two", "three"]);
        cut.truncate(2);
        assert_eq!(
            (cut.rows(), &cut.into_text(&mut true)[..]),
            (2, &b"one, two"[..])
        );
        let mut none = chunk(&["one"]);
        none.truncate(0);
        assert_eq!(none.text(&mut true), b"");
    }

    #[test]
    fn what_is_too_long_is_only_counted() {
        let mut kept = Kept::default();
        kept.push(&vec![0; BUFFER_BYTES]);
        assert!(!kept.overflowed);
        kept.push(b"1");
        assert_eq!((kept.overflowed, kept.bytes.len()), (true, 0));
        assert_eq!(kept.length, BUFFER_BYTES as u64 + 1);
    }
}
