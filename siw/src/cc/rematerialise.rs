//! When registers run out: what can be computed again is, where it is needed next.
//!
//! Of the values that could give up their register, the one whose next use is farthest does (L. A.
//! Belady's rule). Scalars that hold a number of the constant pool are loaded where they are used.
//!
//! This ends. A repeated operation stands right before the next one of the program that needs it, after
//! others that were put there for the same. A value gives up its register only where an operation of the
//! program lies between: from the first operation that takes too many on, up to that one and all that
//! stands before it, one register less is taken, nothing is added there, and before it nothing changes.
//! (Without that condition two values needed at the same place go behind each other for ever.)

use super::draft::{Draft, Lifetimes};
use super::pressure::Pressure;
use super::program::VIRTUAL_REGISTERS;
use super::resource::{is_pure, registers};
use super::simplify::rename;
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{Part, Pipe};
use std::slice::SliceIndex;

/// Changes a draft so that, its operations one after the other, no part takes more registers than
/// there are.
///
/// # Errors
/// The class that has too few.
pub(super) fn relieve(draft: &mut Draft) -> Result<(), RegisterClass> {
    let mut has_loads = false;
    for part in [Part::Each, Part::Last] {
        let mut is_repeated = vec![false; draft.part(part).len()];
        while let Some((position, class)) = overflow(draft, part) {
            if class == RegisterClass::Number && !has_loads {
                load_where_used(draft)?;
                has_loads = true;
                // Loads count as operations of the program.
                is_repeated = vec![false; draft.part(part).len()];
            } else {
                repeat(draft, part, &mut is_repeated, position, class)?;
            }
        }
    }
    Ok(())
}

/// The first operation that takes too many registers, and of which class.
fn overflow(draft: &Draft, part: Part) -> Option<(usize, RegisterClass)> {
    let lifetimes = Lifetimes::of(draft);
    let mut pressure = Pressure::new(draft, &lifetimes, part);
    for (position, form) in draft.part(part).iter().enumerate() {
        if let Some(class) = pressure.exceeded(form) {
            return Some((position, class));
        }
        pressure.place(form);
    }
    None
}

/// A register that the draft does not use.
fn fresh(draft: &mut Draft, class: RegisterClass) -> Result<Register, RegisterClass> {
    let mut used = draft.table(false);
    for (_, form) in draft.forms() {
        for (register, _) in registers(form) {
            used[register] = true;
        }
    }
    let unused = used
        .registers()
        .find(|(register, is_used)| register.class == class && !**is_used);
    let next = used
        .registers()
        .filter(|(register, _)| register.class == class)
        .count();
    let next = u8::try_from(next)
        .ok()
        .filter(|number| *number < VIRTUAL_REGISTERS);
    let next = next.map(|number| Register { class, number });
    let register = unused.map(|(register, _)| register).or(next).ok_or(class)?;
    draft.include(register);
    Ok(register)
}

fn reads(form: &Form, register: Register) -> bool {
    registers(form).any(|(other, access)| other == register && access.reads())
}

/// Renames the reads of a register from a position on, up to another.
fn read_instead(
    draft: &mut Draft,
    part: Part,
    positions: impl SliceIndex<[Form], Output = [Form]>,
    (old, new): (Register, Register),
) {
    let mut names = draft.table(None);
    names[old] = Some(new);
    for form in &mut draft.part_mut(part)[positions] {
        rename(form, &names);
    }
}

/// Removes the scalars that nothing folds into; their numbers are loaded before each use.
fn load_where_used(draft: &mut Draft) -> Result<(), RegisterClass> {
    let is_folded = |draft: &Draft, register| {
        let folds = |form: &Form| registers(form).any(|r| r == (register, Access::Accumulate));
        draft.forms().any(|(_, form)| folds(form))
    };
    let once = std::mem::take(draft.part_mut(Part::Once));
    for load in once {
        let is_load = load.pipe == Pipe::Dense && load.opcode == opcode::DMOV;
        let number = load.registers[0].filter(|_| is_load && load.constant.is_some());
        let class = RegisterClass::Number;
        match number.map(|number| Register { class, number }) {
            Some(scalar) if !is_folded(draft, scalar) => {
                for part in [Part::Each, Part::Last] {
                    load_in_part(draft, part, scalar, &load)?;
                }
            }
            _ => draft.part_mut(Part::Once).push(load),
        }
    }
    Ok(())
}

fn load_in_part(
    draft: &mut Draft,
    part: Part,
    scalar: Register,
    load: &Form,
) -> Result<(), RegisterClass> {
    let mut position = 0;
    while position < draft.part(part).len() {
        if reads(&draft.part(part)[position], scalar) {
            let new = fresh(draft, scalar.class)?;
            read_instead(draft, part, position..=position, (scalar, new));
            let mut load = *load;
            load.registers[0] = Some(new.number);
            draft.part_mut(part).insert(position, load);
            position += 1;
        }
        position += 1;
    }
    Ok(())
}

/// Frees a register of a class at an operation: a value is computed again before its next use.
/// `is_repeated` says it of each operation of the part.
fn repeat(
    draft: &mut Draft,
    part: Part,
    is_repeated: &mut Vec<bool>,
    at: usize,
    class: RegisterClass,
) -> Result<(), RegisterClass> {
    let mut others = (at + 1..).zip(&is_repeated[at + 1..]);
    let next_of_program = others.find(|(_, is_repeated)| !**is_repeated);
    let (next_of_program, _) = next_of_program.ok_or(class)?;
    let value = farthest(draft, part, at, class).filter(|(_, next)| *next > next_of_program);
    let (value, next) = value.ok_or(class)?;
    let new = fresh(draft, class)?;
    read_instead(draft, part, next.., (value, new));
    let forms = draft.part_mut(part);
    let writer = forms.iter().position(|form| result(form) == Some(value));
    let writer = writer.expect("the value was found by its writer");
    let mut again = forms[writer];
    again.registers[0] = Some(new.number);
    forms.insert(next, again);
    is_repeated.insert(next, true);
    // Nobody may have read it before, and then it has only moved.
    if !forms.iter().any(|form| reads(form, value)) {
        forms.remove(writer);
        is_repeated.remove(writer);
    }
    Ok(())
}

/// The only register that an operation writes: results come first in all operations.
fn result(form: &Form) -> Option<Register> {
    let mut results = registers(form).filter(|(_, access)| access.writes());
    let (result, _) = results.next()?;
    results.next().is_none().then_some(result)
}

/// The value that could be computed again after an operation and whose next use is farthest, and
/// where that is.
fn farthest(
    draft: &Draft,
    part: Part,
    at: usize,
    class: RegisterClass,
) -> Option<(Register, usize)> {
    let forms = draft.part(part);
    let lifetimes = Lifetimes::of(draft);
    let next_use = |register| {
        let mut after = (at + 1..).zip(&forms[at + 1..]);
        after.find_map(|(position, form)| reads(form, register).then_some(position))
    };
    let writers = forms[..at].iter().filter(|form| is_pure(form));
    let values = writers.filter_map(|form| {
        let value = result(form).filter(|value| value.class == class)?;
        let next = next_use(value)?;
        is_available(forms, &lifetimes, part, form, next).then_some((value, next))
    });
    values.max_by_key(|(_, next)| *next)
}

/// Whether what an operation reads is still there at a later position, without living longer for it.
fn is_available(
    forms: &[Form],
    lifetimes: &Lifetimes,
    part: Part,
    form: &Form,
    position: usize,
) -> bool {
    let is_there = |register| {
        let changes = |form: &Form| registers(form).any(|r| r == (register, Access::Accumulate));
        let survives = lifetimes.outlives(register, part) || register.class == RegisterClass::Place;
        let is_read_later = || forms[position..].iter().any(|form| reads(form, register));
        !forms.iter().any(changes) && (survives || is_read_later())
    };
    let mut inputs = registers(form).filter(|(_, access)| access.reads());
    inputs.all(|(register, _)| is_there(register))
}
