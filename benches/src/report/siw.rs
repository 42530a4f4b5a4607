//! Operations a cycle of the executor.

use std::fmt::{Result, Write};

use serde::{Deserialize, Serialize};

use super::Bar;
use super::format::{table_head, table_row};
use crate::machine::Machine;

/// Everything, as it goes to the JSON file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// What was typed.
    pub command: String,
    /// Where cycles come from.
    pub cycles: String,
    /// Scrolls of the phext that is queried.
    pub scrolls: u32,
    /// What was measured.
    pub rows: Vec<Row>,
    /// What was asked for.
    pub bars: Vec<Bar>,
}

/// The figures of one stream.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// The stream.
    pub workload: String,
    /// Operations of a run.
    pub ops: u64,
    /// By tier; the best round.
    pub ops_per_cycle: [f64; 4],
    /// By tier, as the cost model of the compiler has it; none in files from before it was noted.
    #[serde(default)]
    pub expected: Option<[f64; 4]>,
    /// Of the last round that counts.
    pub hertz: f64,
    /// Rounds whose calibrations disagreed.
    pub discarded: usize,
}

impl Report {
    pub(super) fn render(&self, out: &mut String) -> Result {
        let Report {
            machine,
            command,
            cycles,
            scrolls,
            ..
        } = self;
        writeln!(out, "## Operations a cycle\n")?;
        writeln!(
            out,
            "`{command}`: {machine}. {scrolls} scrolls; cycles: {cycles}.\n"
        )?;
        let head = [
            "ops a cycle",
            "tier 0",
            "tier 1",
            "tier 2",
            "tier 3",
            "ops",
            "GHz",
            "rounds discarded",
        ];
        table_head(out, &head)?;
        for row in &self.rows {
            let mut cells = vec![row.workload.clone()];
            cells.extend(row.ops_per_cycle.map(|ops| format!("{ops:.3}")));
            cells.push(row.ops.to_string());
            cells.push(format!("{:.2}", row.hertz / 1e9));
            cells.push(row.discarded.to_string());
            table_row(out, &cells)?;
        }
        writeln!(out)?;
        self.render_expected(out)
    }

    /// The cost model beside what was measured: above 1 it expects too much.
    fn render_expected(&self, out: &mut String) -> Result {
        let rows = self.rows.iter();
        let mut rows = rows.filter_map(|row| Some((row, row.expected?))).peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let head = ["expected", "tier 0", "tier 1", "tier 2", "tier 3"];
        table_head(out, &head)?;
        for (row, expected) in rows {
            let mut cells = vec![row.workload.clone()];
            let tiers = expected.into_iter().zip(row.ops_per_cycle);
            cells.extend(tiers.map(|(expected, measured)| {
                format!("{expected:.3}, x {:.2}", expected / measured)
            }));
            table_row(out, &cells)?;
        }
        writeln!(out)
    }
}
