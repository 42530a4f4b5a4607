//! Translation validation: a program and its streams do the same with the same values.
//!
//! Both are run over two batches with expressions for values. What they show to others, and what
//! they write, must be the same operations on the same expressions in the same order. This covers
//! all operations, whatever they compute.

use super::random;
use crate::cc::resource::{registers, yields_lanes};
use crate::cc::{CompileError, OptimizationTier, UnpackedProgram, compile};
use crate::form::Form;
use crate::register::Register;
use crate::table::{Access, opcode};
use crate::validate;
use crate::{ConstantKind, Part, Pipe, SparseOp, Stream, Word};
use proptest::prelude::*;
use std::collections::HashMap;

/// The number of an expression.
type Value = usize;

/// An operation on expressions, which of its results, and the batch of one that yields lanes.
type Expression = (Form, Vec<Option<Value>>, usize, usize);

/// All expressions; equal ones have one number.
#[derive(Default)]
struct Expressions(HashMap<Expression, Value>);

impl Expressions {
    fn number(&mut self, expression: Expression) -> Value {
        let next = self.0.len();
        *self.0.entry(expression).or_insert(next)
    }
}

/// What a run is seen to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    /// Messages and flushes.
    ordered: Vec<(Form, Vec<Option<Value>>)>,
    /// Writes and flushes.
    writes: Vec<(Form, Vec<Option<Value>>)>,
}

struct Run<'a> {
    expressions: &'a mut Expressions,
    registers: HashMap<(u8, u8), Value>,
    trace: Trace,
}

fn key(register: Register) -> (u8, u8) {
    (register.class as u8, register.number)
}

/// The operation without what its inputs say.
fn bare(form: &Form) -> Form {
    let takes_number = form.description().constant == Some(ConstantKind::Number);
    let is_input = takes_number && form.pipe == Pipe::Dense;
    Form {
        mask: None,
        registers: Default::default(),
        constant: form.constant.filter(|_| !is_input),
        ..*form
    }
}

impl Run<'_> {
    fn of(parts: [Vec<Vec<Form>>; 3], expressions: &mut Expressions) -> Trace {
        let mut run = Run {
            expressions,
            registers: HashMap::new(),
            trace: Trace::default(),
        };
        let [once, each, last] = parts;
        for (batch, words) in [once, each.clone(), each, last].iter().enumerate() {
            for word in words {
                run.word(word, batch);
            }
        }
        run.trace
    }

    /// All operations read before any writes.
    fn word(&mut self, word: &[Form], batch: usize) {
        let mut writes = Vec::new();
        for form in word {
            let inputs = self.inputs(form);
            let description = form.description();
            let effect = (bare(form), inputs.clone());
            let is_flush = form.pipe == Pipe::Sparse && form.opcode == opcode::SFLUSH;
            if description.mail != Access::None || is_flush {
                self.trace.ordered.push(effect.clone());
            }
            if description.phext != Access::None {
                self.trace.writes.push(effect);
            }
            // Lanes are those of the batch, and what is received depends on what was sent.
            let moment = match (yields_lanes(form), description.mail) {
                (true, _) => batch,
                (_, Access::None) => 0,
                _ => self.trace.ordered.len(),
            };
            let results = registers(form).filter(|(_, access)| access.writes());
            for (index, (register, _)) in results.enumerate() {
                let value = match self.copy(form, &inputs) {
                    Some(copied) => copied,
                    None => self
                        .expressions
                        .number((bare(form), inputs.clone(), index, moment)),
                };
                writes.push((key(register), value));
            }
        }
        self.registers.extend(writes);
    }

    /// A copy is what it copies.
    fn copy(&self, form: &Form, inputs: &[Option<Value>]) -> Option<Value> {
        let is_copy = form.pipe == Pipe::Dense && form.opcode == opcode::DMOV;
        is_copy.then(|| inputs[1])?
    }

    /// The values of the operands in their order; a number in place of a register is a value.
    fn inputs(&mut self, form: &Form) -> Vec<Option<Value>> {
        let description = form.description();
        let mut inputs = Vec::new();
        for (operand, number) in description.registers.iter().zip(form.registers) {
            let class = operand.class;
            let is_read = operand.access.reads();
            let register = number
                .filter(|_| is_read)
                .map(|number| Register { class, number });
            inputs.push(register.map(|register| self.read(register)));
        }
        if bare(form).constant != form.constant {
            // A number stands in the place of the last register.
            let constant = form.constant;
            let number = Form {
                constant,
                ..Form::nop(Pipe::Dense)
            };
            let number = self.expressions.number((number, Vec::new(), 0, 0));
            *inputs.last_mut().expect("it has operands") = Some(number);
        }
        inputs.push(form.mask_operand().map(|mask| self.read(mask)));
        inputs
    }

    /// What nothing has written is an expression of its own: a collection of rows, still empty.
    fn read(&mut self, register: Register) -> Value {
        match self.registers.get(&key(register)) {
            Some(value) => *value,
            None => self
                .expressions
                .number((Form::nop(Pipe::Coordination), Vec::new(), 0, 0)),
        }
    }
}

fn trace_of_program(program: &UnpackedProgram, expressions: &mut Expressions) -> Trace {
    let words = |part| {
        let operations = program.operations(part).iter();
        operations.map(|operation| vec![operation.form()]).collect()
    };
    Run::of(Part::ALL.map(words), expressions)
}

fn trace_of_stream(stream: &Stream, expressions: &mut Expressions) -> Trace {
    let words = |part| {
        let words = stream.words(part).iter();
        words.map(|word| word.forms().to_vec()).collect()
    };
    Run::of(Part::ALL.map(words), expressions)
}

/// Words that hold more than a prefetch.
fn words(stream: &Stream) -> usize {
    let is_prefetch = |word: &&Word| {
        let Word { sparse, .. } = **word;
        let alone = Word {
            deps: word.deps,
            ..Word::sparse(sparse)
        };
        matches!(sparse, SparseOp::Prefch { .. }) && **word == alone
    };
    let all = || Part::ALL.into_iter().flat_map(|part| stream.words(part));
    all().count() - all().filter(is_prefetch).count()
}

/// The streams of a program at all tiers; none where registers run out.
fn streams(program: &UnpackedProgram) -> Vec<Stream> {
    let tiers = OptimizationTier::ALL.into_iter();
    let streams = tiers.filter_map(|tier| match compile(program.clone(), tier) {
        Ok(compiled) => Some(compiled.stream),
        Err(CompileError::Registers { .. }) => None,
        Err(other) => panic!("{other}\n{program}"),
    });
    streams.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn streams_do_what_the_program_says(program in random::program()) {
        let program = program.0;
        let mut expressions = Expressions::default();
        let expected = trace_of_program(&program, &mut expressions);
        let streams = streams(&program);
        for stream in &streams {
            prop_assert_eq!(validate(stream), Ok(()), "{}\n{}", program, stream);
            let found = trace_of_stream(stream, &mut expressions);
            prop_assert!(found == expected, "{program}\n{stream}");
            if stream.tier > 0 && streams[0].tier == 0 {
                prop_assert!(words(stream) <= words(&streams[0]), "{}\n{}", program, stream);
            }
        }
    }
}

/// The canary of the test above: programs that do nothing, or have no stream, would prove nothing.
#[test]
fn random_programs_become_streams() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut compiled, mut packed, mut long) = (0, 0, 0);
    for _ in 0..200 {
        let program = random::program().new_tree(&mut runner).unwrap().current().0;
        let streams = streams(&program);
        compiled += usize::from(streams.len() == 4);
        if let [first, .., last] = &streams[..] {
            packed += usize::from(words(last) < words(first));
            long += usize::from(first.each.len() > 25);
        }
    }
    assert!(
        compiled > 150 && packed > 100 && long > 50,
        "of 200 programs {compiled} have streams, {packed} are packed, {long} are long"
    );
}
