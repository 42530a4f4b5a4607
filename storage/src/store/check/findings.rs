//! What is damaged, gathered by place.

use crate::coordinate::Coordinate;
use crate::error::{Result, StoreError};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Coordinates that are listed for one damaged place; the others are counted.
const LISTED_COORDINATES: usize = 20;

/// One damaged place and what it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, or the directory of the catalog or the log.
    pub path: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// What is wrong there, as the error that a read meets says it.
    pub what: String,
    /// The phexts concerned, as far as known.
    pub phexts: Vec<String>,
    /// Scrolls concerned, as far as known.
    pub scrolls: u64,
    /// The coordinates of the first of them.
    pub coordinates: Vec<Coordinate>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for (index, phext) in self.phexts.iter().enumerate() {
            write!(
                f,
                "{} {phext:?}",
                if index == 0 { "; of phext" } else { "," }
            )?;
        }
        if self.scrolls == 0 {
            return Ok(());
        }
        write!(f, "; {} scrolls:", self.scrolls)?;
        for coordinate in &self.coordinates {
            write!(f, " {coordinate}")?;
        }
        let more = self.scrolls - self.coordinates.len() as u64;
        if more > 0 {
            write!(f, " and {more} more")
        } else {
            Ok(())
        }
    }
}

/// Damaged places by path, offset and what is wrong there.
#[derive(Debug, Default)]
pub(in crate::store) struct Findings {
    places: BTreeMap<(PathBuf, u64, String), Damage>,
    /// The first error that says nothing of what is stored.
    failure: Option<StoreError>,
}

impl Findings {
    /// Adds what an error says, with the phext and the coordinate it was met for.
    pub(in crate::store) fn add(
        &mut self,
        error: StoreError,
        phext: Option<&str>,
        coordinate: Option<Coordinate>,
    ) {
        if !error.is_damage() {
            self.failure.get_or_insert(error);
            return;
        }
        let what = error.to_string();
        let (path, offset) = place_of(error);
        let damage = self
            .places
            .entry((path.clone(), offset, what.clone()))
            .or_insert(Damage {
                path,
                offset,
                what,
                phexts: Vec::new(),
                scrolls: 0,
                coordinates: Vec::new(),
            });
        if let Some(phext) = phext
            && !damage.phexts.iter().any(|known| known == phext)
        {
            damage.phexts.push(phext.to_owned());
        }
        if let Some(coordinate) = coordinate {
            damage.scrolls += 1;
            if damage.coordinates.len() < LISTED_COORDINATES {
                damage.coordinates.push(coordinate);
            }
        }
    }

    /// Ends the check where something could not be read for another reason than damage.
    pub(in crate::store) fn fail(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// All of them, by path and offset.
    pub(in crate::store) fn into_damages(self) -> Vec<Damage> {
        self.places.into_values().collect()
    }
}

fn place_of(error: StoreError) -> (PathBuf, u64) {
    match error {
        StoreError::Corrupt { path, offset, .. } => (path, offset),
        StoreError::Io { path, .. } => (path, 0),
        _ => (PathBuf::new(), 0),
    }
}
