//! The parts of a phext against each other and against the catalog.

use super::{Check, CheckProgress};
use crate::catalog::{Contents, Manifest, ManifestPart};
use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use crate::segment::Segment;
use crate::store::shadow::Shadow;
use crate::store::state::PartView;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

impl<F: FnMut(CheckProgress)> Check<'_, F> {
    /// Checks shadows, sums and that no coordinate is current twice.
    pub(super) fn check_phexts(&mut self, contents: &Contents) {
        self.report.phexts = contents.phexts.len() as u64;
        for (id, manifest) in &contents.manifests {
            let name = contents.phexts[id].name.as_str();
            let views = self.views(*id, name, manifest);
            self.report.scrolls += views.iter().map(|view| u64::from(view.live())).sum::<u64>();
            self.check_distinct(name, &views);
        }
    }

    /// The parts of a phext that can be opened.
    fn views(&mut self, id: u64, name: &str, manifest: &Manifest) -> Vec<PartView> {
        let mut views = Vec::new();
        for entry in &manifest.parts {
            match self.view(id, name, entry) {
                Ok(view) => views.push(view),
                Err(error) => self.findings.add(error, Some(name), None),
            }
        }
        views
    }

    fn view(&self, id: u64, name: &str, entry: &ManifestPart) -> Result<PartView> {
        let segment = Segment::open(self.vfs, &self.paths.segments, entry.segment)?;
        let part = segment.part(entry.index)?;
        if part.phext() != id {
            let what = format!("part {} is not of phext {name:?}", entry.index);
            return Err(StoreError::corrupt(segment.path(), 0, what));
        }
        let mut view = PartView::new(part);
        let shadow = Shadow::decode(&self.paths.catalog, &entry.shadow, view.part.slots())?;
        for slot in shadow.iter() {
            view.shadow_slot(slot)?;
        }
        if view.live_text_bytes() != entry.live_text_bytes {
            let what = format!(
                "the current slots of part {} of segment {} have {} bytes of text, it says {}",
                entry.index,
                entry.segment,
                view.live_text_bytes(),
                entry.live_text_bytes
            );
            return Err(StoreError::corrupt(&self.paths.catalog, 0, what));
        }
        Ok(view)
    }

    /// Merges the current coordinates of all parts: an equal one after another is current twice.
    fn check_distinct(&mut self, name: &str, views: &[PartView]) {
        let mut runs: Vec<_> = views
            .iter()
            // What cannot be read was listed when its part was checked; a walk does not get past it.
            .map(|view| {
                view.live_slots()
                    .map_while(Result::ok)
                    .map(|(coordinate, _)| coordinate)
            })
            .collect();
        let mut next: BinaryHeap<Reverse<(Coordinate, usize)>> = BinaryHeap::new();
        for (index, run) in runs.iter_mut().enumerate() {
            next.extend(run.next().map(|coordinate| Reverse((coordinate, index))));
        }
        let mut previous: Option<Coordinate> = None;
        while let Some(Reverse((coordinate, index))) = next.pop() {
            if previous == Some(coordinate) {
                let what = format!("a coordinate of phext {name:?} is current in two parts");
                let error = StoreError::corrupt(&self.paths.catalog, 0, what);
                self.findings.add(error, Some(name), Some(coordinate));
            }
            previous = Some(coordinate);
            next.extend(
                runs[index]
                    .next()
                    .map(|coordinate| Reverse((coordinate, index))),
            );
        }
    }
}
