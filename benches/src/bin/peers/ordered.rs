//! How an engine with ordered keys answers what it has no words for.
//!
//! - A region is a *skip scan*: at a key outside, the least key inside that may follow is worked out,
//!   and the engine seeks it. Where it may be close, some keys are passed over first, since a step
//!   costs much less than a seek.
//! - The nearest records are a skip scan of a box that shrinks. A first bound comes from the records
//!   that follow the centre in key order; nothing outside the box of that radius can be nearer.
//!   This is exact: a Manhattan distance is never below the difference in one dimension.

use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use crate::engine::{Outcome, Reader};
use crate::key::{Key, Packed, pack, unpack};
use crate::query::{Nearest, NearestQuestion, Prefix, Region, RegionQuestion};
use crate::tally::{Tally, text_sum};

/// Keys passed over before seeking.
const STEPS_BEFORE_SEEK: usize = 8;
/// Records looked at for the first bound.
const FIRST_RECORDS: usize = 1_000;

/// A view of a store whose keys are ordered by their bytes.
pub(crate) trait Ordered {
    /// Gives the value of a key to `read`, if there is one.
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome;

    /// Gives the records from a key on to `visit`, until it breaks.
    fn walk(&self, from: &Packed, visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Outcome;
}

/// Reads from an engine with ordered keys.
pub(crate) struct OrderedReader<O>(pub(crate) O);

impl<O: Ordered> Reader for OrderedReader<O> {
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome {
        self.0.get(&key.packed, |text| tally.text(text))
    }

    fn range(&mut self, from: &Key, limit: usize, tally: &mut Tally) -> Outcome {
        let mut left = limit;
        self.0.walk(&from.packed, |key, text| {
            tally.packed(key, text);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    fn scan(&mut self, tally: &mut Tally) -> Outcome {
        self.0.walk(&[0; _], |key, text| {
            tally.packed(key, text);
            ControlFlow::Continue(())
        })
    }

    fn prefix(&mut self, prefix: &Prefix, tally: &mut Tally) -> Outcome {
        self.0.walk(&prefix.from.packed, |key, text| {
            if *key > prefix.to.packed[..] {
                return ControlFlow::Break(());
            }
            tally.packed(key, text);
            ControlFlow::Continue(())
        })
    }

    fn region(&mut self, question: &RegionQuestion, tally: &mut Tally) -> Outcome {
        skip_scan(&self.0, question.region, |_, key, _, text| {
            tally.packed(key, text);
        })
    }

    fn nearest(&mut self, question: &NearestQuestion, tally: &mut Tally) -> Outcome {
        let nearest = &question.nearest;
        let mut first = Best::new(*nearest);
        let mut left = FIRST_RECORDS;
        self.0
            .walk(&pack(nearest.centre.components()), |key, text| {
                first.offer(unpack(key), text);
                left -= 1;
                if left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        let mut best = Best::new(*nearest);
        let bound = first.bound().unwrap_or(u64::MAX);
        let start = Region::around(nearest.centre.components(), bound);
        skip_scan(&self.0, start, |region, _, components, text| {
            if best.offer(components, text)
                && let Some(bound) = best.bound()
            {
                let closer = Region::around(nearest.centre.components(), bound);
                // Never wider than before: the first bound may still be the better one.
                region.low = std::array::from_fn(|d| region.low[d].max(closer.low[d]));
                region.high = std::array::from_fn(|d| region.high[d].min(closer.high[d]));
            }
        })?;
        best.tally(tally);
        Ok(())
    }
}

/// Visits the records in a region, which the visitor may narrow.
fn skip_scan<O: Ordered>(
    engine: &O,
    mut region: Region,
    mut visit: impl FnMut(&mut Region, &[u8], [u32; 9], &[u8]),
) -> Outcome {
    let mut target = Some(pack(&region.low));
    while let Some(from) = target.take() {
        let mut passed = 0;
        engine.walk(&from, |key, text| {
            let components = unpack(key);
            if region.contains(&components) {
                passed = 0;
                visit(&mut region, key, components, text);
                return ControlFlow::Continue(());
            }
            passed += 1;
            let Some(next) = region.next_possible(&components) else {
                return ControlFlow::Break(());
            };
            if passed <= STEPS_BEFORE_SEEK {
                return ControlFlow::Continue(());
            }
            target = Some(pack(&next));
            ControlFlow::Break(())
        })?;
    }
    Ok(())
}

/// The nearest records so far, the farthest of them on top.
struct Best {
    nearest: Nearest,
    heap: BinaryHeap<(u64, [u32; 9], u64)>,
}

impl Best {
    fn new(nearest: Nearest) -> Best {
        let heap = BinaryHeap::with_capacity(nearest.count + 1);
        Best { nearest, heap }
    }

    /// Takes a record if it is near enough; the text is only then looked at.
    #[inline]
    fn offer(&mut self, components: [u32; 9], text: &[u8]) -> bool {
        let distance = self.nearest.distance(&components);
        let is_full = self.heap.len() == self.nearest.count;
        if is_full
            && self
                .heap
                .peek()
                .is_some_and(|(farthest, key, _)| (distance, &components) >= (*farthest, key))
        {
            return false;
        }
        if is_full {
            self.heap.pop();
        }
        self.heap.push((distance, components, text_sum(text)));
        true
    }

    /// The distance beyond which nothing is taken any more.
    fn bound(&self) -> Option<u64> {
        let is_full = self.heap.len() == self.nearest.count;
        self.heap
            .peek()
            .map(|(farthest, ..)| *farthest)
            .filter(|_| is_full)
    }

    /// Adds all of them.
    fn tally(&self, tally: &mut Tally) {
        for (_, components, sum) in &self.heap {
            let key = phext_storage::coordinate::Coordinate::new(*components)
                .expect("components come from stored coordinates");
            tally.sums(crate::tally::coordinate_sum(&key), *sum);
        }
    }
}
