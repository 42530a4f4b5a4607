//! Exact search: every vector of the lanes against every query.
//!
//! Lanes are cut into pieces whose texts stay in the second cache, and the streams of all queries,
//! [`QUERIES`] a stream, run over a piece before the next one is begun: texts come from memory once,
//! however many queries there are.

use super::program::{QUERIES, stream_of};
use super::{EmbeddingError, Found, Query, q7};
use phext_siw::execute::{Collected, ExecuteError, Flow, Idle, Lanes, Outside, ResultRow, Sentron};
use phext_siw::{LaneSpec, Stream};
use phext_storage::Phext;

/// Lanes of a piece: with 384 bytes each about 400 KB.
const PIECE: u64 = 1_024;

/// Finds the `count` vectors of the lanes with the greatest dot products with each query, the best
/// first; of equal ones the lower coordinate comes first. Texts that are no vector, or one of
/// another length, are passed over.
///
/// # Errors
/// A query that is no q7 vector, queries of several lengths, or damage found in the store.
pub fn search(
    phext: &Phext,
    lanes: &LaneSpec,
    queries: &[Query],
    count: usize,
) -> Result<Vec<Vec<Found>>, EmbeddingError> {
    check(queries)?;
    let groups = queries.chunks(QUERIES);
    let streams: Vec<_> = groups.map(|queries| stream_of(queries, count)).collect();
    let open = |stream| Search::open(Idle::default(), stream, phext);
    let mut searches: Vec<_> = streams.iter().map(open).collect();
    let most = usize::try_from(phext.scrolls() / PIECE + 1).unwrap_or(usize::MAX);
    let split = phext.split(lanes, PIECE, most)?;
    for piece in 0..split.len() {
        for search in &mut searches {
            search.over(Lanes::Cursor(Box::new(phext.piece(lanes, &split, piece)?)))?;
        }
    }
    let mut found = Vec::with_capacity(queries.len());
    for (search, queries) in searches.into_iter().zip(queries.chunks(QUERIES)) {
        found.extend(search.close(queries.len())?.0);
    }
    Ok(found)
}

/// Whether all queries are vectors of one length.
pub(super) fn check(queries: &[Query]) -> Result<(), EmbeddingError> {
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

    /// What was found for each query. Queries have one length and so ranked the same texts: all have
    /// as many rows, one query's behind the other's.
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
        debug_assert_eq!(each * queries, rows.len(), "queries have one length");
        let mut rows = rows.into_iter();
        let of_query = |_| rows.by_ref().take(each).collect();
        let found = (0..queries).map(of_query).collect();
        Ok((found, self.sentron.close().0))
    }
}

fn found(row: &ResultRow<'_>) -> Option<Found> {
    Some(Found {
        coordinate: row.coordinate?,
        // DDOT's doubles are whole numbers.
        score: f64::from_bits(row.number?) as i64,
    })
}
