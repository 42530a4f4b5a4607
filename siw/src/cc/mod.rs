//! phextcc, the back half: from single operations over virtual registers to a stream.
//!
//! ```text
//! UnpackedProgram --check--> draft --simplify--> draft --prefetch--> draft
//!                                                                      |
//!         Stream <--validate-- words <--allocate-- schedule <----------+
//! ```
//!
//! | question | module |
//! |---|---|
//! | What is a program, and how do I make one? | [`program`] |
//! | Which programs are refused, and why? | [`error`] |
//! | Which operations go, or become one? | `simplify` |
//! | Where are prefetches put? | `prefetch` |
//! | What must come before what? | `dependencies`, by the `resource`s that operations name |
//! | How do operations come into words? | `schedule` |
//! | How do values get registers? | `allocate` |
//! | What if there are too few? | `pressure`, `rematerialise`, `search` |
//! | What will it cost, and where should it run? | [`cost`], [`metadata`] |
//!
//! | tier | words | batches |
//! |---|---|---|
//! | 0 | one operation each, in the order of the program | of one lane |
//! | 1 | one operation each, those of a pipe together as far as dependencies allow | of 1,024 lanes |
//! | 2 | up to three operations, after common subexpressions are merged | of 1,024 lanes |
//! | 3 | as 2, with prefetches | of 1,024 lanes, the next one prefetched |
//!
//! The tier changes no answer. The program says nothing of prefetches: those in it are left out, and
//! tier 3 puts its own.
//!
//! What is absent: the choice of a plan, which is the query planner's; loop-invariant code motion,
//! as `once` has numbers only; and spilling, as there is no memory to spill to.

mod allocate;
mod check;
pub mod cost;
mod dependencies;
mod draft;
pub mod error;
pub mod metadata;
mod prefetch;
mod pressure;
pub mod program;
mod rematerialise;
mod resource;
mod schedule;
mod search;
mod simplify;
#[cfg(test)]
pub(crate) mod tests;
mod tier;

pub use cost::{CostModel, StreamCost};
pub use error::{CompileError, OperationError};
pub use metadata::{SIWMetadata, Workload};
pub use prefetch::is_asked_ahead;
pub use program::{Op, ProgramBuilder, UnpackedProgram, VIRTUAL_REGISTERS};
pub use tier::OptimizationTier;

use crate::form::Form;
use crate::register::RegisterClass;
use crate::validate;
use crate::word::link;
use crate::{Constant, CoordinationOp, DenseOp, Part, Pipe, SparseOp, Stream, Word};
use allocate::{Numbers, Schedules, allocate};
use draft::{Draft, Lifetimes};
use schedule::{Order, Slots, Strategy, schedule};

/// What a program became.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// A valid stream. Its constants are those of the program, at the same positions: whoever keeps
    /// the stream may put others of the same kind in their place, and need not compile again.
    pub stream: Stream,
}

impl Compiled {
    /// What the stream is expected to do, by the cost model of the process. The first call in a
    /// process may wait for a calibration, which is why compiling alone does not ask for it.
    pub fn metadata(&self, workload: &Workload) -> SIWMetadata {
        SIWMetadata::of(&self.stream, CostModel::of_process(), workload)
    }
}

/// Makes a stream of a program.
///
/// Takes time in proportion to the square of the operations, and to the points of the constants.
///
/// # Errors
/// The program breaks a rule of [`UnpackedProgram`] or of [`validate()`](crate::validate()), or needs
/// more registers than there are.
pub fn compile(program: UnpackedProgram, tier: OptimizationTier) -> Result<Compiled, CompileError> {
    let draft = Draft::of(&program);
    let constants = program.constants;
    check::check(&draft, &constants)?;
    let words = words(draft, &constants, tier)?;
    let stream = stream(words, constants, tier);
    validate(&stream)?;
    Ok(Compiled { stream })
}

fn words(
    mut draft: Draft,
    constants: &[Constant],
    tier: OptimizationTier,
) -> Result<[Vec<Word>; 3], CompileError> {
    simplify::remove_dead(&mut draft);
    let mut plain = draft.clone();
    if tier.is_packed() {
        simplify::propagate(&mut draft);
        simplify::merge(&mut draft);
        simplify::remove_dead(&mut draft);
    }
    if tier == OptimizationTier::Tier3PhextOptimal {
        for draft in [&mut draft, &mut plain] {
            prefetch::insert(draft, constants);
        }
    }
    if let Ok(words) = attempt(&draft, tier) {
        return Ok(words);
    }
    // Values that are merged, and numbers of `once`, live longer than those of the program as it is.
    attempt(&plain, tier)
        .or_else(|_| attempt_with_repetitions(plain.clone(), tier))
        .or_else(|_| attempt_with_repetitions(draft, tier))
        .or_else(|lacking| {
            let ordered = search::within_registers(&plain).ok_or(lacking)?;
            attempt(&ordered, tier)
        })
        .map_err(|class| CompileError::Registers {
            class,
            limit: class.count(),
        })
}

/// The words of the first schedule for which there are enough registers.
fn attempt(draft: &Draft, tier: OptimizationTier) -> Result<[Vec<Word>; 3], RegisterClass> {
    let lifetimes = Lifetimes::of(draft);
    let mut lacking = RegisterClass::Number;
    for &strategy in tier.strategies() {
        let schedules = Part::ALL.map(|part| schedule(draft, &lifetimes, part, strategy));
        let [Some(once), Some(each), Some(last)] = schedules else {
            continue;
        };
        let schedules = [once, each, last];
        match allocate(draft, &lifetimes, &schedules) {
            Ok(numbers) => return Ok(pack(draft, &schedules, &numbers)),
            Err(class) => lacking = class,
        }
    }
    Err(lacking)
}

/// As [`attempt`], after operations are repeated where their results would live too long.
fn attempt_with_repetitions(
    draft: Draft,
    tier: OptimizationTier,
) -> Result<[Vec<Word>; 3], RegisterClass> {
    let ordered = with_fewest_registers(&draft);
    let relieved = |mut draft: Draft| {
        rematerialise::relieve(&mut draft)?;
        attempt(&draft, tier)
    };
    relieved(draft).or_else(|_| relieved(ordered))
}

/// The draft with its operations in the order that keeps as few values as it can.
fn with_fewest_registers(draft: &Draft) -> Draft {
    let lifetimes = Lifetimes::of(draft);
    let mut ordered = draft.clone();
    for part in Part::ALL {
        let forms = draft.part(part);
        let strategy = Strategy {
            order: Order::FewestRegisters,
            is_packed: false,
        };
        let words = schedule(draft, &lifetimes, part, strategy);
        let words = words.expect("this order always finds a way on");
        let positions = words.iter().flatten().flatten();
        *ordered.part_mut(part) = positions.map(|&at| forms[usize::from(at)]).collect();
    }
    ordered
}

/// The words of the schedules, with real registers.
fn pack(draft: &Draft, schedules: &Schedules, numbers: &Numbers) -> [Vec<Word>; 3] {
    Part::ALL.map(|part| {
        let forms = draft.part(part);
        let words = schedules[part as usize].iter();
        let mut words: Vec<Word> = words.map(|slots| word(forms, slots, numbers)).collect();
        link(&mut words);
        words
    })
}

fn word(forms: &[Form], slots: &Slots, numbers: &Numbers) -> Word {
    const COMPLETE: &str = "the form of an operation has all its operands";
    let form = |pipe: Pipe| {
        let position = slots[pipe as usize];
        position.map_or(Form::nop(pipe), |position| {
            with_real_registers(&forms[usize::from(position)], numbers)
        })
    };
    Word {
        dense: DenseOp::from_form(&form(Pipe::Dense)).expect(COMPLETE),
        sparse: SparseOp::from_form(&form(Pipe::Sparse)).expect(COMPLETE),
        coordination: CoordinationOp::from_form(&form(Pipe::Coordination)).expect(COMPLETE),
        deps: 0,
    }
}

fn with_real_registers(form: &Form, numbers: &Numbers) -> Form {
    let mut real = *form;
    let operands = form.description().registers.iter();
    for (operand, number) in operands.zip(&mut real.registers) {
        let class = operand.class;
        *number = number.map(|number| numbers[crate::register::Register { class, number }]);
    }
    real.mask = form.mask_operand().map(|mask| numbers[mask]);
    real
}

fn stream(words: [Vec<Word>; 3], constants: Vec<Constant>, tier: OptimizationTier) -> Stream {
    let [once, each, last] = words;
    Stream {
        tier: tier.number(),
        constants,
        once,
        each,
        last,
    }
}
