//! Where coordinates lie that are in a range and in several regions at once.

use phext_siw::LaneSpec;
use phext_storage::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use phext_storage::page_table::{Constraint, Metric, Nearest, Region, Span};

/// The coordinates of a range that lie in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    from: Coordinate,
    to: Coordinate,
    region: Region,
}

/// Lanes that hold all coordinates of an area, and what each must lie in besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) lanes: LaneSpec,
    pub(super) test: Option<LaneSpec>,
}

impl Scan {
    /// No lanes.
    pub(super) fn nothing() -> Scan {
        Scan {
            lanes: LaneSpec::Points(Vec::new()),
            test: None,
        }
    }
}

impl Area {
    /// Every coordinate.
    pub(super) fn whole() -> Area {
        Area {
            from: Coordinate::ORIGIN,
            to: Coordinate::MAX,
            region: Region::default(),
        }
    }

    /// What of the area lies in a range; `None` where that is nothing.
    pub(super) fn in_range(mut self, from: &Coordinate, to: &Coordinate) -> Option<Area> {
        self.from = self.from.max(*from);
        self.to = self.to.min(*to);
        (self.from <= self.to).then_some(self)
    }

    /// What of the area lies in a region; `None` where that is nothing.
    pub(super) fn in_region(mut self, region: &Region) -> Option<Area> {
        self.region = meet(&self.region, region)?;
        Some(self)
    }

    pub(super) fn contains(&self, coordinate: &Coordinate) -> bool {
        (self.from..=self.to).contains(coordinate) && self.region.matches(coordinate)
    }

    pub(super) fn range(&self) -> (Coordinate, Coordinate) {
        (self.from, self.to)
    }

    /// The region, unless every coordinate lies in it.
    pub(super) fn region(&self) -> Option<&Region> {
        (self.region != Region::default()).then_some(&self.region)
    }

    /// The lanes of the area. They are those of a range where it is one; else of its region cut down
    /// to the components that coordinates of its range have, which leaves the least to look at.
    pub(super) fn scan(&self) -> Scan {
        let Some(tight) = meet(&self.region, &around(&self.from, &self.to)) else {
            return Scan::nothing();
        };
        let (first, last) = tight.hull();
        let (from, to) = (self.from.max(first), self.to.min(last));
        if from > to {
            return Scan::nothing();
        }
        if tight.is_range() {
            let lanes = match (from, to) {
                (Coordinate::ORIGIN, Coordinate::MAX) => LaneSpec::All,
                _ => LaneSpec::Range { from, to },
            };
            return Scan { lanes, test: None };
        }
        let is_cut = (first, last) != (from, to);
        Scan {
            lanes: LaneSpec::Region(tight),
            test: is_cut.then_some(LaneSpec::Range { from, to }),
        }
    }
}

/// What lies in both regions, if anything does.
fn meet(one: &Region, other: &Region) -> Option<Region> {
    let mut constraints = one.constraints().clone();
    for (constraint, other) in constraints.iter_mut().zip(other.constraints()) {
        if constraint.is_free() {
            *constraint = other.clone();
        } else if !other.is_free() {
            *constraint = Constraint::new(common(constraint.spans(), other.spans())).ok()?;
        }
    }
    Some(Region::new(constraints))
}

/// The spans of components that are in both, which are ascending and disjoint as they are.
fn common(one: &[Span], other: &[Span]) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        let (low, high) = (a.low.max(b.low), a.high.min(b.high));
        if low <= high {
            spans.push(Span { low, high });
        }
        match a.high <= b.high {
            true => one.next(),
            false => other.next(),
        };
    }
    spans
}

/// A region that holds a range: the components that its ends share, and what lies between the first
/// that differ.
fn around(from: &Coordinate, to: &Coordinate) -> Region {
    let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
    let ends = from.components().iter().zip(to.components());
    for (constraint, (&low, &high)) in constraints.iter_mut().zip(ends) {
        *constraint = Constraint::range(low, high).expect("the ends of a range are ordered");
        if low != high {
            break;
        }
    }
    Region::new(constraints)
}

/// A region that holds everything within the radius of a search, if it has one.
pub(super) fn reach(nearest: &Nearest) -> Option<Region> {
    let radius = nearest.radius?;
    let constraint = |dimension: usize| {
        let reach = match nearest.metric {
            Metric::Chebyshev | Metric::Manhattan => radius,
            Metric::Weighted(weights) => {
                let weight = u64::from(weights.get()[dimension]);
                radius.checked_div(weight).unwrap_or(u64::MAX)
            }
        };
        let reach = u32::try_from(reach).unwrap_or(u32::MAX);
        let to = nearest.to.components()[dimension];
        let (low, high) = (to.saturating_sub(reach), to.saturating_add(reach));
        Constraint::range(low.max(1), high.min(MAX_COMPONENT))
            .expect("the range holds the component that it is around")
    };
    Some(Region::new(std::array::from_fn(constraint)))
}

/// The coordinate right before another in phext order.
pub(crate) fn before(coordinate: &Coordinate) -> Option<Coordinate> {
    let mut components = *coordinate.components();
    let dimension = components.iter().rposition(|&component| component > 1)?;
    components[dimension] -= 1;
    components[dimension + 1..].fill(MAX_COMPONENT);
    Some(Coordinate::new(components).expect("components stay above 0"))
}

/// The coordinate right behind another in phext order.
pub(crate) fn behind(coordinate: &Coordinate) -> Option<Coordinate> {
    let mut components = *coordinate.components();
    let dimension = components
        .iter()
        .rposition(|&component| component < MAX_COMPONENT)?;
    components[dimension] += 1;
    components[dimension + 1..].fill(1);
    Some(Coordinate::new(components).expect("components stay at most 2^31-1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phext_storage::page_table::Pattern;
    use proptest::prelude::*;

    fn region(text: &str) -> Region {
        text.parse::<Pattern>().unwrap().0
    }

    fn at(text: &str) -> Coordinate {
        Coordinate::parse(text).unwrap()
    }

    #[test]
    fn areas_become_lanes() {
        let check = |range: Option<(&str, &str)>, patterns: &[&str], expected: &str| {
            let mut area = Some(Area::whole());
            if let Some((from, to)) = range {
                area = area.and_then(|area| area.in_range(&at(from), &at(to)));
            }
            for pattern in patterns {
                area = area.and_then(|area| area.in_region(&region(pattern)));
            }
            let scan = area.map_or(Scan::nothing(), |area| area.scan());
            let lanes = |lanes: &LaneSpec| match lanes {
                LaneSpec::All => "all".to_owned(),
                LaneSpec::Range { from, to } => format!("{from} to {to}"),
                LaneSpec::Region(region) => Pattern(region.clone()).to_string(),
                LaneSpec::Points(points) if points.is_empty() => "nothing".to_owned(),
                other => format!("{other:?}"),
            };
            let test = scan
                .test
                .as_ref()
                .map(|test| format!(" within {}", lanes(test)));
            let found = lanes(&scan.lanes) + &test.unwrap_or_default();
            assert_eq!(found, expected, "{range:?} {patterns:?}");
        };
        let max = "2147483647/2147483647.2147483647.2147483647/2147483647.2147483647.2147483647";
        let year = Some(("1.1.1/1.1.1/2026.1.1", "1.1.1/1.1.1/2026.12.31"));
        check(None, &[], "all");
        check(None, &["**"], "all");
        check(
            None,
            &["1.2-3.**", "*.3-4.**"],
            &format!("1.3.1/1.1.1/1.1.1 to 1.3.{max}"),
        );
        check(None, &["*.2.**", "*.{1,3}.**"], "nothing");
        check(None, &["*.{2-7,9}.**", "*.{1,3-5,9}.**"], "*.{3-5,9}.**");
        check(year, &[], "1.1.1/1.1.1/2026.1.1 to 1.1.1/1.1.1/2026.12.31");
        check(year, &["2.**"], "nothing");
        check(year, &["*.*.*/*.*.*/*.*.3"], "1.1.1/1.1.1/2026.1-12.3");
        check(
            year,
            &["*.*.*/*.*.*/*.*.7-40"],
            "1.1.1/1.1.1/2026.1-12.7-40 within 1.1.1/1.1.1/2026.1.7 to 1.1.1/1.1.1/2026.12.31",
        );
        check(
            year,
            &["*.*.*/*.*.*/*.5.*"],
            "1.1.1/1.1.1/2026.5.1 to 1.1.1/1.1.1/2026.5.2147483647",
        );
        check(
            Some(("1.1.1/1.1.1/1.1.2", "1.1.1/1.1.1/1.1.1")),
            &[],
            "nothing",
        );
    }

    #[test]
    fn neighbours_in_phext_order() {
        let check = |low: &str, high: &str| {
            assert_eq!(behind(&at(low)), Some(at(high)));
            assert_eq!(before(&at(high)), Some(at(low)));
        };
        check("1.1.1/1.1.1/1.1.1", "1.1.1/1.1.1/1.1.2");
        check("1.1.1/1.1.1/1.1.2147483647", "1.1.1/1.1.1/1.2.1");
        check(
            "1.1.1/1.1.2147483647/2147483647.2147483647.2147483647",
            "1.1.1/1.2.1/1.1.1",
        );
        assert_eq!(before(&Coordinate::ORIGIN), None);
        assert_eq!(behind(&Coordinate::MAX), None);
    }

    fn component() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 1..5_u32, 1 => Just(MAX_COMPONENT)]
    }

    fn coordinate() -> impl Strategy<Value = Coordinate> {
        let tail = proptest::array::uniform3(component());
        tail.prop_map(|[a, b, c]| Coordinate::new([1, 1, 1, 1, 1, 1, a, b, c]).unwrap())
    }

    fn constraint() -> BoxedStrategy<Constraint> {
        let range = (component(), component())
            .prop_map(|(a, b)| Constraint::range(a.min(b), a.max(b)).unwrap());
        let set = proptest::collection::btree_set(component(), 1..4).prop_map(|set| {
            let span = |component| Span {
                low: component,
                high: component,
            };
            Constraint::new(set.into_iter().map(span).collect()).unwrap()
        });
        prop_oneof![Just(Constraint::FREE), range, set].boxed()
    }

    fn regions() -> impl Strategy<Value = Region> {
        proptest::array::uniform3(constraint()).prop_map(|tail| {
            let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
            constraints[6..].clone_from_slice(&tail);
            Region::new(constraints)
        })
    }

    fn is_in(lanes: &LaneSpec, coordinate: &Coordinate) -> bool {
        match lanes {
            LaneSpec::All => true,
            LaneSpec::Range { from, to } => (from..=to).contains(&coordinate),
            LaneSpec::Region(region) => region.matches(coordinate),
            LaneSpec::Points(points) => points.contains(coordinate),
            other => panic!("{other:?} is no area"),
        }
    }

    proptest! {
        #[test]
        fn a_scan_holds_what_lies_in_all(
            ranges in proptest::collection::vec((coordinate(), coordinate()), 0..3),
            regions in proptest::collection::vec(regions(), 0..3),
            probes in proptest::collection::vec(coordinate(), 40),
        ) {
            let mut area = Some(Area::whole());
            for (from, to) in &ranges {
                area = area.and_then(|area| area.in_range(from, to));
            }
            for region in &regions {
                area = area.and_then(|area| area.in_region(region));
            }
            let scan = area.as_ref().map_or(Scan::nothing(), Area::scan);
            for probe in &probes {
                let expected = ranges.iter().all(|(from, to)| (from..=to).contains(&probe))
                    && regions.iter().all(|region| region.matches(probe));
                let found = is_in(&scan.lanes, probe)
                    && scan.test.as_ref().is_none_or(|test| is_in(test, probe));
                prop_assert_eq!(found, expected, "{} of {:?}", probe, scan);
                let contained = area.as_ref().is_some_and(|area| area.contains(probe));
                prop_assert_eq!(contained, expected);
            }
        }
    }
}
