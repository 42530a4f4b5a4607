//! Search among the nearest clusters only.
//!
//! ```text
//! book / 1.1.c            the centroid of cluster c, from 1, a q7 vector
//! book / 1+c.section.scroll   a vector of cluster c: a cluster is a range of coordinates
//! ```

use super::program::stream_of;
use super::search::{Search, check, search};
use super::{EmbeddingError, Found, Query};
use phext_siw::LaneSpec;
use phext_siw::execute::{Idle, Lanes};
use phext_storage::Phext;
use phext_storage::coordinate::{Coordinate, CoordinateError, MAX_COMPONENT};

/// Vectors that are stored by cluster in a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clusters {
    /// Library to book.
    book: [u32; 6],
}

impl Clusters {
    /// In a book, given by its components from the library on.
    pub fn in_book(book: [u32; 6]) -> Clusters {
        Clusters { book }
    }

    /// Where the centroid of a cluster belongs, numbered from 1.
    ///
    /// # Errors
    /// There is no such coordinate.
    pub fn centroid(&self, cluster: u32) -> Result<Coordinate, CoordinateError> {
        self.place(1, 1, cluster)
    }

    /// Where a vector of a cluster, numbered from 1, belongs; the section and the scroll are the
    /// caller's to choose.
    ///
    /// # Errors
    /// There is no such coordinate.
    pub fn vector(
        &self,
        cluster: u32,
        section: u32,
        scroll: u32,
    ) -> Result<Coordinate, CoordinateError> {
        self.place(cluster.saturating_add(1), section, scroll)
    }

    fn place(
        &self,
        chapter: u32,
        section: u32,
        scroll: u32,
    ) -> Result<Coordinate, CoordinateError> {
        let [library, shelf, series, collection, volume, book] = self.book;
        Coordinate::new([
            library, shelf, series, collection, volume, book, chapter, section, scroll,
        ])
    }

    /// As [`search()`], among the vectors of the `probes` clusters whose centroids are the closest to
    /// the query. The more clusters, the fewer of the best are missed, and the longer it takes.
    ///
    /// # Errors
    /// As [`search()`], with `probes` as a count too, and a book that is none.
    pub fn search(
        &self,
        phext: &Phext,
        queries: &[Query],
        count: usize,
        probes: usize,
    ) -> Result<Vec<Vec<Found>>, EmbeddingError> {
        check(queries, count.max(probes))?;
        let centroids = LaneSpec::Range {
            from: self.centroid(1)?,
            to: self.centroid(MAX_COMPONENT)?,
        };
        let nearest = search(phext, &centroids, queries, probes)?;
        let mut idle = Idle::default();
        let mut results = Vec::with_capacity(queries.len());
        for (query, nearest) in queries.iter().zip(nearest) {
            let ranges = nearest.iter().map(|centroid| self.cluster_of(centroid));
            let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
            let stream = stream_of(std::slice::from_ref(query), count);
            let mut search = Search::open(idle, &stream, phext);
            for range in &ranges {
                search.over(Lanes::of_spec(range, phext)?)?;
            }
            let (found, rest) = search.close(1)?;
            results.extend(found);
            idle = rest;
        }
        Ok(results)
    }

    /// The vectors of the cluster of a centroid.
    fn cluster_of(&self, centroid: &Found) -> Result<LaneSpec, CoordinateError> {
        let [.., cluster] = *centroid.coordinate.components();
        Ok(LaneSpec::Range {
            from: self.vector(cluster, 1, 1)?,
            to: self.vector(cluster, MAX_COMPONENT, MAX_COMPONENT)?,
        })
    }
}
