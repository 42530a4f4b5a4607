//! What operations cost on this machine, measured.
//!
//! Nothing here is a constant from a book but one: a dependent multiplication takes three cycles and
//! an exclusive or one, as on the x86-64 cores of the last ten years and most AArch64 cores. By that
//! chain nanoseconds become cycles of the core as it runs, whatever its nominal speed. A short
//! calibration runs each operation over a small store in memory.
//!
//! What it costs to find lanes depends on where they lie. Ranges are walked, and neighbours are near each
//! other; points, and what lies in a region or near a coordinate, are found here and there
//! ([`StreamCost::lines_per_lane`]). The more of them there are, the less of what they touch is in the
//! first caches: a read at random is timed over sets of memory of several sizes. A region has to test
//! blocks of keys for what it yields; how many is for whoever asks to know ([`Workload::blocks`]).
//!
//! What depends on the data otherwise (long texts, pages on disk, a sink that waits) costs more than
//! calibration says.
//!
//! [`Workload::blocks`]: super::Workload::blocks

mod calibration;
mod clock;
mod median;
mod memory;

use super::Workload;
use super::resource::yields_lanes;
use crate::execute::survey::only_counts;
use crate::form::Form;
use crate::table::opcode;
use crate::{BATCH_LANES, Constant, LaneSpec, Part, SparseOp, Stream, Word};
use phext_storage::page_table::BLOCK_SLOTS;
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
    /// lanes, by its name as in the text of a stream, like `DADD.u64`; of CDOT for each query too.
    /// `SLANES.points` is SLANES of points, and `.counted` behind what yields lanes is the same where they
    /// are only counted. Operations that calibration could not run are missing.
    pub cycles_per_op: BTreeMap<String, f64>,
    /// Cycles of a block of keys that a region is looked for in, besides those of the lanes that it
    /// yields.
    #[serde(default)]
    pub cycles_per_block: f64,
    /// Cycles of a read at random from a set of so many bytes, while others are under way.
    #[serde(default)]
    pub cycles_per_line: BTreeMap<u64, f64>,
}

/// Ways to find lanes, as in the names of costs.
const POINTS: &str = "points";
const COUNTED: &str = "counted";

/// Calibrations of which the median counts.
const CALIBRATIONS: usize = 3;
/// Bytes of a cache line.
const LINE_BYTES: u64 = 64;
/// Lines that are read where a lane is found by itself: of the directory or a block of keys, of the
/// record or the entry's head, and of the entry.
const LINES_PER_LANE: u64 = 3;

/// The model of this process.
static MODEL: OnceLock<CostModel> = OnceLock::new();

impl CostModel {
    /// The model of this process: the one given to [`CostModel::install`], or else the result of a
    /// calibration, which the first call waits for (about 200 ms).
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
        median::median(&calibration::measure::<CALIBRATIONS>())
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
        let only_counts = only_counts(stream);
        for part in Part::ALL {
            for word in stream.words(part) {
                if finds_here_and_there(word, &stream.constants) && !only_counts {
                    cost.lines_per_lane = LINES_PER_LANE;
                }
                if matches!(word.sparse, SparseOp::Assoc { .. }) {
                    cost.per_block_of_keys = self.cycles_per_block;
                }
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
                    let variant = variant(form, &stream.constants, only_counts);
                    let repeats = repeats(form, &stream.constants);
                    self.add(&mut cost, part, (form, variant), repeats);
                }
            }
        }
        cost
    }

    /// What a stream is expected to cost over so many lanes, none of them left out by a mask, in cycles.
    pub fn cycles(&self, cost: &StreamCost, workload: &Workload) -> f64 {
        let lanes = workload.lanes;
        let lines = lanes * cost.lines_per_lane;
        let calibrated = u64::from(calibration::SCROLLS) * cost.lines_per_lane;
        let [line, near] = [lines, calibrated].map(|lines| self.line(lines * LINE_BYTES));
        // Where nobody says it, all keys of a block match.
        let blocks = workload.blocks.max(lanes.div_ceil(BLOCK_SLOTS as u64));
        cost.cycles(lanes)
            + (line - near).max(0.0) * lines as f64
            + cost.per_block_of_keys * blocks as f64
    }

    /// Cycles of a read from so many bytes: as from the smallest set that was measured and holds them.
    fn line(&self, bytes: u64) -> f64 {
        let holding = self.cycles_per_line.range(bytes..).next();
        let found = holding.or_else(|| self.cycles_per_line.last_key_value());
        found.map_or(0.0, |(_, &cycles)| cycles)
    }

    fn add(
        &self,
        cost: &mut StreamCost,
        part: Part,
        (form, variant): (&Form, Option<&str>),
        repeats: f64,
    ) {
        let name = form.name();
        let special = variant.map(|variant| format!("{name}.{variant}"));
        let special = special.and_then(|name| self.cycles_per_op.get(&name));
        let Some(&cycles) = special.or_else(|| self.cycles_per_op.get(&name)) else {
            return;
        };
        let (total, ops) = match part {
            Part::Each if counts_lanes(form) => (&mut cost.per_lane, &mut cost.ops_per_lane),
            Part::Each => (&mut cost.per_batch, &mut cost.ops_per_batch),
            Part::Once | Part::Last => (&mut cost.fixed, &mut cost.ops_fixed),
        };
        *total += cycles * repeats;
        *ops += u64::from(!form.is_hint());
    }
}

/// Of an operation that yields lanes, how they are found where it is not as usual.
fn variant(form: &Form, constants: &[Constant], only_counts: bool) -> Option<&'static str> {
    match constant_of(form, constants) {
        _ if !yields_lanes(form) => None,
        Some(Constant::Lanes(LaneSpec::Points(_))) => Some(POINTS),
        _ if only_counts => Some(COUNTED),
        _ => None,
    }
}

/// Whether lanes are found each by itself, and not one behind the other.
fn finds_here_and_there(word: &Word, constants: &[Constant]) -> bool {
    match word.sparse {
        SparseOp::Assoc { .. } | SparseOp::Neighbr { .. } => true,
        SparseOp::Lanes { lanes, .. } => matches!(
            constants.get(lanes.index()),
            Some(Constant::Lanes(LaneSpec::Points(_)))
        ),
        _ => false,
    }
}

fn constant_of<'c>(form: &Form, constants: &'c [Constant]) -> Option<&'c Constant> {
    form.constant.and_then(|id| constants.get(usize::from(id)))
}

/// How often an operation does its work in a lane: CDOT once for each query.
fn repeats(form: &Form, constants: &[Constant]) -> f64 {
    match constant_of(form, constants) {
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
    /// Cycles of a block of keys that is tested to find lanes.
    pub per_block_of_keys: f64,
    /// Lines of memory that are read here and there to find a lane.
    pub lines_per_lane: u64,
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

    /// Cycles over so many lanes, none of them left out by a mask, that are found where calibration found
    /// them and without testing keys: see [`CostModel::cycles`].
    pub fn cycles(&self, lanes: u64) -> f64 {
        self.fixed + self.per_batch * self.batches(lanes) as f64 + self.per_lane * lanes as f64
    }

    /// Ops over so many lanes, none of them left out by a mask.
    pub fn ops(&self, lanes: u64) -> u64 {
        self.ops_fixed + self.ops_per_batch * self.batches(lanes) + self.ops_per_lane * lanes
    }
}
