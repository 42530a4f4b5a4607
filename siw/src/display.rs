//! The text of a stream, for people and for `explain`. [`mod@crate::assemble`] reads it back.
//!
//! ```text
//! .tier 2
//! .constant c0 number 0
//! .constant c1 lanes all
//! .once
//! DMOV r0, c0                    | SNOP                           | CNOP
//! .each
//! DNOP                           | SLANES p0, c1                  | CNOP
//! DRED.count r0                  | SNOP                           | CNOP  ; deps 1
//! ```
//!
//! An operation is its mnemonic, its function after a dot, its registers, its constant, and its
//! mask in braces. Fields of a row are shown with their name.

use crate::form::Form;
use crate::{Constant, ConstantId, LaneSpec, Part, Stream, Word};
use bytes::Bytes;
use phext_storage::coordinate::Coordinate;
use phext_storage::page_table::{Metric, Nearest};
use std::fmt::{self, Display, Formatter, Write};

/// Columns of the D and of the S operation: the longest of them and a little more.
const COLUMN: usize = 30;

impl Display for Stream {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, ".tier {}", self.tier)?;
        for (id, constant) in self.constants.iter().enumerate() {
            writeln!(f, ".constant c{id} {} {constant}", constant.kind())?;
        }
        for part in Part::ALL {
            let words = self.words(part);
            if words.is_empty() {
                continue;
            }
            writeln!(f, ".{part}")?;
            for word in words {
                writeln!(f, "{word}")?;
            }
        }
        Ok(())
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [dense, sparse, coordination] = self.forms().map(|form| form.to_string());
        write!(f, "{dense:COLUMN$} | {sparse:COLUMN$} | {coordination}")?;
        if self.deps > 0 {
            write!(f, "  ; deps {}", self.deps)?;
        }
        Ok(())
    }
}

impl Display for Form {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let description = self.description();
        f.write_str(description.mnemonic)?;
        if let Some(function) = description.functions.get(usize::from(self.function)) {
            write!(f, ".{function}")?;
        } else if self.function > 0 {
            // A dimension that does not exist: the stream is invalid and still has a text.
            write!(f, ".{}", self.function)?;
        }
        let mut separator = " ";
        for (operand, register) in self.operands() {
            f.write_str(std::mem::replace(&mut separator, ", "))?;
            if !operand.name.is_empty() {
                write!(f, "{}=", operand.name)?;
            }
            write!(f, "{register}")?;
        }
        if let Some(constant) = self.constant {
            write!(f, "{separator}{}", ConstantId(constant))?;
        }
        match self.mask_operand() {
            Some(mask) => write!(f, " {{{mask}}}"),
            None => Ok(()),
        }
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Coordinate(coordinate) => write!(f, "{coordinate}"),
            Self::Lanes(lanes) => write_lanes(f, lanes),
            Self::Texts(texts) => write_texts(f, texts),
            Self::Text(text) => write_text(f, text),
            Self::Queries(queries) if queries.vectors.is_empty() => write!(f, "{}", queries.count),
            Self::Queries(queries) => {
                write!(f, "{} ", queries.count)?;
                write_texts(f, &queries.vectors)
            }
        }
    }
}

fn write_texts(f: &mut Formatter<'_>, texts: &[Bytes]) -> fmt::Result {
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            f.write_char(' ')?;
        }
        write_text(f, text)?;
    }
    Ok(())
}

/// Control characters are structure in a phext and must not reach a terminal.
fn write_text(f: &mut Formatter<'_>, text: &[u8]) -> fmt::Result {
    write!(f, "\"{}\"", text.escape_ascii())
}

fn write_lanes(f: &mut Formatter<'_>, lanes: &LaneSpec) -> fmt::Result {
    match lanes {
        LaneSpec::All => f.write_str("all"),
        LaneSpec::Range { from, to } => write!(f, "range {from} {to}"),
        LaneSpec::Points(points) => {
            f.write_str("points")?;
            write_points(f, points)
        }
        LaneSpec::Union { from, to, points } => {
            write!(f, "union {from} {to}")?;
            write_points(f, points)
        }
        LaneSpec::Region(region) => write!(f, "region {region}"),
        LaneSpec::Nearest(nearest) => write_nearest(f, nearest),
    }
}

fn write_nearest(f: &mut Formatter<'_>, nearest: &Nearest) -> fmt::Result {
    write!(f, "nearest {} to {} by ", nearest.count, nearest.to)?;
    match nearest.metric {
        Metric::Chebyshev => f.write_str("chebyshev")?,
        Metric::Manhattan => f.write_str("manhattan")?,
        Metric::Weighted(weights) => write!(f, "weighted {:?}", weights.get())?,
    }
    match nearest.radius {
        Some(radius) => write!(f, " within {radius}"),
        None => Ok(()),
    }
}

fn write_points(f: &mut Formatter<'_>, points: &[Coordinate]) -> fmt::Result {
    for point in points {
        write!(f, " {point}")?;
    }
    Ok(())
}
