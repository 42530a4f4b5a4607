//! The rules of [`super::UnpackedProgram`]: what packing relies on, and what keeps answers the same
//! at all tiers. The other rules of streams are left to the validator.

use super::draft::Draft;
use super::resource::{Table, registers, yields_lanes};
use super::{CompileError, OperationError};
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{Constant, Destination, LaneSpec, Part, Pipe, Reduction};
use phext_storage::coordinate::Coordinate;

/// Most operations of a part. Scheduling takes time in proportion to their square.
const MAX_OPERATIONS: usize = 4096;

pub(super) fn check(draft: &Draft, constants: &[Constant]) -> Result<(), CompileError> {
    let mut checker = Checker {
        constants,
        written: draft.table(None),
        folds: draft.table(None),
        sends: [false; 2],
        scatters: 0,
    };
    for part in Part::ALL {
        let forms = draft.part(part);
        if forms.len() > MAX_OPERATIONS {
            return Err(CompileError::Operations {
                part,
                count: forms.len(),
                limit: MAX_OPERATIONS,
            });
        }
        for (index, form) in forms.iter().enumerate() {
            let checked = checker.operation(part, index, form, forms);
            checked.map_err(|reason| CompileError::Operation {
                part,
                operation: index,
                reason,
            })?;
        }
    }
    checker.reads_of_accumulators(draft.part(Part::Each))
}

struct Checker<'a> {
    constants: &'a [Constant],
    /// The part that wrote a register.
    written: Table<Option<Part>>,
    /// How `each` folds into a register.
    folds: Table<Option<u8>>,
    /// Whether `each` has a CSEND to the sink, and one to a neighbour.
    sends: [bool; 2],
    scatters: usize,
}

impl Checker<'_> {
    fn operation(
        &mut self,
        part: Part,
        index: usize,
        form: &Form,
        forms: &[Form],
    ) -> Result<(), OperationError> {
        for (register, access) in registers(form) {
            self.read(part, register, access)?;
        }
        for (register, access) in registers(form) {
            self.write(part, form, register, access)?;
        }
        if part != Part::Each {
            return Ok(());
        }
        match (index == 0, yields_lanes(form)) {
            (true, false) => return Err(OperationError::LanesNotFirst),
            (false, true) => return Err(OperationError::LanesTwice),
            _ => {}
        }
        self.order_of_lanes(form, &forms[0])
    }

    fn read(&self, part: Part, register: Register, access: Access) -> Result<(), OperationError> {
        let written = self.written[register];
        match access {
            Access::Accumulate if part == Part::Each => {
                // A message accumulator starts empty.
                let is_message = register.class == RegisterClass::Message;
                match is_message || written == Some(Part::Once) {
                    true => Ok(()),
                    false => Err(OperationError::NotScalar(register)),
                }
            }
            access if access.reads() => {
                let outlives_batch = self.folds[register].is_some();
                let is_visible =
                    written == Some(part) || written == Some(Part::Once) || outlives_batch;
                match is_visible {
                    true => Ok(()),
                    false => Err(OperationError::Unwritten(register)),
                }
            }
            _ => Ok(()),
        }
    }

    fn write(
        &mut self,
        part: Part,
        form: &Form,
        register: Register,
        access: Access,
    ) -> Result<(), OperationError> {
        match access {
            Access::Write => {
                let before = self.written[register].replace(part);
                if before.is_some() || self.folds[register].is_some() {
                    return Err(OperationError::WrittenTwice(register));
                }
            }
            Access::Accumulate if part == Part::Each => {
                let is_message = register.class == RegisterClass::Message;
                if is_message && self.written[register].is_some() {
                    return Err(OperationError::WrittenTwice(register));
                }
                let kind = kind_of_fold(form);
                let before = self.folds[register].replace(kind);
                if before.is_some_and(|before| is_message || before != kind) {
                    return Err(OperationError::MixedFolds(register));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// With one lane a batch, a lane goes through all of `each` before the next one starts; with
    /// many, all lanes go through an operation. What others see must be the same.
    fn order_of_lanes(&mut self, form: &Form, lanes: &Form) -> Result<(), OperationError> {
        match (form.pipe, form.opcode) {
            (Pipe::Coordination, opcode::CSEND) => {
                // In a small group several neighbours are one sentron.
                let is_neighbour = form.function != Destination::Sink as u8;
                let sends = &mut self.sends[usize::from(is_neighbour)];
                if std::mem::replace(sends, true) {
                    return Err(OperationError::SendTwice);
                }
            }
            (Pipe::Sparse, opcode::SSCATTR) => {
                self.scatters += 1;
                if self.scatters > 1 && !self.are_distinct(lanes) {
                    return Err(OperationError::ScatterTwice);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn are_distinct(&self, lanes: &Form) -> bool {
        let constant = lanes.constant.map(usize::from);
        match constant.and_then(|id| self.constants.get(id)) {
            Some(Constant::Lanes(LaneSpec::Points(points))) => {
                points.is_sorted_by(|a: &Coordinate, b: &Coordinate| a < b)
            }
            _ => true,
        }
    }

    fn reads_of_accumulators(&self, each: &[Form]) -> Result<(), CompileError> {
        for (operation, form) in each.iter().enumerate() {
            for (register, access) in registers(form) {
                if access == Access::Read && self.folds[register].is_some() {
                    return Err(CompileError::Operation {
                        part: Part::Each,
                        operation,
                        reason: OperationError::AccumulatorRead(register),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Folds of one kind into one accumulator may be mixed lane by lane. A sum and a count both add.
fn kind_of_fold(form: &Form) -> u8 {
    const COUNT: u8 = Reduction::Count as u8;
    match form.function {
        COUNT => Reduction::Sum as u8,
        function => function,
    }
}
