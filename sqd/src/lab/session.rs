//! A session that drifts: a random walk over stored points.
//!
//! At each step a point and its 32 nearest by rank are read, and the next point is one of them. Once in 64
//! steps another topic begins: any stored point. What is read is the same in every order, so that
//! orders differ in where it lies and in nothing else.

use super::layout::Layout;
use super::nearest::nearest;
use super::order::Scale;
use super::points::Points;
use super::query::{Query, some};
use rand::Rng;
use rand::rngs::StdRng;

/// Neighbours read at each step.
const READ: usize = 32;
/// Steps after which, on average, another topic begins.
const TOPIC_STEPS: u32 = 64;
/// Part of all points that the box of a step reaches to either side, and dimensions that it bounds.
const REACH: f64 = 0.025;
const BOUNDED: usize = 5;

/// A step of a session.
pub(super) struct Step {
    /// What is read: where it is, and then the nearest.
    pub(super) read: Vec<u32>,
    /// The box that a scan around it would ask for.
    pub(super) query: Query,
}

/// So many steps, found with the help of any layout.
pub(super) fn walk(points: &Points, layout: &Layout, steps: usize, dice: &mut StdRng) -> Vec<Step> {
    let count = points.len() as u32;
    let mut anchor = dice.random_range(0..count);
    let mut step = |_| {
        let found = nearest(points, layout, anchor, READ, Scale::Ranks);
        let nearest = found.neighbours.iter().map(|&(_, point)| point);
        let read: Vec<u32> = std::iter::once(anchor).chain(nearest).collect();
        let bounded = some(points, BOUNDED.min(points.dimensions()), dice);
        let step = Step {
            query: Query::around(anchor, bounded, REACH, points),
            read,
        };
        anchor = match dice.random_range(0..TOPIC_STEPS) {
            0 => dice.random_range(0..count),
            // The point itself again, where it has no neighbour.
            _ => step.read[dice.random_range(1.min(step.read.len() - 1)..step.read.len())],
        };
        step
    };
    (0..steps).map(&mut step).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::some_points;
    use super::super::order::LabOrder;
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_session_drifts_and_is_the_same_with_every_layout() {
        let points = some_points();
        let sessions = ["leaves", "random"].map(|order| {
            let order: LabOrder = order.parse().unwrap();
            let layout = Layout::new(order, &points, 1);
            walk(&points, &layout, 200, &mut StdRng::seed_from_u64(9))
        });
        let [session, other] = &sessions;
        let mut jumps = 0;
        for (step, next) in session.iter().zip(&session[1..]) {
            assert_eq!(step.read.len(), 1 + READ);
            jumps += usize::from(!step.read.contains(&next.read[0]));
            assert!(step.query.matches(&points).contains(&step.read[0]));
        }
        assert!((1..20).contains(&jumps), "{jumps}");
        for (one, other) in session.iter().zip(other) {
            assert_eq!((&one.read, &one.query), (&other.read, &other.query));
        }
    }
}
