//! Rounds of measurements, and what counts of them.

use crate::streams::Subject;
use phext_query::OptimizationTier;
use phext_siw::Stream;
use phext_siw::cc::{CostModel, SIWMetadata, Workload};
use phext_siw::cycles::{Frequency, thread_time};
use phext_siw::execute::{Collected, ExecuteError, Flow, Report, ResultRow, execute};
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

/// How long a stream is run again and again for one figure.
const SPAN: Duration = Duration::from_millis(8);
/// Rounds after which no more are tried.
const MOST_ROUNDS: usize = 60;

/// The figures of one stream.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) name: &'static str,
    pub(crate) is_query: bool,
    /// Operations of a run at tier 0.
    pub(crate) ops: u64,
    /// By tier; the best round.
    pub(crate) ops_per_cycle: [f64; 4],
    /// By tier, as the cost model has it.
    pub(crate) expected: [f64; 4],
    /// Of the last round that counts.
    pub(crate) hertz: f64,
    /// Rounds whose calibrations disagreed.
    pub(crate) discarded: usize,
}

/// Measures a subject in rounds, each of all tiers in turn.
pub(crate) fn measure(subject: &Subject<'_>, rounds: usize) -> Result<Measurement, Box<dyn Error>> {
    let streams = OptimizationTier::ALL.map(|tier| subject.at_tier(tier));
    let streams = streams.into_iter().collect::<Result<Vec<_>, _>>()?;
    let report = run(subject, &streams[0])?;
    let blocks = subject.blocks(&streams[0])?;
    let mut measurement = Measurement {
        name: subject.name,
        is_query: subject.is_query(),
        ops: report.ops,
        ops_per_cycle: [0.0; 4],
        expected: std::array::from_fn(|tier| expected(&streams[tier], report.lanes, blocks)),
        hertz: 0.0,
        discarded: 0,
    };
    let mut counted = 0;
    for _ in 0..MOST_ROUNDS {
        let before = Frequency::calibrate();
        let mut rates = [0.0; 4];
        for (rate, stream) in rates.iter_mut().zip(&streams) {
            *rate = measurement.ops as f64 * runs_per_second(subject, stream)?;
        }
        let after = Frequency::calibrate();
        if !before.agrees_with(&after) {
            measurement.discarded += 1;
            continue;
        }
        measurement.hertz = f64::midpoint(before.hertz, after.hertz);
        for (best, rate) in measurement.ops_per_cycle.iter_mut().zip(rates) {
            *best = best.max(rate / measurement.hertz);
        }
        counted += 1;
        if counted == rounds {
            break;
        }
    }
    Ok(measurement)
}

/// Operations a cycle over so many lanes, for which so many blocks of keys are tested, by the cost model,
/// which knows of no mask.
fn expected(stream: &Stream, lanes: u64, blocks: u64) -> f64 {
    let workload = Workload {
        lanes,
        blocks,
        cores: 1,
        inline: Duration::ZERO,
    };
    SIWMetadata::of(stream, CostModel::of_process(), &workload).expected_ops_per_cycle
}

/// Of the thread's processor time.
fn runs_per_second(subject: &Subject<'_>, stream: &Stream) -> Result<f64, ExecuteError> {
    run(subject, stream)?;
    let start = thread_time();
    let mut runs = 0;
    loop {
        run(subject, stream)?;
        runs += 1;
        let time = thread_time() - start;
        if time >= SPAN {
            return Ok(f64::from(runs) / time.as_secs_f64());
        }
    }
}

fn run(subject: &Subject<'_>, stream: &Stream) -> Result<Report, ExecuteError> {
    let mut sink = |row: &ResultRow<'_>| {
        black_box(row.text);
        black_box(row.number);
        Ok(Flow::Continue)
    };
    execute(stream, subject.phext, &mut sink, &mut Collected::default())
}
