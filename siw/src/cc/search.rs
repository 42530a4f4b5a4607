//! An order of operations that takes no more registers than there are, by trial.
//!
//! The rules that orders are made by ([`schedule`](super::schedule)) choose the next operation and never
//! take it back. This does: depth first, of the operations that may come next the one after which the
//! fewest registers are taken, and the others where that leads nowhere. How many registers are taken after
//! some operations is the same in whichever order they came, so each set of them is looked at once. It is
//! given up after a number of sets, because there may be as many as there are subsets.

use super::dependencies::{Dependencies, Position};
use super::draft::{Draft, Lifetimes};
use super::pressure::Pressure;
use crate::Part;
use crate::form::Form;
use std::collections::HashSet;

/// Sets of operations that are looked at; each takes about a microsecond for each operation.
const MOST_SETS: usize = 1 << 12;

/// Operations, a bit for each by its position.
type Set = u128;

/// A draft with the operations of its parts in such an order; none where none is found.
pub(super) fn within_registers(draft: &Draft) -> Option<Draft> {
    let lifetimes = Lifetimes::of(draft);
    let mut ordered = draft.clone();
    for part in [Part::Each, Part::Last] {
        let forms = draft.part(part);
        if forms.len() > Set::BITS as usize {
            return None;
        }
        let mut search = Search {
            forms,
            dependencies: Dependencies::of(draft, part),
            seen: HashSet::new(),
            order: Vec::with_capacity(forms.len()),
        };
        let found = search.goes_on(0, &Pressure::new(draft, &lifetimes, part));
        let positions = found.then_some(search.order)?.into_iter();
        *ordered.part_mut(part) = positions.map(|at| forms[usize::from(at)]).collect();
    }
    Some(ordered)
}

struct Search<'a> {
    forms: &'a [Form],
    dependencies: Dependencies,
    /// Sets of operations that were placed before, whatever came of it.
    seen: HashSet<Set>,
    /// Of those that are placed.
    order: Vec<Position>,
}

impl Search<'_> {
    /// Whether the operations that are not placed can be. They are then.
    fn goes_on(&mut self, placed: Set, pressure: &Pressure<'_>) -> bool {
        if self.order.len() == self.forms.len() {
            return true;
        }
        if self.seen.len() == MOST_SETS || !self.seen.insert(placed) {
            return false;
        }
        for position in self.candidates(placed, pressure) {
            let mut after = pressure.clone();
            after.place(&self.forms[usize::from(position)]);
            self.order.push(position);
            if self.goes_on(placed | bit(position), &after) {
                return true;
            }
            self.order.pop();
        }
        false
    }

    /// The operations that may come next, the one after which the fewest registers are taken first.
    fn candidates(&self, placed: Set, pressure: &Pressure<'_>) -> Vec<Position> {
        let is_placed = |position| placed & bit(position) != 0;
        let mut candidates: Vec<(i32, Position)> = (0..)
            .zip(self.forms)
            .filter(|&(position, form)| {
                let mut before = self.dependencies.before(position).iter();
                !is_placed(position)
                    && before.all(|before| is_placed(before.operation))
                    && pressure.exceeded(form).is_none()
            })
            .map(|(position, form)| (pressure.cost(form), position))
            .collect();
        candidates.sort_unstable();
        candidates
            .into_iter()
            .map(|(_, position)| position)
            .collect()
    }
}

fn bit(position: Position) -> Set {
    1 << position
}
