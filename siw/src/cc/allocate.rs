//! From virtual to real registers.
//!
//! Linear scan (M. Poletto and V. Sarkar, *Linear Scan Register Allocation*, 1999) over the words of
//! all parts in a row. A value takes a register from the word that writes it to the last one that
//! reads it; as all operations of a word read before any writes, that word may already write another
//! value there. Scalars and message accumulators keep theirs through all of `each`, whose words run
//! again for the next batch. There is no memory to spill to: where no register is free, another
//! schedule is tried.

use super::draft::{Draft, Lifetimes};
use super::resource::{CLASSES, Table, registers};
use super::schedule::Slots;
use crate::Part;
use crate::register::{Register, RegisterClass};

/// The schedules of the parts.
pub(super) type Schedules = [Vec<Slots>; 3];

/// Most registers of any class.
const MOST_REGISTERS: usize = RegisterClass::Number.count() as usize;

/// The number of the real register of each virtual one.
pub(super) type Numbers = Table<u8>;

/// From which word to which a value takes a register. The words of all parts are counted in a row.
#[derive(Debug, Clone, Copy)]
struct Interval {
    register: Register,
    start: usize,
    /// The first word that may write another value.
    end: usize,
}

/// Gives each virtual register a real one.
///
/// # Errors
/// The class that has too few.
pub(super) fn allocate(
    draft: &Draft,
    lifetimes: &Lifetimes,
    schedules: &Schedules,
) -> Result<Numbers, RegisterClass> {
    let intervals = intervals(draft, lifetimes, schedules);
    let mut numbers = draft.table(0);
    // Of each register, from which word on it is free.
    let mut free = [[0; MOST_REGISTERS]; CLASSES.len()];
    for interval in intervals {
        let class = interval.register.class;
        let mut registers = free[class as usize].iter_mut().zip(0..class.count());
        let (taken, number) = registers
            .find(|(free, _)| **free <= interval.start)
            .ok_or(class)?;
        *taken = interval.end;
        numbers[interval.register] = number;
    }
    Ok(numbers)
}

/// The intervals of all registers, by their start.
fn intervals(draft: &Draft, lifetimes: &Lifetimes, schedules: &Schedules) -> Vec<Interval> {
    let [once, each, _] = schedules;
    let (each_start, each_end) = (once.len(), once.len() + each.len());
    let mut ends: Table<Option<Interval>> = draft.table(None);
    let mut word = 0;
    for part in Part::ALL {
        let forms = draft.part(part);
        for slots in &schedules[part as usize] {
            let operations = slots.iter().flatten();
            for form in operations.map(|&position| &forms[usize::from(position)]) {
                for (register, access) in registers(form) {
                    let interval = ends[register].get_or_insert(Interval {
                        register,
                        start: word,
                        end: 0,
                    });
                    let end = word + usize::from(access.writes());
                    interval.end = interval.end.max(end);
                }
            }
            word += 1;
        }
    }
    let mut intervals: Vec<_> = ends.registers().filter_map(|(_, end)| *end).collect();
    for interval in &mut intervals {
        if lifetimes.outlives_batch(interval.register) {
            interval.start = interval.start.min(each_start);
            if lifetimes.last(interval.register) == Part::Each {
                interval.end = each_end;
            }
        }
    }
    intervals.sort_by_key(|interval| interval.start);
    intervals
}
