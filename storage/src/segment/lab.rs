//! Orders as the locality lab sees them: of points in any number of dimensions, without a part.

use super::dictionary::{self, Dictionary};
use super::layout;
use super::leaves;
use super::order::Order;
use crate::coordinate::Coordinate;

pub use super::layout::BLOCK_SLOTS;

/// One dimension of a set of points.
#[derive(Debug)]
pub struct Column(Dictionary);

impl Column {
    /// The column of these components, point by point; at most `u32::MAX` of them.
    pub fn new(components: Vec<u32>) -> Column {
        Column(Dictionary::build(components))
    }

    /// The distinct components, ascending.
    pub fn components(&self) -> &[u32] {
        &self.0.components
    }

    /// By component, how many points have a smaller one: its equi-depth rank.
    pub fn below(&self) -> &[u32] {
        &self.0.below
    }

    /// By point, the index of its component.
    pub fn codes(&self) -> &[u32] {
        &self.0.codes
    }

    /// Bytes of a code in a key block; 0 where all points have the same component.
    pub fn code_bytes(&self) -> usize {
        layout::code_width(self.0.len())
    }
}

/// The points as the leaves of a k-d tree.
pub fn leaves<const D: usize>(columns: [&Column; D]) -> Vec<u32> {
    leaves::positions(columns.map(|column| &column.0))
}

/// Keys, which are in coordinate order, in the order in which a part of this order has them.
pub fn positions(order: Order, keys: &[Coordinate]) -> Vec<u32> {
    let (placement, _) = order.resolve(keys);
    placement.positions(keys, &dictionary::build(keys))
}
