//! The figures in the tree, where they hold, and what is judged by them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as FilePath;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::callgrind::Counted;

/// What the figures depend on besides the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) architecture: String,
    /// The vector extension that valgrind shows.
    pub(crate) vectors: String,
    pub(crate) rustc: String,
    /// The C library has the functions that copy and compare memory.
    pub(crate) libc: String,
    pub(crate) valgrind: String,
}

impl Environment {
    /// This one.
    pub(crate) fn of(counted: &[Counted]) -> Outcome<Environment> {
        let vectors = counted.first().map(|counted| counted.vectors.clone());
        Ok(Environment {
            architecture: std::env::consts::ARCH.to_owned(),
            vectors: vectors.ok_or("nothing was counted")?,
            rustc: env!("BENCHES_RUSTC").to_owned(),
            libc: first_line("ldd"),
            valgrind: first_line("valgrind"),
        })
    }

    /// Where another environment differs so much that figures say nothing about each other.
    fn differences(&self, other: &Environment) -> Vec<String> {
        let pairs = [
            ("architecture", &self.architecture, &other.architecture),
            ("vector extension", &self.vectors, &other.vectors),
            ("compiler", &self.rustc, &other.rustc),
        ];
        let differing = pairs.iter().filter(|(_, own, others)| own != others);
        differing
            .map(|(what, own, others)| format!("{what}: {own} in the file, {others} here"))
            .collect()
    }

    /// Where it differs so that figures may move a little.
    fn remarks(&self, other: &Environment) -> Vec<String> {
        let pairs = [
            ("C library", &self.libc, &other.libc),
            ("valgrind", &self.valgrind, &other.valgrind),
        ];
        let differing = pairs.iter().filter(|(_, own, others)| own != others);
        differing
            .map(|(what, own, others)| format!("{what}: {own} in the file, {others} here"))
            .collect()
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Environment {
            architecture,
            vectors,
            rustc,
            libc,
            valgrind,
        } = self;
        write!(
            f,
            "{architecture}, {vectors} kernels (valgrind shows no AVX-512), {rustc}, {libc}, {valgrind}"
        )
    }
}

/// The first line that a program says of its version.
fn first_line(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// Instructions of a pass, by path, and where they were counted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Baselines {
    environment: Environment,
    instructions: BTreeMap<String, u64>,
}

impl Baselines {
    /// Those that were counted.
    pub(crate) fn new(environment: Environment, counted: &[Counted]) -> Baselines {
        let figure = |counted: &Counted| (counted.path.name.to_owned(), counted.instructions);
        Baselines {
            environment,
            instructions: counted.iter().map(figure).collect(),
        }
    }

    /// Those of a file.
    pub(crate) fn read(file: &FilePath) -> Outcome<Baselines> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Puts them into a file.
    #[expect(
        clippy::disallowed_methods,
        reason = "a list of figures is no part of a store"
    )]
    pub(crate) fn write(&self, file: &FilePath) -> Outcome {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file, text + "\n")
            .map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Compares what was counted with them.
    pub(crate) fn judge(&self, here: &Environment, counted: &[Counted], tolerance: f64) -> Verdict {
        let rows: Vec<Row> = counted.iter().map(|counted| self.row(counted)).collect();
        let differences = self.environment.differences(here);
        if !differences.is_empty() {
            return Verdict::NotJudged { rows, differences };
        }
        let failed = rows.iter().filter(|row| row.is_above(tolerance)).count();
        Verdict::Judged {
            rows,
            tolerance,
            failed,
            remarks: self.environment.remarks(here),
        }
    }

    fn row(&self, counted: &Counted) -> Row {
        Row {
            name: counted.path.name,
            unit: counted.path.unit,
            units: counted.path.units,
            instructions: counted.instructions,
            baseline: self.instructions.get(counted.path.name).copied(),
        }
    }
}

/// A path beside its baseline.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    unit: &'static str,
    units: u64,
    instructions: u64,
    baseline: Option<u64>,
}

impl Row {
    /// By how many per cent it is above its baseline.
    fn difference(&self) -> Option<f64> {
        let baseline = self.baseline? as f64;
        Some((self.instructions as f64 / baseline - 1.0) * 100.0)
    }

    /// Whether it takes more than it may. A path without a baseline is one that nobody guards.
    fn is_above(&self, tolerance: f64) -> bool {
        self.difference()
            .is_none_or(|difference| difference > tolerance)
    }

    /// What is said of it. A path that takes much less is out of date in the file, where it would hide
    /// what comes next.
    fn verdict(&self, tolerance: f64) -> &'static str {
        match self.difference() {
            None => "**no baseline**",
            Some(difference) if difference > tolerance => "**above**",
            Some(difference) if difference < -tolerance => "below: refresh",
            Some(_) => "within",
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, verdict: &str) -> fmt::Result {
        let each = |instructions: u64| instructions as f64 / self.units as f64;
        let baseline = self
            .baseline
            .map_or("none".to_owned(), |b| format!("{:.1}", each(b)));
        let difference = self
            .difference()
            .map_or(String::new(), |d| format!("{d:+.2} %"));
        writeln!(
            f,
            "| {} | {} | {:.1} | {baseline} | {difference} | {verdict} |",
            self.name,
            self.unit,
            each(self.instructions),
        )
    }
}

/// What came of a comparison.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Each path keeps to its baseline, or does not.
    Judged {
        rows: Vec<Row>,
        tolerance: f64,
        failed: usize,
        remarks: Vec<String>,
    },
    /// The baselines are of another environment.
    NotJudged {
        rows: Vec<Row>,
        differences: Vec<String>,
    },
}

/// How baselines are renewed.
const REFRESH: &str = "cargo instructions --refresh";

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| path | per | instructions | baseline | difference | |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        match self {
            Verdict::Judged {
                rows,
                tolerance,
                failed,
                remarks,
            } => {
                for row in rows {
                    row.write(f, row.verdict(*tolerance))?;
                }
                for remark in remarks {
                    writeln!(f, "figures may differ a little: {remark}")?;
                }
                match failed {
                    0 => writeln!(
                        f,
                        "instructions: none more than {tolerance} % above its baseline"
                    ),
                    _ => writeln!(
                        f,
                        "instructions: {failed} of {} more than {tolerance} % above their baselines; where \
                         that is meant, `{REFRESH}` and say why in the commit",
                        rows.len()
                    ),
                }
            }
            Verdict::NotJudged { rows, differences } => {
                rows.iter().try_for_each(|row| row.write(f, "not judged"))?;
                for difference in differences {
                    writeln!(f, "{difference}")?;
                }
                writeln!(
                    f,
                    "instructions: NOT JUDGED, the baselines are of another environment; `{REFRESH}` \
                     on the commit before makes some for this one"
                )
            }
        }
    }
}
