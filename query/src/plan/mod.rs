//! From a query to what runs it: the steps, and the stream of the first.
//!
//! | the query wants | first step | then |
//! |---|---|---|
//! | rows in the order of the lanes | answer | |
//! | totals, groups | answer | groups in another order are sorted when all are there |
//! | the nearest of some scrolls only | nearest: the best by distance | the same query over these points |
//! | rows by length, or farthest first | best by a number | rows of these points, in their order |
//! | rows by coordinate, descending | last: the last coordinates | rows of these points, backwards |
//! | the nearest by coordinate | sort: all coordinates | rows of these points, in their order |
//!
//! A step that finds coordinates keeps at most `WINDOW` of them; where more are wanted it runs again
//! for those that come behind. So an order without a limit takes bounded memory and a pass over the
//! lanes for each million rows. The exceptions are searches for the nearest, which hold all that they
//! find, at most the number asked for, and fail where that is more than a million.

mod area;
mod describe;
mod selection;

pub(crate) use area::behind;
pub(crate) use selection::Selection;

use crate::compile::compile;
use crate::error::QueryError;
use crate::lower::{self, Behind};
use crate::query::{Fields, Order, OrderKey, Output, Query, Slice};
use phext_siw::cc::{CompileError, Compiled, OptimizationTier, UnpackedProgram};
use phext_siw::{Stream, TallyKey};
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::page_table::Nearest;
use phext_storage::{Phext, StoreError};

/// Most coordinates that a step keeps for the next one.
pub(crate) const WINDOW: u64 = 1 << 20;

/// What runs a query: its steps, and the stream of the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) task: Task,
    pub(crate) step: Step,
    pub(crate) compiled: Compiled,
}

/// What is left to do of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub(crate) selection: Selection,
    /// The search that the selection's lanes are to be cut down by, before anything else.
    pub(crate) nearest: Option<Nearest>,
    pub(crate) output: Output,
    pub(crate) order: Option<Order>,
    pub(crate) limit: u64,
    pub(crate) tier: OptimizationTier,
}

/// What the first stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its rows are those of the answer.
    Answer,
    /// It finds the nearest of some scrolls.
    Nearest { count: u64 },
    /// It finds the best rows by a number, of those that come behind a row where one is given.
    Best {
        key: OrderKey,
        descending: bool,
        behind: Option<Behind>,
    },
    /// It gives coordinates in their order, of which the last are wanted, backwards.
    Last,
    /// It gives coordinates that are to be brought into their order.
    Sort { descending: bool },
}

impl Plan {
    /// The plan of a query.
    ///
    /// # Errors
    /// The query asks for what does not go together.
    pub fn new(query: &Query) -> Result<Plan, QueryError> {
        Plan::of(Task::of(query)?)
    }

    pub(crate) fn of(task: Task) -> Result<Plan, QueryError> {
        let step = task.step();
        let compiled = task.compile(step)?;
        Ok(Plan {
            task,
            step,
            compiled,
        })
    }

    /// The stream of the first step. Those of later ones depend on what it finds.
    pub fn stream(&self) -> &Stream {
        &self.compiled.stream
    }

    /// How many lanes the plan runs over at most, or `enough` where it may be that many.
    ///
    /// # Errors
    /// Damage found in the store.
    pub fn estimate_lanes(&self, phext: &Phext, enough: u64) -> Result<u64, StoreError> {
        let lanes = phext.estimate_lanes(&self.task.selection.lanes, enough)?;
        let ends_early = self.step == Step::Answer
            && matches!(self.task.output, Output::Rows(_))
            && self.task.selection.filters.is_empty()
            && self.task.selection.test.is_none();
        let limit = match ends_early {
            true => self.task.limit,
            false => enough,
        };
        Ok(lanes.min(limit).min(enough))
    }
}

impl Task {
    /// All of a query.
    pub(crate) fn of(query: &Query) -> Result<Task, QueryError> {
        check(query)?;
        let (selection, nearest) = Selection::of(query);
        Ok(Task {
            selection,
            nearest,
            output: query.output.clone(),
            order: query.order,
            limit: query.limit.unwrap_or(u64::MAX),
            tier: query.tier,
        })
    }

    fn step(&self) -> Step {
        if let Some(nearest) = &self.nearest {
            let count = u64::from(nearest.count);
            return Step::Nearest { count };
        }
        let natural = Order::ascending(self.selection.natural);
        let (Output::Rows(_), Some(order)) = (&self.output, self.order) else {
            return Step::Answer;
        };
        let Order { key, descending } = order;
        match (key, self.selection.natural) {
            _ if order == natural => Step::Answer,
            (OrderKey::Coordinate, OrderKey::Coordinate) => Step::Last,
            (OrderKey::Coordinate, _) => Step::Sort { descending },
            (key, _) => Step::Best {
                key,
                descending,
                behind: None,
            },
        }
    }

    /// How many coordinates a step is to find at once.
    pub(crate) fn window(&self) -> u64 {
        self.limit.min(WINDOW)
    }

    /// The stream of a step.
    pub(crate) fn compile(&self, step: Step) -> Result<Compiled, QueryError> {
        Ok(compile(self.program(step)?, self.tier)?)
    }

    /// The program of a step.
    pub(crate) fn program(&self, step: Step) -> Result<UnpackedProgram, CompileError> {
        let selection = &self.selection;
        match step {
            Step::Answer => self.answer(),
            Step::Nearest { count } => {
                lower::best(selection, OrderKey::Distance, false, count, None)
            }
            Step::Best {
                key,
                descending,
                behind,
            } => lower::best(selection, key, descending, self.window(), behind),
            Step::Last | Step::Sort { .. } => lower::coordinates(selection),
        }
    }

    fn answer(&self) -> Result<UnpackedProgram, CompileError> {
        match self.output {
            Output::Rows(fields) => lower::rows(&self.selection, fields),
            Output::Count => lower::number_of(&self.selection),
            Output::Lengths => lower::lengths(&self.selection),
            Output::Groups { key, lengths } => lower::groups(&self.selection, key, lengths),
        }
    }
}

/// Refuses what does not go together.
fn check(query: &Query) -> Result<(), QueryError> {
    let has_origin = matches!(query.target, crate::query::Target::Nearest(_));
    let key = query.order.map(|order| order.key);
    match (&query.output, key) {
        (_, Some(OrderKey::Distance)) if !has_origin => Err(QueryError::NoOrigin),
        (Output::Rows(_), Some(OrderKey::Count)) => Err(QueryError::OrderOfRows),
        (Output::Rows(fields), _) => check_fields(*fields, has_origin),
        (Output::Count | Output::Lengths, Some(_)) => Err(QueryError::OrderOfTotals),
        (Output::Count | Output::Lengths, None) => Ok(()),
        (Output::Groups { key, .. }, order) => check_groups(*key, order),
    }
}

fn check_fields(fields: Fields, has_origin: bool) -> Result<(), QueryError> {
    if fields.distance && !has_origin {
        return Err(QueryError::NoOrigin);
    }
    match fields.text {
        Some(Slice::Lines { from: 0, .. }) => Err(QueryError::LineZero),
        _ => Ok(()),
    }
}

fn check_groups(key: TallyKey, order: Option<OrderKey>) -> Result<(), QueryError> {
    let is_key = match key {
        TallyKey::Leading(count) => (1..=DIMENSIONS).contains(&usize::from(count)),
        TallyKey::Component(dimension) => usize::from(dimension) < DIMENSIONS,
    };
    match order {
        _ if !is_key => Err(QueryError::GroupKey),
        None | Some(OrderKey::Coordinate | OrderKey::Count) => Ok(()),
        Some(key) => Err(QueryError::OrderOfGroups(key)),
    }
}
