//! Words in bytes.

use super::WORD_BYTES;
use super::error::{DecodeError, DecodeReason};
use super::reader::Reader;
use crate::form::{Form, Missing, REGISTERS};
use crate::{CoordinationOp, DenseOp, Pipe, SparseOp, Word, table};

const OPERATION_BYTES: usize = 20;

/// Offsets within an operation.
const FUNCTION: usize = 1;
const MASK: usize = 2;
const FIRST_REGISTER: usize = 3;
const CONSTANT: usize = FIRST_REGISTER + REGISTERS;

const NO_REGISTER: u8 = u8::MAX;
const NO_CONSTANT: u16 = u16::MAX;

/// Offset of `deps` within a word.
const DEPS: usize = 3 * OPERATION_BYTES;

pub(super) fn encode(word: &Word) -> [u8; WORD_BYTES] {
    let mut bytes = [0; WORD_BYTES];
    let operations = bytes.chunks_exact_mut(OPERATION_BYTES);
    for (to, form) in operations.zip(word.forms()) {
        to.copy_from_slice(&encode_operation(&form));
    }
    bytes[DEPS] = word.deps;
    bytes
}

fn encode_operation(form: &Form) -> [u8; OPERATION_BYTES] {
    let mut bytes = [0; OPERATION_BYTES];
    bytes[0] = form.opcode;
    bytes[FUNCTION] = form.function;
    bytes[MASK] = form.mask.unwrap_or(NO_REGISTER);
    for (to, register) in bytes[FIRST_REGISTER..CONSTANT]
        .iter_mut()
        .zip(form.registers)
    {
        *to = register.unwrap_or(NO_REGISTER);
    }
    let constant = form.constant.unwrap_or(NO_CONSTANT);
    bytes[CONSTANT..CONSTANT + 2].copy_from_slice(&constant.to_le_bytes());
    bytes
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Word, DecodeError> {
    let dense = decode_operation(reader, Pipe::Dense, DenseOp::from_form, DenseOp::form)?;
    let sparse = decode_operation(reader, Pipe::Sparse, SparseOp::from_form, SparseOp::form)?;
    let coordination = decode_operation(
        reader,
        Pipe::Coordination,
        CoordinationOp::from_form,
        CoordinationOp::form,
    )?;
    let deps = reader.u8()?;
    reader.expect(&[0; WORD_BYTES - DEPS - 1])?;
    Ok(Word {
        dense,
        sparse,
        coordination,
        deps,
    })
}

/// Reads an operation and checks that what it does not use has the value for that: the operation,
/// written again, must give the bytes read.
fn decode_operation<Op: Copy>(
    reader: &mut Reader<'_>,
    pipe: Pipe,
    from_form: fn(&Form) -> Result<Op, Missing>,
    form_of: fn(Op) -> Form,
) -> Result<Op, DecodeError> {
    let start = reader.offset();
    let bytes = reader.array::<OPERATION_BYTES>()?;
    let form =
        decode_form(pipe, &bytes).map_err(|(at, reason)| DecodeError::new(start + at, reason))?;
    let op = from_form(&form).map_err(|missing| missing_operand(start, &form, missing))?;
    let canonical = encode_operation(&form_of(op));
    for (at, (&found, &expected)) in bytes.iter().zip(&canonical).enumerate() {
        if found != expected {
            let reason = DecodeReason::Fixed { expected, found };
            return Err(DecodeError::new(start + at, reason));
        }
    }
    Ok(op)
}

/// The form, its opcode and its function known to exist.
fn decode_form(pipe: Pipe, bytes: &[u8; OPERATION_BYTES]) -> Result<Form, (usize, DecodeReason)> {
    let opcode = bytes[0];
    let Some(description) = table::operations(pipe).get(usize::from(opcode)) else {
        return Err((0, DecodeReason::Opcode { pipe, opcode }));
    };
    let function = bytes[FUNCTION];
    if usize::from(function) >= description.functions.len().max(1) {
        let mnemonic = description.mnemonic;
        return Err((FUNCTION, DecodeReason::Function { mnemonic, function }));
    }
    let register = |byte: u8| (byte != NO_REGISTER).then_some(byte);
    let mut registers = [None; REGISTERS];
    for (to, &byte) in registers.iter_mut().zip(&bytes[FIRST_REGISTER..CONSTANT]) {
        *to = register(byte);
    }
    let constant = u16::from_le_bytes([bytes[CONSTANT], bytes[CONSTANT + 1]]);
    Ok(Form {
        pipe,
        opcode,
        function,
        mask: register(bytes[MASK]),
        registers,
        constant: (constant != NO_CONSTANT).then_some(constant),
    })
}

fn missing_operand(start: usize, form: &Form, missing: Missing) -> DecodeError {
    let at = match missing {
        Missing::Register(position) => FIRST_REGISTER + position,
        Missing::Constant => CONSTANT,
    };
    let mnemonic = form.description().mnemonic;
    DecodeError::new(start + at, DecodeReason::MissingOperand { mnemonic })
}
