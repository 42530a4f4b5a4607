//! Which streams may run.
//!
//! The executor relies on everything checked here and checks none of it again.
//!
//! | about | rule |
//! |---|---|
//! | limits | tier 0 to 3; at most 65,535 constants, and words in a part; a constant below 4 GiB |
//! | lanes | the points of a [`LaneSpec::Union`] are ascending and distinct, those of [`LaneSpec::Points`] as they like |
//! | regions | any [`LaneSpec::Region`] and [`LaneSpec::Nearest`]: their types hold valid ones only |
//! | operands | registers, constants, dimensions and keys exist, constants are of the right kind |
//! | lane kinds | SLANES: all, range, points, union; SASSOC: region; SNEIGHBR and SDIST: nearest; STEST: all, range, region |
//! | rows | CDOT keeps at most [`crate::MAX_ROWS`] |
//! | vectors | the constant of DDOT is a q7 vector, that of CDOT has some of one length, those of DHDBIND, DHDBUND and DHDSIM are hypervectors |
//! | parts | as [`crate::table`] says; in `once` DMOV takes numbers only, and in `last` a row has a number only |
//! | reads | what is read was written before: earlier in the part, or in `once` |
//! | scalars | a register of `once` is written in `each` by DRED only, and DRED accumulates into no other |
//! | accumulators | a register that CTOP, CDOT or CTALLY accumulates into is in no other operation of `each` |
//! | words | no register is written twice in a word |
//! | `each` | empty, or its first operation is its one SLANES, SASSOC or SNEIGHBR, alone in its word |
//! | writes | put and append run over points, one text each, which a scroll may hold: UTF-8 without the nine breaks; `last` holds SFLUSH |
//! | deps | as [`crate::word::link`] computes them |
//!
//! Checking takes time in proportion to the words, the points and the bytes of texts.

mod error;
mod operands;
mod state;

pub use error::{Site, ValidateError, ValidateReason};

use crate::form::Form;
use crate::stream::{MAX_COUNT, MAX_TIER};
use crate::table::opcode;
use crate::word::Writers;
use crate::{
    Constant, ConstantId, LaneSpec, Part, Pipe, Scatter, SparseOp, Stream, Word, encoding,
};
use phext_storage::coordinate::Coordinate;
use state::Written;

/// Checks that a stream may run.
///
/// # Errors
/// The first rule of the module's table that the stream breaks, and where.
pub fn validate(stream: &Stream) -> Result<(), ValidateError> {
    check_limits(stream)?;
    check_constants(stream)?;
    let mut once = Written::default();
    check_part(stream, Part::Once, &mut once)?;
    let accumulators = state::accumulators(stream);
    check_part(stream, Part::Each, &mut once.each(accumulators))?;
    check_part(stream, Part::Last, &mut once.last(accumulators))?;
    check_lanes(stream)?;
    check_writes(stream)
}

fn fail(site: Site, reason: ValidateReason) -> Result<(), ValidateError> {
    Err(ValidateError { site, reason })
}

fn check_limits(stream: &Stream) -> Result<(), ValidateError> {
    if stream.tier > MAX_TIER {
        return fail(Site::Stream, ValidateReason::Tier(stream.tier));
    }
    let constants = stream.constants.len();
    if constants > MAX_COUNT {
        return fail(Site::Stream, ValidateReason::TooMany(constants));
    }
    for part in Part::ALL {
        let words = stream.words(part).len();
        if words > MAX_COUNT {
            return fail(Site::Part(part), ValidateReason::TooMany(words));
        }
    }
    Ok(())
}

fn check_constants(stream: &Stream) -> Result<(), ValidateError> {
    for (constant, id) in stream.constants.iter().zip(0..) {
        let site = Site::Constant(ConstantId(id));
        if !encoding::fits(constant) {
            return fail(site, ValidateReason::TooLong);
        }
        let points: &[Coordinate] = match constant {
            Constant::Lanes(LaneSpec::Union { points, .. }) => points,
            _ => &[],
        };
        let ordered = |pair: &[Coordinate]| pair[0] < pair[1];
        if let Some(index) = points.windows(2).position(|pair| !ordered(pair)) {
            return fail(site, ValidateReason::PointOrder(index + 1));
        }
    }
    Ok(())
}

/// The writes of a stream, each with the index of its word in `each`.
fn scatters(stream: &Stream) -> impl Iterator<Item = (usize, Scatter)> {
    let words = stream.each.iter().enumerate();
    words.filter_map(|(index, word)| match word.sparse {
        SparseOp::Scattr { scatter, .. } => Some((index, scatter)),
        _ => None,
    })
}

fn check_part(stream: &Stream, part: Part, written: &mut Written) -> Result<(), ValidateError> {
    let mut writers = Writers::default();
    for (index, word) in stream.words(part).iter().enumerate() {
        check_word(stream, part, index, word, written)?;
        let expected = writers.advance(index, word);
        if word.deps != expected {
            let found = word.deps;
            let reason = ValidateReason::Deps { expected, found };
            return fail(Site::Word { part, word: index }, reason);
        }
    }
    Ok(())
}

fn check_word(
    stream: &Stream,
    part: Part,
    index: usize,
    word: &Word,
    written: &mut Written,
) -> Result<(), ValidateError> {
    let forms = word.forms();
    let at = |form: &Form, reason| ValidateError {
        site: Site::Operation {
            part,
            word: index,
            pipe: form.pipe,
        },
        reason,
    };
    for form in &forms {
        operands::check(stream, part, form).map_err(|reason| at(form, reason))?;
        written
            .check_access(part, form)
            .map_err(|reason| at(form, reason))?;
    }
    for form in &forms {
        written.write(form).map_err(|reason| at(form, reason))?;
    }
    written.next_word();
    Ok(())
}

fn check_lanes(stream: &Stream) -> Result<(), ValidateError> {
    let part = Part::Each;
    let site = |word, pipe| Site::Operation { part, word, pipe };
    let is_lanes = |word: &Word| word.sparse.batches().is_some();
    let Some(first) = stream.each.iter().position(is_lanes) else {
        return match stream.each.is_empty() {
            true => Ok(()),
            false => fail(Site::Part(part), ValidateReason::LanesMissing),
        };
    };
    for (index, word) in stream.each.iter().enumerate().take(first + 1) {
        for form in word.forms() {
            let is_the_one = index == first && form.pipe == Pipe::Sparse;
            if form.opcode != opcode::NOP && !is_the_one {
                return fail(site(index, form.pipe), ValidateReason::LanesNotFirst);
            }
        }
    }
    match stream.each[first + 1..].iter().position(is_lanes) {
        Some(second) => fail(
            site(first + 1 + second, Pipe::Sparse),
            ValidateReason::LanesTwice,
        ),
        None => Ok(()),
    }
}

/// The lane specification of the batches, of a stream whose operands are checked.
fn lanes_of(stream: &Stream) -> Option<&LaneSpec> {
    let lanes = stream.each.iter().find_map(|word| word.sparse.batches())?;
    match stream.constants.get(lanes.index())? {
        Constant::Lanes(lanes) => Some(lanes),
        _ => None,
    }
}

fn check_writes(stream: &Stream) -> Result<(), ValidateError> {
    let part = Part::Each;
    for (word, scatter) in scatters(stream) {
        let pipe = Pipe::Sparse;
        let site = Site::Operation { part, word, pipe };
        let (Scatter::Put(texts) | Scatter::Append(texts)) = scatter else {
            continue;
        };
        let Some(LaneSpec::Points(points)) = lanes_of(stream) else {
            return fail(site, ValidateReason::TextsWithoutPoints);
        };
        let texts = match stream.constants.get(texts.index()) {
            Some(Constant::Texts(texts)) => texts.len(),
            _ => 0,
        };
        let points = points.len();
        if texts != points {
            return fail(site, ValidateReason::TextCount { texts, points });
        }
    }
    let flushes = |word: &Word| word.sparse == SparseOp::Flush;
    if scatters(stream).next().is_some() && !stream.last.iter().any(flushes) {
        return fail(Site::Part(Part::Last), ValidateReason::FlushMissing);
    }
    Ok(())
}
