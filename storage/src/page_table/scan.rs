//! A region over one part: which positions of its key blocks hold a matching key.
//!
//! ```text
//! constraints -> codes       binary search in the dictionaries; no code, no match in this part
//! zone map    -> groups      SIMD over the least and greatest code of every group of 64 blocks
//!             -> blocks      the same over the blocks of each group left
//! blocks      -> positions   SIMD over the 128 keys of each block left
//! or
//! postings    -> positions   of the rarest codes, ANDed; the other constraints per key
//! ```
//!
//! Dictionaries know how many slots have a code, so that dimensions are tested in order of
//! selectivity, and so that what postings cost is known before one is read. What the blocks cost is
//! known once the zone map was scanned; unless the postings are cheaper than the next step of that
//! scan alone, the step is done first. See [`cost`] for the figures.

use super::counters::ScanFigures;
use super::kernels::{CodeSpan, CodeTest, Codes, Kernels, LANES};
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
const BLOCKS_AHEAD: usize = 4;

/// Tests whose codes are asked for ahead: few blocks have a key left after more.
const TESTS_AHEAD: usize = 2;

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

impl Scan<'_> {
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
        self.by_blocks(&survivors)
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
    fn zone_maps(&self) -> Result<Vec<ZoneMap<'_>>> {
        let maps = self.tests.iter();
        maps.map(|test| self.part.zone_map(test.dimension))
            .collect()
    }

    /// The groups that may hold a match.
    fn groups_left(&self, maps: &[ZoneMap<'_>]) -> Vec<u32> {
        let mut keep = vec![1; self.part.groups() as usize];
        for (test, map) in self.tests.iter().zip(maps) {
            self.keep_overlapping(test, map.groups, &mut keep);
        }
        let mut groups = Vec::new();
        push_kept(&keep, 0, &mut groups);
        groups
    }

    /// The blocks of these groups that may hold a match. Groups that follow each other are scanned as
    /// one.
    fn blocks_left(&self, maps: &[ZoneMap<'_>], groups: &[u32]) -> Vec<u32> {
        let mut blocks = Vec::new();
        let mut keep = Vec::new();
        for run in groups.chunk_by(|a, b| a + 1 == *b) {
            let first = self.part.blocks_of_group(run[0]).start;
            let end = self.part.blocks_of_group(run[run.len() - 1]).end;
            keep.clear();
            keep.resize(end - first, 1);
            for (test, map) in self.tests.iter().zip(maps) {
                self.keep_overlapping(test, map.blocks.range(first..end), &mut keep);
                if !keep.contains(&1) {
                    break;
                }
            }
            push_kept(&keep, first as u32, &mut blocks);
        }
        blocks
    }

    fn keep_overlapping(&self, test: &PartTest, zones: Zones<'_>, keep: &mut [u8]) {
        let codes = |bytes| Codes {
            width: zones.width,
            bytes,
        };
        let (least, greatest) = (codes(zones.least), codes(zones.greatest));
        self.kernels
            .keep_overlapping(least, greatest, &test.test.spans, keep);
    }

    fn by_blocks(&mut self, survivors: &[u32]) -> Result<Vec<u32>> {
        if survivors.len() as u64 * 2 > u64::from(self.part.blocks()) {
            // Most of the section is about to be read: chunk by chunk is faster than block by block.
            self.part.verify_key_blocks()?;
        }
        self.figures.blocks_verified += survivors.len() as u64;
        let tests: Vec<CodeTest> = self.tests.iter().map(|test| test.test.clone()).collect();
        let mut positions = Vec::new();
        for (index, &block) in survivors.iter().enumerate() {
            if let Some(&ahead) = survivors.get(index + BLOCKS_AHEAD) {
                for test in tests.iter().take(TESTS_AHEAD) {
                    self.part.prefetch_column(ahead, test.at, test.width);
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

/// Appends the indexes of the flags that are set, counted from `first`.
fn push_kept(keep: &[u8], first: u32, out: &mut Vec<u32>) {
    for (chunk, flags) in keep.chunks(8).enumerate() {
        // Most regions leave few blocks: eight flags are skipped at a time.
        if flags.iter().any(|&flag| flag != 0) {
            let set = flags.iter().enumerate().filter(|&(_, &flag)| flag != 0);
            out.extend(set.map(|(index, _)| first + (chunk * 8 + index) as u32));
        }
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
