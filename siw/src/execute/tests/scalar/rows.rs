//! The C pipe of the scalar model.

use super::dense::{dot, reduce, text_of};
use super::{Kind, Lane, Model, OwnedRow, Sentron, Stopped};
use crate::execute::Tally;
use crate::{CoordinationOp, Destination, Part, Queries, Ranking, Row, TallyKey};
use phext_storage::coordinate::Coordinate;
use std::cmp::Ordering;
use std::collections::BTreeMap;

impl Model<'_> {
    pub(super) fn coordination(
        &mut self,
        part: Part,
        op: CoordinationOp,
        sentron: &mut Sentron,
        before: &[Lane],
        lanes: &mut [Lane],
    ) -> Result<(), Stopped> {
        match op {
            CoordinationOp::Nop => {}
            CoordinationOp::Reduce { .. }
            | CoordinationOp::Bar
            | CoordinationOp::Cast { .. }
            | CoordinationOp::Merge { .. } => self.outcome.ops += 1,
            CoordinationOp::Fence => {
                self.outcome.ops += 1;
                self.outcome.fences += 1;
            }
            CoordinationOp::Pack { to, row } => {
                for (before, lane) in before.iter().zip(lanes) {
                    self.outcome.ops += 1;
                    lane.m[to.index()] = Some(pack(&row, before));
                }
                if part != Part::Each {
                    let row = pack(&row, &before[0]);
                    sentron.messages[to.index()] = (Kind::Plain, vec![row]);
                }
            }
            CoordinationOp::Send { to, from, mask } => {
                let rows: Vec<OwnedRow> = match part {
                    Part::Each => {
                        let active = before.iter().filter(|lane| lane.is_active(mask));
                        let row = |lane: &Lane| lane.m[from.index()].clone().unwrap();
                        active.map(row).collect()
                    }
                    _ => sentron.messages[from.index()].1.clone(),
                };
                for row in rows {
                    self.send(part, to, sentron, row)?;
                }
            }
            CoordinationOp::Recv { to } => {
                self.outcome.ops += 1;
                let received = std::mem::take(&mut sentron.received);
                sentron.messages[to.index()] = (Kind::Plain, received);
            }
            CoordinationOp::Top {
                accumulator,
                at,
                by,
                mask,
                ..
            } => {
                for lane in before.iter().filter(|lane| lane.is_active(mask)) {
                    self.outcome.ops += 1;
                    let number = lane.r[by.index()].unwrap();
                    sentron.seen[accumulator.index()].push((lane.p[at.index()].unwrap(), number));
                }
            }
            CoordinationOp::Tally {
                accumulator,
                at,
                value,
                mask,
                ..
            } => {
                for lane in before.iter().filter(|lane| lane.is_active(mask)) {
                    self.outcome.ops += 1;
                    let value = value.map_or(0, |value| lane.r[value.index()].unwrap());
                    sentron.seen[accumulator.index()].push((lane.p[at.index()].unwrap(), value));
                }
            }
            CoordinationOp::Dot {
                accumulator,
                at,
                text,
                queries,
                mask,
            } => {
                for lane in before.iter().filter(|lane| lane.is_active(mask)) {
                    self.outcome.ops += 1;
                    for vector in &self.queries(queries).vectors {
                        let product = text_of(lane, text).and_then(|text| dot(&text, vector));
                        let Some(product) = product else {
                            continue;
                        };
                        let row = (lane.p[at.index()].unwrap(), product.to_bits());
                        sentron.seen[accumulator.index()].push(row);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        part: Part,
        to: Destination,
        sentron: &mut Sentron,
        row: OwnedRow,
    ) -> Result<(), Stopped> {
        if to != Destination::Sink {
            self.outcome.ops += 1;
            sentron.sent.push((to, row));
            return Ok(());
        }
        if part == Part::Last && sentron.number > 0 {
            return Ok(());
        }
        self.outcome.ops += 1;
        self.outcome.rows.push(row);
        match self.limit == Some(self.outcome.rows.len()) {
            true => Err(Stopped),
            false => Ok(()),
        }
    }

    /// Makes rows of what CTOP, CTALLY and CDOT saw.
    pub(super) fn settle(&self, sentron: &mut Sentron) {
        for word in &self.stream.each {
            match word.coordination {
                CoordinationOp::Top {
                    accumulator,
                    ranking,
                    count,
                    ..
                } => {
                    let kind = Kind::Top(ranking, self.number(count));
                    let seen = std::mem::take(&mut sentron.seen[accumulator.index()]);
                    let row = |(coordinate, number)| OwnedRow {
                        coordinate: Some(coordinate),
                        number: Some(number),
                        ..OwnedRow::default()
                    };
                    let rows = seen.into_iter().map(row).collect();
                    sentron.messages[accumulator.index()] = (kind, merge(kind, rows));
                }
                CoordinationOp::Tally {
                    accumulator,
                    key,
                    value,
                    ..
                } => {
                    let seen = std::mem::take(&mut sentron.seen[accumulator.index()]);
                    let row = |(coordinate, value_of): (Coordinate, u64)| OwnedRow {
                        coordinate: Some(key_of(key, &coordinate)),
                        number: Some(1),
                        tally: value.map(|_| Tally {
                            sum: value_of,
                            min: value_of,
                            max: value_of,
                        }),
                        ..OwnedRow::default()
                    };
                    let rows = seen.into_iter().map(row).collect();
                    sentron.messages[accumulator.index()] = (Kind::Tally, merge(Kind::Tally, rows));
                }
                CoordinationOp::Dot {
                    accumulator,
                    queries,
                    ..
                } => {
                    let Queries { count, vectors } = self.queries(queries);
                    let seen = std::mem::take(&mut sentron.seen[accumulator.index()]);
                    let row = |&(coordinate, number): &(Coordinate, u64)| OwnedRow {
                        coordinate: Some(coordinate),
                        number: Some(number),
                        ..OwnedRow::default()
                    };
                    let of_query = |query| {
                        let seen = seen.iter().skip(query).step_by(vectors.len());
                        merge(
                            Kind::Top(Ranking::FGreatest, *count),
                            seen.map(row).collect(),
                        )
                    };
                    let rows = (0..vectors.len()).flat_map(of_query).collect();
                    let kind = Kind::Dots(vectors.len(), *count);
                    sentron.messages[accumulator.index()] = (kind, rows);
                }
                _ => {}
            }
        }
    }

    /// Sentrons lie in a row, so that x has neighbours and y and z have not.
    pub(super) fn meet(&mut self, op: CoordinationOp, sentrons: &mut [Sentron]) {
        match op {
            CoordinationOp::Bar => {
                let count = sentrons.len();
                for number in 0..count {
                    for (to, row) in std::mem::take(&mut sentrons[number].sent) {
                        let to = match to {
                            Destination::XPlus => (number + 1) % count,
                            Destination::XMinus => (number + count - 1) % count,
                            _ => number,
                        };
                        sentrons[to].received.push(row);
                    }
                }
            }
            CoordinationOp::Reduce {
                accumulator,
                reduction,
            } => {
                let value = |sentron: &Sentron| sentron.scalars.r[accumulator.index()].unwrap();
                let first = value(&sentrons[0]);
                let others = sentrons[1..].iter().map(value);
                let all = others.fold(first, |all, one| reduce(reduction, all, one));
                for sentron in sentrons {
                    sentron.scalars.r[accumulator.index()] = Some(all);
                }
            }
            CoordinationOp::Cast { message } => {
                let first = sentrons[0].messages[message.index()].clone();
                for sentron in sentrons {
                    sentron.messages[message.index()] = first.clone();
                }
            }
            CoordinationOp::Merge { message } => {
                let kind = sentrons[0].messages[message.index()].0;
                let mut all = Vec::new();
                for sentron in &mut *sentrons {
                    let (_, rows) = std::mem::take(&mut sentron.messages[message.index()]);
                    all.push(rows);
                    sentron.messages[message.index()].0 = kind;
                }
                sentrons[0].messages[message.index()].1 = match kind {
                    Kind::Dots(queries, count) => merge_queries(queries, count, &all),
                    _ => merge(kind, all.concat()),
                };
            }
            other => panic!("{other:?} is no collective"),
        }
    }
}

fn key_of(key: TallyKey, coordinate: &Coordinate) -> Coordinate {
    let mut components = *coordinate.components();
    for (dimension, component) in components.iter_mut().enumerate() {
        let is_kept = match key {
            TallyKey::Leading(count) => dimension < usize::from(count),
            TallyKey::Component(only) => dimension == usize::from(only),
        };
        if !is_kept {
            *component = 1;
        }
    }
    Coordinate::new(components).unwrap()
}

fn merge_queries(queries: usize, count: u64, all: &[Vec<OwnedRow>]) -> Vec<OwnedRow> {
    let of_query = |query| {
        let part = |rows: &Vec<OwnedRow>| {
            let each = rows.len() / queries;
            rows[query * each..][..each].to_vec()
        };
        let rows = all.iter().flat_map(part).collect();
        merge(Kind::Top(Ranking::FGreatest, count), rows)
    };
    (0..queries).flat_map(of_query).collect()
}

fn merge(kind: Kind, mut rows: Vec<OwnedRow>) -> Vec<OwnedRow> {
    match kind {
        Kind::Dots(..) => unreachable!("those are merged query by query"),
        Kind::Plain => rows.sort_by_key(|row| row.coordinate),
        Kind::Top(ranking, count) => {
            let is_number = |row: &OwnedRow| match ranking {
                Ranking::Least | Ranking::Greatest => true,
                _ => !f64::from_bits(row.number.unwrap()).is_nan(),
            };
            rows.retain(is_number);
            rows.sort_by(|a, b| {
                let by_number = compare(ranking, a.number.unwrap(), b.number.unwrap());
                by_number.then(a.coordinate.cmp(&b.coordinate))
            });
            rows.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        }
        Kind::Tally => {
            let mut by_key = BTreeMap::<Coordinate, OwnedRow>::new();
            for row in rows {
                match by_key.get_mut(&row.coordinate.unwrap()) {
                    None => {
                        by_key.insert(row.coordinate.unwrap(), row);
                    }
                    Some(to) => {
                        to.number = Some(to.number.unwrap() + row.number.unwrap());
                        to.tally = to.tally.map(|to| {
                            let other = row.tally.unwrap();
                            Tally {
                                sum: to.sum.wrapping_add(other.sum),
                                min: to.min.min(other.min),
                                max: to.max.max(other.max),
                            }
                        });
                    }
                }
            }
            rows = by_key.into_values().collect();
        }
    }
    rows
}

fn compare(ranking: Ranking, a: u64, b: u64) -> Ordering {
    let doubles = f64::from_bits(a).partial_cmp(&f64::from_bits(b));
    match ranking {
        Ranking::Least => a.cmp(&b),
        Ranking::Greatest => b.cmp(&a),
        Ranking::FLeast => doubles.unwrap(),
        Ranking::FGreatest => doubles.unwrap().reverse(),
    }
}

fn pack(row: &Row, lane: &Lane) -> OwnedRow {
    let number = |r: crate::R| lane.r[r.index()].expect("a number was written");
    OwnedRow {
        coordinate: row.coordinate.map(|p| lane.p[p.index()].unwrap()),
        text: row.text.and_then(|t| lane.t[t.index()].clone().unwrap()),
        length: row.length.map(number),
        checksum: row
            .checksum
            .map(|(low, high)| (u128::from(number(high)) << 64) + u128::from(number(low))),
        number: row.number.map(number),
        tally: None,
    }
}
