//! What operations cost on this machine, measured.
//!
//! Nothing here is a constant from a book but one: a dependent multiplication takes three cycles and
//! an exclusive or one, as on the x86-64 cores of the last ten years and most AArch64 cores. By that
//! chain nanoseconds become cycles of the core as it runs, whatever its nominal speed. A short
//! calibration runs each operation over a small store in memory. What depends on the data (long
//! texts, pages on disk, a sink that waits) costs more than calibration says.

mod calibration;

use crate::form::Form;
use crate::table::opcode;
use crate::{BATCH_LANES, Constant, Part, Stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What operations cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// Cycles of the core a nanosecond.
    pub cycles_per_nanosecond: f64,
    /// Cycles of a word whatever it does, once a batch.
    pub cycles_per_word: f64,
    /// Cycles of a batch whatever is done with it.
    pub cycles_per_batch: f64,
    /// Cycles of an operation for each active lane, or for each time where it counts one whatever the
    /// lanes, by its name as in the text of a stream, like `DADD.u64`; of CDOT for each query too. Operations that calibration
    /// could not run are missing.
    pub cycles_per_op: BTreeMap<String, f64>,
}

/// The model of this process.
static MODEL: OnceLock<CostModel> = OnceLock::new();

impl CostModel {
    /// The model of this process: the one given to [`CostModel::install`], or else the result of a
    /// calibration, which the first call waits for (under 100 ms).
    pub fn of_process() -> &'static Self {
        MODEL.get_or_init(Self::measure)
    }

    /// The model of this process if there is one already.
    pub fn if_known() -> Option<&'static Self> {
        MODEL.get()
    }

    /// Makes a model, saved by an earlier process on this machine, that of the process. False where
    /// there is one already.
    pub fn install(model: Self) -> bool {
        MODEL.set(model).is_ok()
    }

    /// A calibration of its own.
    pub fn measure() -> Self {
        calibration::measure()
    }

    /// The model as JSON.
    ///
    /// # Errors
    /// A cost is not a finite number.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// A model from JSON.
    ///
    /// # Errors
    /// It is not that of a model.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// What a stream is expected to cost.
    pub fn of_stream(&self, stream: &Stream) -> StreamCost {
        let mut cost = StreamCost {
            lanes_of_batch: if stream.tier == 0 {
                1
            } else {
                BATCH_LANES as u64
            },
            per_batch: self.cycles_per_batch,
            ..StreamCost::default()
        };
        for part in Part::ALL {
            for word in stream.words(part) {
                let dispatch = match part {
                    Part::Each => &mut cost.per_batch,
                    Part::Once | Part::Last => &mut cost.fixed,
                };
                *dispatch += self.cycles_per_word;
                for form in word
                    .forms()
                    .iter()
                    .filter(|form| form.opcode != opcode::NOP)
                {
                    self.add(&mut cost, part, form, repeats(form, &stream.constants));
                }
            }
        }
        cost
    }

    fn add(&self, cost: &mut StreamCost, part: Part, form: &Form, repeats: f64) {
        let Some(&cycles) = self.cycles_per_op.get(&form.name()) else {
            return;
        };
        let (total, ops) = match part {
            Part::Each if counts_lanes(form) => (&mut cost.per_lane, &mut cost.ops_per_lane),
            Part::Each => (&mut cost.per_batch, &mut cost.ops_per_batch),
            Part::Once | Part::Last => (&mut cost.fixed, &mut cost.ops_fixed),
        };
        *total += cycles * repeats;
        *ops += 1;
    }
}

/// How often an operation does its work in a lane: CDOT once for each query.
fn repeats(form: &Form, constants: &[Constant]) -> f64 {
    let constant = form.constant.and_then(|id| constants.get(usize::from(id)));
    match constant {
        Some(Constant::Queries(queries)) => queries.vectors.len() as f64,
        _ => 1.0,
    }
}

/// Whether an operation counts one for each active lane. Those on the group, and those without
/// operands, count one.
fn counts_lanes(form: &Form) -> bool {
    let description = form.description();
    description.parts.contains(&Part::Each) && !description.registers.is_empty()
}

/// What a stream is expected to cost in cycles, and how many ops it retires.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StreamCost {
    /// Lanes of a full batch.
    pub lanes_of_batch: u64,
    /// Cycles of a lane that no mask leaves out.
    pub per_lane: f64,
    /// Cycles of a batch besides those of its lanes.
    pub per_batch: f64,
    /// Cycles of `once` and `last`.
    pub fixed: f64,
    /// Ops of a lane.
    pub ops_per_lane: u64,
    /// Ops of a batch besides those of its lanes.
    pub ops_per_batch: u64,
    /// Ops of `once` and `last`.
    pub ops_fixed: u64,
}

impl StreamCost {
    /// Batches of so many lanes.
    pub fn batches(&self, lanes: u64) -> u64 {
        lanes.div_ceil(self.lanes_of_batch.max(1))
    }

    /// Cycles over so many lanes, none of them left out by a mask.
    pub fn cycles(&self, lanes: u64) -> f64 {
        self.fixed + self.per_batch * self.batches(lanes) as f64 + self.per_lane * lanes as f64
    }

    /// Ops over so many lanes, none of them left out by a mask.
    pub fn ops(&self, lanes: u64) -> u64 {
        self.ops_fixed + self.ops_per_batch * self.batches(lanes) + self.ops_per_lane * lanes
    }
}
