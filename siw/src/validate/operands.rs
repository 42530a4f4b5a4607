//! The rules about one operation by itself: its part and its operands.

use super::ValidateReason;
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{Constant, ConstantId, LaneKind, LaneSpec, MAX_ROWS, Part, Pipe, Queries, Stream};
use bytes::Bytes;
use phext_storage::phext::validate_text;
use std::ops::RangeInclusive;

/// The bytes of a q7 vector.
const VECTOR_BYTES: RangeInclusive<u8> = 0x20..=0x7E;
/// The bytes of a hypervector.
const HYPERVECTOR_BYTES: RangeInclusive<u8> = 0x40..=0x7F;

pub(super) fn check(stream: &Stream, part: Part, form: &Form) -> Result<(), ValidateReason> {
    let description = form.description();
    if !description.parts.contains(&part) {
        return Err(ValidateReason::WrongPart(description.mnemonic));
    }
    let functions = description.functions.len().max(1);
    if usize::from(form.function) >= functions {
        return Err(no_function(form));
    }
    check_registers(part, form)?;
    check_constant(stream, form)?;
    let reads = |access: Access| access.reads();
    if part == Part::Once && form.operands().any(|(operand, _)| reads(operand.access)) {
        return Err(ValidateReason::OnceReads);
    }
    Ok(())
}

/// Only dimensions and keys of tallies are numbers in the types; other functions are enums.
fn no_function(form: &Form) -> ValidateReason {
    match form.pipe {
        Pipe::Coordination => ValidateReason::TallyKey,
        _ => ValidateReason::Dimension(form.function),
    }
}

fn check_registers(part: Part, form: &Form) -> Result<(), ValidateReason> {
    let mut fields = 0;
    for (operand, register) in form.operands() {
        exists(register)?;
        if operand.lanes_only && part == Part::Last {
            return Err(ValidateReason::LaneField(operand.name));
        }
        fields += usize::from(operand.access == Access::Read);
    }
    form.mask_operand().map_or(Ok(()), exists)?;
    if form.pipe == Pipe::Coordination && form.opcode == opcode::CPACK && fields == 0 {
        return Err(ValidateReason::EmptyRow);
    }
    Ok(())
}

fn exists(register: Register) -> Result<(), ValidateReason> {
    let class: RegisterClass = register.class;
    if register.number >= class.count() {
        return Err(ValidateReason::NoRegister(register));
    }
    Ok(())
}

fn check_constant(stream: &Stream, form: &Form) -> Result<(), ValidateReason> {
    let Some((expected, id)) = form.description().constant.zip(form.constant) else {
        return Ok(());
    };
    let id = ConstantId(id);
    let Some(constant) = stream.constants.get(id.index()) else {
        return Err(ValidateReason::NoConstant(id));
    };
    let found = constant.kind();
    if found != expected {
        return Err(ValidateReason::ConstantKind {
            id,
            expected,
            found,
        });
    }
    match constant {
        Constant::Lanes(lanes) => check_lanes(form, id, lanes),
        Constant::Text(text) => check_text(form, id, text),
        Constant::Texts(texts) => check_texts(id, texts),
        Constant::Queries(queries) => check_queries(id, queries),
        _ => Ok(()),
    }
}

fn check_rows(id: ConstantId, asked: u64) -> Result<(), ValidateReason> {
    match asked > MAX_ROWS {
        true => Err(ValidateReason::TooManyRows { id, asked }),
        false => Ok(()),
    }
}

fn check_queries(id: ConstantId, queries: &Queries) -> Result<(), ValidateReason> {
    for (vector, text) in queries.vectors.iter().enumerate() {
        if !text.iter().all(|byte| VECTOR_BYTES.contains(byte)) {
            return Err(ValidateReason::NotVector(id));
        }
        if text.len() != queries.vectors[0].len() {
            return Err(ValidateReason::VectorLength { id, vector });
        }
    }
    check_rows(id, queries.rows())
}

fn check_lanes(form: &Form, id: ConstantId, lanes: &LaneSpec) -> Result<(), ValidateReason> {
    let description = form.description();
    let found = LaneKind::of(lanes);
    match description.lanes.contains(&found) {
        true => Ok(()),
        false => Err(ValidateReason::LaneKind {
            mnemonic: description.mnemonic,
            id,
            found,
        }),
    }
}

/// What is written must be what a scroll may hold.
fn check_texts(id: ConstantId, texts: &[Bytes]) -> Result<(), ValidateReason> {
    for (text, bytes) in texts.iter().enumerate() {
        validate_text(bytes).map_err(|error| ValidateReason::NotScroll { id, text, error })?;
    }
    Ok(())
}

/// Of the operations that take a text, DMATCH takes any.
fn check_text(form: &Form, id: ConstantId, text: &[u8]) -> Result<(), ValidateReason> {
    let within = |range: RangeInclusive<u8>| text.iter().all(|byte| range.contains(byte));
    match form.opcode {
        opcode::DDOT if !within(VECTOR_BYTES) => Err(ValidateReason::NotVector(id)),
        opcode::DHDBIND | opcode::DHDBUND | opcode::DHDSIM if !within(HYPERVECTOR_BYTES) => {
            Err(ValidateReason::NotHypervector(id))
        }
        _ => Ok(()),
    }
}
