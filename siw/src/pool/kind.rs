//! How a stream may be shared out.

use crate::stream::Part;
use crate::table::opcode;
use crate::{
    Constant, CoordinationOp, DenseOp, Destination, M, Operand, Pipe, R, Reduction, SparseOp,
    Stream, Word,
};

/// Which parts of a stream may run apart from each other. What is true of the stream, not of its lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows of one lane each: the rows of the pieces, one behind the other, are those of the stream.
    Rows,
    /// All that outlives a batch is brought together by CREDUCE and CMERGE before it is read: each
    /// sentron of a group takes some of the pieces.
    Fold,
    /// In one go.
    Whole,
    /// Not here: it writes.
    Writes,
    /// Not by a group: `each` sends rows, whose order is that of no sentron.
    Unordered,
}

impl Kind {
    pub(super) fn of(stream: &Stream) -> Kind {
        if writes(stream) {
            return Kind::Writes;
        }
        let meets = |word: &Word| is_group(&word.coordination);
        if stream.once.iter().chain(&stream.each).any(meets) {
            return Kind::Whole;
        }
        let accumulates = stream.each.iter().any(|word| accumulator(word).is_some());
        let sends = stream.each.iter().filter(|word| is_send(word)).count();
        match (accumulates, sends) {
            (false, 1) if stream.last.is_empty() => Kind::Rows,
            (true, 0) if is_brought_together(stream) => Kind::Fold,
            _ => Kind::Whole,
        }
    }
}

impl Kind {
    /// Of a stream that a group is to run, whatever may be shared out.
    pub(super) fn in_group(stream: &Stream) -> Kind {
        let to_sink = |word: &Word| {
            let to_sink = Destination::Sink;
            matches!(word.coordination, CoordinationOp::Send { to, .. } if to == to_sink)
        };
        match stream.each.iter().any(to_sink) {
            _ if writes(stream) => Kind::Writes,
            true => Kind::Unordered,
            false => Kind::Fold,
        }
    }
}

fn writes(stream: &Stream) -> bool {
    let writes = |word: &Word| matches!(word.sparse, SparseOp::Scattr { .. } | SparseOp::Flush);
    let mut words = Part::ALL.into_iter().flat_map(|part| stream.words(part));
    words.any(writes)
}

fn is_send(word: &Word) -> bool {
    matches!(word.coordination, CoordinationOp::Send { .. })
}

/// Whether an operation has to do with other sentrons.
fn is_group(op: &CoordinationOp) -> bool {
    match op {
        CoordinationOp::Send { to, .. } => *to != Destination::Sink,
        CoordinationOp::Recv { .. }
        | CoordinationOp::Bar
        | CoordinationOp::Reduce { .. }
        | CoordinationOp::Cast { .. }
        | CoordinationOp::Merge { .. } => true,
        _ => false,
    }
}

/// What outlives a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accumulator {
    Number(R, Reduction),
    Rows(M),
}

fn accumulator(word: &Word) -> Option<Accumulator> {
    if let DenseOp::Red {
        accumulator, fold, ..
    } = word.dense
    {
        return Some(Accumulator::Number(accumulator, fold.reduction()));
    }
    match word.coordination {
        CoordinationOp::Top { accumulator, .. }
        | CoordinationOp::Tally { accumulator, .. }
        | CoordinationOp::Dot { accumulator, .. } => Some(Accumulator::Rows(accumulator)),
        _ => None,
    }
}

/// Whether a group of any size answers as one sentron does.
fn is_brought_together(stream: &Stream) -> bool {
    let mut apart = Vec::new();
    for word in &stream.each {
        let Some(found) = accumulator(word) else {
            continue;
        };
        // Two kinds of fold into one register have no reduction in common.
        let clashes = |other: &Accumulator| match (other, found) {
            (Accumulator::Number(a, one), Accumulator::Number(b, two)) => *a == b && *one != two,
            _ => false,
        };
        if apart.iter().any(clashes) || !starts_neutral(stream, found) {
            return false;
        }
        if !apart.contains(&found) {
            apart.push(found);
        }
    }
    for word in &stream.last {
        if reads(word, &apart) || !is_plain(word) {
            return false;
        }
        match word.coordination {
            CoordinationOp::Reduce {
                accumulator,
                reduction,
            } => {
                let one = Accumulator::Number(accumulator, reduction);
                let before = apart.len();
                apart.retain(|other| *other != one);
                // What every sentron has alike, a sum makes more of.
                if apart.len() == before {
                    return false;
                }
            }
            CoordinationOp::Merge { message } => {
                let one = Accumulator::Rows(message);
                let before = apart.len();
                apart.retain(|other| *other != one);
                if apart.len() == before {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Whether what an accumulator starts from may be folded in once for each sentron.
fn starts_neutral(stream: &Stream, accumulator: Accumulator) -> bool {
    let Accumulator::Number(register, reduction) = accumulator else {
        return true;
    };
    if !matches!(reduction, Reduction::Sum | Reduction::Count) {
        return true;
    }
    let writes = |word: &&Word| {
        let forms = word.forms();
        let dense = forms.iter().find(|form| form.pipe == Pipe::Dense);
        dense
            .is_some_and(|form| form.opcode != opcode::NOP && form.registers[0] == Some(register.0))
    };
    let mut written = stream.once.iter().filter(writes);
    let Some(DenseOp::Mov {
        from: Operand::Constant(constant),
        ..
    }) = written.next().map(|word| word.dense)
    else {
        return false;
    };
    let is_zero = stream.constants[constant.index()] == Constant::Number(0);
    is_zero && written.next().is_none()
}

/// Whether a word of `last` only brings together, packs and sends.
fn is_plain(word: &Word) -> bool {
    let is_plain = match word.coordination {
        CoordinationOp::Send { to, .. } => to == Destination::Sink,
        CoordinationOp::Nop
        | CoordinationOp::Pack { .. }
        | CoordinationOp::Reduce { .. }
        | CoordinationOp::Merge { .. }
        | CoordinationOp::Fence => true,
        _ => false,
    };
    is_plain && word.dense == DenseOp::Nop && word.sparse == SparseOp::Nop
}

/// Whether a word of `last` makes use of something that is not brought together yet.
fn reads(word: &Word, apart: &[Accumulator]) -> bool {
    let reads = |accumulator: &Accumulator| match (*accumulator, &word.coordination) {
        (Accumulator::Number(register, _), CoordinationOp::Pack { row, .. }) => {
            let (low, high) = row.checksum.unzip();
            [row.number, row.length, low, high].contains(&Some(register))
        }
        (Accumulator::Rows(message), CoordinationOp::Send { from, .. }) => *from == message,
        _ => false,
    };
    apart.iter().any(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_streams() {
        use crate::*;
        let mut stream = StreamBuilder::new(2);
        let zero = stream.constant(Constant::Number(0));
        let all = stream.constant(Constant::Lanes(LaneSpec::All));
        stream.once(Word::dense(DenseOp::Mov {
            to: R(0),
            from: Operand::Constant(zero),
        }));
        stream.each(Word::sparse(SparseOp::Lanes {
            to: P(0),
            lanes: all,
        }));
        stream.each(Word::dense(DenseOp::Red {
            accumulator: R(0),
            fold: Fold::Count,
            mask: None,
        }));
        let row = Row {
            number: Some(R(0)),
            ..Row::default()
        };
        let pack = Word::coordination(CoordinationOp::Pack { to: M(0), row });
        let send = Word::coordination(CoordinationOp::Send {
            to: Destination::Sink,
            from: M(0),
            mask: None,
        });
        let reduce = |reduction| {
            Word::coordination(CoordinationOp::Reduce {
                accumulator: R(0),
                reduction,
            })
        };
        let counting = stream.build();
        let with_last = |last: &[Word]| Stream {
            last: last.to_vec(),
            ..counting.clone()
        };
        let count = reduce(Reduction::Count);
        let kind = |last: &[Word]| Kind::of(&with_last(last));
        assert_eq!(kind(&[count, pack, send]), Kind::Fold);
        assert_eq!(
            kind(&[pack, send]),
            Kind::Whole,
            "nothing is brought together"
        );
        assert_eq!(kind(&[pack, count, send]), Kind::Whole, "read before");
        assert_eq!(
            kind(&[count, count, pack, send]),
            Kind::Whole,
            "counted twice"
        );
        let other = reduce(Reduction::Max);
        assert_eq!(kind(&[other, pack, send]), Kind::Whole, "another reduction");
        let mut from_one = with_last(&[count, pack, send]);
        from_one.constants[zero.index()] = Constant::Number(1);
        assert_eq!(
            Kind::of(&from_one),
            Kind::Whole,
            "each sentron adds the one"
        );
        let mut rows = counting.clone();
        rows.each.truncate(1);
        rows.each.extend([pack, send]);
        assert_eq!(Kind::of(&rows), Kind::Rows);
        rows.each.extend([pack, send]);
        assert_eq!(Kind::of(&rows), Kind::Whole, "rows come batch by batch");
        let flushing = with_last(&[Word::sparse(SparseOp::Flush)]);
        assert_eq!(Kind::of(&flushing), Kind::Writes);
    }
}
