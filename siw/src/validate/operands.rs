//! The rules about one operation by itself: its part and its operands.

use super::ValidateReason;
use crate::form::Form;
use crate::register::{Register, RegisterClass};
use crate::table::{Access, opcode};
use crate::{ConstantId, Part, Pipe, Stream};

pub(super) fn check(stream: &Stream, part: Part, form: &Form) -> Result<(), ValidateReason> {
    let description = form.description();
    if !description.parts.contains(&part) {
        return Err(ValidateReason::WrongPart(description.mnemonic));
    }
    let functions = description.functions.len().max(1);
    if usize::from(form.function) >= functions {
        // Only a dimension is a number in the types; other functions are enums.
        return Err(ValidateReason::Dimension(form.function));
    }
    check_registers(part, form)?;
    check_constant(stream, form)?;
    if part == Part::Once && form.opcode != opcode::NOP && form.constant.is_none() {
        return Err(ValidateReason::OnceReads);
    }
    Ok(())
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
    Ok(())
}
