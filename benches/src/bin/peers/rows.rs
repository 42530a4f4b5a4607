//! Rows while they are measured, over all rounds.

use phext_benches::machine::Machine;
use phext_benches::report::peers::{DatasetFigures, Report, Row, SUBJECT, Settings};

use crate::dataset::{Dataset, Shape};
use crate::key::PACKED_BYTES;
use crate::run::Plan;
use crate::workload::open::Opened;
use crate::workload::{Label, Measured, Workload, quantile};

/// A report without rows.
pub(crate) fn empty(machine: Machine, plan: &Plan) -> Report {
    let settings = |kind: &&crate::engine::Kind| Settings {
        engine: kind.name.to_owned(),
        settings: kind.settings.to_owned(),
        put_durability: kind.put_durability.to_owned(),
        load_durability: kind.load_durability.to_owned(),
    };
    Report {
        machine,
        command: plan.command(),
        rounds: plan.rounds,
        load_rounds: plan.load_rounds,
        seed: plan.seed,
        engines: plan.contestants().iter().map(settings).collect(),
        datasets: Vec::new(),
        rows: Vec::new(),
        bars: Vec::new(),
    }
}

/// Adds the rows of a data set to a report.
pub(crate) fn extend(report: &mut Report, rows: Rows) {
    report.datasets.push(rows.figures());
    report.rows.extend(rows.finish());
}

/// The rows of one data set while they are measured.
pub(crate) struct Rows {
    rows: Vec<Measuring>,
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

    fn row(&mut self, label: &Label, engine: &'static str) -> &mut Measuring {
        let is_it = |row: &Measuring| row.row.workload == label.text && row.row.engine == engine;
        let at = self.rows.iter().position(is_it).unwrap_or_else(|| {
            self.rows.push(self.empty_row(label, engine));
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    fn empty_row(&self, label: &Label, engine: &str) -> Measuring {
        Measuring {
            row: Row {
                workload: label.text.clone(),
                engine: engine.to_owned(),
                dataset: self.shape.name().to_owned(),
                n: self.scrolls,
                threads: label.threads,
                unit: label.workload.unit().to_owned(),
                verified_by: label.workload.verified_by().map(str::to_owned),
                ..Row::default()
            },
            quantiles: [Vec::new(), Vec::new()],
            first_texts: Vec::new(),
        }
    }

    /// Adds what one engine showed in one round.
    pub(crate) fn add(
        &mut self,
        label: &Label,
        engine: &'static str,
        durability: Option<&str>,
        measured: &Measured,
    ) -> &mut Row {
        let Measuring { row, quantiles, .. } = self.row(label, engine);
        row.durability = durability.map(str::to_owned);
        row.rounds_ns.push(measured.ns_per_op());
        for (values, share) in quantiles.iter_mut().zip([0.5, 0.99]) {
            values.extend(quantile(&measured.latencies_ns, share).map(|ns| ns as f64));
        }
        row.write_amplification = measured.write_amplification().or(row.write_amplification);
        row
    }

    /// Adds the size of a loaded store.
    pub(crate) fn add_space(&mut self, engine: &'static str, bytes: u64) {
        let row = self.row(&Label::of(Workload::Space), engine);
        row.row.bytes_on_disk = Some(bytes);
    }

    /// Adds an opening.
    pub(crate) fn add_opened(&mut self, engine: &'static str, opened: Opened) {
        let Measuring {
            row, first_texts, ..
        } = self.row(&Label::of(Workload::Open), engine);
        row.rounds_ns.push(opened.open_ns as f64);
        first_texts.push(opened.first_text_ns as f64);
        row.resident_after_open.get_or_insert(opened.after_open);
        row.resident_after_scan = row.resident_after_scan.or(opened.after_scan);
    }

    fn figures(&self) -> DatasetFigures {
        DatasetFigures {
            dataset: self.shape.name().to_owned(),
            scrolls: self.scrolls,
            text_bytes: self.text_bytes,
            strangers: self.strangers.clone(),
        }
    }

    /// The rows with medians and ratios.
    fn finish(self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows.into_iter().map(Measuring::finish).collect();
        let subjects: Vec<(String, Option<f64>)> = rows
            .iter()
            .filter(|row| row.engine == SUBJECT)
            .map(|row| (row.workload.clone(), row.figure()))
            .collect();
        for row in &mut rows {
            let mut subjects = subjects.iter();
            let subject = subjects.find(|(workload, _)| *workload == row.workload);
            let subject = subject.and_then(|(_, figure)| *figure);
            let both = row.figure().zip(subject);
            row.ratio_to_sqd = both.map(|(own, subject)| own / subject);
        }
        rows
    }
}

/// A row, and of each round what the row has the median of.
struct Measuring {
    row: Row,
    quantiles: [Vec<f64>; 2],
    first_texts: Vec<f64>,
}

impl Measuring {
    fn finish(self) -> Row {
        let Measuring {
            row,
            quantiles: [p50, p99],
            first_texts,
        } = self;
        Row {
            ns_per_op: median(&row.rounds_ns),
            p50_ns: median(&p50),
            p99_ns: median(&p99),
            first_text_ns: median(&first_texts),
            ..row
        }
    }
}

/// The middle one, and of an even number the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let check = |values: &[f64], expected| assert_eq!(median(values), expected, "{values:?}");
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[4.0, 1.0], Some(2.5));
        check(&[9.0, 1.0, 2.0], Some(2.0));
        check(&[8.0, 1.0, 4.0, 3.0], Some(3.5));
    }
}
