//! The assembler: from the text of a stream to the stream.
//!
//! It reads what [`crate::Stream`] displays as, so that the disassembler is decoding and displaying:
//!
//! ```text
//! bytes --decode--> Stream --Display--> text --assemble--> Stream --encode--> the same bytes
//! ```
//!
//! ```text
//! .tier 2                                       ; 0 when it is left out
//! .constant zero number 0                       ; also 0x1F, 2.5, -1e-3, inf, nan (doubles)
//! .constant everything lanes all                ; or range A B, points A .., union A B C ..,
//! .constant near lanes nearest 5 to 1.1.1/1.1.1/1.1.1 by manhattan within 40
//! .constant shelf lanes region 1.{2,5-9}.*/*.*.*/*.*.*
//! .constant bodies texts "one\n" "tw\x6F"       ; or text ".." for one, coordinate 1.1.1/1.1.1/1.1.1
//! .once
//! DMOV r0, zero
//! .each
//! SLANES p0, everything
//! DRED.count r0 | SPREFCH.text p0               ; a word; NOPs may be left out
//! .last
//! CPACK m0, number=r0
//! CSEND.sink m0
//! ```
//!
//! A line is a directive, a word or nothing; from `;` on it is a comment. A name is a letter or `_`
//! and letters, digits and `_`, and no register. Constants are named before they are used. `deps` is
//! computed, never written. What a text says is not checked here: [`crate::validate()`] does that, and
//! [`Assembly::line`] finds the line of what it refuses.

mod constant;
mod cursor;
mod error;
mod operation;
mod pattern;

pub use error::{AssembleError, AssembleReason};

use crate::stream::{MAX_COUNT, MAX_TIER};
use crate::word::link;
use crate::{ConstantId, Part, Site, Stream, Word};
use cursor::Cursor;
use std::collections::HashMap;

/// A stream, and where in its text it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assembly {
    /// The stream, its words linked.
    pub stream: Stream,
    constants: Vec<usize>,
    words: [Vec<usize>; 3],
}

impl Assembly {
    /// The line, from 1, of what an error of the validator names; none for the stream or a part as a
    /// whole.
    pub fn line(&self, site: Site) -> Option<usize> {
        match site {
            Site::Stream | Site::Part(_) => None,
            Site::Constant(id) => self.constants.get(id.index()).copied(),
            Site::Word { part, word } | Site::Operation { part, word, .. } => {
                self.words[part as usize].get(word).copied()
            }
        }
    }
}

/// A stream that came from no text has no lines.
impl From<Stream> for Assembly {
    fn from(stream: Stream) -> Self {
        Self {
            stream,
            ..Self::default()
        }
    }
}

/// Reads the text of a stream.
///
/// # Errors
/// The line and the column where the text first differs from a stream, and what is expected there.
pub fn assemble(text: &str) -> Result<Assembly, AssembleError> {
    let mut assembler = Assembler::default();
    for (line, number) in text.lines().zip(1..) {
        assembler.line(Cursor::new(number, line))?;
    }
    let mut assembly = assembler.assembly;
    for part in Part::ALL {
        link(words_of(&mut assembly.stream, part));
    }
    Ok(assembly)
}

fn words_of(stream: &mut Stream, part: Part) -> &mut Vec<Word> {
    match part {
        Part::Once => &mut stream.once,
        Part::Each => &mut stream.each,
        Part::Last => &mut stream.last,
    }
}

/// The constants named so far.
type Names<'t> = HashMap<&'t str, ConstantId>;

#[derive(Default)]
struct Assembler<'t> {
    assembly: Assembly,
    names: Names<'t>,
    part: Option<Part>,
    /// Directives that come once, as far as they have come.
    seen: Vec<&'static str>,
}

/// What a line that is no word begins with.
const DIRECTIVES: &str = "`.tier`, `.constant`, `.once`, `.each` or `.last`";

impl<'t> Assembler<'t> {
    fn line(&mut self, mut cursor: Cursor<'t>) -> Result<(), AssembleError> {
        if cursor.is_at_end() {
            return Ok(());
        }
        match cursor.eat('.') {
            true => self.directive(&mut cursor)?,
            false => self.word(&mut cursor)?,
        }
        cursor.end()
    }

    fn directive(&mut self, cursor: &mut Cursor<'t>) -> Result<(), AssembleError> {
        let start = cursor.clone();
        match cursor.name() {
            "tier" => {
                self.once(&start, ".tier")?;
                self.assembly.stream.tier = tier(cursor)?;
                Ok(())
            }
            "constant" => self.constant(cursor),
            "once" => self.begin(&start, Part::Once, ".once"),
            "each" => self.begin(&start, Part::Each, ".each"),
            "last" => self.begin(&start, Part::Last, ".last"),
            _ => Err(start.expected(DIRECTIVES)),
        }
    }

    fn once(&mut self, at: &Cursor<'t>, name: &'static str) -> Result<(), AssembleError> {
        if self.seen.contains(&name) {
            return Err(at.fail(AssembleReason::Repeated(name)));
        }
        self.seen.push(name);
        Ok(())
    }

    fn begin(
        &mut self,
        at: &Cursor<'t>,
        part: Part,
        name: &'static str,
    ) -> Result<(), AssembleError> {
        self.part = Some(part);
        self.once(at, name)
    }

    fn constant(&mut self, cursor: &mut Cursor<'t>) -> Result<(), AssembleError> {
        cursor.skip_spaces();
        let start = cursor.clone();
        let name = cursor.name();
        if !is_name(name) {
            return Err(start.expected("a name for the constant, which is no register"));
        }
        let constants = &mut self.assembly.stream.constants;
        let Some(id) = u16::try_from(constants.len())
            .ok()
            .filter(|&id| usize::from(id) < MAX_COUNT)
        else {
            return Err(start.fail(AssembleReason::TooManyConstants));
        };
        if self.names.insert(name, ConstantId(id)).is_some() {
            return Err(start.fail(AssembleReason::NameTaken(name.to_owned())));
        }
        constants.push(constant::constant(cursor)?);
        self.assembly.constants.push(cursor.line);
        Ok(())
    }

    fn word(&mut self, cursor: &mut Cursor<'t>) -> Result<(), AssembleError> {
        let Some(part) = self.part else {
            return Err(cursor.expected(format!("{DIRECTIVES}: words come after their part")));
        };
        let word = operation::word(cursor, &self.names)?;
        words_of(&mut self.assembly.stream, part).push(word);
        self.assembly.words[part as usize].push(cursor.line);
        Ok(())
    }
}

fn tier(cursor: &mut Cursor<'_>) -> Result<u8, AssembleError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    match cursor.token().parse() {
        Ok(tier) if tier <= MAX_TIER => Ok(tier),
        _ => Err(start.expected(format!("a tier, 0 to {MAX_TIER}"))),
    }
}

fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(begins) && operation::register(name).is_none()
}
