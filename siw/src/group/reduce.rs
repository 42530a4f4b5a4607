//! All-reduce: from a number in each sentron to one in all, step by step between neighbours.
//!
//! Axis by axis, the lines along an axis all at once:
//!
//! ```text
//! ring    each passes on what came last, and folds it in       side - 1 steps
//! line    0 <- 1 <- 2 <- 3   folding, from the far end         side - 1 steps
//!         0 -> 1 -> 2 -> 3   taking over what 0 has            side - 1 steps
//! ```
//!
//! (Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH", 2005,
//! sections 4 and 5, for what larger messages would want: these are single numbers.)

use super::mailbox::Mailboxes;
use super::topology::TopologyType;
use crate::Reduction;
use crate::execute::fold;

/// Makes every number the reduction of all; gives the number of steps.
///
/// # Panics
/// When there are not as many numbers as the topology has places.
pub fn all_reduce(topology: TopologyType, reduction: Reduction, numbers: &mut [u64]) -> usize {
    assert_eq!(
        numbers.len(),
        topology.places(),
        "there is a number for each sentron"
    );
    let mut lines = Lines {
        topology,
        reduction,
        mail: Mailboxes::new(numbers.len()),
    };
    let sides = topology.sides().into_iter().enumerate();
    let steps = sides.map(|(axis, side)| match topology.is_closed() {
        true => lines.along_rings(axis, side, numbers),
        false => lines.along_lines(axis, side, numbers),
    });
    steps.sum()
}

struct Lines {
    topology: TopologyType,
    reduction: Reduction,
    mail: Mailboxes<u64>,
}

impl Lines {
    /// After so many steps as there are others, each has had the number of every other.
    fn along_rings(&mut self, axis: usize, side: usize, numbers: &mut [u64]) -> usize {
        let mut passing = numbers.to_vec();
        for _ in 1..side {
            for (sentron, number) in passing.iter().enumerate() {
                if let Some(next) = self.topology.step(sentron, axis, true) {
                    self.mail.send(next, *number);
                }
            }
            self.mail.deliver();
            for (sentron, number) in numbers.iter_mut().enumerate() {
                if let Some(arrived) = self.mail.take_one(sentron) {
                    *number = fold(self.reduction, *number, arrived);
                    passing[sentron] = arrived;
                }
            }
        }
        side - 1
    }

    /// To the sentron at 0, and back from there.
    fn along_lines(&mut self, axis: usize, side: usize, numbers: &mut [u64]) -> usize {
        for at in (1..side).rev() {
            self.send_from(at, axis, false, numbers);
            for (sentron, number) in numbers.iter_mut().enumerate() {
                if let Some(arrived) = self.mail.take_one(sentron) {
                    *number = fold(self.reduction, *number, arrived);
                }
            }
        }
        for at in 0..side - 1 {
            self.send_from(at, axis, true, numbers);
            for (sentron, number) in numbers.iter_mut().enumerate() {
                if let Some(arrived) = self.mail.take_one(sentron) {
                    *number = arrived;
                }
            }
        }
        2 * (side - 1)
    }

    /// A step in which the sentrons at one place of their lines send.
    fn send_from(&mut self, at: usize, axis: usize, forwards: bool, numbers: &[u64]) {
        let sides = self.topology.sides();
        let stride: usize = sides[..axis].iter().product();
        for (sentron, number) in numbers.iter().enumerate() {
            if sentron / stride % sides[axis] == at
                && let Some(next) = self.topology.step(sentron, axis, forwards)
            {
                self.mail.send(next, *number);
            }
        }
        self.mail.deliver();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a fold in one place, for shapes of all kinds.
    #[test]
    fn every_sentron_has_the_reduction_of_all() {
        let check = |topology: TopologyType, steps| {
            let places = topology.places() as u64;
            let numbers: Vec<u64> = (0..places).map(|n| n * n * 7919 % 1009 + 3).collect();
            for reduction in [
                Reduction::Sum,
                Reduction::Count,
                Reduction::Min,
                Reduction::Max,
            ] {
                let folded = |a, &b| fold(reduction, a, b);
                let expected = numbers[1..].iter().fold(numbers[0], folded);
                let mut reduced = numbers.clone();
                let taken = all_reduce(topology, reduction, &mut reduced);
                assert!(
                    reduced.iter().all(|&n| n == expected),
                    "{topology:?} {reduction:?}: {reduced:?}"
                );
                assert_eq!(taken, steps, "{topology:?}");
            }
        };
        check(TopologyType::TORUS_6X3X2, 5 + 2 + 1);
        check(TopologyType::MESH_4X3X3, 2 * (3 + 2 + 2));
        check(TopologyType::RING_12X3, 11 + 2);
        check(TopologyType::ring(1), 0);
        check(TopologyType::ring(7), 6);
        check(TopologyType::Mesh { sides: [1, 5, 2] }, 2 * (4 + 1));
    }
}
