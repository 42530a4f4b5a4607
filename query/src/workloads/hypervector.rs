//! Hypervectors: symbols and records as long random patterns of bits (Kanerva, "Hyperdimensional
//! computing", 2009).
//!
//! | question | here |
//! |---|---|
//! | Which pattern is a symbol? | [`symbol`] |
//! | How are a role and its filler one pattern? | [`bind`], which undoes itself |
//! | How are three patterns one that is like each? | [`bundle`] |
//! | Which stored pattern is the most like this one? | [`closest`] |
//! | Which stored record has this filler in that role? | [`closest`], with the role to unbind |
//!
//! A hypervector is a text of bytes from `0x40` to `0x7F`, six bits each. Patterns that have nothing
//! to do with each other have half of their bits in common, give or take a few percent with a
//! thousand bits.

use bytes::Bytes;
use phext_siw::cc::{OptimizationTier, ProgramBuilder, compile};
use phext_siw::execute::{Collected, ExecuteError, Flow, ResultRow, execute};
use phext_siw::{
    Comparison, Constant, CoordinationOp, DenseOp, Destination, Extent, LaneKind, LaneSpec,
    MAX_ROWS, Ranking, SparseOp, Stream, TextOperand,
};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::checksum;

/// What the upper two bits of a byte are.
const TOP: u8 = 0x40;
/// The bits of a byte that count.
const BITS: u8 = 0x3F;

/// Why patterns cannot be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HypervectorError {
    /// A text with other bytes than those of hypervectors.
    #[error("the text is no hypervector: its bytes are not all from 0x40 to 0x7F")]
    NoHypervector,
    /// Texts of several lengths.
    #[error("hypervectors of {0} and {1} bytes do not go together")]
    Lengths(usize, usize),
    /// More patterns than are kept.
    #[error("{count} patterns are asked for, at most {limit} are kept", limit = phext_siw::MAX_ROWS)]
    TooMany {
        /// The number asked for.
        count: usize,
    },
    /// The stream failed.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// A pattern that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Similar {
    /// Where it is.
    pub coordinate: Coordinate,
    /// How many bits it has in common with what was looked for, of six a byte.
    pub equal_bits: u64,
}

/// The pattern of a symbol: the same for the same name, unlike that of any other name. 342 bytes are
/// 2,052 bits.
pub fn symbol(name: &str, bytes: usize) -> Bytes {
    let block = |number: usize| {
        let seed = format!("{number}:{name}");
        let words = checksum(seed.as_bytes()).to_le_bytes();
        words.map(|byte| byte & BITS | TOP)
    };
    let blocks = (0..bytes.div_ceil(16)).flat_map(block);
    blocks.take(bytes).collect()
}

/// Ties two patterns together: the result is unlike either, and bound to one of them again it is the
/// other. What DHDBIND does to stored texts.
///
/// # Errors
/// A text that is no hypervector, or another length.
pub fn bind(left: &[u8], right: &[u8]) -> Result<Bytes, HypervectorError> {
    check(&[left, right])?;
    let pairs = left.iter().zip(right);
    Ok(pairs.map(|(left, right)| left ^ right | TOP).collect())
}

/// The majority of three patterns, bit by bit: three quarters of its bits are those of each. What
/// DHDBUND does to stored texts.
///
/// # Errors
/// A text that is no hypervector, or another length.
pub fn bundle(patterns: [&[u8]; 3]) -> Result<Bytes, HypervectorError> {
    check(&patterns)?;
    let [left, middle, right] = patterns;
    let triples = left.iter().zip(middle).zip(right);
    let majority = triples.map(|((left, middle), right)| left & middle | right & (left | middle));
    Ok(majority.collect())
}

/// How many bits two patterns have in common. What DHDSIM says of stored texts.
///
/// # Errors
/// A text that is no hypervector, or another length.
pub fn similarity(left: &[u8], right: &[u8]) -> Result<u64, HypervectorError> {
    check(&[left, right])?;
    let pairs = left.iter().zip(right);
    Ok(pairs
        .map(|(left, right)| u64::from(6 - (left ^ right).count_ones()))
        .sum())
}

fn check(patterns: &[&[u8]]) -> Result<(), HypervectorError> {
    let length = patterns[0].len();
    for pattern in patterns {
        if !pattern.iter().all(|byte| (TOP..=TOP | BITS).contains(byte)) {
            return Err(HypervectorError::NoHypervector);
        }
        if pattern.len() != length {
            return Err(HypervectorError::Lengths(length, pattern.len()));
        }
    }
    Ok(())
}

/// Finds the `count` stored patterns of the lanes that have the most bits in common with `pattern`,
/// the most first; of equal ones the lower coordinate comes first. With a role, stored patterns are
/// bound to it before they are compared: records are then found by what they have in that role.
/// Texts that are no hypervector of that length, and those without a single bit in common, are passed
/// over.
///
/// # Errors
/// A pattern or a role that is no hypervector, lengths that differ, a count above [`MAX_ROWS`], or damage
/// found in the store.
pub fn closest(
    phext: &Phext,
    lanes: LaneSpec,
    pattern: &Bytes,
    role: Option<&Bytes>,
    count: usize,
) -> Result<Vec<Similar>, HypervectorError> {
    check(&[pattern, role.unwrap_or(pattern)])?;
    if count as u64 > MAX_ROWS {
        return Err(HypervectorError::TooMany { count });
    }
    let stream = stream(lanes, pattern, role, count);
    let mut found = Vec::new();
    let mut sink = |row: &ResultRow<'_>| {
        let similar = row.coordinate.zip(row.number);
        found.extend(similar.map(|(coordinate, equal_bits)| Similar {
            coordinate,
            equal_bits,
        }));
        Ok(Flow::Continue)
    };
    execute(&stream, phext, &mut sink, &mut Collected::default())?;
    Ok(found)
}

/// `SLANES, SGATHER, [DHDBIND,] DHDSIM, CTOP`, and at last CSEND.
fn stream(lanes: LaneSpec, pattern: &Bytes, role: Option<&Bytes>, count: usize) -> Stream {
    let mut program = ProgramBuilder::default();
    let kind = LaneKind::of(&lanes);
    let lanes = program.constant(Constant::Lanes(lanes));
    let (at, text, best) = (program.place(), program.text(), program.message());
    let (bits, some) = (program.number(), program.mask());
    program.each(match kind {
        LaneKind::Region => SparseOp::Assoc { to: at, lanes },
        LaneKind::Nearest => SparseOp::Neighbr { to: at, lanes },
        _ => SparseOp::Lanes { to: at, lanes },
    });
    program.each(SparseOp::Gather {
        to: text,
        extent: Extent::Whole,
        at,
        mask: None,
    });
    let left = match role {
        None => text,
        Some(role) => {
            let (to, role) = (
                program.text(),
                program.constant(Constant::Text(role.clone())),
            );
            program.each(DenseOp::HdBind {
                to,
                left: text,
                right: TextOperand::Constant(role),
            });
            to
        }
    };
    let pattern = program.constant(Constant::Text(pattern.clone()));
    program.each(DenseOp::HdSim {
        to: bits,
        left,
        right: TextOperand::Constant(pattern),
        mask: None,
    });
    let none = program.immediate(0);
    program.each(DenseOp::Cmp {
        to: some,
        comparison: Comparison::Gt,
        left: bits,
        right: none,
    });
    let count = program.constant(Constant::Number(count as u64));
    program.each(CoordinationOp::Top {
        accumulator: best,
        ranking: Ranking::Greatest,
        at,
        by: bits,
        count,
        mask: Some(some),
    });
    program.last(CoordinationOp::Send {
        to: Destination::Sink,
        from: best,
        mask: None,
    });
    let program = program.build().expect("it has few registers");
    let compiled = compile(program, OptimizationTier::Tier3PhextOptimal);
    compiled.expect("the program keeps the rules").stream
}

#[cfg(test)]
mod tests {
    use super::super::test_store::TestStore;
    use super::*;

    const BYTES: usize = 342;

    fn at(chapter: u32, n: u32) -> Coordinate {
        Coordinate::new([1, 1, 1, 1, 1, 1, chapter, 1, n]).unwrap()
    }

    fn chapter(chapter: u32) -> LaneSpec {
        LaneSpec::Range {
            from: at(chapter, 1),
            to: at(chapter, 1_000),
        }
    }

    /// A record of three roles and their fillers.
    fn record(pairs: [(&str, &str); 3]) -> Bytes {
        let bound =
            pairs.map(|(role, filler)| bind(&symbol(role, BYTES), &symbol(filler, BYTES)).unwrap());
        bundle([&bound[0], &bound[1], &bound[2]]).unwrap()
    }

    #[test]
    fn fillers_of_a_record_are_recovered_by_similarity() {
        let names = [
            "paris", "rome", "france", "italy", "euro", "lira", "wine", "sea",
        ];
        let items = (1..)
            .zip(names)
            .map(|(n, name)| (at(1, n), symbol(name, BYTES)));
        let france = record([
            ("capital", "paris"),
            ("country", "france"),
            ("money", "euro"),
        ]);
        let italy = record([("capital", "rome"), ("country", "italy"), ("money", "lira")]);
        let records = [(at(2, 1), france.clone()), (at(2, 2), italy)];
        let noise = [
            (at(1, 99), Bytes::from("no hypervector")),
            (at(2, 99), Bytes::new()),
        ];
        let store = TestStore::of(items.chain(records).chain(noise));

        for (role, filler) in [("capital", 1), ("country", 3), ("money", 5)] {
            let unbound = bind(&france, &symbol(role, BYTES)).unwrap();
            let found = closest(&store.phext, chapter(1), &unbound, None, 2).unwrap();
            assert_eq!(found[0].coordinate, at(1, filler), "{role}");
            let text = store.phext.locate(&at(1, filler)).unwrap().text().unwrap();
            assert_eq!(found[0].equal_bits, similarity(text, &unbound).unwrap());
            // Three quarters against a half.
            assert!(found[0].equal_bits > found[1].equal_bits + BYTES as u64);
        }

        let (capital, rome) = (symbol("capital", BYTES), symbol("rome", BYTES));
        let found = closest(&store.phext, chapter(2), &rome, Some(&capital), 5).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].coordinate, at(2, 2));
    }

    #[test]
    fn symbols_are_their_own_and_binding_undoes_itself() {
        let [a, b] = ["a", "b"].map(|name| symbol(name, BYTES));
        assert_eq!(a, symbol("a", BYTES));
        let equal = similarity(&a, &b).unwrap();
        assert!((900..1_150).contains(&equal), "{equal} of 2,052");
        assert_eq!(bind(&bind(&a, &b).unwrap(), &b).unwrap(), a);
        let store = TestStore::of([(at(1, 1), a.clone())]);
        let most = MAX_ROWS as usize;
        let found = |count| closest(&store.phext, LaneSpec::All, &a, None, count);
        assert_eq!(found(most).unwrap().len(), 1);
        let refused = found(most + 1).unwrap_err();
        let expected = "1048577 patterns are asked for, at most 1048576 are kept";
        assert_eq!(refused.to_string(), expected);
        assert!(matches!(
            bind(&a, b"@@"),
            Err(HypervectorError::Lengths(BYTES, 2))
        ));
        assert!(matches!(
            similarity(&a, b"\n"),
            Err(HypervectorError::NoHypervector)
        ));
    }
}
