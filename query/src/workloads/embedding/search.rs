//! Exact search: every vector of the lanes against every query.
//!
//! One stream has all queries, and runs over the lanes once: a batch of texts comes from memory once,
//! however many queries there are. Calls of more queries than may keep their rows in one stream run
//! several.

use super::program::stream_of;
use super::{EmbeddingError, Found, Query, q7};
use phext_siw::execute::{Collected, ExecuteError, Flow, Idle, Lanes, Outside, ResultRow, Sentron};
use phext_siw::{LaneSpec, MAX_ROWS, Stream};
use phext_storage::Phext;

/// Finds the `count` vectors of the lanes with the greatest dot products with each query, the best
/// first; of equal ones the lower coordinate comes first. Texts that are no vector, or one of
/// another length, are passed over.
///
/// # Errors
/// A query that is no q7 vector, queries of several lengths, a count above [`MAX_ROWS`], or damage
/// found in the store.
pub fn search(
    phext: &Phext,
    lanes: &LaneSpec,
    queries: &[Query],
    count: usize,
) -> Result<Vec<Vec<Found>>, EmbeddingError> {
    check(queries, count)?;
    let mut idle = Idle::default();
    let mut results = Vec::with_capacity(queries.len());
    for queries in queries.chunks(queries_of_stream(count)) {
        let stream = stream_of(queries, count);
        let mut search = Search::open(idle, &stream, phext);
        search.over(Lanes::of_spec(lanes, phext)?)?;
        let (found, rest) = search.close(queries.len())?;
        results.extend(found);
        idle = rest;
    }
    Ok(results)
}

/// How many queries may keep `count` rows each in one stream.
fn queries_of_stream(count: usize) -> usize {
    let queries = MAX_ROWS / (count as u64).max(1);
    usize::try_from(queries).unwrap_or(usize::MAX).max(1)
}

/// Whether all queries are vectors of one length, and so many rows of one may be kept.
pub(super) fn check(queries: &[Query], count: usize) -> Result<(), EmbeddingError> {
    if count as u64 > MAX_ROWS {
        return Err(EmbeddingError::TooMany { count });
    }
    for (query, vector) in queries.iter().enumerate() {
        if !q7::is_vector(vector) {
            return Err(EmbeddingError::NoVector { query });
        }
        if vector.len() != queries[0].len() {
            return Err(EmbeddingError::Length { query });
        }
    }
    Ok(())
}

/// A stream that is given its lanes piece by piece.
pub(super) struct Search<'a> {
    sentron: Sentron<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn open(idle: Idle, stream: &'a Stream, phext: &'a Phext) -> Search<'a> {
        Search {
            sentron: Sentron::open(idle, stream, phext),
        }
    }

    /// Ranks these lanes among those before.
    pub(super) fn over(&mut self, mut lanes: Lanes<'a>) -> Result<(), ExecuteError> {
        let mut nothing = |_: &ResultRow<'_>| Ok(Flow::Continue);
        let mut outside = Outside {
            sink: &mut nothing,
            flush: &mut Collected::default(),
            interrupted: &|| false,
        };
        self.sentron.each(&mut lanes, &mut outside)?;
        Ok(())
    }

    /// What was found for each query, of which there is one at least. All have as many rows, one query's
    /// behind the other's.
    pub(super) fn close(mut self, queries: usize) -> Result<(Vec<Vec<Found>>, Idle), ExecuteError> {
        let mut rows = Vec::new();
        let mut sink = |row: &ResultRow<'_>| {
            rows.extend(found(row));
            Ok(Flow::Continue)
        };
        let mut outside = Outside {
            sink: &mut sink,
            flush: &mut Collected::default(),
            interrupted: &|| false,
        };
        self.sentron.last(&mut outside)?;
        let each = rows.len() / queries;
        debug_assert_eq!(each * queries, rows.len(), "each query has as many rows");
        let mut rows = rows.into_iter();
        let of_query = |_| rows.by_ref().take(each).collect();
        let found = (0..queries).map(of_query).collect();
        Ok((found, self.sentron.close().0))
    }
}

fn found(row: &ResultRow<'_>) -> Option<Found> {
    Some(Found {
        coordinate: row.coordinate?,
        // CDOT's doubles are whole numbers.
        score: f64::from_bits(row.number?) as i64,
    })
}
