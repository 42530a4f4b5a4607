//! The paths whose instructions are counted.
//!
//! A path is prepared outside of what counts, and gives a pass that can be made twice. What a pass
//! answers is a number by which it is verified.

use phext_benches::dataset::point;
use phext_query::{Flow, Query, ResultRow, run};
use phext_siw::cc::{OptimizationTier, ProgramBuilder, UnpackedProgram, compile};
use phext_siw::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Extent, Fold, K, M, Row, SparseOp,
};
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::curves::{Curve, encode_batch};
use phext_storage::page_table::{Constraint, LaneSpec, Location, Metric, Nearest, Region};
use phext_storage::phext::{PhextWriter, parse_slice};
use phext_storage::{Phext, Store};

use crate::Outcome;
use crate::ground::{Ground, mix, options, puts, text};

/// A path by name.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// What the figure is per.
    pub(crate) unit: &'static str,
    /// Units in a pass.
    pub(crate) units: u64,
    pub(crate) prepare: for<'g> fn(&'g Ground, u64) -> Outcome<Pass<'g>>,
}

/// One pass over a path.
pub(crate) type Pass<'g> = Box<dyn FnMut() -> Outcome<u64> + 'g>;

/// In the order of the table. Points are more than a thread remembers where it found.
pub(crate) const PATHS: &[Path] = &[
    path("point", "get", 4_000, hits),
    path("miss", "get", 1_000, misses),
    path("batch", "key", 4_000, batches),
    path("range", "100 records", 100, ranges),
    path("scan", "scan", 1, scan),
    path("wildcard", "query", 10, wildcards),
    path("box", "query", 10, boxes),
    path("nearest", "query", 10, nearest),
    path("hilbert", "key", 2_000, |ground, n| {
        encode(Curve::Hilbert, ground, n)
    }),
    path("morton", "key", 2_000, |ground, n| {
        encode(Curve::Morton, ground, n)
    }),
    path("peano", "key", 2_000, |ground, n| {
        encode(Curve::Peano, ground, n)
    }),
    path("seal", "scroll", 4_000, seal),
    path("commit", "put", 200, commit),
    path("parse", "scroll", 2_000, parse),
    path("compile", "program", 100, compile_program),
    path("query", "point query", 500, point_query),
];

const fn path(
    name: &'static str,
    unit: &'static str,
    units: u64,
    prepare: for<'g> fn(&'g Ground, u64) -> Outcome<Pass<'g>>,
) -> Path {
    Path {
        name,
        unit,
        units,
        prepare,
    }
}

/// A number that a text goes into cheaply: its first bytes and its length.
fn sum(text: &[u8]) -> u64 {
    let first = text.first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(first).wrapping_add(text.len() as u64)
}

fn hits(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    locate(&ground.phext, ground.some_keys(units, 1))
}

fn misses(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let moved = |key: Coordinate| {
        let mut components = *key.components();
        components[DIMENSIONS - 1] += 1_000;
        Coordinate::new(components).expect("components are from 1")
    };
    let keys = ground.some_keys(units, 2).into_iter().map(moved).collect();
    locate(&ground.phext, keys)
}

fn locate(phext: &Phext, keys: Vec<Coordinate>) -> Outcome<Pass<'_>> {
    Ok(Box::new(move || {
        let mut total = 0_u64;
        for key in &keys {
            match phext.locate(key)? {
                Location::Absent => total += 1,
                location => total = total.wrapping_add(sum(location.text()?)),
            }
        }
        Ok(total)
    }))
}

fn batches(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    const BATCH: usize = 400;
    let keys = ground.some_keys(units, 3);
    let mut locations = Vec::with_capacity(BATCH);
    Ok(Box::new(move || {
        let mut total = 0_u64;
        for batch in keys.chunks(BATCH) {
            locations.clear();
            ground.phext.locate_batch(batch, &mut locations)?;
            for location in &locations {
                total = total.wrapping_add(sum(location.text()?));
            }
        }
        Ok(total)
    }))
}

/// The sum of the texts of up to `limit` lanes.
fn lanes(phext: &Phext, spec: &LaneSpec, limit: usize) -> Outcome<u64> {
    const LANES: usize = 64;
    let mut cursor = phext.lanes(spec)?;
    cursor.expect_texts();
    let mut lanes = Vec::with_capacity(LANES);
    let (mut total, mut left) = (0_u64, limit);
    while left > 0 {
        lanes.clear();
        cursor.next_batch(&mut lanes, LANES.min(left))?;
        if lanes.is_empty() {
            break;
        }
        left -= lanes.len();
        for lane in &lanes {
            let components = lane.coordinate.components();
            total = total.wrapping_add(sum(lane.location.text()?));
            total = total.wrapping_add(u64::from(components[DIMENSIONS - 1]));
        }
    }
    Ok(total)
}

fn all_lanes(phext: &Phext, specs: Vec<LaneSpec>, limit: usize) -> Outcome<Pass<'_>> {
    Ok(Box::new(move || {
        let sums = specs.iter().map(|spec| lanes(phext, spec, limit));
        sums.sum()
    }))
}

fn ranges(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let range = |from| LaneSpec::Range {
        from,
        to: Coordinate::MAX,
    };
    let keys = ground.some_keys(units, 4);
    all_lanes(&ground.phext, keys.into_iter().map(range).collect(), 100)
}

fn scan(ground: &Ground, _: u64) -> Outcome<Pass<'_>> {
    all_lanes(&ground.phext, vec![LaneSpec::All], usize::MAX)
}

/// Regions around keys: five dimensions within `reach` of the key's component, four free.
fn regions(ground: &Ground, units: u64, salt: u64, reach: u32) -> Outcome<Pass<'_>> {
    let region = |(key, n): (Coordinate, usize)| {
        let constraint = |d: usize| {
            let component = key.components()[d];
            match (d + n) % DIMENSIONS {
                0..5 => {
                    let low = component.saturating_sub(reach).max(1);
                    Constraint::range(low, component + reach).expect("it is ascending")
                }
                _ => Constraint::FREE,
            }
        };
        LaneSpec::Region(Region::new(std::array::from_fn(constraint)))
    };
    let keys = ground.some_keys(units, salt).into_iter().zip(0..);
    all_lanes(&ground.phext, keys.map(region).collect(), usize::MAX)
}

fn wildcards(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    regions(ground, units, 5, 0)
}

fn boxes(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    regions(ground, units, 6, 2)
}

fn nearest(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let search = |to| {
        LaneSpec::Nearest(Nearest {
            to,
            count: 10,
            metric: Metric::Manhattan,
            radius: None,
        })
    };
    let keys = ground.some_keys(units, 7);
    all_lanes(&ground.phext, keys.into_iter().map(search).collect(), 10)
}

fn encode(curve: Curve, _: &Ground, units: u64) -> Outcome<Pass<'static>> {
    let grid = u64::from(curve.grid::<DIMENSIONS>());
    let cell = |n: u64, d: usize| (mix(n << 8 | d as u64) % grid) as u16;
    let point = |n: u64| std::array::from_fn(|d| cell(n, d));
    let points: Vec<[u16; DIMENSIONS]> = (0..units).map(point).collect();
    let mut keys = vec![0; points.len()];
    Ok(Box::new(move || {
        encode_batch(curve, &points, &mut keys);
        let fold = |total: u64, key: &u128| total.wrapping_add((key >> 64) as u64 ^ *key as u64);
        Ok(keys.iter().fold(0, fold))
    }))
}

/// Builds a segment of what is in memory. A store of its own for each pass.
fn seal(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let mut stores = Vec::new();
    for _ in 0..2 {
        let directory = tempfile::tempdir()?;
        let store = Store::open(directory.path(), options())?;
        store.commit(puts("sealed", &ground.keys[..units as usize]))?;
        stores.push((store, directory));
    }
    let mut unsealed = stores.into_iter();
    let mut sealed = Vec::new();
    Ok(Box::new(move || {
        let (store, directory) = unsealed.next().ok_or("there are two stores")?;
        store.seal()?;
        sealed.push((store, directory));
        Ok(1)
    }))
}

/// Encodes, checks and logs batches of one scroll. Their syncs are the kernel's and do not count.
fn commit(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path(), options())?;
    let batch = |key: Coordinate| puts("committed", &[key]);
    let batches: Vec<_> = ground.some_keys(units, 8).into_iter().map(batch).collect();
    let mut passes = [batches.clone(), batches].into_iter();
    Ok(Box::new(move || {
        let _keep = &directory;
        let mut operations = 0;
        for batch in passes.next().ok_or("there are two passes")? {
            operations += store.commit(batch)?.previous_lengths.len() as u64;
        }
        Ok(operations)
    }))
}

fn parse(_: &Ground, units: u64) -> Outcome<Pass<'static>> {
    let mut writer = PhextWriter::new(Vec::new());
    for n in 0..units {
        let text = text(n);
        writer.write(point(n as u32), std::str::from_utf8(&text)?)?;
    }
    let document = writer.finish()?;
    Ok(Box::new(move || {
        let mut total = 0_u64;
        for scroll in parse_slice(&document) {
            let (coordinate, text) = scroll?;
            total = total.wrapping_add(sum(text.as_bytes()));
            total = total.wrapping_add(u64::from(coordinate.components()[DIMENSIONS - 1]));
        }
        Ok(total)
    }))
}

/// The coordinates and texts of the scrolls that are longer than a bound, and how many there are.
fn program() -> Outcome<UnpackedProgram> {
    let mut program = ProgramBuilder::default();
    let lanes = program.constant(Constant::Lanes(LaneSpec::All));
    let (at, length, text) = (program.place(), program.number(), program.text());
    let (longer, total, bound) = (program.mask(), program.scalar(0), program.immediate(150));
    let (row, count) = (program.message(), program.message());
    program.each(SparseOp::Lanes { to: at, lanes });
    program.each(DenseOp::Len {
        to: length,
        at,
        mask: None,
    });
    program.each(DenseOp::Cmp {
        to: longer,
        comparison: Comparison::Gt,
        left: length,
        right: bound,
    });
    program.each(DenseOp::Red {
        accumulator: total,
        fold: Fold::Count,
        mask: Some(longer),
    });
    program.each(SparseOp::Gather {
        to: text,
        extent: Extent::Whole,
        at,
        mask: Some(longer),
    });
    let fields = Row {
        coordinate: Some(at),
        text: Some(text),
        ..Row::default()
    };
    program.each(CoordinationOp::Pack {
        to: row,
        row: fields,
    });
    program.each(send(row, Some(longer)));
    let fields = Row {
        number: Some(total),
        ..Row::default()
    };
    program.last(CoordinationOp::Pack {
        to: count,
        row: fields,
    });
    program.last(send(count, None));
    Ok(program.build()?)
}

fn send(from: M, mask: Option<K>) -> CoordinationOp {
    CoordinationOp::Send {
        to: Destination::Sink,
        from,
        mask,
    }
}

fn compile_program(_: &Ground, units: u64) -> Outcome<Pass<'static>> {
    let program = program()?;
    Ok(Box::new(move || {
        let mut words = 0;
        for _ in 0..units {
            let compiled = compile(program.clone(), OptimizationTier::Tier3PhextOptimal)?;
            words += compiled.stream.each.len() as u64;
        }
        Ok(words)
    }))
}

/// What a request for one scroll does: a query, its plan and stream, and a row.
fn point_query(ground: &Ground, units: u64) -> Outcome<Pass<'_>> {
    let keys = ground.some_keys(units, 9);
    Ok(Box::new(move || {
        let mut total = 0_u64;
        for &key in &keys {
            let mut sink = |row: &ResultRow<'_>| {
                total = total.wrapping_add(row.text.map_or(0, sum));
                Ok(Flow::Continue)
            };
            run(&Query::point(key), &ground.phext, &mut sink)?;
        }
        Ok(total)
    }))
}
