//! How the sentrons of a group lie, and who is whose neighbour.

use crate::Destination;

/// The shape of a group. Sentron `x + X * (y + Y * z)` lies at (x, y, z) of sides X, Y and Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyType {
    /// Each line along a side is closed to a ring.
    Torus {
        /// Sides, at least 1 each.
        sides: [usize; 3],
    },
    /// Each line along a side has two ends: nothing lies beyond them.
    Mesh {
        /// Sides, at least 1 each.
        sides: [usize; 3],
    },
    /// Rings of one length, whose sentrons of one place form a ring too.
    Ring {
        /// Sentrons of a ring, at least 1.
        length: usize,
        /// Rings, at least 1.
        rings: usize,
    },
}

impl TopologyType {
    /// Six by three by two, closed.
    pub const TORUS_6X3X2: Self = Self::Torus { sides: [6, 3, 2] };
    /// Four by three by three, with ends.
    pub const MESH_4X3X3: Self = Self::Mesh { sides: [4, 3, 3] };
    /// Three rings of twelve.
    pub const RING_12X3: Self = Self::Ring {
        length: 12,
        rings: 3,
    };

    /// One ring.
    pub const fn ring(length: usize) -> Self {
        Self::Ring { length, rings: 1 }
    }

    /// The sides along x, y and z.
    pub fn sides(&self) -> [usize; 3] {
        match *self {
            Self::Torus { sides } | Self::Mesh { sides } => sides,
            Self::Ring { length, rings } => [length, rings, 1],
        }
    }

    /// How many sentrons it has place for.
    pub fn places(&self) -> usize {
        self.sides().iter().product()
    }

    /// Whether lines are closed to rings.
    pub(super) fn is_closed(&self) -> bool {
        !matches!(self, Self::Mesh { .. })
    }

    /// The sentron one step along an axis from another, forwards or backwards; none beyond an end.
    pub fn step(&self, sentron: usize, axis: usize, forwards: bool) -> Option<usize> {
        let sides = self.sides();
        let stride: usize = sides[..axis].iter().product();
        let (side, at) = (sides[axis], sentron / stride % sides[axis]);
        let to = match forwards {
            true if at + 1 < side => at + 1,
            true if self.is_closed() => 0,
            false if at > 0 => at - 1,
            false if self.is_closed() => side - 1,
            _ => return None,
        };
        Some(sentron - at * stride + to * stride)
    }

    /// Where what a sentron sends arrives; none at the end of a mesh.
    pub fn neighbour(&self, sentron: usize, to: Destination) -> Option<usize> {
        let (axis, forwards) = match to {
            Destination::Sink => return None,
            Destination::XPlus => (0, true),
            Destination::XMinus => (0, false),
            Destination::YPlus => (1, true),
            Destination::YMinus => (1, false),
            Destination::ZPlus => (2, true),
            Destination::ZMinus => (2, false),
        };
        self.step(sentron, axis, forwards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [TopologyType; 3] = [
        TopologyType::TORUS_6X3X2,
        TopologyType::MESH_4X3X3,
        TopologyType::RING_12X3,
    ];

    #[test]
    fn the_three_have_thirty_six_places() {
        for topology in ALL {
            assert_eq!(topology.places(), 36, "{topology:?}");
        }
    }

    #[test]
    fn a_step_back_undoes_a_step() {
        for topology in ALL {
            for (sentron, axis) in (0..36).flat_map(|s| [(s, 0), (s, 1), (s, 2)]) {
                if let Some(there) = topology.step(sentron, axis, true) {
                    assert_eq!(topology.step(there, axis, false), Some(sentron));
                }
            }
        }
    }

    #[test]
    fn neighbours() {
        let check = |topology: TopologyType, sentron, to, expected| {
            assert_eq!(topology.neighbour(sentron, to), expected, "{to:?}");
        };
        check(ALL[0], 0, Destination::XMinus, Some(5));
        check(ALL[0], 35, Destination::ZPlus, Some(17));
        check(ALL[1], 0, Destination::XMinus, None);
        check(ALL[1], 3, Destination::XPlus, None);
        check(ALL[1], 3, Destination::YPlus, Some(7));
        check(ALL[2], 11, Destination::XPlus, Some(0));
        check(ALL[2], 24, Destination::YPlus, Some(0));
        check(ALL[2], 24, Destination::ZPlus, Some(24));
        check(ALL[2], 24, Destination::Sink, None);
    }
}
