//! Operations that the executor does not run yet.

use super::{Site, ValidateError, ValidateReason};
use crate::form::Form;
use crate::table::opcode;
use crate::{Part, Pipe, Stream};

/// Refuses a stream with an operation that the executor has no arm for.
pub(super) fn check(stream: &Stream) -> Result<(), ValidateError> {
    for part in Part::ALL {
        for (word, forms) in stream
            .words(part)
            .iter()
            .map(|word| word.forms())
            .enumerate()
        {
            if let Some(form) = forms.iter().find(|form| !is_executed(form)) {
                let pipe = form.pipe;
                return Err(ValidateError {
                    site: Site::Operation { part, word, pipe },
                    reason: ValidateReason::NotExecutedYet(form.description().mnemonic),
                });
            }
        }
    }
    Ok(())
}

fn is_executed(form: &Form) -> bool {
    match (form.pipe, form.opcode) {
        (_, opcode::NOP) => true,
        (Pipe::Dense, opcode::DADD) => form.function == 0,
        (Pipe::Dense, opcode::DCMP) => form.function < 6,
        (Pipe::Dense, opcode::DRED) | (Pipe::Coordination, opcode::CREDUCE) => form.function < 4,
        (Pipe::Dense, code) => code <= opcode::DHASH,
        (Pipe::Sparse, opcode::SGATHER) => form.function == 0,
        (Pipe::Sparse, code) => code <= opcode::SNEIGHBR,
        (Pipe::Coordination, opcode::CSEND) => form.function == 0,
        (Pipe::Coordination, code) => code <= opcode::CREDUCE,
    }
}
