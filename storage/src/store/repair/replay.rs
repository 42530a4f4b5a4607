//! The log in the repaired store: what it still says becomes a segment, what it lost is told.

use super::Planner;
use super::report::Loss;
use crate::error::Result;
use crate::log::{Lsn, Payload};
use crate::segment::{Order, PartSource};
use crate::store::state::{PartView, Phext, State};
use crate::store::writer::apply;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Planner<'_> {
    /// Applies the log's whole prefix and makes a segment of it. Gives the last LSN used.
    pub(super) fn replay(&mut self, state: &mut State) -> Result<Lsn> {
        self.tell_lost_commits(state);
        let log = &self.evidence.log;
        let mut dirty = BTreeSet::new();
        for (lsn, payload) in &log.records {
            let Payload::Batch(groups) = payload else {
                continue;
            };
            for group in groups {
                let (bytes, phext) = state.phext_mut(&group.name, || (group.phext, Order::Auto, 0));
                if *lsn <= phext.sealed_lsn {
                    continue;
                }
                for operation in &group.operations {
                    apply(phext, operation, bytes)?;
                }
                dirty.insert(Arc::clone(&phext.name));
            }
        }
        let lost = log.lost.map_or(0, |(_, last)| last);
        let durable = self
            .evidence
            .catalog
            .as_ref()
            .map_or(0, |catalog| catalog.header.durable_lsn);
        let last_lsn = state.lsn.max(log.last_lsn).max(lost).max(durable);
        self.seal_replayed(state, &dirty, last_lsn)?;
        Ok(last_lsn)
    }

    fn seal_replayed(
        &mut self,
        state: &mut State,
        dirty: &BTreeSet<Arc<str>>,
        last_lsn: Lsn,
    ) -> Result<()> {
        let replayed = dirty.iter().map(|name| Arc::clone(&state.phexts[name]));
        let replayed: Vec<Arc<Phext>> = replayed.filter(|phext| !phext.active.is_empty()).collect();
        if replayed.is_empty() {
            return Ok(());
        }
        let first_lsn = self
            .evidence
            .log
            .records
            .first()
            .map_or(last_lsn, |(lsn, _)| *lsn);
        let sources: Vec<PartSource<'_>> = replayed
            .iter()
            .map(|phext| {
                let texts: Vec<_> = phext.active.iter().map(|(_, text)| text).collect();
                PartSource {
                    phext: phext.id,
                    name: &phext.name,
                    order: phext.order,
                    first_lsn: first_lsn.max(phext.sealed_lsn + 1),
                    last_lsn,
                    keys: phext.active.iter().map(|(c, _)| *c).collect(),
                    text: Box::new(move |index| Ok(texts[index])),
                }
            })
            .collect();
        let segment = self.new.write_segment(&sources)?;
        self.report.actions.push(format!(
            "write what {} whole records of the log say into a new segment",
            self.evidence.log.records.len()
        ));
        for (phext, index) in replayed.iter().zip(0..) {
            let view = PartView::new(segment.part(index)?);
            let phext = state
                .phexts
                .get_mut(&phext.name)
                .expect("it was just replayed");
            let phext = Arc::make_mut(phext);
            phext.active = Default::default();
            phext.parts.insert(0, view);
        }
        Ok(())
    }

    /// What the log held and does not hold any more.
    fn tell_lost_commits(&mut self, state: &State) {
        let log = &self.evidence.log;
        let first_lost = match self.evidence.catalog {
            None if !log.has_files => state.lsn + 1,
            _ => 1,
        };
        let lost = log.lost.map(|(first, last)| (first.max(first_lost), last));
        if let Some((first, last)) = lost.filter(|(first, last)| first <= last) {
            self.report.losses.push(Loss::Commits { first, last });
        }
        if log.is_end_lost {
            let known = log.lost.map_or(log.last_lsn, |(_, last)| last);
            let after = known.max(state.lsn);
            self.report.losses.push(Loss::Later { after });
        }
        if self.evidence.catalog.is_none() {
            let first = log.first_lsn.unwrap_or(0);
            if state.lsn + 1 < first {
                let (first, last) = (state.lsn + 1, first - 1);
                self.report.losses.push(Loss::Unknown { first, last });
            }
        }
    }
}
