//! One read workload on one engine in one round.

use std::time::{Duration, Instant};

use crate::engine::{Outcome, Reader};
use crate::tally::Tally;
use crate::workload::Measured;
use crate::workload::questions::Questions;

/// A cell is repeated until it has taken this long.
const AT_LEAST: Duration = Duration::from_millis(80);
/// Questions are asked beforehand for this long at most, so that slow engines do not take twice as long.
const WARM_AT_MOST: Duration = Duration::from_millis(500);
/// Short questions whose latency is taken, apart from the pass that is timed as a whole.
const SAMPLED: usize = 20_000;

/// Asks all questions, again until enough time has passed, and verifies every pass. Before that they are
/// asked without a clock.
///
/// # Errors
/// Where the engine fails, or read something else than it should have.
pub(crate) fn measure(questions: &Questions, reader: &mut dyn Reader) -> Outcome<Measured> {
    warm(questions, reader)?;
    let mut measured = Measured::default();
    let mut passed = Duration::ZERO;
    while passed < AT_LEAST {
        passed += pass(questions, reader, &mut measured)?;
        measured.operations += questions.operations;
    }
    measured.elapsed_ns = u64::try_from(passed.as_nanos())?;
    if !questions.are_long() {
        sample(questions, reader, &mut measured.latencies_ns)?;
    }
    measured.latencies_ns.sort_unstable();
    Ok(measured)
}

/// Reads what the questions need. Reading all records, as was done before, does not touch what an engine
/// reads for other questions only; where it is large, and passes are few, the figure would be that of
/// the first touch: page faults, and checksums that are verified then.
fn warm(questions: &Questions, reader: &mut dyn Reader) -> Outcome {
    let mut tally = Tally::default();
    let start = Instant::now();
    let mut at = 0;
    while at < questions.len() && start.elapsed() < WARM_AT_MOST {
        questions.ask(at, reader, &mut tally)?;
        at += 1;
    }
    Ok(())
}

/// One pass. Long questions are timed one by one on the way.
fn pass(
    questions: &Questions,
    reader: &mut dyn Reader,
    measured: &mut Measured,
) -> Outcome<Duration> {
    let mut tally = Tally::default();
    let start = Instant::now();
    if questions.are_long() {
        let mut before = start;
        for at in 0..questions.len() {
            questions.ask(at, reader, &mut tally)?;
            let after = Instant::now();
            measured
                .latencies_ns
                .push((after - before).as_nanos() as u64);
            before = after;
        }
    } else {
        for at in 0..questions.len() {
            questions.ask(at, reader, &mut tally)?;
        }
    }
    let elapsed = start.elapsed();
    if tally != questions.expected {
        let Questions { expected, .. } = questions;
        return Err(format!("a wrong answer: {tally:?} where {expected:?} is right").into());
    }
    Ok(elapsed)
}

fn sample(questions: &Questions, reader: &mut dyn Reader, latencies_ns: &mut Vec<u64>) -> Outcome {
    let mut tally = Tally::default();
    for at in 0..questions.len().min(SAMPLED) {
        let start = Instant::now();
        questions.ask(at, reader, &mut tally)?;
        latencies_ns.push(start.elapsed().as_nanos() as u64);
    }
    Ok(())
}
