//! Loading an empty store.

use std::path::Path;
use std::time::Instant;

use crate::dataset::Dataset;
use crate::engine::{Arrival, Kind, Load, Outcome, Reader, Sizing};
use crate::key::PACKED_BYTES;
use crate::tally::Tally;
use crate::workload::write::written_bytes;
use crate::workload::{Label, Measured, Workload};

/// Loads a store in an empty directory; time runs until everything is durable. With `settle`, the
/// engine then leaves the store as it would be left in time, which is not part of the time.
///
/// # Errors
/// Where the engine fails, or the store does not hold what was loaded.
pub(crate) fn measure(
    kind: &Kind,
    directory: &Path,
    (load, dataset): (Load<'_>, &Dataset),
    sizing: Sizing,
    settle: bool,
) -> Outcome<Measured> {
    let mut engine = (kind.open)(directory, sizing)?;
    // What others left to be written back would be written during this load.
    rustix::fs::sync();
    let before = written_bytes();
    let start = Instant::now();
    engine.load(load)?;
    let elapsed_ns = start.elapsed().as_nanos() as u64;
    if settle {
        engine.settle()?;
    }
    rustix::fs::sync();
    let written_bytes = written_bytes()
        .zip(before)
        .map(|(after, before)| after - before);
    if (kind.supports)(Workload::Scan) {
        verify(engine.reader()?.as_mut(), dataset)?;
    }
    Ok(Measured {
        operations: load.keys.len() as u64,
        elapsed_ns,
        latencies_ns: Vec::new(),
        written_bytes,
        payload_bytes: payload_bytes(load),
    })
}

/// Bytes of keys and texts.
pub(crate) fn payload_bytes(load: Load<'_>) -> u64 {
    (load.keys.len() * PACKED_BYTES) as u64 + load.texts.total_bytes()
}

/// Compares a scan with what was loaded.
fn verify(reader: &mut dyn Reader, dataset: &Dataset) -> Outcome {
    let (mut tally, mut expected) = (Tally::default(), Tally::default());
    reader.scan(&mut tally)?;
    (0..dataset.keys.len()).for_each(|rank| dataset.expect_record(rank, &mut expected));
    if tally != expected {
        return Err(format!("a scan after the load gives {tally:?}, not {expected:?}").into());
    }
    Ok(())
}

/// What the row of a load is called.
pub(crate) fn label(arrival: Arrival) -> Label {
    let text = match arrival {
        Arrival::Sorted => "load, sorted",
        Arrival::Shuffled => "load, unsorted",
    };
    Label {
        text: text.to_owned(),
        ..Label::of(Workload::Load)
    }
}
