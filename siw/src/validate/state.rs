//! Which registers have a value at a point of a stream.

use super::ValidateReason;
use crate::form::Form;
use crate::register::{RegisterClass, RegisterSet};
use crate::table::Access;
use crate::{Part, Stream};

/// The registers written so far, in the order of execution.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// By `once`, and by the words before the one at hand.
    before: RegisterSet,
    /// By the word at hand.
    word: RegisterSet,
    /// By `once`, when that is done.
    scalars: RegisterSet,
    /// The message registers that `each` accumulates into.
    accumulators: RegisterSet,
}

/// The message registers that CTOP, CDOT and CTALLY accumulate into.
pub(super) fn accumulators(stream: &Stream) -> RegisterSet {
    let mut accumulators = RegisterSet::EMPTY;
    for word in &stream.each {
        let form = word.coordination.form();
        for (operand, register) in form.operands() {
            let is_message = register.class == RegisterClass::Message;
            if is_message && operand.access == Access::Accumulate {
                accumulators = accumulators.union(RegisterSet::of(register));
            }
        }
    }
    accumulators
}

impl Written {
    /// What `each` starts from, given what `once` left.
    pub(super) fn each(&self, accumulators: RegisterSet) -> Self {
        let scalars = self.before.union(self.word);
        Self {
            before: scalars,
            word: RegisterSet::EMPTY,
            scalars,
            accumulators,
        }
    }

    /// What `last` starts from, given what `once` left. Of `each` the accumulators outlive the batch
    /// only.
    pub(super) fn last(&self, accumulators: RegisterSet) -> Self {
        let mut last = self.each(RegisterSet::EMPTY);
        last.before = last.before.union(accumulators);
        last
    }

    /// Ends the word at hand: what it wrote can be read from now on.
    pub(super) fn next_word(&mut self) {
        self.before = self.before.union(self.word);
        self.word = RegisterSet::EMPTY;
    }

    /// Checks what an operation of the word at hand reads, and that scalars stay scalars.
    pub(super) fn check_access(&self, part: Part, form: &Form) -> Result<(), ValidateReason> {
        for (operand, register) in form.operands() {
            let one = RegisterSet::of(register);
            let scalar = self.scalars.contains(one);
            if self.accumulators.contains(one) {
                let is_its_own = operand.access == Access::Accumulate;
                if !is_its_own || self.before.contains(one) {
                    return Err(ValidateReason::AccumulatorShared(register));
                }
                continue;
            }
            match operand.access {
                Access::Accumulate if part == Part::Each && !scalar => {
                    return Err(ValidateReason::NotScalar(register));
                }
                Access::Write if part == Part::Each && scalar => {
                    return Err(ValidateReason::ScalarOverwritten(register));
                }
                access if access.reads() && !self.before.contains(one) => {
                    return Err(ValidateReason::Unwritten(register));
                }
                _ => {}
            }
        }
        match form.mask_operand() {
            Some(mask) if !self.before.contains(RegisterSet::of(mask)) => {
                Err(ValidateReason::Unwritten(mask))
            }
            _ => Ok(()),
        }
    }

    /// Notes what an operation of the word at hand writes.
    pub(super) fn write(&mut self, form: &Form) -> Result<(), ValidateReason> {
        for (operand, register) in form.operands() {
            if !operand.access.writes() {
                continue;
            }
            let one = RegisterSet::of(register);
            if self.word.contains(one) {
                return Err(ValidateReason::WriteConflict(register));
            }
            self.word = self.word.union(one);
        }
        Ok(())
    }
}
