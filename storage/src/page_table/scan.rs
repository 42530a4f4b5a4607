//! A region over one part: which positions of its key blocks hold a matching key.
//!
//! ```text
//! constraints -> codes       a search in the dictionaries; no code, no match in this part
//! zone map    -> groups      SIMD over the least and greatest code of every group of 64 blocks
//!             -> blocks      the same over the blocks of each group left
//! blocks      -> positions   SIMD over the 128 keys of each block left
//! or
//! postings    -> positions   of the rarest codes, ANDed; the other constraints per key
//! ```
//!
//! Dictionaries know how many slots have a code, so that zones are tested in order of selectivity, and
//! so that what postings cost is known before one is read. What the blocks cost is known once the zone
//! map was scanned; unless the postings are cheaper than the next step of that scan alone, the step is
//! done first. See [`cost`] for the figures. Keys are tested in an order of their own: see
//! [`tests_of_keys`].

use super::counters::ScanFigures;
use super::kernels::{CodeSpan, CodeTest, Codes, Kernels, LANES, ZONES, ZoneTest};
use super::region::{Constraint, Region};
use crate::coordinate::DIMENSIONS;
use crate::error::Result;
use crate::segment::{Components, GROUP_BLOCKS, Part, ZoneMap, Zones};
use roaring::RoaringBitmap;

/// What steps take, in nanoseconds, on the machine that docs/BENCHMARKS.md names. Only their ratios
/// matter.
mod cost {
    /// To compare a block's or a group's zone in one dimension.
    pub(super) const ZONE: f64 = 0.1;
    /// To test a block's 128 keys.
    pub(super) const BLOCK: f64 = 100.0;
    /// To read a posting list, besides its entries.
    pub(super) const LIST: f64 = 300.0;
    /// To take an entry of a posting list, and to test one key.
    pub(super) const ENTRY: f64 = 15.0;
}

/// Blocks ahead of the one that is tested whose codes are asked for.
const BLOCKS_AHEAD: usize = 8;

/// Blocks whose zones are looked at to see what the tests of their keys will leave.
const BLOCKS_SAMPLED: usize = 8;

/// Where fewer keys of a block are expected to be left, the columns of further tests are not asked for
/// ahead.
const LEAST_EXPECTED: f32 = 0.5;

const _: () = assert!(GROUP_BLOCKS == ZONES, "a group's blocks are tested at once");

/// A constraint over more codes than this is left to the zone map.
const MOST_LISTS: u32 = 8;

/// A further posting list is worth reading where it is at most this many times as long as the
/// shortest: ANDing costs about a nanosecond an entry, testing a key cost::ENTRY.
const WORTH_INTERSECTING: u32 = 8;

/// A constraint in the codes of a part.
#[derive(Debug)]
struct PartTest {
    dimension: usize,
    /// Slots that meet it.
    slots: u32,
    /// Codes that meet it.
    codes: u32,
    test: CodeTest,
}

impl PartTest {
    /// Which share of the codes between a block's least and greatest is wanted.
    fn share(&self, (least, greatest): (u32, u32)) -> f32 {
        let codes = |least: u32, greatest: u32| (greatest as f32 - least as f32 + 1.0).max(0.0);
        let spans = self.test.spans.iter();
        let wanted = spans.map(|span| codes(span.first.max(least), span.last.min(greatest)));
        wanted.sum::<f32>() / codes(least, greatest).max(1.0)
    }
}

/// The positions of `part` whose keys lie in the region, ascending; `None` where all do.
pub(super) fn positions(
    part: &Part,
    region: &Region,
    kernels: Kernels,
    figures: &mut ScanFigures,
) -> Result<Option<Vec<u32>>> {
    let tests = translate(part, region);
    if tests.as_ref().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let blocks = u64::from(part.blocks());
    figures.blocks_considered += blocks;
    let verified_before = figures.blocks_verified;
    let positions = match tests {
        None => Vec::new(),
        Some(tests) => Scan {
            part,
            tests,
            kernels,
            figures,
        }
        .run()?,
    };
    let verified = figures.blocks_verified - verified_before;
    figures.blocks_pruned += blocks.saturating_sub(verified);
    Ok(Some(positions))
}

/// At most how many slots of the part lie in the region.
pub(super) fn most_slots(part: &Part, region: &Region) -> u32 {
    match translate(part, region) {
        None => 0,
        Some(tests) => tests.first().map_or(part.slots(), |test| test.slots),
    }
}

/// The constraints that exclude any slot of the part, the most selective first; `None` where no slot
/// meets one of them.
fn translate(part: &Part, region: &Region) -> Option<Vec<PartTest>> {
    let mut tests = Vec::with_capacity(DIMENSIONS);
    for (dimension, constraint) in region.constraints().iter().enumerate() {
        if constraint.is_free() {
            continue;
        }
        let components = part.components(dimension);
        let spans = code_spans(&components, constraint);
        if spans.is_empty() {
            return None;
        }
        let codes = spans.iter().map(|span| span.last - span.first + 1).sum();
        if codes == components.len() {
            continue;
        }
        let in_span = |span: &CodeSpan| {
            let end = components.slots_below(span.last + 1);
            end.saturating_sub(components.slots_below(span.first))
        };
        let column = part.key_column(dimension);
        tests.push(PartTest {
            dimension,
            slots: spans.iter().map(in_span).sum(),
            codes,
            test: CodeTest {
                width: column.width,
                at: column.at,
                spans,
            },
        });
    }
    tests.sort_by_key(|test| test.slots);
    Some(tests)
}

/// The codes of the components that meet a constraint. Spans that are neighbours become one.
fn code_spans(components: &Components<'_>, constraint: &Constraint) -> Vec<CodeSpan> {
    let mut spans: Vec<CodeSpan> = Vec::with_capacity(constraint.spans().len());
    for span in constraint.spans() {
        let first = components.code_from(span.low);
        let end = components.code_from(span.high + 1);
        if first >= end {
            continue;
        }
        match spans.last_mut() {
            Some(last) if last.last + 1 == first => last.last = end - 1,
            _ => spans.push(CodeSpan {
                first,
                last: end - 1,
            }),
        }
    }
    spans
}

/// A region in the codes of a part, with at least one test.
struct Scan<'a> {
    part: &'a Part,
    tests: Vec<PartTest>,
    kernels: Kernels,
    figures: &'a mut ScanFigures,
}

impl<'a> Scan<'a> {
    fn run(mut self) -> Result<Vec<u32>> {
        let lists = self.lists()?;
        let of_lists = match lists.first() {
            Some(&shortest) => self.cost_of_lists(shortest),
            None => f64::INFINITY,
        };
        let of_zones = |zones: usize| (zones * self.tests.len()) as f64 * cost::ZONE;
        if of_lists < of_zones(self.part.groups() as usize) {
            return self.by_postings(&lists);
        }
        let maps = self.zone_maps()?;
        let groups = self.groups_left(&maps);
        if of_lists < of_zones(groups.len() * GROUP_BLOCKS) {
            return self.by_postings(&lists);
        }
        let survivors = self.blocks_left(&maps, &groups);
        if of_lists < survivors.len() as f64 * cost::BLOCK {
            return self.by_postings(&lists);
        }
        self.by_blocks(&maps, &survivors)
    }

    /// The tests, by index, that postings can answer, the most selective first.
    fn lists(&self) -> Result<Vec<usize>> {
        let mut lists = Vec::new();
        for (index, test) in self.tests.iter().enumerate() {
            if test.codes <= MOST_LISTS && self.part.has_postings(test.dimension)? {
                lists.push(index);
            }
        }
        Ok(lists)
    }

    fn cost_of_lists(&self, shortest: usize) -> f64 {
        let test = &self.tests[shortest];
        f64::from(test.codes) * cost::LIST + f64::from(test.slots) * cost::ENTRY
    }

    /// The zone maps of the tests, in their order.
    fn zone_maps(&self) -> Result<Vec<ZoneMap<'a>>> {
        let maps = self.tests.iter();
        maps.map(|test| self.part.zone_map(test.dimension))
            .collect()
    }

    /// The groups that may hold a match.
    fn groups_left(&self, maps: &[ZoneMap<'_>]) -> Vec<u32> {
        let tests = self.zone_tests(maps, |map| map.groups);
        let groups = self.part.groups() as usize;
        let mut left = Vec::new();
        for first in (0..groups).step_by(ZONES) {
            let end = (first + ZONES).min(groups);
            let bits = self.kernels.overlapping(&tests, first..end);
            push_indexes(first, bits, &mut left);
        }
        left
    }

    /// The blocks of these groups that may hold a match.
    fn blocks_left(&self, maps: &[ZoneMap<'_>], groups: &[u32]) -> Vec<u32> {
        let tests = self.zone_tests(maps, |map| map.blocks);
        let mut left = Vec::new();
        for &group in groups {
            let blocks = self.part.blocks_of_group(group);
            let first = blocks.start;
            let bits = self.kernels.overlapping(&tests, blocks);
            push_indexes(first, bits, &mut left);
        }
        left
    }

    /// The tests of one level of the zone maps.
    fn zone_tests<'z>(
        &'z self,
        maps: &[ZoneMap<'z>],
        level: fn(&ZoneMap<'z>) -> Zones<'z>,
    ) -> Vec<ZoneTest<'z>> {
        let of = |(test, map): (&'z PartTest, &ZoneMap<'z>)| {
            let zones = level(map);
            let codes = |bytes| Codes {
                width: zones.width,
                bytes,
            };
            ZoneTest {
                least: codes(zones.least),
                greatest: codes(zones.greatest),
                spans: &test.test.spans,
            }
        };
        self.tests.iter().zip(maps).map(of).collect()
    }

    fn by_blocks(&mut self, maps: &[ZoneMap<'_>], survivors: &[u32]) -> Result<Vec<u32>> {
        if survivors.len() as u64 * 2 > u64::from(self.part.blocks()) {
            // Most of the section is about to be read: chunk by chunk is faster than block by block.
            self.part.verify_key_blocks()?;
        }
        self.figures.blocks_verified += survivors.len() as u64;
        let (tests, ahead) = tests_of_keys(std::mem::take(&mut self.tests), maps, survivors);
        let mut positions = Vec::new();
        for (index, &block) in survivors.iter().enumerate() {
            if let Some(&block) = survivors.get(index + BLOCKS_AHEAD) {
                for test in &tests[..ahead] {
                    self.part.prefetch_column(block, test.at, test.width);
                }
            }
            let bits = self
                .kernels
                .keep_within(self.part.key_block(block)?, &tests);
            push_positions(block, bits, self.part.slots(), &mut positions);
        }
        Ok(positions)
    }

    fn by_postings(&mut self, lists: &[usize]) -> Result<Vec<u32>> {
        let (&first, rest) = lists
            .split_first()
            .expect("the cost of no list is infinite");
        let mut found = self.union_of_lists(first)?;
        let mut answered = vec![first];
        for &index in rest {
            if found.len() > u64::from(self.tests[index].slots / WORTH_INTERSECTING) {
                found &= self.union_of_lists(index)?;
                answered.push(index);
            }
        }
        let left = self.tests.iter().enumerate();
        let left = left.filter(|(index, _)| !answered.contains(index));
        let left: Vec<&PartTest> = left.map(|(_, test)| test).collect();
        let mut positions = Vec::with_capacity(found.len() as usize);
        let mut last_block = None;
        for position in found {
            if !left.is_empty()
                && last_block.replace(position / LANES as u32) != Some(position / LANES as u32)
            {
                self.figures.blocks_verified += 1;
            }
            if self.passes(&left, position)? {
                positions.push(position);
            }
        }
        self.figures.postings_used += 1;
        Ok(positions)
    }

    fn union_of_lists(&self, index: usize) -> Result<RoaringBitmap> {
        let PartTest {
            dimension, test, ..
        } = &self.tests[index];
        let codes = test.spans.iter().flat_map(|span| span.first..=span.last);
        let mut union = RoaringBitmap::new();
        for code in codes {
            union |= self.part.posting(*dimension, code)?;
        }
        Ok(union)
    }

    fn passes(&self, tests: &[&PartTest], position: u32) -> Result<bool> {
        for test in tests {
            let code = self.part.code_at_position(test.dimension, position)?;
            let within = |span: &CodeSpan| (span.first..=span.last).contains(&code);
            if !test.test.spans.iter().any(within) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The tests of the keys of these blocks, those first that leave fewest keys, and how many of them are
/// expected to be made.
///
/// Most of the time goes into bringing columns into the cache. How selective a constraint is among the
/// keys of the blocks that it left is not how selective it is among all slots: where the order of the
/// keys follows a dimension closely, its zone map has ruled out most, and its test most keys of the rest
/// pass.
fn tests_of_keys(
    tests: Vec<PartTest>,
    maps: &[ZoneMap<'_>],
    blocks: &[u32],
) -> (Vec<CodeTest>, usize) {
    let step = blocks.len().div_ceil(BLOCKS_SAMPLED).max(1);
    let shares = tests.into_iter().zip(maps).map(|(test, map)| {
        let sampled = blocks.iter().step_by(step);
        let shares = sampled.map(|&block| test.share(map.blocks.ends(block as usize)));
        let mean = shares.sum::<f32>() / blocks.len().div_ceil(step) as f32;
        (mean, test.test)
    });
    let mut tests: Vec<(f32, CodeTest)> = shares.collect();
    tests.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut expected = LANES as f32;
    let is_made = |(share, _): &&(f32, CodeTest)| {
        let is_made = expected > LEAST_EXPECTED;
        expected *= share;
        is_made
    };
    let made = tests.iter().take_while(is_made).count();
    (tests.into_iter().map(|(_, test)| test).collect(), made)
}

/// Appends the indexes of the bits that are set, counted from `first`.
#[inline]
fn push_indexes(first: usize, mut bits: u64, out: &mut Vec<u32>) {
    while bits != 0 {
        out.push(first as u32 + bits.trailing_zeros());
        bits &= bits - 1;
    }
}

/// Appends the positions of a block's bits. The last block repeats its last key beyond the slots.
#[inline]
pub(super) fn push_positions(block: u32, mut bits: u128, slots: u32, positions: &mut Vec<u32>) {
    let first = block * LANES as u32;
    let keys = (slots - first).min(LANES as u32);
    if keys < LANES as u32 {
        bits &= (1 << keys) - 1;
    }
    while bits != 0 {
        positions.push(first + bits.trailing_zeros());
        bits &= bits - 1;
    }
}
