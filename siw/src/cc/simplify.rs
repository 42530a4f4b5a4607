//! Fewer operations for the same answer.
//!
//! | what | at tiers |
//! |---|---|
//! | operations that nothing reads, and that do nothing else, go | all |
//! | numbers of `once` become operands, copies become what they copy | 2, 3 |
//! | equal operations become one | 2, 3 |

use super::draft::Draft;
use super::resource::{Table, has_effect, is_pure, registers, yields_lanes};
use crate::constant::ConstantKind;
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{Part, Pipe};

/// Removes operations without effect whose results nobody reads, and prefetches, which are the
/// compiler's to place. An `each` that only counts off its lanes goes as a whole.
pub(super) fn remove_dead(draft: &mut Draft) {
    let mut needed = draft.table(false);
    for part in [Part::Last, Part::Each, Part::Once] {
        let forms = draft.part_mut(part);
        let mut keep = vec![false; forms.len()];
        for (form, keep) in forms.iter().zip(&mut keep).rev() {
            let is_read =
                |(register, access): (Register, Access)| access.writes() && needed[register];
            *keep = has_effect(form) || registers(form).any(is_read);
            if *keep {
                for (register, access) in registers(form) {
                    needed[register] |= access.reads();
                }
            }
        }
        let mut keep = keep.into_iter();
        forms.retain(|_| keep.next().expect("one for each operation"));
        if forms.iter().all(yields_lanes) {
            forms.clear();
        }
    }
}

/// Numbers of `once` that nothing folds into become operands where an operand may be a number, and
/// copies are read where they were copied from.
pub(super) fn propagate(draft: &mut Draft) {
    let folded = folded(draft);
    let mut known: Table<Option<u16>> = draft.table(None);
    let mut copied: Table<Option<Register>> = draft.table(None);
    for part in Part::ALL {
        for form in draft.part_mut(part) {
            rename(form, &copied);
            take_number(form, &known);
            if form.pipe != Pipe::Dense || form.opcode != opcode::DMOV {
                continue;
            }
            let mut operands = form.operands().map(|(_, register)| register);
            let (to, from) = (operands.next(), operands.next());
            let Some(to) = to.filter(|to| !folded[*to]) else {
                continue;
            };
            known[to] = form.constant;
            copied[to] = from.filter(|from| !folded[*from]);
        }
    }
}

/// Makes equal operations of a part one.
pub(super) fn merge(draft: &mut Draft) {
    let folded = folded(draft);
    for part in Part::ALL {
        let mut renamed: Table<Option<Register>> = draft.table(None);
        let mut seen: Vec<Form> = Vec::new();
        draft.part_mut(part).retain_mut(|form| {
            rename(form, &renamed);
            let is_stable = is_pure(form) && registers(form).all(|(register, _)| !folded[register]);
            if !is_stable {
                return true;
            }
            let key = without_results(form);
            let Some(same) = seen.iter().find(|other| without_results(other) == key) else {
                seen.push(*form);
                return true;
            };
            for (result, other) in results(form).zip(results(same)) {
                renamed[result] = Some(other);
            }
            false
        });
        // What `once` merges is read in the parts after it.
        if part == Part::Once {
            for later in [Part::Each, Part::Last] {
                for form in draft.part_mut(later) {
                    rename(form, &renamed);
                }
            }
        }
    }
}

/// The registers that something is folded into, whose values change.
fn folded(draft: &Draft) -> Table<bool> {
    let mut folded = draft.table(false);
    for (_, form) in draft.forms() {
        for (register, access) in registers(form) {
            folded[register] |= access == Access::Accumulate;
        }
    }
    folded
}

fn results(form: &Form) -> impl Iterator<Item = Register> {
    registers(form).filter_map(|(register, access)| access.writes().then_some(register))
}

/// The operation as far as it decides about the results.
fn without_results(form: &Form) -> Form {
    let mut key = *form;
    for (operand, number) in form.description().registers.iter().zip(&mut key.registers) {
        if operand.access.writes() {
            *number = None;
        }
    }
    key
}

/// Replaces what an operation reads.
pub(super) fn rename(form: &mut Form, names: &Table<Option<Register>>) {
    let operands = form.description().registers.iter();
    for (operand, number) in operands.zip(&mut form.registers) {
        let Some(old) = *number else { continue };
        let class = operand.class;
        let new = names[Register { class, number: old }];
        if let (Access::Read, Some(new)) = (operand.access, new) {
            *number = Some(new.number);
        }
    }
    if let Some(mask) = form.mask_operand() {
        form.mask = Some(names[mask].unwrap_or(mask).number);
    }
}

/// Replaces a register by the number in it, where the operation takes a number instead.
fn take_number(form: &mut Form, known: &Table<Option<u16>>) {
    let description = form.description();
    if description.constant != Some(ConstantKind::Number) || form.constant.is_some() {
        return;
    }
    let Some(position) = description.registers.len().checked_sub(1) else {
        return;
    };
    let operand = &description.registers[position];
    let Some(number) = form.registers[position].filter(|_| operand.optional) else {
        return;
    };
    let class = RegisterClass::Number;
    if let Some(constant) = known[Register { class, number }] {
        form.registers[position] = None;
        form.constant = Some(constant);
    }
}
