//! What of the lanes that count.

use super::select::{Behind, Lanes};
use crate::plan::Selection;
use crate::query::{Fields, OrderKey};
use phext_siw::cc::{CompileError, UnpackedProgram};
use phext_siw::{
    Constant, CoordinationOp, DenseOp, Destination, Fold, M, R, Ranking, Row, TallyKey,
};
use phext_storage::page_table::Nearest;

/// What a program gives, or why there is none.
type Lowered = Result<UnpackedProgram, CompileError>;

/// A row a lane.
pub(crate) fn rows(selection: &Selection, fields: Fields) -> Lowered {
    let mut lanes = Lanes::of(selection);
    let row = Row {
        coordinate: Some(lanes.place),
        text: fields.text.map(|slice| lanes.text(slice)),
        length: fields.length.then(|| lanes.length()),
        checksum: fields.checksum.then(|| checksum(&mut lanes)),
        number: fields.distance.then(|| lanes.distance(origin(selection))),
    };
    send_each(&mut lanes, row);
    lanes.program.build()
}

/// The coordinates alone.
pub(crate) fn coordinates(selection: &Selection) -> Lowered {
    rows(selection, Fields::NONE)
}

/// Where distances are measured from. That there is such a coordinate was checked with the query.
fn origin(selection: &Selection) -> &Nearest {
    let origin = selection.origin.as_ref();
    origin.expect("distances are asked for only where there is an origin")
}

fn checksum(lanes: &mut Lanes) -> (R, R) {
    let (low, high) = (lanes.program.number(), lanes.program.number());
    let (at, mask) = (lanes.place, lanes.mask);
    lanes.each(DenseOp::Hash {
        low,
        high,
        at,
        mask,
    });
    (low, high)
}

fn send_each(lanes: &mut Lanes, row: Row) {
    let (message, mask) = (lanes.program.message(), lanes.mask);
    lanes.each(CoordinationOp::Pack { to: message, row });
    lanes.each(CoordinationOp::Send {
        to: Destination::Sink,
        from: message,
        mask,
    });
}

/// One row: the number of scrolls.
pub(crate) fn number_of(selection: &Selection) -> Lowered {
    let mut lanes = Lanes::of(selection);
    lanes.present(selection);
    let total = fold(&mut lanes, 0, Fold::Count);
    send_total(&mut lanes, total, Fold::Count);
    lanes.program.build()
}

/// Four rows: number of scrolls, and sum, least and greatest of their lengths.
pub(crate) fn lengths(selection: &Selection) -> Lowered {
    let mut lanes = Lanes::of(selection);
    lanes.present(selection);
    let length = lanes.length();
    let folds = [
        (0, Fold::Count),
        (0, Fold::Sum(length)),
        (u64::MAX, Fold::Min(length)),
        (0, Fold::Max(length)),
    ];
    let totals = folds.map(|(start, how)| (fold(&mut lanes, start, how), how));
    for (total, how) in totals {
        send_total(&mut lanes, total, how);
    }
    lanes.program.build()
}

fn fold(lanes: &mut Lanes, start: u64, fold: Fold) -> R {
    let (accumulator, mask) = (lanes.program.scalar(start), lanes.mask);
    lanes.each(DenseOp::Red {
        accumulator,
        fold,
        mask,
    });
    accumulator
}

fn send_total(lanes: &mut Lanes, accumulator: R, fold: Fold) {
    let reduction = fold.reduction();
    lanes.program.last(CoordinationOp::Reduce {
        accumulator,
        reduction,
    });
    let row = Row {
        number: Some(accumulator),
        ..Row::default()
    };
    let message = lanes.program.message();
    lanes
        .program
        .last(CoordinationOp::Pack { to: message, row });
    send_last(lanes, message);
}

fn send_last(lanes: &mut Lanes, from: M) {
    lanes.program.last(CoordinationOp::Send {
        to: Destination::Sink,
        from,
        mask: None,
    });
}

/// Sends what an accumulator of all sentrons holds.
fn send_merged(lanes: &mut Lanes, message: M) {
    lanes.program.last(CoordinationOp::Merge { message });
    send_last(lanes, message);
}

/// A row a group, in ascending order of keys.
pub(crate) fn groups(selection: &Selection, key: TallyKey, with_lengths: bool) -> Lowered {
    let mut lanes = Lanes::of(selection);
    lanes.present(selection);
    let value = with_lengths.then(|| lanes.length());
    let (accumulator, at, mask) = (lanes.program.message(), lanes.place, lanes.mask);
    lanes.each(CoordinationOp::Tally {
        accumulator,
        key,
        at,
        value,
        mask,
    });
    send_merged(&mut lanes, accumulator);
    lanes.program.build()
}

/// The best `count` rows by a number, coordinates with their number, the best first; of those that
/// come behind a row where one is given.
pub(crate) fn best(
    selection: &Selection,
    key: OrderKey,
    descending: bool,
    count: u64,
    behind: Option<Behind>,
) -> Lowered {
    let mut lanes = Lanes::of(selection);
    let by = match key {
        OrderKey::Distance => lanes.distance(origin(selection)),
        _ => lanes.length(),
    };
    let radius = selection.origin.as_ref().and_then(|search| search.radius);
    if let (OrderKey::Distance, Some(radius)) = (key, radius) {
        lanes.at_most(by, radius);
    }
    if let Some(behind) = behind {
        lanes.behind(by, descending, behind);
    }
    let count = lanes.program.constant(Constant::Number(count));
    let (accumulator, at, mask) = (lanes.program.message(), lanes.place, lanes.mask);
    lanes.each(CoordinationOp::Top {
        accumulator,
        ranking: match descending {
            true => Ranking::Greatest,
            false => Ranking::Least,
        },
        at,
        by,
        count,
        mask,
    });
    send_merged(&mut lanes, accumulator);
    lanes.program.build()
}
