//! The order of things for one data set.
//!
//! ```text
//! loads      each round: unsorted, sorted; the last sorted one is settled and kept
//! openings   each round: every store in a process of its own
//! reads      each round: workload by workload, engine after engine on the same questions
//! mixes      each round: the same with YCSB's, with one thread and with two
//! writes     each round: the same with puts
//! ```
//!
//! Engines take turns within each workload of each round, and begin with another one each round, so
//! that what disturbs the machine disturbs all of them alike.

use std::path::PathBuf;

use phext_benches::machine::{ProcessorTime, allocated_bytes};

use crate::dataset::{Dataset, Shape, Texts};
use crate::engine::{Arrival, Engine, Kind, Load, Outcome, Reader, SECOND_READER, Sizing};
use crate::engines::BASELINES;
use crate::rows::Rows;
use crate::tally::Tally;
use crate::workload::questions::Questions;
use crate::workload::write::Puts;
use crate::workload::ycsb::{self, Ycsb};
use crate::workload::{Label, Workload, load, open, read};

/// What is to be measured.
pub(crate) struct Plan {
    pub(crate) kinds: Vec<&'static Kind>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) scrolls: usize,
    pub(crate) rounds: usize,
    pub(crate) load_rounds: usize,
    pub(crate) seed: u64,
    pub(crate) directory: PathBuf,
    /// Removes the directory when the plan goes.
    pub(crate) _scratch: tempfile::TempDir,
}

impl Plan {
    fn wants(&self, workload: Workload) -> bool {
        self.workloads.contains(&workload)
    }

    /// What was typed, as far as it shapes the figures; where files are put does not.
    pub(crate) fn command(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name).collect();
        let shapes: Vec<&str> = self.shapes.iter().map(|shape| shape.name()).collect();
        let workloads: Vec<String> = self.workloads.iter().map(|w| w.name()).collect();
        format!(
            "cargo peers --engines {} --dataset {} --workloads {} --scrolls {} --rounds {} --load-rounds {} --seed {}",
            names.join(","),
            shapes.join(","),
            workloads.join(","),
            self.scrolls,
            self.rounds,
            self.load_rounds,
            self.seed
        )
    }

    /// The engines and those baselines that take part in something that is wanted.
    pub(crate) fn contestants(&self) -> Vec<&'static Kind> {
        let takes_part = |kind: &&Kind| self.workloads.iter().any(|&w| (kind.supports)(w));
        let baselines = BASELINES.iter().filter(takes_part);
        self.kinds.iter().copied().chain(baselines).collect()
    }
}

/// Measures everything on one data set.
///
/// # Errors
/// Where an engine fails or gives a wrong answer.
pub(crate) fn dataset(plan: &Plan, shape: Shape) -> Outcome<Rows> {
    progress(shape, "generating keys and texts");
    let (dataset, texts) = Dataset::generate(shape, plan.scrolls, plan.seed);
    let mut rows = Rows::new(shape, &dataset, texts.total_bytes());
    let sizing = Sizing {
        data_bytes: rows.data_bytes(),
    };
    let bench = Bench {
        plan,
        dataset,
        sizing,
    };
    bench.loads(&texts, &mut rows)?;
    drop(texts);
    if plan.wants(Workload::Open) {
        bench.openings(&mut rows)?;
    }
    bench.reads_and_writes(&mut rows)?;
    for kind in plan.contestants() {
        std::fs::remove_dir_all(bench.directory(kind))?;
    }
    Ok(rows)
}

struct Bench<'p> {
    plan: &'p Plan,
    dataset: Dataset,
    sizing: Sizing,
}

impl Bench<'_> {
    fn directory(&self, kind: &Kind) -> PathBuf {
        let name = format!(
            "{}-{}",
            self.dataset.shape.name(),
            kind.name.replace(' ', "-")
        );
        self.plan.directory.join(name)
    }

    /// Loads, and leaves a settled store of each engine behind.
    fn loads(&self, texts: &Texts, rows: &mut Rows) -> Outcome {
        let sorted = Load {
            arrival: Arrival::Sorted,
            keys: &self.dataset.keys,
            texts,
        };
        let last = self.plan.load_rounds - 1;
        if !self.plan.wants(Workload::Load) {
            return self.load_all(sorted, last, true, rows);
        }
        let (keys, texts) = self.dataset.shuffled(texts);
        let shuffled = Load {
            arrival: Arrival::Shuffled,
            keys: &keys,
            texts: &texts,
        };
        for round in 0..=last {
            self.load_all(shuffled, round, false, rows)?;
            self.load_all(sorted, round, round == last, rows)?;
        }
        Ok(())
    }

    fn load_all(&self, load: Load<'_>, round: usize, keep: bool, rows: &mut Rows) -> Outcome {
        let label = load::label(load.arrival);
        let text = &label.text;
        progress(self.dataset.shape, &format!("{text}, round {}", round + 1));
        for kind in turns(&self.plan.contestants(), round) {
            let is_measured = (kind.supports)(Workload::Load) && self.plan.wants(Workload::Load);
            if !is_measured && !keep {
                continue;
            }
            let directory = self.directory(kind);
            std::fs::create_dir(&directory)?;
            let measured =
                load::measure(kind, &directory, (load, &self.dataset), self.sizing, keep)
                    .map_err(|failure| place(kind, text, &failure))?;
            if is_measured {
                rows.add(&label, kind.name, Some(kind.load_durability), &measured);
            }
            if keep && self.plan.wants(Workload::Space) && (kind.supports)(Workload::Space) {
                rows.add_space(kind.name, allocated_bytes(&directory)?);
            }
            if !keep {
                std::fs::remove_dir_all(&directory)?;
            }
        }
        Ok(())
    }

    fn openings(&self, rows: &mut Rows) -> Outcome {
        for round in 0..self.plan.rounds {
            progress(self.dataset.shape, &format!("opening, round {}", round + 1));
            for kind in turns(&self.plan.kinds, round) {
                let random = &mut self.dataset.random(Workload::Open as u64, round);
                let key = self.dataset.keys[self.dataset.random_rank(random)];
                let directory = self.directory(kind);
                let opened = open::measure(kind, &directory, self.sizing, &key, round == 0)?;
                rows.add_opened(kind.name, opened);
            }
        }
        Ok(())
    }

    fn reads_and_writes(&self, rows: &mut Rows) -> Outcome {
        let open = |kind: &'static Kind| -> Outcome<Open> {
            let engine = (kind.open)(&self.directory(kind), self.sizing)?;
            Ok(Open { kind, engine })
        };
        let contestants = self.plan.contestants();
        let stores = contestants
            .iter()
            .copied()
            .map(open)
            .collect::<Outcome<Vec<_>>>()?;
        self.warm(&stores)?;
        for round in 0..self.plan.rounds {
            let before = (ProcessorTime::read(&[]), std::time::Instant::now());
            for workload in Workload::READS.into_iter().filter(|&w| self.plan.wants(w)) {
                self.read(workload, round, &stores, rows)?;
            }
            let seconds = before.1.elapsed().as_secs_f64();
            let strangers = ProcessorTime::read(&[]).strangers_since(before.0, seconds);
            rows.strangers.push(strangers);
            progress(
                self.dataset.shape,
                &format!(
                    "reads, round {}: {seconds:.0} s, {strangers:.1} cores busy with other things",
                    round + 1
                ),
            );
        }
        let mut written = ycsb::Written::default();
        for round in 0..self.plan.rounds {
            for mix in Workload::MIXES.into_iter().filter(|&w| self.plan.wants(w)) {
                self.mix(mix, round, &stores, &mut written, rows)?;
            }
        }
        for round in 0..self.plan.rounds {
            progress(self.dataset.shape, &format!("writes, round {}", round + 1));
            for workload in Workload::WRITES.into_iter().filter(|&w| self.plan.wants(w)) {
                self.write(workload, round, &stores, rows)?;
            }
        }
        Ok(())
    }

    /// Reads everything once, so that caches hold what they can.
    fn warm(&self, stores: &[Open]) -> Outcome {
        for Open { kind, engine } in stores {
            if (kind.supports)(Workload::Scan) {
                engine.reader()?.scan(&mut Tally::default())?;
            }
        }
        Ok(())
    }

    fn read(&self, workload: Workload, round: usize, stores: &[Open], rows: &mut Rows) -> Outcome {
        let questions = Questions::new(workload, &self.dataset, round);
        for Open { kind, engine } in turns(stores, round) {
            if !(kind.supports)(workload) {
                continue;
            }
            let mut measure = |name: &'static str, mut reader: Box<dyn Reader + '_>| -> Outcome {
                let measured = read::measure(&questions, reader.as_mut())
                    .map_err(|failure| place(kind, &workload.name(), &failure))?;
                let row = rows.add(&Label::of(workload), name, None, &measured);
                row.checksum = Some(questions.expected.checksum());
                row.records = Some(questions.expected.records);
                Ok(())
            };
            measure(kind.name, engine.reader()?)?;
            if let Some(reader) = engine.second_reader()? {
                measure(SECOND_READER, reader)?;
            }
        }
        Ok(())
    }

    fn write(&self, workload: Workload, round: usize, stores: &[Open], rows: &mut Rows) -> Outcome {
        let puts = Puts::new(workload, &self.dataset, round);
        for Open { kind, engine } in turns(stores, round) {
            if !(kind.supports)(workload) {
                continue;
            }
            let measured = puts
                .measure(engine.as_ref())
                .map_err(|failure| place(kind, &workload.name(), &failure))?;
            let durability = Some(kind.put_durability);
            let row = rows.add(&Label::of(workload), kind.name, durability, &measured);
            row.checksum = Some(puts.expected().checksum());
            row.records = Some(puts.expected().records);
        }
        Ok(())
    }
}

impl Bench<'_> {
    /// One of YCSB's mixes, with each number of threads.
    fn mix(
        &self,
        workload: Workload,
        round: usize,
        stores: &[Open],
        written: &mut ycsb::Written,
        rows: &mut Rows,
    ) -> Outcome {
        for threads in ycsb::THREADS {
            let label = Label::with_threads(workload, threads);
            let text = &label.text;
            progress(self.dataset.shape, &format!("{text}, round {}", round + 1));
            let mix = Ycsb::new(workload, threads, &self.dataset, round, written);
            for Open { kind, engine } in turns(stores, round) {
                if !(kind.supports)(workload) {
                    continue;
                }
                let measured = mix.measure(engine.as_ref());
                let measured = measured.map_err(|failure| place(kind, text, &failure))?;
                let row = rows.add(&label, kind.name, Some(kind.put_durability), &measured);
                row.checksum = Some(mix.expected().checksum());
                row.records = Some(mix.expected().records);
            }
        }
        Ok(())
    }
}

struct Open {
    kind: &'static Kind,
    engine: Box<dyn Engine>,
}

/// All of them, beginning with another one each round.
fn turns<T>(all: &[T], round: usize) -> impl Iterator<Item = &T> {
    let first = round % all.len().max(1);
    all[first..].iter().chain(&all[..first])
}

fn place(kind: &Kind, what: &str, failure: &crate::engine::Failure) -> crate::engine::Failure {
    format!("{} on {what}: {failure}", kind.name).into()
}

fn progress(shape: Shape, what: &str) {
    eprintln!("{}: {what}", shape.name());
}
