//! Which parts, or files, are merged with each other.
//!
//! A group is chosen by what it costs, its current bytes less the dead bytes that go, for each part that
//! there is less. Fresh parts of like size thus merge with each other, and a large old part joins when
//! much of it is dead.
//!
//! Parts that hold a stretch each, as those of a bulk load, are merged with their neighbours where that
//! costs little more: merged parts hold a stretch each then, and a point looks into one of them.

use super::super::state::PartView;

/// Parts that lie one behind the other are merged rather than others where that costs at most this part
/// more: no point is then looked up in more parts than before.
const NEIGHBOURS_WORTH: u128 = 4;

/// The sizes that bound merges.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Limits {
    /// A memtable's bytes: what a sealed part is about as large as.
    pub(in super::super) memtable_bytes: u64,
    /// Current slots of one merge, whose keys are in memory; a single part may have more.
    pub(in super::super) slots: u64,
    /// Current bytes of one merge, unless a phext is so large that its parts must be larger.
    pub(in super::super) bytes: u64,
}

impl Limits {
    /// Whether one merge may be of so much.
    pub(super) fn holds(self, weight: Weight) -> bool {
        weight.live <= self.bytes && weight.slots <= self.slots
    }
}

/// A candidate for merging: a part or a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Bytes of current slots, with their share of the sections.
    pub(super) live: u64,
    /// The other bytes.
    pub(super) dead: u64,
    /// Current slots.
    pub(super) slots: u64,
}

impl Weight {
    pub(super) fn of(view: &PartView) -> Weight {
        let live = view.live_bytes();
        Weight {
            live,
            dead: view.part.byte_len().saturating_sub(live),
            slots: u64::from(view.live()),
        }
    }

    /// What rewriting costs, less what it gives back; not below 0, since a part that pays for itself
    /// must not pay for a group that is too small.
    fn net(&self) -> u64 {
        self.live.saturating_sub(self.dead)
    }

    pub(super) fn plus(self, other: Weight) -> Weight {
        Weight {
            live: self.live + other.live,
            dead: self.dead + other.dead,
            slots: self.slots + other.slots,
        }
    }
}

/// What each part weighs.
pub(super) fn weights(parts: &[&PartView]) -> Vec<Weight> {
    parts.iter().map(|view| Weight::of(view)).collect()
}

/// What is merged together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Bytes for each member that there is less, in units of 2^-16, since small groups must not tie by
    /// rounding.
    cost: u128,
    /// What the members weigh together.
    pub(super) weight: Weight,
    /// Their indexes, ascending.
    pub(super) members: Vec<usize>,
}

/// The parts of a phext to be merged, for at most `budget` current bytes: the cheapest group, or neighbours
/// that cost little more. The indexes are those of `parts`, which are in the order of their least
/// coordinates.
pub(super) fn best_group(parts: &[&PartView], room: Limits, budget: u64) -> Option<Group> {
    let is_apart = |at: usize| parts[at - 1].part.coordinates().1 < parts[at].part.coordinates().0;
    best_group_of(&weights(parts), room, budget, is_apart)
}

/// [`best_group`] of parts that weigh so much; `is_apart` says whether one lies behind the one before it.
fn best_group_of(
    weights: &[Weight],
    room: Limits,
    budget: u64,
    is_apart: impl Fn(usize) -> bool,
) -> Option<Group> {
    let cheapest = cheapest_group(weights, room)?;
    let most = cheapest.cost + cheapest.cost / NEIGHBOURS_WORTH;
    let neighbours = cheapest_neighbours(weights, room, is_apart);
    let neighbours = neighbours.filter(|group| group.cost <= most);
    let mut groups = neighbours.into_iter().chain([cheapest]);
    groups.find(|group| group.weight.live <= budget)
}

/// The group that costs the least for each member that there is less; none where no two fit into `room`.
pub(super) fn cheapest_group(weights: &[Weight], room: Limits) -> Option<Group> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| weights[index].net());
    let mut growing = Growing::default();
    let mut best: Option<(u128, Weight, usize)> = None;
    for index in order {
        if !room.holds(growing.weight.plus(weights[index])) {
            continue;
        }
        growing.add(index, weights[index]);
        // As cheap with more members: there are fewer parts afterwards.
        if let Some(cost) = growing.cost()
            && best.is_none_or(|(least, ..)| cost <= least)
        {
            best = Some((cost, growing.weight, growing.members.len()));
        }
    }
    let (cost, weight, length) = best?;
    let mut members = growing.members;
    members.truncate(length);
    members.sort_unstable();
    Some(Group {
        cost,
        weight,
        members,
    })
}

/// The same of those that lie one behind the other without overlapping.
fn cheapest_neighbours(
    weights: &[Weight],
    room: Limits,
    is_apart: impl Fn(usize) -> bool,
) -> Option<Group> {
    let mut best: Option<Group> = None;
    for first in 0..weights.len() {
        let mut growing = Growing::default();
        for (next, &weight) in weights.iter().enumerate().skip(first) {
            if next > first && !is_apart(next) || !room.holds(growing.weight.plus(weight)) {
                break;
            }
            growing.add(next, weight);
            if let Some(cost) = growing.cost()
                && best.as_ref().is_none_or(|best| cost < best.cost)
            {
                best = Some(growing.group(cost));
            }
        }
    }
    best
}

/// A group that members are added to.
#[derive(Debug, Default)]
struct Growing {
    weight: Weight,
    /// The sum of what each costs, net.
    net: u128,
    members: Vec<usize>,
}

impl Growing {
    fn add(&mut self, index: usize, weight: Weight) {
        self.weight = self.weight.plus(weight);
        self.net += u128::from(weight.net());
        self.members.push(index);
    }

    /// As in [`Group`]; none of fewer than two members.
    fn cost(&self) -> Option<u128> {
        (self.net << 16).checked_div((self.members.len() as u128).saturating_sub(1))
    }

    /// It as it is, where members came in ascending order.
    fn group(&self, cost: u128) -> Group {
        Group {
            cost,
            weight: self.weight,
            members: self.members.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bytes: u64) -> Limits {
        Limits {
            memtable_bytes: 100,
            slots: u64::MAX,
            bytes,
        }
    }

    #[test]
    fn the_cheapest_group_is_of_like_parts_and_takes_dead_ones() {
        let check = |parts: &[(u64, u64)], bytes: u64, expected: &[usize]| {
            let weight = |&(live, dead): &(u64, u64)| Weight {
                live,
                dead,
                slots: live,
            };
            let weights: Vec<Weight> = parts.iter().map(weight).collect();
            let group = cheapest_group(&weights, room(bytes));
            let members = group.map_or(Vec::new(), |group| group.members);
            assert_eq!(members, expected, "{parts:?}");
        };
        check(&[], 1000, &[]);
        check(&[(10, 0)], 1000, &[]);
        check(&[(10, 0), (12, 0)], 1000, &[0, 1]);
        // Five of one size, and a large one that is not worth it.
        let fresh = [(10, 0), (10, 0), (10, 0), (10, 0), (10, 0), (100, 0)];
        check(&fresh, 1000, &[0, 1, 2, 3, 4]);
        // The large one is mostly dead: rewriting it gives more than it costs.
        check(
            &[(10, 0), (10, 0), (10, 0), (10, 0), (10, 0), (40, 60)],
            1000,
            &[0, 1, 2, 3, 4, 5],
        );
        // No more than fits; none where no two fit.
        check(&fresh, 35, &[0, 1, 2]);
        check(&[(600, 0), (600, 0)], 1000, &[]);
        check(&[(600, 0), (300, 0), (600, 0)], 1000, &[0, 1]);
    }

    #[test]
    fn neighbours_are_the_cheapest_run_of_parts_that_are_apart() {
        let check = |parts: &[u64], bytes: u64, overlapping: &[usize], expected: &[usize]| {
            let weight = |&live: &u64| Weight {
                live,
                dead: 0,
                slots: live,
            };
            let weights: Vec<Weight> = parts.iter().map(weight).collect();
            let is_apart = |at: usize| !overlapping.contains(&at);
            let group = cheapest_neighbours(&weights, room(bytes), is_apart);
            let members = group.map_or(Vec::new(), |group| group.members);
            assert_eq!(members, expected, "{parts:?}");
        };
        check(&[], 1000, &[], &[]);
        check(&[10], 1000, &[], &[]);
        check(&[10, 12, 11], 1000, &[], &[0, 1, 2]);
        // The cheapest pair would be the first and the last.
        check(&[10, 30, 29, 10], 50, &[], &[2, 3]);
        check(&[10, 30, 29, 10], 50, &[3], &[0, 1]);
        check(&[10, 30, 29, 10], 50, &[1, 3], &[]);
        check(&[10, 30, 29, 10], 100, &[1, 3], &[1, 2]);
    }

    #[test]
    fn neighbours_are_taken_where_they_cost_little_more_and_the_budget_goes_that_far() {
        let check = |parts: &[u64], budget: u64, expected: &[usize]| {
            let weight = |&live: &u64| Weight {
                live,
                dead: 0,
                slots: live,
            };
            let weights: Vec<Weight> = parts.iter().map(weight).collect();
            let group = best_group_of(&weights, room(50), budget, |_| true);
            let members = group.map_or(Vec::new(), |group| group.members);
            assert_eq!(members, expected, "{parts:?} for {budget}");
        };
        check(&[20, 40, 21, 25], 100, &[2, 3]);
        check(&[20, 40, 21, 25], 45, &[0, 2]);
        check(&[20, 40, 21, 25], 40, &[]);
        // More than a quarter dearer.
        check(&[10, 31, 10, 29], 100, &[0, 2]);
    }
}
