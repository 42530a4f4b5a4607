//! What is drawn cell by cell: curves in two dimensions, and a store as a square.

use super::plots::{PlotError, label, plot};
use crate::lab::curve;
use crate::lab::layout::Layout;
use crate::lab::measure::Bench;
use crate::lab::order::Path;
use phext_storage::curves::Curve;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// A curve, as the cells that it goes through.
pub(super) struct Picture {
    pub(super) name: &'static str,
    pub(super) side: u32,
    pub(super) cells: Vec<(u32, u32)>,
}

/// The snake, Morton, Gray, Hilbert and Peano.
pub(super) fn all() -> Vec<Picture> {
    let along = |name, path, side: u32| {
        let cell = |key| {
            let [x, y] = curve::decode::<2>(path, u128::from(key));
            (u32::from(x), u32::from(y))
        };
        Picture {
            name,
            side,
            cells: (0..side * side).map(cell).collect(),
        }
    };
    let snake = |number: u32| {
        let (row, place) = (number / 16, number % 16);
        let place = if row % 2 == 1 { 15 - place } else { place };
        (place, row)
    };
    vec![
        Picture {
            name: "snake",
            side: 16,
            cells: (0..256).map(snake).collect(),
        },
        along("Morton", Path::Engine(Curve::Morton), 16),
        along("Gray", Path::Gray, 16),
        along("Hilbert", Path::Engine(Curve::Hilbert), 16),
        along("Peano", Path::Engine(Curve::Peano), 27),
    ]
}

/// Cells to a side of a map, at most.
const MOST_SIDE: usize = 64;
/// Orders of which there is a map of what a session reads.
const MAPPED: [&str; 4] = ["random", "lexicographic", "hilbert-ranks", "leaves"];

/// The store as a square: its slots, in stretches of equal length, along a Hilbert curve of two
/// dimensions. Where texts are long, and what a session reads in some orders.
pub(super) fn occupancy(bench: &Bench) -> Result<String, PlotError> {
    const PANEL: i32 = 256;
    let sides = (1..)
        .map(|bits| 1 << bits)
        .take_while(|s| s * s <= bench.points.len());
    let side = sides.last().unwrap_or(1).min(MOST_SIDE);
    let layouts: Vec<&Layout> = MAPPED
        .iter()
        .filter_map(|name| bench.layouts.iter().find(|l| l.order.name() == *name))
        .collect();
    let mut panels: Vec<(String, Vec<f64>)> = Vec::new();
    if let Some(layout) = layouts.last() {
        panels.push((
            format!("bytes of texts, {}", layout.order),
            bytes(layout, side),
        ));
    }
    for layout in layouts {
        panels.push((
            format!("session reads, {}", layout.order),
            touched(bench, layout, side),
        ));
    }
    let width = 20 + (PANEL + 20) * panels.len() as i32;
    plot((width.unsigned_abs().max(600), 350), |area| {
        label(
            area,
            &format!(
                "The store as a square in {} dimensions: slots along a Hilbert curve, {side} by {side} stretches",
                bench.points.dimensions()
            ),
            (20, 18),
            17,
            HPos::Left,
        )?;
        for (at, (title, values)) in panels.iter().enumerate() {
            let (left, top) = (20 + (PANEL + 20) * at as i32, 60);
            label(area, title, (left, 46), 14, HPos::Left)?;
            let greatest = values.iter().copied().fold(0.0, f64::max).max(1.0);
            let cell = PANEL / side as i32;
            for (stretch, value) in values.iter().enumerate() {
                let (x, y) = hilbert_curve::convert_1d_to_2d(stretch, side);
                let (x, y) = (left + x as i32 * cell, top + PANEL - (y as i32 + 1) * cell);
                let colour = heat(value / greatest);
                area.draw(&Rectangle::new(
                    [(x, y), (x + cell, y + cell)],
                    colour.filled(),
                ))?;
            }
            let scale = format!("white: none; darkest: {greatest:.0}");
            label(area, &scale, (left, top + PANEL + 16), 12, HPos::Left)?;
        }
        Ok(())
    })
}

/// From white over blue to nearly black.
fn heat(share: f64) -> RGBColor {
    let share = share.clamp(0.0, 1.0);
    let fade = |from: f64, to: f64| (from + (to - from) * share.sqrt()) as u8;
    RGBColor(fade(255.0, 8.0), fade(255.0, 29.0), fade(255.0, 88.0))
}

/// The stretch that a position is in.
fn stretch(position: usize, positions: usize, side: usize) -> usize {
    position * side * side / positions
}

fn bytes(layout: &Layout, side: usize) -> Vec<f64> {
    let mut bytes = vec![0.0; side * side];
    for position in 0..layout.points.len() {
        let (start, end) = layout.entry(position as u32);
        bytes[stretch(position, layout.points.len(), side)] += (end - start) as f64;
    }
    bytes
}

fn touched(bench: &Bench, layout: &Layout, side: usize) -> Vec<f64> {
    let mut touched = vec![0.0; side * side];
    for &point in bench.session.iter().flat_map(|step| &step.read) {
        let position = layout.position[point as usize] as usize;
        touched[stretch(position, layout.points.len(), side)] += 1.0;
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_fill_their_squares() {
        for picture in all() {
            let mut cells = picture.cells.clone();
            cells.sort_unstable();
            cells.dedup();
            assert_eq!(
                cells.len() as u32,
                picture.side * picture.side,
                "{}",
                picture.name
            );
            assert!(
                cells
                    .iter()
                    .all(|&(x, y)| x < picture.side && y < picture.side)
            );
            let steps = picture.cells.windows(2);
            let longest = steps
                .map(|p| p[0].0.abs_diff(p[1].0) + p[0].1.abs_diff(p[1].1))
                .max();
            let is_continuous = !["Morton", "Gray"].contains(&picture.name);
            assert_eq!(longest == Some(1), is_continuous, "{}", picture.name);
        }
    }

    #[test]
    fn stretches_are_as_long_as_each_other() {
        let mut counts = [0; 16];
        (0..1_000).for_each(|position| counts[stretch(position, 1_000, 4)] += 1);
        assert!(
            counts.iter().all(|count| (62..=63).contains(count)),
            "{counts:?}"
        );
    }
}
