//! Regions: which coordinates, said dimension by dimension.
//!
//! A region has a [`Constraint`] for each of the nine dimensions, and a coordinate lies in it where
//! every component meets its own. That covers equality wildcards (a number or nothing), boxes (a
//! range or nothing), and sets of numbers and ranges. `Display` writes the form that people use:
//! `1.*.2-5/{1,3,9-12}.*.*/*.*.7`.
//!
//! That form is read as a [`Pattern`](super::Pattern). Left out on purpose: unions of regions.

use crate::coordinate::{Coordinate, DIMENSIONS, MAX_COMPONENT};
use std::fmt::{self, Display, Formatter};

/// The components that a dimension may have: any, or those in ascending, disjoint spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Constraint {
    /// Empty where any component will do.
    spans: Vec<Span>,
}

/// Components from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The least component.
    pub low: u32,
    /// The greatest component.
    pub high: u32,
}

/// Why spans are no constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// No span: nothing could meet the constraint.
    #[error("a constraint has at least one span")]
    Empty,
    /// A span that ends before it begins.
    #[error("the span {low}-{high} ends before it begins")]
    Reversed {
        /// Where it begins.
        low: u32,
        /// Where it ends.
        high: u32,
    },
    /// A span with a component that no coordinate has.
    #[error("the span {low}-{high} leaves the components 1 to 2147483647")]
    Component {
        /// Where it begins.
        low: u32,
        /// Where it ends.
        high: u32,
    },
    /// Spans out of order, or with components in common.
    #[error("span {0} does not lie above the one before: spans are ascending and disjoint")]
    Order(usize),
}

impl Constraint {
    /// Any component.
    pub const FREE: Constraint = Constraint { spans: Vec::new() };

    /// The components of `spans`, which must be ascending and disjoint.
    ///
    /// # Errors
    /// [`RegionError`], with the first span that breaks a rule.
    pub fn new(spans: Vec<Span>) -> Result<Constraint, RegionError> {
        if spans.is_empty() {
            return Err(RegionError::Empty);
        }
        for &Span { low, high } in &spans {
            if low > high {
                return Err(RegionError::Reversed { low, high });
            }
            if low == 0 || high > MAX_COMPONENT {
                return Err(RegionError::Component { low, high });
            }
        }
        if let Some(index) = spans
            .windows(2)
            .position(|pair| pair[0].high >= pair[1].low)
        {
            return Err(RegionError::Order(index + 1));
        }
        let whole = Span {
            low: 1,
            high: MAX_COMPONENT,
        };
        match spans == [whole] {
            true => Ok(Constraint::FREE),
            false => Ok(Constraint { spans }),
        }
    }

    /// One component.
    ///
    /// # Errors
    /// [`RegionError::Component`].
    pub fn equal(component: u32) -> Result<Constraint, RegionError> {
        Constraint::range(component, component)
    }

    /// The components from `low` to `high`, both included.
    ///
    /// # Errors
    /// [`RegionError::Reversed`] or [`RegionError::Component`].
    pub fn range(low: u32, high: u32) -> Result<Constraint, RegionError> {
        Constraint::new(vec![Span { low, high }])
    }

    /// Whether any component will do.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.spans.is_empty()
    }

    /// The spans, ascending and disjoint; none where the dimension is free.
    #[inline]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The only component that meets the constraint, if there is only one.
    pub fn only(&self) -> Option<u32> {
        match self.spans[..] {
            [Span { low, high }] if low == high => Some(low),
            _ => None,
        }
    }

    /// Whether a component meets the constraint.
    #[inline]
    pub fn admits(&self, component: u32) -> bool {
        self.is_free() || self.at_least(component) == Some(component)
    }

    /// The least component, from `component` on, that meets the constraint.
    #[inline]
    fn at_least(&self, component: u32) -> Option<u32> {
        if self.is_free() {
            return Some(component);
        }
        let span = self.spans.iter().find(|span| span.high >= component)?;
        Some(component.max(span.low))
    }

    fn least(&self) -> u32 {
        self.spans.first().map_or(1, |span| span.low)
    }

    fn greatest(&self) -> u32 {
        self.spans.last().map_or(MAX_COMPONENT, |span| span.high)
    }
}

/// A constraint for each dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Region {
    constraints: [Constraint; DIMENSIONS],
}

impl Region {
    /// The region with these constraints, library first.
    pub fn new(constraints: [Constraint; DIMENSIONS]) -> Region {
        Region { constraints }
    }

    /// The constraints, library first.
    pub fn constraints(&self) -> &[Constraint; DIMENSIONS] {
        &self.constraints
    }

    /// Whether a coordinate lies in the region.
    #[inline]
    pub fn matches(&self, coordinate: &Coordinate) -> bool {
        let mut pairs = self.constraints.iter().zip(coordinate.components());
        pairs.all(|(constraint, &component)| constraint.admits(component))
    }

    /// The least and the greatest coordinate of the region. Everything in it lies between them in
    /// coordinate order; not everything between them lies in it.
    pub fn hull(&self) -> (Coordinate, Coordinate) {
        let of = |end: fn(&Constraint) -> u32| {
            Coordinate::from_components(self.constraints.each_ref().map(end))
        };
        (of(Constraint::least), of(Constraint::greatest))
    }

    /// Whether the region is all that lies between the ends of its hull: single components, then at
    /// most one span, then nothing but free dimensions.
    pub fn is_range(&self) -> bool {
        let mut rest = self.constraints.iter().skip_while(|c| c.only().is_some());
        rest.next().is_none_or(|first| first.spans.len() <= 1) && rest.all(Constraint::is_free)
    }

    /// The least coordinate of the region that is not below `from`.
    pub(crate) fn next_from(&self, from: &Coordinate) -> Option<Coordinate> {
        let mut next = *from.components();
        // The first component that has to grow; those before it stay as they are.
        let growing = (0..DIMENSIONS).find(|&d| !self.constraints[d].admits(next[d]));
        let Some(mut dimension) = growing else {
            return Some(*from);
        };
        let mut wanted = next[dimension];
        loop {
            if let Some(component) = self.constraints[dimension].at_least(wanted)
                && component <= MAX_COMPONENT
            {
                next[dimension] = component;
                break;
            }
            dimension = dimension.checked_sub(1)?;
            wanted = next[dimension] + 1;
        }
        for (component, constraint) in next.iter_mut().zip(&self.constraints).skip(dimension + 1) {
            *component = constraint.least();
        }
        Some(Coordinate::from_components(next))
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.low == self.high {
            true => write!(f, "{}", self.low),
            false => write!(f, "{}-{}", self.low, self.high),
        }
    }
}

impl Display for Constraint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.spans[..] {
            [] => f.write_str("*"),
            [span] => span.fmt(f),
            [first, rest @ ..] => {
                write!(f, "{{{first}")?;
                rest.iter().try_for_each(|span| write!(f, ",{span}"))?;
                f.write_str("}")
            }
        }
    }
}

impl Display for Region {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (dimension, constraint) in self.constraints.iter().enumerate() {
            match dimension {
                0 => {}
                3 | 6 => f.write_str("/")?,
                _ => f.write_str(".")?,
            }
            constraint.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(pairs: &[(u32, u32)]) -> Vec<Span> {
        let span = |&(low, high): &(u32, u32)| Span { low, high };
        pairs.iter().map(span).collect()
    }

    /// A region of which the first dimensions are given, the others free.
    fn region(leading: &[&[(u32, u32)]]) -> Region {
        let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
        for (constraint, pairs) in constraints.iter_mut().zip(leading) {
            if !pairs.is_empty() {
                *constraint = Constraint::new(spans(pairs)).unwrap();
            }
        }
        Region::new(constraints)
    }

    #[test]
    fn spans_that_are_no_constraint_are_refused() {
        let check = |pairs: &[(u32, u32)], expected| {
            assert_eq!(Constraint::new(spans(pairs)), Err(expected), "{pairs:?}");
        };
        let (low, high) = (7, 5);
        check(&[], RegionError::Empty);
        check(&[(1, 2), (7, 5)], RegionError::Reversed { low, high });
        check(&[(0, 5)], RegionError::Component { low: 0, high });
        let (low, high) = (3, MAX_COMPONENT + 1);
        check(&[(low, high)], RegionError::Component { low, high });
        check(&[(1, 2), (3, 3), (3, 4)], RegionError::Order(2));
        check(&[(5, 6), (1, 2)], RegionError::Order(1));
        let whole = Constraint::range(1, MAX_COMPONENT);
        assert_eq!(
            whole,
            Ok(Constraint::FREE),
            "all components are no constraint"
        );
    }

    #[test]
    fn regions_print() {
        let mixed = region(&[&[(1, 1)], &[], &[(2, 5)], &[(1, 1), (3, 3), (9, 12)]]);
        assert_eq!(mixed.to_string(), "1.*.2-5/{1,3,9-12}.*.*/*.*.*");
        assert_eq!(Region::default().to_string(), "*.*.*/*.*.*/*.*.*");
    }

    #[test]
    fn ranges_are_recognised() {
        let check = |leading: &[&[(u32, u32)]], expected| {
            let region = region(leading);
            assert_eq!(region.is_range(), expected, "{region}");
        };
        check(&[], true);
        check(&[&[(3, 3)]], true);
        check(&[&[(3, 3)], &[(2, 9)]], true);
        check(&[&[(1, 1)][..]; 9], true);
        check(&[&[], &[(2, 2)]], false);
        check(&[&[(2, 9)], &[(2, 2)]], false);
        check(&[&[(1, 1), (3, 3)]], false);
    }

    fn constraint() -> impl Strategy<Value = Constraint> {
        let ends = proptest::collection::btree_set(1..9u32, 1..4);
        let built = ends.prop_map(|lows| {
            let lows: Vec<u32> = lows.into_iter().collect();
            let high = |index: usize| lows.get(index + 1).map_or(9, |next| next - 1);
            let pairs = lows.iter().enumerate();
            // Every other one is a single component, so that there are gaps.
            let pairs = pairs.map(|(i, &low)| (low, if i % 2 == 0 { low } else { high(i) }));
            Constraint::new(spans(&pairs.collect::<Vec<_>>())).unwrap()
        });
        prop_oneof![2 => Just(Constraint::FREE), 3 => built]
    }

    proptest! {
        /// The search for the next coordinate against a walk over a small space.
        #[test]
        fn the_next_coordinate_is_the_least_that_matches(
            tail in proptest::array::uniform3(constraint()),
            from in proptest::array::uniform3(1..=10u32),
        ) {
            let mut constraints = [const { Constraint::FREE }; DIMENSIONS];
            constraints[6..].clone_from_slice(&tail);
            for fixed in &mut constraints[..6] {
                *fixed = Constraint::equal(2).unwrap();
            }
            let region = Region::new(constraints);
            let at = |[a, b, c]: [u32; 3]| Coordinate::new([2, 2, 2, 2, 2, 2, a, b, c]).unwrap();
            let all = (1..=11).flat_map(|a| (1..=11).flat_map(move |b| (1..=11).map(move |c| [a, b, c])));
            let mut from_on = all.map(at).filter(|coordinate| *coordinate >= at(from));
            let expected = from_on.find(|coordinate| region.matches(coordinate));
            let found = region.next_from(&at(from));
            prop_assert_eq!(found.filter(|c| *c <= at([11; 3])), expected);
            if let Some(found) = found {
                let (least, greatest) = region.hull();
                prop_assert!(region.matches(&found) && least <= found && found <= greatest);
            }
        }
    }
}
