//! Streams of programs, kept by their shape.
//!
//! Packing a program takes longer than many queries do. What comes out depends on the operations and
//! not on the values of the constants that they name, and a server is asked few shapes of questions
//! with many values. So each thread keeps the words of the last shapes that it compiled.

use phext_siw::cc::{self, CompileError, Compiled, OptimizationTier, UnpackedProgram};
use phext_siw::{Constant, Stream};
use std::cell::RefCell;

/// Shapes that a thread keeps.
const KEPT: usize = 32;

thread_local! {
    /// The shapes that this thread compiled, the one last used at the end.
    static SHAPES: RefCell<Vec<Shape>> = const { RefCell::new(Vec::new()) };
}

/// A program without its constants, and its stream, likewise.
struct Shape {
    program: UnpackedProgram,
    tier: OptimizationTier,
    /// Whether the compiler may have put prefetches for the lanes, which their constant decides.
    is_asked_ahead: bool,
    stream: Stream,
}

impl Shape {
    fn fits(
        &self,
        program: &UnpackedProgram,
        tier: OptimizationTier,
        is_asked_ahead: bool,
    ) -> bool {
        self.tier == tier
            && self.is_asked_ahead == is_asked_ahead
            && self.program.each == program.each
            && self.program.once == program.once
            && self.program.last == program.last
    }
}

/// The stream of a program whose constants are valid: those of the lowering are.
///
/// # Errors
/// As [`cc::compile`].
pub(crate) fn compile(
    program: UnpackedProgram,
    tier: OptimizationTier,
) -> Result<Compiled, CompileError> {
    let is_asked_ahead = is_asked_ahead(&program);
    SHAPES.with_borrow_mut(|shapes| {
        let known = shapes
            .iter()
            .rposition(|shape| shape.fits(&program, tier, is_asked_ahead));
        if let Some(position) = known {
            let last = shapes.len() - 1;
            shapes.swap(position, last);
            let stream = Stream {
                constants: program.constants,
                ..shapes[last].stream.clone()
            };
            return Ok(Compiled { stream });
        }
        let shape = UnpackedProgram {
            constants: Vec::new(),
            once: program.once.clone(),
            each: program.each.clone(),
            last: program.last.clone(),
        };
        let mut compiled = cc::compile(program, tier)?;
        let constants = std::mem::take(&mut compiled.stream.constants);
        if shapes.len() == KEPT {
            shapes.remove(0);
        }
        shapes.push(Shape {
            program: shape,
            tier,
            is_asked_ahead,
            stream: compiled.stream.clone(),
        });
        compiled.stream.constants = constants;
        Ok(compiled)
    })
}

fn is_asked_ahead(program: &UnpackedProgram) -> bool {
    let mut constants = program.constants.iter();
    constants
        .find_map(|constant| match constant {
            Constant::Lanes(lanes) => Some(cc::is_asked_ahead(lanes)),
            _ => None,
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::query::{Fields, Filter, Query, Target};
    use phext_storage::coordinate::Coordinate;

    /// What was kept is what would be compiled.
    #[test]
    fn kept_streams_are_those_of_their_programs() {
        let at = |scroll| Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, scroll]).unwrap();
        let range = |from, to| Target::Range {
            from: at(from),
            to: at(to),
        };
        let targets = [
            range(1, 5),
            range(2, 9),
            range(3, 3),
            Target::Points(vec![at(1), at(4)]),
            Target::Points(vec![at(7), at(8), at(9)]),
            Target::Points(vec![at(2)]),
            Target::All,
        ];
        for _ in 0..2 {
            for target in &targets {
                for (text, tier) in [("a", 3), ("b", 3), ("b", 2), ("a", 0)] {
                    let query = Query {
                        filters: vec![Filter::contains(text), Filter::Length(3..=9)],
                        tier: OptimizationTier::of_number(tier).unwrap(),
                        ..Query::rows(target.clone(), Fields::TEXT)
                    };
                    let plan = Plan::new(&query).unwrap();
                    let program = plan.task.program(plan.step).unwrap();
                    let fresh = cc::compile(program, query.tier).unwrap();
                    assert_eq!(plan.compiled, fresh, "{query:?}");
                }
            }
        }
    }
}
