//! The rows that CDOT keeps.
//!
//! Texts are compared with all queries before the next ones are: with a few queries one by one, with
//! more by panels of 16. Of a panel only what is as good as the worst row that is kept is looked at,
//! which after the first texts is next to nothing.
//!
//! ```text
//! lanes -> texts that are vectors, by blocks -> tiles of texts and panels -> what reaches its bound -> rows
//! ```

use super::kernels::{CELLS, Kernels, LONGEST, PANELS, Panel, QUERIES, Row, TEXTS, Tile, texts_of};
use super::registers::{Order, Rows};
use super::top::Top;
use crate::{Queries, Ranking};
use phext_storage::coordinate::Coordinate;

/// Most queries that are compared one by one.
const FEW: usize = 4;

/// Texts of a block: so that they are still in the first cache when they are multiplied.
const BLOCK: usize = 32;

/// The best rows so far, of each query.
#[derive(Debug)]
pub(super) struct Dots {
    count: u64,
    length: usize,
    prepared: Prepared,
    best: Vec<Top>,
}

/// The queries as kernels take them.
#[derive(Debug)]
enum Prepared {
    Rows(Vec<Row>),
    Panels(Vec<Panel>),
}

/// Texts that are vectors of the length of the queries, and where they are.
struct Block<'t> {
    texts: [&'t [u8]; BLOCK],
    coordinates: [&'t Coordinate; BLOCK],
    filled: usize,
}

impl<'t> Block<'t> {
    fn new() -> Self {
        Self {
            texts: [&[]; BLOCK],
            coordinates: [&Coordinate::ORIGIN; BLOCK],
            filled: 0,
        }
    }

    fn push(&mut self, coordinate: &'t Coordinate, text: &'t [u8]) {
        self.texts[self.filled] = text;
        self.coordinates[self.filled] = coordinate;
        self.filled += 1;
    }
}

impl Dots {
    pub(super) fn new(queries: &Queries) -> Self {
        let vectors = &queries.vectors;
        let length = vectors.first().map_or(0, |vector| vector.len());
        let prepared = match vectors.len() <= FEW || length > LONGEST {
            true => Prepared::Rows(vectors.iter().map(|vector| Row::of(vector)).collect()),
            false => Prepared::Panels(vectors.chunks(QUERIES).map(Panel::of).collect()),
        };
        let count = queries.count;
        Self {
            count,
            length,
            prepared,
            best: vec![Top::new(Ranking::FGreatest, count); vectors.len()],
        }
    }

    /// Ranks texts among those before.
    pub(super) fn add<'t>(
        &mut self,
        kernels: Kernels,
        texts: impl Iterator<Item = (&'t Coordinate, &'t [u8])>,
    ) {
        if self.count == 0 {
            return;
        }
        match &mut self.prepared {
            Prepared::Rows(rows) => {
                for (coordinate, text) in texts {
                    add_one_by_one(kernels, rows, &mut self.best, coordinate, text);
                }
            }
            Prepared::Panels(panels) => {
                let length = self.length;
                let is_fit = |text: &[u8]| text.len() == length && kernels.is_vector(text);
                let mut block = Block::new();
                for (coordinate, text) in texts.filter(|(_, text)| is_fit(text)) {
                    block.push(coordinate, text);
                    if block.filled == BLOCK {
                        add_block(kernels, panels, &mut self.best, &block);
                        block.filled = 0;
                    }
                }
                add_block(kernels, panels, &mut self.best, &block);
            }
        }
    }

    /// The rows, one query's behind the other's, the best first. All queries ranked the same texts, so
    /// that all have as many.
    pub(super) fn into_rows(self) -> Rows {
        let order = Order::Queries {
            queries: self.best.len(),
            count: self.count,
        };
        let rows = self.best.into_iter().flat_map(Top::into_messages);
        Rows::new(rows.collect(), order)
    }
}

/// A dot product as CTOP ranks it.
fn double(product: i64) -> u64 {
    // Exact: one that does not fit 53 bits needs a text of terabytes.
    (product as f64).to_bits()
}

fn add_one_by_one(
    kernels: Kernels,
    rows: &[Row],
    best: &mut [Top],
    coordinate: &Coordinate,
    text: &[u8],
) {
    for (row, best) in rows.iter().zip(best) {
        // What is no vector for one query is none for the others.
        let Some(product) = kernels.row(text, row) else {
            return;
        };
        best.offer(*coordinate, double(product));
    }
}

fn add_block(kernels: Kernels, panels: &mut [Panel], best: &mut [Top], block: &Block<'_>) {
    let mut tile = Tile::default();
    let (mut panels, mut best) = (panels, best);
    while !panels.is_empty() {
        // One, two or four at a time.
        let some = (1 << panels.len().ilog2()).min(PANELS);
        let (now, later) = panels.split_at_mut(some);
        let (best_now, best_later) = best.split_at_mut(best.len().min(some * QUERIES));
        let texts = block.texts[..block.filled].chunks(texts_of(some));
        let coordinates = block.coordinates.chunks(texts_of(some));
        for (texts, coordinates) in texts.zip(coordinates) {
            kernels.tile(texts, now, &mut tile);
            let cells = texts.len() * some;
            for (cell, &reached) in tile.reached[..cells].iter().enumerate() {
                if reached != 0 {
                    let panel = &mut now[cell % some];
                    let best = &mut best_now[cell % some * QUERIES..];
                    let products = &tile.products[cell];
                    let coordinate = coordinates[cell / some];
                    add_reached(reached, &products.0, coordinate, &mut panel.bounds.0, best);
                }
            }
        }
        (panels, best) = (later, best_later);
    }
}

/// Offers the products that reach their bounds, and raises these.
fn add_reached(
    mut reached: u16,
    products: &[i32; QUERIES],
    coordinate: &Coordinate,
    bounds: &mut [i32; QUERIES],
    best: &mut [Top],
) {
    while reached != 0 {
        let query = reached.trailing_zeros() as usize;
        reached &= reached - 1;
        let best = &mut best[query];
        best.offer(*coordinate, double(i64::from(products[query])));
        if let Some(worst) = best.worst() {
            // A product, which fits.
            bounds[query] = f64::from_bits(worst) as i32;
        }
    }
}

const _: () = assert!(BLOCK.is_multiple_of(TEXTS) && TEXTS * 2 == CELLS);
