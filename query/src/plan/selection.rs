//! Which lanes, in the form that they are lowered from: target and `within` brought together.

use super::area::{self, Area, Scan};
use crate::query::{Filter, Order, OrderKey, Output, Query, Target, Within};
use phext_siw::LaneSpec;
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::page_table::Nearest;
use std::borrow::Cow;

/// The lanes of a stream, and which of them count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The lanes.
    pub(crate) lanes: LaneSpec,
    /// What their coordinates lie in besides: a range or a region.
    pub(crate) test: Option<LaneSpec>,
    /// What their contents are.
    pub(crate) filters: Vec<Filter>,
    /// Where distances are measured from, if anywhere.
    pub(crate) origin: Option<Nearest>,
    /// What the lanes are ordered by, ascending.
    pub(crate) natural: OrderKey,
}

impl Selection {
    /// The lanes of a query, and the search for the nearest among them that is left to do: one
    /// that the page table cannot do, since other things count than coordinates as a whole.
    pub(crate) fn of(query: &Query) -> (Selection, Option<Nearest>) {
        let mut selection = Selection {
            lanes: LaneSpec::All,
            test: None,
            filters: query.filters.clone(),
            origin: None,
            natural: OrderKey::Coordinate,
        };
        let target = wanted(query);
        if let Target::Nearest(search) = &*target {
            selection.origin = Some(search.clone());
        }
        let mut nearest = None;
        let scan = match (&*target, within(&query.within)) {
            (_, None) => Scan::nothing(),
            (Target::Nearest(search), _) if search.count == 0 => Scan::nothing(),
            (Target::Nearest(search), _) if query.within.is_empty() && query.filters.is_empty() => {
                selection.natural = OrderKey::Distance;
                lanes_alone(LaneSpec::Nearest(search.clone()))
            }
            (Target::Nearest(search), Some(area)) => {
                nearest = Some(search.clone());
                near(search, area)
            }
            (target, Some(area)) => scan_of(target, area),
        };
        (selection.lanes, selection.test) = (scan.lanes, scan.test);
        (selection, nearest)
    }

    /// Coordinates that are known, in the order that they have.
    pub(crate) fn known(&self, coordinates: Vec<Coordinate>, natural: OrderKey) -> Selection {
        Selection {
            lanes: LaneSpec::Points(coordinates),
            test: None,
            filters: Vec::new(),
            origin: self.origin.clone(),
            natural,
        }
    }

    /// Whether a lane may hold no scroll.
    pub(crate) fn may_be_absent(&self) -> bool {
        matches!(&self.lanes, LaneSpec::Points(_) | LaneSpec::Union { .. })
    }

    /// What of the selection lies at a coordinate or behind it, where its lanes are those of a range and
    /// in coordinate order.
    pub(crate) fn starting_at(mut self, start: Option<Coordinate>) -> Selection {
        match (&mut self.lanes, start) {
            (_, None) => {}
            (LaneSpec::All, Some(from)) => {
                let to = Coordinate::MAX;
                self.lanes = LaneSpec::Range { from, to };
            }
            (LaneSpec::Range { from, .. }, Some(start)) => *from = start,
            _ => unreachable!("only ranges have an end that is looked at first"),
        }
        self
    }

    /// What of the selection lies before a coordinate, where its lanes are in coordinate order.
    pub(crate) fn before(mut self, coordinate: &Coordinate) -> Selection {
        let Some(last) = area::before(coordinate) else {
            self.lanes = LaneSpec::Points(Vec::new());
            return self;
        };
        match &mut self.lanes {
            LaneSpec::All => {
                let (from, to) = (Coordinate::ORIGIN, last);
                self.lanes = LaneSpec::Range { from, to };
            }
            LaneSpec::Range { to, .. } => *to = last.min(*to),
            LaneSpec::Points(points) => points.retain(|point| *point <= last),
            LaneSpec::Union { to, points, .. } => {
                *to = last.min(*to);
                points.retain(|point| *point <= last);
            }
            LaneSpec::Region(_) => match &mut self.test {
                Some(LaneSpec::Range { to, .. }) => *to = last.min(*to),
                _ => {
                    let (from, to) = (Coordinate::ORIGIN, last);
                    self.test = Some(LaneSpec::Range { from, to });
                }
            },
            LaneSpec::Nearest(_) => unreachable!("the nearest are in order of distance"),
        }
        self
    }
}

/// The target, a search for the nearest cut down to those that the limit leaves of its rows.
fn wanted(query: &Query) -> Cow<'_, Target> {
    let is_nearest_first = query
        .order
        .is_none_or(|order| order == Order::ascending(OrderKey::Distance));
    match (&query.target, &query.output, query.limit) {
        (Target::Nearest(search), Output::Rows(_), Some(limit)) if is_nearest_first => {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let count = search.count.min(limit);
            let search = search.clone();
            Cow::Owned(Target::Nearest(Nearest { count, ..search }))
        }
        (target, _, _) => Cow::Borrowed(target),
    }
}

fn lanes_alone(lanes: LaneSpec) -> Scan {
    Scan { lanes, test: None }
}

/// What lies in all of them, if anything does.
fn within(within: &[Within]) -> Option<Area> {
    within
        .iter()
        .try_fold(Area::whole(), |area, within| match within {
            Within::Range { from, to } => area.in_range(from, to),
            Within::Region(region) => area.in_region(region),
        })
}

/// The lanes of a target, other than the nearest, that lie in an area.
fn scan_of(target: &Target, area: Area) -> Scan {
    let area = match target {
        Target::All | Target::Nearest(_) => Some(area),
        Target::Range { from, to } => area.in_range(from, to),
        Target::Region(region) => area.in_region(region),
        Target::Prefix(components) => match prefix(components) {
            Some((from, to)) => area.in_range(&from, &to),
            None => None,
        },
        Target::Point(point) => return points(std::slice::from_ref(point), &area),
        Target::Points(coordinates) => return points(coordinates, &area),
        Target::Union {
            from,
            to,
            points: coordinates,
        } => return union(from, to, coordinates, area),
    };
    area.map_or(Scan::nothing(), |area| area.scan())
}

fn points(coordinates: &[Coordinate], area: &Area) -> Scan {
    lanes_alone(LaneSpec::Points(ascending(coordinates, area)))
}

/// The coordinates that lie in the area.
fn ascending(coordinates: &[Coordinate], area: &Area) -> Vec<Coordinate> {
    let inside = coordinates.iter().filter(|point| area.contains(point));
    let mut points: Vec<Coordinate> = inside.copied().collect();
    points.sort_unstable();
    points.dedup();
    points
}

fn union(from: &Coordinate, to: &Coordinate, coordinates: &[Coordinate], area: Area) -> Scan {
    let points = ascending(coordinates, &area);
    let Some(area) = area.in_range(from, to) else {
        return lanes_alone(LaneSpec::Points(points));
    };
    let (from, to) = area.range();
    let test = area.region().cloned().map(LaneSpec::Region);
    let lanes = LaneSpec::Union { from, to, points };
    Scan { lanes, test }
}

/// Everything in the area that may be within the radius of a search.
fn near(search: &Nearest, area: Area) -> Scan {
    let area = match area::reach(search) {
        Some(region) => area.in_region(&region),
        None => Some(area),
    };
    area.map_or(Scan::nothing(), |area| area.scan())
}

/// The range of coordinates that begin with `components`; none where a component is one that no
/// coordinate has, or there are more than nine.
fn prefix(components: &[u32]) -> Option<(Coordinate, Coordinate)> {
    if components.len() > DIMENSIONS {
        return None;
    }
    let filled = |filler| {
        let component = |d: usize| components.get(d).copied().unwrap_or(filler);
        Coordinate::new(std::array::from_fn::<u32, DIMENSIONS, _>(component)).ok()
    };
    Some((filled(1)?, filled(MAX_COMPONENT)?))
}
