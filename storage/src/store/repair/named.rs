//! Named snapshots in the repaired store: each keeps the parts that its record names, or what is left of
//! them.

use super::Planner;
use super::report::Loss;
use crate::catalog::{Manifest, ManifestPart, Point, SnapshotRecord};
use crate::error::Result;
use crate::store::state::PartView;
use std::collections::BTreeMap;

impl Planner<'_> {
    /// The named snapshots that records tell of, with damaged parts salvaged.
    pub(super) fn snapshots(&mut self) -> Result<BTreeMap<String, SnapshotRecord>> {
        let mut kept = BTreeMap::new();
        for (name, record) in &self.evidence.snapshots {
            let (before, actions) = (self.report.losses.len(), self.report.actions.len());
            let point = self.point(&record.point)?;
            for action in &mut self.report.actions[actions..] {
                action.push_str(&format!(", for the named snapshot {name:?}"));
            }
            for loss in self.report.losses.split_off(before) {
                let (snapshot, loss) = (name.clone(), Box::new(loss));
                self.report.losses.push(Loss::OfSnapshot { snapshot, loss });
            }
            let created_ms = record.created_ms;
            kept.insert(name.clone(), SnapshotRecord { created_ms, point });
        }
        if !kept.is_empty() {
            let names: Vec<&str> = kept.keys().map(String::as_str).collect();
            self.report
                .actions
                .push(format!("keep the named snapshots {}", names.join(", ")));
        }
        Ok(kept)
    }

    fn point(&mut self, point: &Point) -> Result<Point> {
        let mut kept = Point {
            manifests: BTreeMap::new(),
            ..point.clone()
        };
        for (&id, manifest) in &point.manifests {
            let Some(record) = point.phexts.get(&id) else {
                continue;
            };
            let mut parts = Vec::new();
            for entry in &manifest.parts {
                let placed = self.place_entry(id, &record.name, record.order, entry)?;
                parts.extend(placed.map(|placed| entry_of(&placed.view)));
            }
            let sealed_lsn = manifest.sealed_lsn;
            kept.manifests.insert(id, Manifest { sealed_lsn, parts });
        }
        Ok(kept)
    }
}

fn entry_of(view: &PartView) -> ManifestPart {
    ManifestPart {
        segment: view.part.segment().id(),
        index: view.part.index(),
        live_text_bytes: view.live_text_bytes(),
        shadow: view.shadow.encode(),
    }
}
