//! Rows: what was measured, over all rounds.

use std::path::Path;

use phext_benches::machine::Machine;
use serde::Serialize;

use crate::bars::{self, Bar};
use crate::dataset::{Dataset, Shape};
use crate::engine::Outcome;
use crate::key::PACKED_BYTES;
use crate::run::Plan;
use crate::workload::open::{Opened, Resident};
use crate::workload::{Measured, Workload, quantile};

/// The engine that the others are compared with.
pub(crate) const SUBJECT: &str = "sqd";

/// Everything, as it goes to the JSON file.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) options: String,
    pub(crate) rounds: usize,
    pub(crate) load_rounds: usize,
    pub(crate) seed: u64,
    pub(crate) engines: Vec<Settings>,
    pub(crate) datasets: Vec<DatasetFigures>,
    pub(crate) rows: Vec<Row>,
    pub(crate) bars: Vec<Bar>,
}

/// What an engine is and how it was set.
#[derive(Serialize)]
pub(crate) struct Settings {
    pub(crate) engine: &'static str,
    pub(crate) settings: &'static str,
    pub(crate) put_durability: &'static str,
    pub(crate) load_durability: &'static str,
}

/// What a data set holds, and how quiet the machine was.
#[derive(Serialize)]
pub(crate) struct DatasetFigures {
    pub(crate) dataset: &'static str,
    pub(crate) scrolls: usize,
    pub(crate) text_bytes: u64,
    /// Cores that were busy with something else during the rounds of reads.
    pub(crate) strangers: Vec<f64>,
}

/// One workload on one engine and data set.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) engine: &'static str,
    pub(crate) dataset: &'static str,
    pub(crate) n: usize,
    pub(crate) unit: &'static str,
    /// The median of the rounds.
    pub(crate) ns_per_op: Option<f64>,
    pub(crate) ratio_to_sqd: Option<f64>,
    /// Medians of the rounds' quantiles of single operations.
    pub(crate) p50_ns: Option<f64>,
    pub(crate) p99_ns: Option<f64>,
    pub(crate) durability: Option<&'static str>,
    pub(crate) rounds_ns: Vec<f64>,
    /// Of what was read in the last round; the same for all engines, or the run would have ended.
    pub(crate) checksum: Option<String>,
    /// Records that were read in one pass of the last round.
    pub(crate) records: Option<u64>,
    /// Bytes written to the medium for each byte of keys and texts.
    pub(crate) write_amplification: Option<f64>,
    pub(crate) bytes_on_disk: Option<u64>,
    pub(crate) first_text_ns: Option<f64>,
    pub(crate) resident_after_open: Option<Resident>,
    pub(crate) resident_after_scan: Option<Resident>,
    #[serde(skip)]
    quantiles: [Vec<f64>; 2],
    #[serde(skip)]
    first_texts: Vec<f64>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new(machine: Machine, plan: &Plan) -> Report {
        let settings = |kind: &&crate::engine::Kind| Settings {
            engine: kind.name,
            settings: kind.settings,
            put_durability: kind.put_durability,
            load_durability: kind.load_durability,
        };
        let baselines = crate::engines::BASELINES.iter();
        Report {
            machine,
            options: plan.options(),
            rounds: plan.rounds,
            load_rounds: plan.load_rounds,
            seed: plan.seed,
            engines: plan
                .kinds
                .iter()
                .copied()
                .chain(baselines)
                .map(|kind| settings(&kind))
                .collect(),
            datasets: Vec::new(),
            rows: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Adds the rows of a data set.
    pub(crate) fn extend(&mut self, rows: Rows) {
        self.datasets.push(rows.figures());
        self.rows.extend(rows.finish());
    }

    /// Compares with the bars.
    pub(crate) fn judge(&mut self) {
        self.bars = self
            .datasets
            .iter()
            .flat_map(|dataset| bars::judge(self, dataset))
            .collect();
    }

    /// A row, if it was measured.
    pub(crate) fn row(&self, dataset: &str, workload: &str, engine: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.dataset == dataset && row.workload == workload && row.engine == engine)
    }
}

/// The rows of one data set while they are measured.
pub(crate) struct Rows {
    rows: Vec<Row>,
    shape: Shape,
    scrolls: usize,
    text_bytes: u64,
    /// Cores busy with other things, for each round of reads.
    pub(crate) strangers: Vec<f64>,
}

impl Rows {
    pub(crate) fn new(shape: Shape, dataset: &Dataset, text_bytes: u64) -> Rows {
        Rows {
            rows: Vec::new(),
            shape,
            scrolls: dataset.keys.len(),
            text_bytes,
            strangers: Vec::new(),
        }
    }

    /// Bytes of keys and texts.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.text_bytes + (self.scrolls * PACKED_BYTES) as u64
    }

    fn row(&mut self, label: &str, workload: Workload, engine: &'static str) -> &mut Row {
        let found = self
            .rows
            .iter()
            .position(|row| row.workload == label && row.engine == engine);
        let at = found.unwrap_or_else(|| {
            self.rows.push(self.empty_row(label, workload, engine));
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    fn empty_row(&self, label: &str, workload: Workload, engine: &'static str) -> Row {
        Row {
            workload: label.to_owned(),
            engine,
            dataset: self.shape.name(),
            n: self.scrolls,
            unit: workload.unit(),
            ns_per_op: None,
            ratio_to_sqd: None,
            p50_ns: None,
            p99_ns: None,
            durability: None,
            rounds_ns: Vec::new(),
            checksum: None,
            records: None,
            write_amplification: None,
            bytes_on_disk: None,
            first_text_ns: None,
            resident_after_open: None,
            resident_after_scan: None,
            quantiles: [Vec::new(), Vec::new()],
            first_texts: Vec::new(),
        }
    }

    /// Adds what one engine showed in one round.
    pub(crate) fn add(
        &mut self,
        label: &str,
        workload: Workload,
        engine: &'static str,
        durability: Option<&'static str>,
        measured: &Measured,
    ) -> &mut Row {
        let row = self.row(label, workload, engine);
        row.durability = durability;
        row.rounds_ns.push(measured.ns_per_op());
        for (values, share) in row.quantiles.iter_mut().zip([0.5, 0.99]) {
            values.extend(quantile(&measured.latencies_ns, share).map(|ns| ns as f64));
        }
        row.write_amplification = measured.write_amplification().or(row.write_amplification);
        row
    }

    /// Adds the size of a loaded store.
    pub(crate) fn add_space(&mut self, engine: &'static str, bytes: u64) {
        let row = self.row(&Workload::Space.name(), Workload::Space, engine);
        row.bytes_on_disk = Some(bytes);
    }

    /// Adds an opening.
    pub(crate) fn add_opened(&mut self, engine: &'static str, opened: Opened) {
        let row = self.row(&Workload::Open.name(), Workload::Open, engine);
        row.rounds_ns.push(opened.open_ns as f64);
        row.first_texts.push(opened.first_text_ns as f64);
        row.resident_after_open.get_or_insert(opened.after_open);
        row.resident_after_scan = row.resident_after_scan.or(opened.after_scan);
    }

    fn figures(&self) -> DatasetFigures {
        DatasetFigures {
            dataset: self.shape.name(),
            scrolls: self.scrolls,
            text_bytes: self.text_bytes,
            strangers: self.strangers.clone(),
        }
    }

    /// The rows with medians and ratios.
    fn finish(mut self) -> Vec<Row> {
        for row in &mut self.rows {
            row.ns_per_op = median(&row.rounds_ns);
            [row.p50_ns, row.p99_ns] = std::array::from_fn(|at| median(&row.quantiles[at]));
            row.first_text_ns = median(&row.first_texts);
        }
        let subjects: Vec<(String, Option<f64>)> = self
            .rows
            .iter()
            .filter(|row| row.engine == SUBJECT)
            .map(|row| (row.workload.clone(), row.figure()))
            .collect();
        for row in &mut self.rows {
            let subject = subjects
                .iter()
                .find(|(workload, _)| *workload == row.workload);
            let subject = subject.and_then(|(_, figure)| *figure);
            row.ratio_to_sqd = row
                .figure()
                .zip(subject)
                .map(|(own, subject)| own / subject);
        }
        self.rows
    }
}

impl Row {
    /// What the row is about: a time, or bytes on disk.
    pub(crate) fn figure(&self) -> Option<f64> {
        self.ns_per_op
            .or(self.bytes_on_disk.map(|bytes| bytes as f64))
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Writes a report.
#[expect(
    clippy::disallowed_methods,
    reason = "a report is no store file; losing it in a power cut costs nothing"
)]
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text)
        .map_err(|error| format!("writing {}: {error}", path.display()).into())
}
