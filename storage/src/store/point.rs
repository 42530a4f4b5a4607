//! A state as manifests: what checkpoints and named snapshots keep.
//!
//! The parts of a state are in segments already. What it holds in memtables is written as one more
//! segment. So a point is exact, to the LSN, and making it takes no lock that a commit takes.

use super::Shared;
use super::manifest::entries_of;
use super::state::{PartView, Phext, State};
use crate::catalog::Point;
use crate::coordinate::Coordinate;
use crate::error::Result;
use crate::log::Lsn;
use crate::segment::{Part, PartSource, Segment, write_segment};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

impl Shared {
    /// The manifests of `state`, whose memtables hold no change before `first_lsn`. What is in them
    /// is written as segment `id` in `directory`, if there is anything.
    pub(super) fn write_point(
        &self,
        state: &State,
        first_lsn: Lsn,
        directory: &Path,
        id: u64,
    ) -> Result<Point> {
        let lsns = (first_lsn.min(state.lsn), state.lsn);
        let in_memory: Vec<(&Arc<Phext>, Scrolls<'_>)> = state
            .phexts
            .values()
            .map(|phext| (phext, scrolls_in_memory(phext)))
            .filter(|(_, scrolls)| !scrolls.is_empty())
            .collect();
        let parts = self.write_scrolls(&in_memory, lsns, directory, id)?;
        let mut point = Point {
            lsn: state.lsn,
            ..Point::default()
        };
        for phext in state.phexts.values() {
            let written = parts.get(&phext.id).cloned().map(PartView::new);
            let (record, manifest) = entries_of(phext, written.iter().chain(&phext.parts));
            point.phexts.insert(phext.id, record);
            point.manifests.insert(phext.id, manifest);
        }
        Ok(point)
    }

    /// Writes a part for each of these phexts. Gives them by the phext's id.
    fn write_scrolls(
        &self,
        in_memory: &[(&Arc<Phext>, Scrolls<'_>)],
        lsns: (Lsn, Lsn),
        directory: &Path,
        id: u64,
    ) -> Result<BTreeMap<u64, Arc<Part>>> {
        if in_memory.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sources = in_memory.iter().map(|(phext, s)| source_of(phext, s, lsns));
        let sources: Vec<PartSource<'_>> = sources.collect();
        write_segment(&*self.vfs, directory, id, &sources)?;
        let segment = Segment::open(&*self.vfs, directory, id)?;
        let part =
            |((phext, _), index): (&(&Arc<Phext>, _), u32)| Ok((phext.id, segment.part(index)?));
        in_memory.iter().zip(0..).map(part).collect()
    }
}

type Scrolls<'a> = BTreeMap<Coordinate, &'a Bytes>;

/// What only memory has of a phext.
fn scrolls_in_memory(phext: &Phext) -> Scrolls<'_> {
    let mut scrolls: Scrolls<'_> = phext.active.iter().map(|(c, text)| (*c, text)).collect();
    if let Some(frozen) = &phext.frozen {
        let current = |(coordinate, _): &(&Coordinate, _)| !frozen.hidden.contains(*coordinate);
        let frozen = frozen.scrolls.iter().filter(current);
        scrolls.extend(frozen.map(|(coordinate, text)| (*coordinate, text)));
    }
    scrolls
}

fn source_of<'a>(phext: &'a Phext, scrolls: &Scrolls<'a>, lsns: (Lsn, Lsn)) -> PartSource<'a> {
    let texts: Vec<&Bytes> = scrolls.values().copied().collect();
    PartSource {
        phext: phext.id,
        name: &phext.name,
        order: phext.order,
        first_lsn: lsns.0,
        last_lsn: lsns.1,
        keys: scrolls.keys().copied().collect(),
        text: Box::new(move |index| Ok(texts[index])),
    }
}
