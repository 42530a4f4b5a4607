//! `sqd repair`: what is damaged, what would be lost, and what is done about it.

use crate::command::{CommandError, require_store};
use phext_storage::{RepairMode, RepairReport};
use std::io::{self, Write};
use std::path::Path;

/// Repairs a data directory, or says what that would come to.
pub(crate) fn repair(directory: &Path, apply: bool) -> Result<(), CommandError> {
    require_store(directory)?;
    let mode = match apply {
        true => RepairMode::Apply,
        false => RepairMode::DryRun,
    };
    let report = phext_storage::repair(directory, mode)?;
    write_report(&report, &mut io::stdout().lock())?;
    Ok(())
}

fn write_report(report: &RepairReport, out: &mut impl Write) -> io::Result<()> {
    if report.damages.is_empty() {
        return writeln!(out, "nothing to repair");
    }
    for damage in &report.damages {
        writeln!(out, "damaged: {damage}")?;
    }
    for loss in &report.losses {
        writeln!(out, "lost: {loss}")?;
    }
    if report.losses.is_empty() {
        writeln!(out, "nothing is lost")?;
    }
    let tense = if report.is_applied { "done" } else { "to do" };
    for action in &report.actions {
        writeln!(out, "{tense}: {action}")?;
    }
    match (&report.directory, report.is_applied) {
        (Some(directory), true) => writeln!(
            out,
            "repaired; what was replaced is in {}",
            directory.display()
        ),
        (_, true) => writeln!(out, "repaired"),
        (_, false) => writeln!(out, "nothing was changed; `sqd repair --apply` does it"),
    }
}
