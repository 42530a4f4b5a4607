//! The text at one coordinate, the most frequent query: its stream is kept, and only the coordinate in
//! it changes.

use crate::error::ExecuteError;
use crate::plan::Plan;
use crate::query::{Fields, Output, Query, Target};
use phext_siw::cc::{Compiled, OptimizationTier};
use phext_siw::execute::{Collected, Report, Sink, execute};
use phext_siw::{Constant, LaneSpec};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::cell::Cell;

thread_local! {
    /// The stream that this thread read its last point with.
    static KEPT: Cell<Option<Box<Compiled>>> = const { Cell::new(None) };
}

/// The coordinate of a query for one text that asks for nothing else. A set of one coordinate is that
/// coordinate: both give the same lanes.
#[inline]
pub(super) fn plain(query: &Query) -> Option<&Coordinate> {
    let point = match &query.target {
        Target::Point(point) => point,
        Target::Points(points) => match &points[..] {
            [point] => point,
            _ => return None,
        },
        _ => return None,
    };
    let is_plain = matches!(query.output, Output::Rows(Fields::TEXT))
        && query.within.is_empty()
        && query.filters.is_empty()
        && query.order.is_none()
        && query.limit.is_none()
        && query.tier == OptimizationTier::Tier3PhextOptimal;
    is_plain.then_some(point)
}

/// Answers `Query::point`, of the tier that queries have by default.
pub(super) fn read(
    coordinate: &Coordinate,
    phext: &Phext,
    sink: &mut dyn Sink,
) -> Result<Report, ExecuteError> {
    // A sink that reads a point itself finds none kept, and the later one is kept of the two.
    let mut compiled = match KEPT.with(Cell::take) {
        Some(compiled) => compiled,
        None => Box::new(Plan::new(&Query::point(*coordinate))?.compiled),
    };
    match compiled.stream.constants.first_mut() {
        Some(Constant::Lanes(LaneSpec::Points(points))) if points.len() == 1 => {
            points[0] = *coordinate;
        }
        _ => unreachable!("the first constant of a point query is its point"),
    }
    let result = execute(&compiled.stream, phext, sink, &mut Collected::default());
    KEPT.with(|kept| kept.set(Some(compiled)));
    Ok(result?)
}
