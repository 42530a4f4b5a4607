//! Repairing a store that no process has open: what is whole is kept, what is lost is named.
//!
//! ```text
//! evidence   catalog, log and segments are read; each may be damaged or lost. What cannot be read for
//!            another reason ends the repair: it may be whole
//! plan       parts of whole segments are kept, damaged ones are salvaged into new segments, a lost
//!            catalog is rebuilt from the parts, the log's whole prefix becomes a segment
//! apply      what is new is written below repair-<n>/new, then the file REPAIR says that it is to
//!            be put in place; what it replaces is moved to repair-<n>, and nothing is removed
//! ```
//!
//! A crash before `REPAIR` is there leaves the store as it was. Afterwards the store refuses to open
//! until the repair is run again, which goes on where it stopped.
//!
//! The catalog, and `MANIFEST`, its published copy, know which slots are no longer current. Where
//! both are lost, a newer scroll still takes the place of an older one, because parts carry their LSNs. A scroll that was deleted and sealed
//! leaves no trace but there: it may come back, and the report says so.
//!
//! Named snapshots are kept, each with what is left of the parts that it names: as the catalog or
//! `MANIFEST` says, and where both are lost as `SNAPSHOTS` does.

mod evidence;
mod named;
mod place;
mod plan;
mod replay;
mod report;

pub use report::{Loss, RepairReport};

use super::Paths;
use super::open::take_lock;
use crate::error::Result;
use crate::vfs::{MemoryVfs, RealVfs, Vfs};
use evidence::Evidence;
use plan::Planner;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use place::is_begun;

/// Whether a repair says what it would do, or does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// Changes no byte.
    DryRun,
    /// Puts the repaired state in place.
    Apply,
}

/// Repairs the store in a directory of the system's file system. See [`repair_with`].
///
/// # Errors
/// As [`repair_with`].
pub fn repair(directory: &Path, mode: RepairMode) -> Result<RepairReport> {
    repair_with(&(Arc::new(RealVfs) as Arc<dyn Vfs>), directory, mode)
}

/// Finds what is damaged in the store in `directory`, what can be kept and what is lost, and with
/// [`RepairMode::Apply`] makes it a store that opens. Memory grows with the scrolls of the largest
/// phext where the catalog is lost.
///
/// # Errors
/// [`crate::StoreError::Locked`] where a process has the store, [`crate::StoreError::Version`], and
/// failures of the file system, after which the repair can be run again. Where something cannot be read
/// for another reason than damage, nothing is changed: what cannot be read may be whole.
pub fn repair_with(vfs: &Arc<dyn Vfs>, directory: &Path, mode: RepairMode) -> Result<RepairReport> {
    let paths = Paths::new(directory);
    let _lock = take_lock(&**vfs, &paths)?;
    let mut report = RepairReport::default();
    if let Some(begun) = place::begun(&**vfs, &paths)? {
        report
            .damages
            .push("an earlier repair was not ended".to_owned());
        if mode == RepairMode::DryRun {
            report.actions.push("end it, then look again".to_owned());
            return Ok(report);
        }
        begun.put_in_place(&**vfs, &paths)?;
        report.is_applied = true;
    }
    let evidence = Evidence::gather(&**vfs, &paths, &mut report)?;
    let (is_damaged, copies) = (evidence.is_damaged(), &evidence.damaged_copies);
    if !is_damaged && copies.is_empty() {
        return Ok(report);
    }
    let aside = free_directory(&**vfs, &paths);
    report.directory = Some(aside.clone());
    if !is_damaged {
        let names = copies.iter().map(|path| path.display().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        report.actions.push(format!(
            "move aside {names}: the next start writes that anew"
        ));
        if mode == RepairMode::Apply {
            place::set_aside(&**vfs, &paths, &aside, copies)?;
            report.is_applied = true;
        }
        return Ok(report);
    }
    let scratch: Arc<dyn Vfs> = match mode {
        RepairMode::DryRun => Arc::new(MemoryVfs::new()),
        RepairMode::Apply => Arc::clone(vfs),
    };
    let new = place::New::create(scratch, &aside)?;
    let plan = plan::Plan::make(&evidence, &new, &paths, &mut report)?;
    if mode == RepairMode::Apply {
        let begun = place::begin(&**vfs, &paths, &aside, &new, plan)?;
        drop(evidence);
        begun.put_in_place(&**vfs, &paths)?;
        report.is_applied = true;
    }
    Ok(report)
}

/// The first `repair-<n>` that holds nothing yet.
fn free_directory(vfs: &dyn Vfs, paths: &Paths) -> PathBuf {
    let directories = (1u32..).map(|number| paths.root.join(format!("repair-{number}")));
    let is_free = |directory: &PathBuf| {
        let below = ["", "new", "new/segments", "segments", "log"];
        let is_empty = |name: &&str| {
            vfs.list(&directory.join(name))
                .map_or(true, |names| names.is_empty())
        };
        below.iter().all(is_empty)
            && !place::is_catalog(vfs, &directory.join("catalog"))
            && !place::is_catalog(vfs, &directory.join("new/catalog"))
    };
    directories
        .into_iter()
        .find(is_free)
        .expect("the numbers do not end before the names in a directory do")
}
