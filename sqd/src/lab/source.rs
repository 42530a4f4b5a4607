//! The data: rows of eleven components, and how long their entries in a heap are.
//!
//! | data | rows |
//! |---|---|
//! | `hierarchy`, `agent`, `clustered`, `uniform` | the keys of the benches; of each scroll one character is drawn, on one of 64 lines of 100 columns |
//! | `grid` | every cell of a dense grid, as many to a side as fit; a grid of each number of dimensions |
//! | a phext file | its first scrolls; of each one character is drawn, and its line and column taken |

use super::LabError;
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::lab::dataset::{Shape, distinct_keys, text_len};
use phext_storage::phext::PhextReader;
use phext_storage::vfs::{RealVfs, Vfs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Dimensions of a phext: those of a scroll, line and column.
pub(super) const ALL_DIMENSIONS: usize = DIMENSIONS + 2;

/// Lines and columns from which the character of a made scroll is drawn.
const LINES: u32 = 64;
const COLUMNS: u32 = 100;

/// Which data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Shape(Shape),
    Grid,
    File(PathBuf),
}

impl FromStr for Data {
    type Err = String;

    fn from_str(text: &str) -> Result<Data, String> {
        if text == "grid" {
            return Ok(Data::Grid);
        }
        if let Ok(shape) = text.parse() {
            return Ok(Data::Shape(shape));
        }
        let path = Path::new(text);
        let is_file =
            path.extension().is_some_and(|e| e == "phext") || RealVfs.metadata(path).is_ok();
        match is_file {
            true => Ok(Data::File(path.to_owned())),
            false => Err(format!(
                "`{text}` is no data set: use hierarchy, agent, clustered, uniform, grid or a phext file"
            )),
        }
    }
}

impl std::fmt::Display for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Data::Shape(shape) => shape.fmt(f),
            Data::Grid => f.write_str("grid"),
            Data::File(path) => path.display().fmt(f),
        }
    }
}

/// A point in all dimensions of a phext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// The components of the scroll, then line and column.
    pub(super) components: [u32; ALL_DIMENSIONS],
    /// Bytes of the scroll's entry in a heap.
    pub(super) entry_bytes: u32,
}

impl Row {
    fn new(coordinate: &Coordinate, line: u32, column: u32, text_bytes: usize) -> Row {
        let mut components = [0; ALL_DIMENSIONS];
        components[..DIMENSIONS].copy_from_slice(coordinate.components());
        components[DIMENSIONS..].copy_from_slice(&[line, column]);
        let key: usize = coordinate
            .components()
            .iter()
            .copied()
            .map(varint_bytes)
            .sum();
        let text_bytes = u32::try_from(text_bytes).unwrap_or(u32::MAX);
        let header = 4 + varint_bytes(text_bytes) + key;
        Row {
            components,
            entry_bytes: text_bytes.saturating_add(header as u32),
        }
    }
}

/// Bytes of a number in LEB128.
fn varint_bytes(number: u32) -> usize {
    ((u32::BITS - (number | 1).leading_zeros()) as usize).div_ceil(7)
}

/// At most `scrolls` rows; those of a grid in `dimensions` dimensions.
pub(super) fn rows(
    data: &Data,
    scrolls: usize,
    seed: u64,
    dimensions: usize,
) -> Result<Vec<Row>, LabError> {
    match data {
        Data::Shape(shape) => Ok(made(*shape, scrolls, seed)),
        Data::Grid => Ok(grid(scrolls, dimensions)),
        Data::File(path) => read(path, scrolls, seed),
    }
}

fn made(shape: Shape, scrolls: usize, seed: u64) -> Vec<Row> {
    let dice = &mut StdRng::seed_from_u64(seed ^ 0x11_d1_5e);
    let keys = distinct_keys(shape, scrolls, seed);
    let row = |(rank, key): (u64, &Coordinate)| {
        let (line, column) = (dice.random_range(1..=LINES), dice.random_range(1..=COLUMNS));
        Row::new(key, line, column, text_len(seed ^ rank))
    };
    (0..).zip(&keys).map(row).collect()
}

/// Cells to a side of the largest grid of at most so many cells.
pub(super) fn grid_side(cells: usize, dimensions: usize) -> u32 {
    let fits = |side: &u32| {
        let all = u128::from(*side).checked_pow(dimensions as u32);
        all.is_some_and(|all| all <= cells as u128)
    };
    (1..).take_while(fits).last().unwrap_or(1)
}

/// Every cell of a grid, in its last dimension first; the dimensions that it lacks are 1.
fn grid(cells: usize, dimensions: usize) -> Vec<Row> {
    let side = grid_side(cells, dimensions);
    let row = |number: u64| {
        let mut rest = number;
        let mut components = [1; ALL_DIMENSIONS];
        for component in components[..dimensions].iter_mut().rev() {
            *component = 1 + (rest % u64::from(side)) as u32;
            rest /= u64::from(side);
        }
        Row {
            components,
            entry_bytes: 14 + text_len(number) as u32,
        }
    };
    (0..u64::from(side).pow(dimensions as u32))
        .map(row)
        .collect()
}

fn read(path: &Path, scrolls: usize, seed: u64) -> Result<Vec<Row>, LabError> {
    let dice = &mut StdRng::seed_from_u64(seed);
    let file = RealVfs.read(path).map_err(|source| LabError::Data {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = PhextReader::new(BufReader::with_capacity(1 << 20, file));
    let mut rows = Vec::new();
    while rows.len() < scrolls {
        let scroll = reader.next_scroll().map_err(|source| LabError::Phext {
            path: path.to_owned(),
            source,
        })?;
        let Some((coordinate, text)) = scroll else {
            break;
        };
        let (line, column) = place(text, dice.random_range(0..text.len().max(1)));
        rows.push(Row::new(&coordinate, line, column, text.len()));
    }
    match rows.len() {
        0 | 1 => Err(LabError::TooFew {
            data: path.display().to_string(),
        }),
        _ => Ok(rows),
    }
}

/// Line and column of the character that holds a byte.
fn place(text: &str, byte: usize) -> (u32, u32) {
    let byte = text.floor_char_boundary(byte);
    let before = &text[..byte];
    let line = 1 + before.bytes().filter(|&b| b == b'\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = 1 + before[start..].chars().count();
    (line as u32, column as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_named() {
        assert_eq!("grid".parse(), Ok(Data::Grid));
        assert_eq!("agent".parse(), Ok(Data::Shape(Shape::Agent)));
        assert_eq!("a/b.phext".parse(), Ok(Data::File("a/b.phext".into())));
        let error = "agents".parse::<Data>().unwrap_err();
        assert!(
            error.contains("`agents`") && error.contains("clustered"),
            "{error}"
        );
    }

    #[test]
    fn grids_are_as_large_as_fits() {
        assert_eq!(grid_side(1_000_000, 2), 1000);
        assert_eq!(grid_side(999_999, 2), 999);
        assert_eq!(grid_side(1_000_000, 9), 4);
        assert_eq!(grid_side(1, 3), 1);
        let rows = grid(30, 3);
        assert_eq!(rows.len(), 27);
        assert!(rows.is_sorted());
        assert_eq!(rows[5].components[..4], [1, 2, 3, 1]);
    }

    #[test]
    fn a_character_has_a_place() {
        assert_eq!(place("ab\ncd", 0), (1, 1));
        assert_eq!(place("ab\ncd", 2), (1, 3), "the break ends its line");
        assert_eq!(place("ab\ncd", 4), (2, 2));
        assert_eq!(place("\u{e9}x", 1), (1, 1), "inside a character");
        assert_eq!(place("\u{e9}x", 2), (1, 2));
    }

    #[test]
    fn entries_are_as_long_as_in_a_heap() {
        assert_eq!(
            [0, 127, 128, 16_383, 16_384].map(varint_bytes),
            [1, 1, 2, 2, 3]
        );
        let coordinate = Coordinate::new([1, 1, 1, 1, 1, 1, 1, 1, 300]).unwrap();
        assert_eq!(
            Row::new(&coordinate, 1, 1, 200).entry_bytes,
            4 + 2 + 10 + 200
        );
    }
}
