//! Lanes and the mask of those that count.

use crate::plan::Selection;
use crate::query::{Filter, Slice};
use phext_siw::cc::{Op, ProgramBuilder};
use phext_siw::{
    Comparison, Constant, ConstantId, DenseOp, Extent, K, LaneSpec, P, R, SparseOp, T, TextMatch,
};
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::Nearest;

/// A program whose lanes are there, and what is known of them so far.
pub(super) struct Lanes {
    pub(super) program: ProgramBuilder,
    pub(super) place: P,
    /// The lanes that count; all where there is none.
    pub(super) mask: Option<K>,
    length: Option<R>,
    text: Option<T>,
}

/// Rows that come behind another in an order by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) number: u64,
    pub(crate) coordinate: Coordinate,
}

impl Lanes {
    /// The lanes of a selection that count in it.
    pub(super) fn of(selection: &Selection) -> Lanes {
        let mut program = ProgramBuilder::default();
        let place = program.place();
        let lanes = program.constant(Constant::Lanes(selection.lanes.clone()));
        program.each(yielding(&selection.lanes, place, lanes));
        let mut lanes = Lanes {
            program,
            place,
            mask: None,
            length: None,
            text: None,
        };
        if let Some(test) = &selection.test {
            lanes.lie_in(test.clone());
        }
        lanes.filter(selection);
        lanes
    }

    /// Applies the filters, those that need no text first.
    fn filter(&mut self, selection: &Selection) {
        let is_length = |filter: &&Filter| matches!(filter, Filter::Length(_));
        let by_length = selection.filters.iter().filter(is_length);
        let by_text = selection.filters.iter().filter(|filter| !is_length(filter));
        for filter in by_length.chain(by_text) {
            match filter {
                Filter::Length(range) => self.length_in(*range.start(), *range.end()),
                Filter::Contains(text) => self.matches(TextMatch::Contains, text.clone()),
                Filter::StartsWith(text) => self.matches(TextMatch::Starts, text.clone()),
            }
        }
        let needs_scroll = |filter: &Filter| match filter {
            Filter::Length(range) => *range.start() > 0,
            Filter::Contains(_) | Filter::StartsWith(_) => true,
        };
        let is_implied = selection.filters.iter().any(needs_scroll);
        if !selection.filters.is_empty() && !is_implied {
            self.present(selection);
        }
    }

    /// Leaves out lanes without a scroll.
    pub(super) fn present(&mut self, selection: &Selection) {
        if selection.may_be_absent() {
            // A stored scroll is not empty.
            self.length_in(1, u64::MAX);
        }
    }

    fn length_in(&mut self, least: u64, most: u64) {
        let length = self.length();
        if least > 0 {
            let mask = self.compare(Comparison::Ge, length, least);
            self.keep(mask);
        }
        if most < u64::MAX {
            let mask = self.compare(Comparison::Le, length, most);
            self.keep(mask);
        }
    }

    fn matches(&mut self, place: TextMatch, pattern: bytes::Bytes) {
        let text = self.text(Slice::Whole);
        let pattern = self.program.constant(Constant::Text(pattern));
        let (to, mask) = (self.program.mask(), self.mask);
        self.each(DenseOp::Match {
            to,
            place,
            text,
            pattern,
            mask,
        });
        // A lane that the mask left out holds no match.
        self.mask = Some(to);
    }

    /// Leaves out lanes that are not in `mask`.
    fn keep(&mut self, mask: K) {
        self.mask = match self.mask {
            None => Some(mask),
            Some(left) => {
                let (to, right) = (self.program.mask(), mask);
                self.each(DenseOp::MaskAnd { to, left, right });
                Some(to)
            }
        };
    }

    /// Leaves out lanes whose coordinate is not in a range or a region.
    fn lie_in(&mut self, lanes: LaneSpec) {
        let mask = self.in_lanes(lanes);
        self.keep(mask);
    }

    fn in_lanes(&mut self, lanes: LaneSpec) -> K {
        let lanes = self.program.constant(Constant::Lanes(lanes));
        let (to, at) = (self.program.mask(), self.place);
        self.each(SparseOp::Test { to, at, lanes });
        to
    }

    fn compare(&mut self, comparison: Comparison, left: R, number: u64) -> K {
        let (to, right) = (self.program.mask(), self.program.immediate(number));
        self.each(DenseOp::Cmp {
            to,
            comparison,
            left,
            right,
        });
        to
    }

    /// Leaves out lanes whose number is above `most`.
    pub(super) fn at_most(&mut self, number: R, most: u64) {
        let mask = self.compare(Comparison::Le, number, most);
        self.keep(mask);
    }

    /// Leaves out lanes that do not come behind a row in an order by `number`.
    pub(super) fn behind(&mut self, number: R, descending: bool, behind: Behind) {
        let beyond = match descending {
            true => Comparison::Lt,
            false => Comparison::Gt,
        };
        let mut mask = self.compare(beyond, number, behind.number);
        if let Some(from) = crate::plan::behind(&behind.coordinate) {
            let left = self.compare(Comparison::Eq, number, behind.number);
            let to = Coordinate::MAX;
            let right = self.in_lanes(LaneSpec::Range { from, to });
            let later = self.program.mask();
            self.each(DenseOp::MaskAnd {
                to: later,
                left,
                right,
            });
            let (to, left, right) = (self.program.mask(), mask, later);
            self.each(DenseOp::MaskOr { to, left, right });
            mask = to;
        }
        self.keep(mask);
    }

    /// The lengths of the lanes that count now.
    pub(super) fn length(&mut self) -> R {
        if let Some(length) = self.length {
            return length;
        }
        let (to, at, mask) = (self.program.number(), self.place, self.mask);
        self.each(DenseOp::Len { to, at, mask });
        self.length = Some(to);
        to
    }

    /// The texts of the lanes that count now.
    pub(super) fn text(&mut self, slice: Slice) -> T {
        if let (Slice::Whole, Some(text)) = (slice, self.text) {
            return text;
        }
        let extent = self.extent(slice);
        let (to, at, mask) = (self.program.text(), self.place, self.mask);
        self.each(SparseOp::Gather {
            to,
            extent,
            at,
            mask,
        });
        if slice == Slice::Whole {
            self.text = Some(to);
        }
        to
    }

    fn extent(&mut self, slice: Slice) -> Extent {
        match slice {
            Slice::Whole => Extent::Whole,
            Slice::Bytes { from, count } => Extent::Bytes {
                from: self.program.scalar(from),
                count: self.program.scalar(count),
            },
            Slice::Lines { from, count } => Extent::Lines {
                from: self.program.scalar(from),
                count: self.program.scalar(count),
            },
        }
    }

    /// The distances of the lanes from the coordinate of a search.
    pub(super) fn distance(&mut self, search: &Nearest) -> R {
        let lanes = LaneSpec::Nearest(search.clone());
        let lanes = self.program.constant(Constant::Lanes(lanes));
        let (to, at) = (self.program.number(), self.place);
        self.each(SparseOp::Dist { to, at, lanes });
        to
    }

    pub(super) fn each(&mut self, operation: impl Into<Op>) {
        self.program.each(operation);
    }
}

/// The operation that yields such lanes.
fn yielding(spec: &LaneSpec, to: P, lanes: ConstantId) -> SparseOp {
    match spec {
        LaneSpec::Region(_) => SparseOp::Assoc { to, lanes },
        LaneSpec::Nearest(_) => SparseOp::Neighbr { to, lanes },
        _ => SparseOp::Lanes { to, lanes },
    }
}
