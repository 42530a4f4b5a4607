//! Words: up to three operations, each read by its row of [`crate::table`].

use super::Names;
use super::cursor::Cursor;
use super::error::AssembleError;
use crate::form::{Form, Missing};
use crate::register::{Register, RegisterClass};
use crate::table::{self, Description};
use crate::{CoordinationOp, DenseOp, Pipe, SparseOp, Word};

/// A word: operations separated by `|`, in the order of the pipes. A pipe that is left out has a NOP.
pub(super) fn word(cursor: &mut Cursor<'_>, names: &Names<'_>) -> Result<Word, AssembleError> {
    let mut word = Word::NOP;
    let mut pipes = &Pipe::ALL[..];
    loop {
        let operation = Operation::read(cursor, names, pipes)?;
        let pipe = operation.form.pipe;
        match pipe {
            Pipe::Dense => {
                word.dense = operation.complete(DenseOp::from_form, DenseOp::form)?;
            }
            Pipe::Sparse => {
                word.sparse = operation.complete(SparseOp::from_form, SparseOp::form)?;
            }
            Pipe::Coordination => {
                let (from_form, form_of) = (CoordinationOp::from_form, CoordinationOp::form);
                word.coordination = operation.complete(from_form, form_of)?;
            }
        }
        let taken = pipes.iter().position(|&other| other == pipe);
        pipes = &pipes[taken.map_or(0, |position| position + 1)..];
        if !cursor.eat('|') {
            return Ok(word);
        }
    }
}

/// An operation as it stands in the text.
struct Operation<'t> {
    form: Form,
    /// Where it begins.
    start: Cursor<'t>,
    /// Behind its operands.
    end: Cursor<'t>,
}

impl<'t> Operation<'t> {
    /// An operation of one of the pipes.
    fn read(
        cursor: &mut Cursor<'t>,
        names: &Names<'_>,
        pipes: &[Pipe],
    ) -> Result<Self, AssembleError> {
        cursor.skip_spaces();
        let start = cursor.clone();
        let mnemonic = cursor.name();
        let all = pipes.iter().flat_map(|&pipe| table::operations(pipe));
        let mut called = all.filter(|description| description.mnemonic == mnemonic);
        let Some(description) = called.next() else {
            return Err(start.expected(operations_of(pipes)));
        };
        let mut form = Form {
            opcode: description.opcode,
            function: function(cursor, description)?,
            ..Form::nop(description.pipe)
        };
        operands(cursor, names, &mut form)?;
        let end = cursor.clone();
        if cursor.eat('{') {
            form.mask = Some(mask(cursor, description)?);
        }
        Ok(Self { form, start, end })
    }

    /// The operation, if the form has all that it needs and nothing else.
    fn complete<Op: Copy>(
        &self,
        from_form: fn(&Form) -> Result<Op, Missing>,
        form_of: fn(Op) -> Form,
    ) -> Result<Op, AssembleError> {
        match from_form(&self.form) {
            Ok(op) if form_of(op) == self.form => Ok(op),
            Ok(_) => Err(self
                .start
                .expected(format!("{self} with its own operands only"))),
            Err(_) => Err(ends_early(&self.end, &self.form)),
        }
    }
}

impl std::fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let description = self.form.description();
        f.write_str(description.mnemonic)?;
        match description.functions.get(usize::from(self.form.function)) {
            Some(function) => write!(f, ".{function}"),
            None => Ok(()),
        }
    }
}

fn operations_of(pipes: &[Pipe]) -> String {
    match pipes {
        [] => "the end of the line: a word has one operation a pipe".to_owned(),
        pipes => {
            let letters: Vec<_> = pipes.iter().map(Pipe::to_string).collect();
            format!("an operation of pipe {}", letters.join(" or "))
        }
    }
}

/// The code of the function after the dot.
fn function(cursor: &mut Cursor<'_>, description: &Description) -> Result<u8, AssembleError> {
    let functions = description.functions;
    if functions.is_empty() {
        return Ok(0);
    }
    let start = cursor.clone();
    let found = cursor.eat_here('.').then(|| cursor.name());
    let position = functions.iter().position(|&name| Some(name) == found);
    position
        .and_then(|position| u8::try_from(position).ok())
        .ok_or_else(|| start.expected(format!("one of .{}", functions.join(", ."))))
}

/// The operands up to the mask, the next pipe or the end.
fn operands(
    cursor: &mut Cursor<'_>,
    names: &Names<'_>,
    form: &mut Form,
) -> Result<(), AssembleError> {
    let description = form.description();
    if is_at_end_of_operands(cursor) {
        return require(cursor, form);
    }
    loop {
        cursor.skip_spaces();
        let start = cursor.clone();
        let name = cursor.name();
        let field = cursor.peek() == Some('=');
        match (register(name), names.get(name)) {
            _ if field => {
                let position = named(&start, form, name)?;
                cursor.eat_here('=');
                let start = cursor.clone();
                let register = register(cursor.name());
                set(&start, form, Some(position), register)?;
            }
            _ if form.constant.is_some() => return Err(start.expected(next_operand(form))),
            (None, Some(&id)) if takes_constant(form) => form.constant = Some(id.0),
            (Some(register), _) => {
                let unnamed = |position: &usize| {
                    description.registers[*position].name.is_empty()
                        && form.registers[*position].is_none()
                };
                let position = (0..description.registers.len()).find(unnamed);
                set(&start, form, position, Some(register))?;
            }
            _ => return Err(start.expected(next_operand(form))),
        }
        if !cursor.eat(',') {
            return require(cursor, form);
        }
    }
}

fn is_at_end_of_operands(cursor: &mut Cursor<'_>) -> bool {
    cursor.is_at_end() || matches!(cursor.peek(), Some('|' | '{'))
}

/// The position of the operand of a name, which has no register yet.
fn named(start: &Cursor<'_>, form: &Form, name: &str) -> Result<usize, AssembleError> {
    let registers = form.description().registers.iter().enumerate();
    let free = registers.filter(|&(position, operand)| {
        !operand.name.is_empty() && form.registers[position].is_none()
    });
    let mut called = free.filter(|(_, operand)| operand.name == name);
    match called.next() {
        Some((position, _)) => Ok(position),
        None => Err(start.expected(next_operand(form))),
    }
}

/// Puts a register at a position, if it is of the right class.
fn set(
    start: &Cursor<'_>,
    form: &mut Form,
    position: Option<usize>,
    register: Option<Register>,
) -> Result<(), AssembleError> {
    let Some(position) = position else {
        return Err(start.expected(next_operand(form)));
    };
    let class = form.description().registers[position].class;
    match register {
        Some(register) if register.class == class && register.number < class.count() => {
            form.registers[position] = Some(register.number);
            Ok(())
        }
        _ => Err(
            start.expected(match form.description().registers[position].name {
                "" => next_operand(form),
                _ => registers_of(class),
            }),
        ),
    }
}

/// Whether a constant can be the next operand, which is the last.
fn takes_constant(form: &Form) -> bool {
    form.description().constant.is_some() && form.constant.is_none() && required(form).is_none()
}

/// The position of the first register that the operation cannot do without and has not.
fn required(form: &Form) -> Option<usize> {
    let mut operands = form.description().registers.iter().zip(form.registers);
    operands.position(|(operand, register)| !operand.optional && register.is_none())
}

/// Fails where a register that the operation cannot do without is absent.
fn require(cursor: &Cursor<'_>, form: &Form) -> Result<(), AssembleError> {
    match required(form) {
        Some(_) => Err(ends_early(cursor, form)),
        None => Ok(()),
    }
}

/// Says that an operand is wanted behind those of a form, or the comma before it.
fn ends_early(cursor: &Cursor<'_>, form: &Form) -> AssembleError {
    match is_at_end_of_operands(&mut cursor.clone()) {
        true => cursor.expected(next_operand(form)),
        false => cursor.expected("`,`"),
    }
}

/// What the operand after those of a form can be.
fn next_operand(form: &Form) -> String {
    let description = form.description();
    let registers = description.registers;
    if form.constant.is_some() {
        return "the end of the operation".to_owned();
    }
    let free = |position: &usize| form.registers[*position].is_none();
    let mut can = Vec::new();
    match (0..registers.len()).find(free) {
        Some(first) if registers[first].name.is_empty() => {
            can.push(registers_of(registers[first].class));
        }
        Some(first) => {
            let fields: Vec<_> = (first..registers.len())
                .filter(free)
                .map(|field| format!("{}=", registers[field].name))
                .collect();
            can.push(format!("a field: {}", fields.join(", ")));
        }
        None => {}
    }
    match description.constant {
        Some(kind) if takes_constant(form) => {
            can.push(format!("the name of a constant of kind {kind}"));
        }
        _ => {}
    }
    match can.is_empty() {
        true => "the end of the operation".to_owned(),
        false => can.join(" or "),
    }
}

fn mask(cursor: &mut Cursor<'_>, description: &Description) -> Result<u8, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    if !description.masked {
        let mnemonic = description.mnemonic;
        return Err(start.expected(format!("no mask: {mnemonic} takes none")));
    }
    let class = RegisterClass::Mask;
    let Some(mask) = register(cursor.name()).filter(|register| {
        let number = register.number;
        register.class == class && number < class.count()
    }) else {
        return Err(start.expected(registers_of(class)));
    };
    match cursor.eat('}') {
        true => Ok(mask.number),
        false => Err(cursor.expected("`}`")),
    }
}

/// The register of a name, whether or not there are so many.
pub(super) fn register(name: &str) -> Option<Register> {
    let class = RegisterClass::ALL
        .into_iter()
        .find(|class| name.starts_with(class.letter()))?;
    let digits = &name[1..];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Register {
        class,
        number: digits.parse().unwrap_or(u8::MAX),
    })
}

fn registers_of(class: RegisterClass) -> String {
    let (letter, last) = (class.letter(), class.count() - 1);
    format!("a register {letter}0 to {letter}{last}")
}
