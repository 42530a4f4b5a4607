//! sqd: its storage engine directly, and, as a second row, through queries and their streams.

use std::sync::Arc;

use phext_query::{Fields, Flow, Query, ResultRow, Target, run};
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Lane, LaneSpec};
use phext_storage::{IngestMode, Options, Phext, Store, WriteBatch, WriteOp};

use super::in_flight;
use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::Key;
use crate::query::{Batch, NearestQuestion, Prefix, RegionQuestion};
use crate::tally::Tally;

pub(crate) const KIND: Kind = Kind {
    name: "sqd",
    settings: "default options, sealed and merged after the load, one snapshot per cell",
    put_durability: "write to the log and fdatasync, each commit group",
    load_durability: "one bulk ingest; segments and catalog synced by it",
    supports: |_| true,
    open: |directory, _: Sizing| {
        let store = Store::open(directory, Options::default())?;
        Ok(Box::new(Sqd {
            store: Arc::new(store),
        }))
    },
};

const PHEXT: &str = "scrolls";
/// Lanes taken at once: enough to overlap misses, little enough to stay in the first cache.
const LANES: usize = 64;

struct Sqd {
    store: Arc<Store>,
}

impl Sqd {
    fn phext(&self) -> Outcome<Arc<Phext>> {
        let snapshot = self.store.snapshot();
        Ok(snapshot
            .phext(PHEXT)
            .map(Arc::clone)
            .ok_or("the phext is not there")?)
    }
}

impl Engine for Sqd {
    fn load(&self, load: Load<'_>) -> Outcome {
        let mut ingest = self.store.ingest(PHEXT, IngestMode::Replace)?;
        for (key, text) in load.records() {
            ingest.push(*key, text)?;
        }
        ingest.finish()?;
        Ok(())
    }

    fn settle(&mut self) -> Outcome {
        self.store.seal()?;
        Ok(self.store.merge()?)
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        Ok(Box::new(Direct {
            phext: self.phext()?,
        }))
    }

    fn second_reader(&self) -> Outcome<Option<Box<dyn Reader + '_>>> {
        Ok(Some(Box::new(Streams {
            phext: self.phext()?,
        })))
    }

    fn put(&self, put: &Put) -> Outcome {
        self.store.commit(batch(put))?;
        Ok(())
    }

    fn put_by_callbacks(&self, writers: Vec<Vec<Put>>) -> Outcome<Vec<u64>> {
        in_flight::put_all(&self.store, writers)
    }
}

/// A batch of this one put.
pub(super) fn batch(put: &Put) -> WriteBatch {
    let operation = WriteOp::Put {
        coordinate: put.key.coordinate,
        text: put.text.clone(),
    };
    WriteBatch {
        phext: PHEXT.to_owned(),
        operations: vec![operation],
    }
}

/// The page table.
struct Direct {
    phext: Arc<Phext>,
}

impl Direct {
    /// Passes the texts of up to `limit` lanes on.
    fn lanes(
        &self,
        spec: &LaneSpec,
        limit: usize,
        mut visit: impl FnMut(&Coordinate, &[u8]),
    ) -> Outcome {
        let mut cursor = self.phext.lanes(spec)?;
        cursor.expect_texts();
        let mut lanes: Vec<Lane<'_>> = Vec::with_capacity(LANES);
        let mut left = limit;
        while left > 0 {
            lanes.clear();
            cursor.next_batch(&mut lanes, LANES.min(left))?;
            if lanes.is_empty() {
                break;
            }
            left -= lanes.len();
            lanes.iter().for_each(|lane| lane.location.prefetch(false));
            lanes.iter().for_each(|lane| lane.location.prefetch(true));
            for lane in &lanes {
                visit(&lane.coordinate, lane.location.text()?);
            }
        }
        Ok(())
    }
}

impl Reader for Direct {
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome {
        if let Some(text) = self.phext.text(&key.coordinate)? {
            tally.text(text);
        }
        Ok(())
    }

    fn batch(&mut self, batch: Batch<'_>, tally: &mut Tally) -> Outcome {
        self.phext.locate_each(batch.coordinates, |_, location| {
            tally.text(location.text()?);
            Ok(())
        })?;
        Ok(())
    }

    fn range(&mut self, from: &Key, limit: usize, tally: &mut Tally) -> Outcome {
        let spec = LaneSpec::Range {
            from: from.coordinate,
            to: Coordinate::MAX,
        };
        self.lanes(&spec, limit, |coordinate, text| {
            tally.coordinate(coordinate, text);
        })
    }

    fn scan(&mut self, tally: &mut Tally) -> Outcome {
        self.lanes(&LaneSpec::All, usize::MAX, |coordinate, text| {
            tally.coordinate(coordinate, text);
        })
    }

    fn prefix(&mut self, prefix: &Prefix, tally: &mut Tally) -> Outcome {
        let spec = LaneSpec::Range {
            from: prefix.from.coordinate,
            to: prefix.to.coordinate,
        };
        self.lanes(&spec, usize::MAX, |coordinate, text| {
            tally.coordinate(coordinate, text);
        })
    }

    fn region(&mut self, question: &RegionQuestion, tally: &mut Tally) -> Outcome {
        self.lanes(&question.lanes, usize::MAX, |coordinate, text| {
            tally.coordinate(coordinate, text);
        })
    }

    fn nearest(&mut self, question: &NearestQuestion, tally: &mut Tally) -> Outcome {
        self.lanes(&question.lanes, usize::MAX, |coordinate, text| {
            tally.coordinate(coordinate, text);
        })
    }
}

/// Queries, as the server makes them.
struct Streams {
    phext: Arc<Phext>,
}

impl Streams {
    fn run(
        &self,
        target: Target,
        limit: Option<u64>,
        mut row: impl FnMut(&ResultRow<'_>),
    ) -> Outcome {
        let query = Query {
            limit,
            ..Query::rows(target, Fields::TEXT)
        };
        let mut sink = |result: &ResultRow<'_>| {
            row(result);
            Ok(Flow::Continue)
        };
        run(&query, &self.phext, &mut sink)?;
        Ok(())
    }

    /// Rows whose coordinate is part of the answer.
    fn records(&self, target: Target, limit: Option<u64>, tally: &mut Tally) -> Outcome {
        self.run(target, limit, |row| {
            let (Some(coordinate), Some(text)) = (row.coordinate, row.text) else {
                return;
            };
            tally.coordinate(&coordinate, text);
        })
    }

    /// Rows of a region or of a search.
    fn lanes(&self, lanes: &LaneSpec, tally: &mut Tally) -> Outcome {
        let target = match lanes.clone() {
            LaneSpec::Region(region) => Target::Region(region),
            LaneSpec::Nearest(nearest) => Target::Nearest(nearest),
            other => return Err(format!("{other:?} is asked for in another way").into()),
        };
        self.records(target, None, tally)
    }

    /// Rows of coordinates that were asked for; an absent one has no text.
    fn points(&self, points: Vec<Coordinate>, tally: &mut Tally) -> Outcome {
        self.run(Target::Points(points), None, |row| {
            if let Some(text) = row.text {
                tally.text(text);
            }
        })
    }
}

impl Reader for Streams {
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome {
        let mut sink = |row: &ResultRow<'_>| {
            if let Some(text) = row.text {
                tally.text(text);
            }
            Ok(Flow::Continue)
        };
        run(&Query::point(key.coordinate), &self.phext, &mut sink)?;
        Ok(())
    }

    fn batch(&mut self, batch: Batch<'_>, tally: &mut Tally) -> Outcome {
        self.points(batch.coordinates.to_vec(), tally)
    }

    fn range(&mut self, from: &Key, limit: usize, tally: &mut Tally) -> Outcome {
        let target = Target::Range {
            from: from.coordinate,
            to: Coordinate::MAX,
        };
        self.records(target, Some(limit as u64), tally)
    }

    fn scan(&mut self, tally: &mut Tally) -> Outcome {
        self.records(Target::All, None, tally)
    }

    fn prefix(&mut self, prefix: &Prefix, tally: &mut Tally) -> Outcome {
        let target = Target::Range {
            from: prefix.from.coordinate,
            to: prefix.to.coordinate,
        };
        self.records(target, None, tally)
    }

    fn region(&mut self, question: &RegionQuestion, tally: &mut Tally) -> Outcome {
        self.lanes(&question.lanes, tally)
    }

    fn nearest(&mut self, question: &NearestQuestion, tally: &mut Tally) -> Outcome {
        self.lanes(&question.lanes, tally)
    }
}
