//! What the page table did, for operators.
//!
//! Each scan adds its own figures up and hands them over once, so that counting costs a handful of
//! relaxed additions a query, whatever the number of blocks.

use super::region::Region;
use crate::coordinate::DIMENSIONS;
use std::sync::atomic::{AtomicU64, Ordering};

/// Figures of scans: of one, or since a phext was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanFigures {
    /// Regions and nearest searches that were answered.
    pub scans: u64,
    /// Key blocks of the parts looked at.
    pub blocks_considered: u64,
    /// Key blocks that zone maps, dictionaries or distances ruled out, or postings led past.
    pub blocks_pruned: u64,
    /// Key blocks whose keys were tested.
    pub blocks_verified: u64,
    /// Parts in which postings led the way.
    pub postings_used: u64,
    /// Per dimension, library first, how many regions constrained it.
    pub hot_dimensions: [u64; DIMENSIONS],
}

impl ScanFigures {
    /// One scan of a region, before anything was looked at.
    pub(super) fn of_region(region: &Region) -> ScanFigures {
        let constrained = region
            .constraints()
            .each_ref()
            .map(|c| u64::from(!c.is_free()));
        ScanFigures {
            scans: 1,
            hot_dimensions: constrained,
            ..ScanFigures::default()
        }
    }
}

/// The figures of a phext's scans, added up. On cache lines of their own, because every query of
/// the phext writes to them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    scans: AtomicU64,
    blocks_considered: AtomicU64,
    blocks_pruned: AtomicU64,
    blocks_verified: AtomicU64,
    postings_used: AtomicU64,
    hot_dimensions: [AtomicU64; DIMENSIONS],
}

impl Counters {
    /// Adds the figures of a scan.
    pub(super) fn add(&self, figures: &ScanFigures) {
        let add = |counter: &AtomicU64, figure: u64| {
            if figure > 0 {
                counter.fetch_add(figure, Ordering::Relaxed);
            }
        };
        add(&self.scans, figures.scans);
        add(&self.blocks_considered, figures.blocks_considered);
        add(&self.blocks_pruned, figures.blocks_pruned);
        add(&self.blocks_verified, figures.blocks_verified);
        add(&self.postings_used, figures.postings_used);
        let dimensions = self.hot_dimensions.iter().zip(figures.hot_dimensions);
        dimensions.for_each(|(counter, figure)| add(counter, figure));
    }

    /// The sums so far. Each is exact; while queries run they need not be of the same moment.
    pub fn read(&self) -> ScanFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ScanFigures {
            scans: read(&self.scans),
            blocks_considered: read(&self.blocks_considered),
            blocks_pruned: read(&self.blocks_pruned),
            blocks_verified: read(&self.blocks_verified),
            postings_used: read(&self.postings_used),
            hot_dimensions: self.hot_dimensions.each_ref().map(read),
        }
    }
}
