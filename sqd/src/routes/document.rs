//! `get`, `export` and `checksum`: a phext as one document, and how long that is.
//!
//! A document is made in stretches, each on whichever core finds its scrolls. Only when they are put
//! together is it known which breaks lead to the first scroll of each.

use super::arguments::Arguments;
use super::assembly::{Assembly, LONG_RUN, Piece, Pieces, gather, write_breaks};
use super::cores::{Cores, Reading};
use super::read::{TEXT, phext_of};
use super::{Answer, Refusal};
use crate::http::Response;
use crate::library::Library;
use bytes::Bytes;
use phext_query::{Chunk, Fields, Flow, Plan, Query, ResultRow, run_plan};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{breaks_between, checksum_hex, validate_text};
use std::io;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// `get` and `export`: the whole phext as a document.
pub(super) async fn document(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    let Some(phext) = phext_of(arguments, library).await? else {
        return Ok(Response::text(200, ""));
    };
    let plan = Plan::new(&Query::all(Fields::TEXT))?;
    if cores.is_short(&plan, &phext)? {
        return cores.answer_here(&plan, &phext, TEXT, Document::default());
    }
    let length = document_bytes(&phext, library, cores).await?;
    let reading = Reading::new(cores, phext, library);
    Ok(reading.stream(length, plan, TEXT, Document::default()))
}

/// `checksum`: XXH3-128 of the document.
pub(super) async fn checksum(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    let checksum = match phext_of(arguments, library).await? {
        None => Xxh3::new().digest128(),
        Some(phext) => document_checksum(&phext, library, cores).await?,
    };
    Ok(Response::text(200, checksum_hex(checksum)))
}

/// XXH3-128 of the phext as a document; kept until the phext changes.
async fn document_checksum(
    phext: &Arc<Phext>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Result<u128, Refusal> {
    let kept = &phext.derived().document_checksum;
    if let Some(&checksum) = kept.get() {
        return Ok(checksum);
    }
    let mut hasher = Xxh3::new();
    let mut hash = |piece: Piece| piece.parts().for_each(|part| hasher.update(&part));
    let plan = Plan::new(&Query::all(Fields::TEXT))?;
    if cores.is_short(&plan, phext)? {
        let mut put = |piece| {
            hash(piece);
            Ok(())
        };
        gather(Document::default(), &mut put, |sink| {
            run_plan(&plan, phext, sink)
        })?;
    } else {
        let reading = Reading::new(cores, Arc::clone(phext), library);
        let mut pieces = reading.assemble(plan, Document::default());
        while let Some(piece) = pieces.next().await? {
            hash(piece);
            tokio::task::consume_budget().await;
        }
    }
    Ok(*kept.get_or_init(|| hasher.digest128()))
}

/// Length in bytes of the phext as a document; kept until the phext changes.
pub(super) async fn document_bytes(
    phext: &Arc<Phext>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Result<u64, Refusal> {
    let kept = &phext.derived().document_bytes;
    if let Some(&bytes) = kept.get() {
        return Ok(bytes);
    }
    let plan = Plan::new(&Query::all(Fields::LENGTH))?;
    let mut measured = Measured::default();
    if cores.is_short(&plan, phext)? {
        let mut sink = |row: &ResultRow<'_>| {
            measured.add(row)?;
            Ok(Flow::Continue)
        };
        run_plan(&plan, phext, &mut sink)?;
    } else {
        let reading = Reading::new(cores, Arc::clone(phext), library);
        let add = |stretch: Measured| measured.append(&stretch);
        reading.each(plan, add).await?;
    }
    let bytes = measured.document_bytes();
    Ok(*kept.get_or_init(|| bytes))
}

/// A part of a document, without what leads to its first scroll.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    text: Vec<u8>,
    /// Where in the text many breaks lead from one coordinate to another: they are not built here.
    gaps: Vec<(usize, Coordinate, Coordinate)>,
    /// Its first and last scroll.
    ends: Option<(Coordinate, Coordinate)>,
    /// Rows that came, with those that have no text.
    rows: u64,
}

impl Stretch {
    /// Adds the next scroll, which is not empty.
    pub(super) fn push(&mut self, coordinate: Coordinate, text: &str) {
        let first = match self.ends {
            None => coordinate,
            Some((first, last)) => {
                self.lead(last, coordinate);
                first
            }
        };
        self.ends = Some((first, coordinate));
        self.text.extend_from_slice(text.as_bytes());
    }

    fn lead(&mut self, from: Coordinate, to: Coordinate) {
        match breaks_between(&from, &to) > LONG_RUN {
            true => self.gaps.push((self.text.len(), from, to)),
            false => write_breaks(&from, &to, &mut self.text),
        }
    }

    /// Gives it, and what leads to it from the last scroll that was given.
    pub(super) fn pass_on(self, last: &mut Option<Coordinate>, out: &mut Pieces) {
        let Some((first, end)) = self.ends else {
            return;
        };
        out.breaks(&last.unwrap_or(Coordinate::ORIGIN), &first);
        let (mut text, mut at) = (Bytes::from(self.text), 0);
        for (gap, from, to) in self.gaps {
            out.text(text.split_to(gap - at));
            out.breaks(&from, &to);
            at = gap;
        }
        out.text(text);
        *last = Some(end);
    }
}

impl Chunk for Stretch {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        self.rows += 1;
        if let (Some(coordinate), Some(text)) = (row.coordinate, row.text) {
            self.push(coordinate, validate_text(text).map_err(io::Error::other)?);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.gaps[..])
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn truncate(&mut self, _: u64) {
        unreachable!("all of a document is read")
    }
}

/// A phext as a document.
#[derive(Debug, Clone, Default)]
struct Document {
    /// The scroll that was given last.
    last: Option<Coordinate>,
}

impl Assembly for Document {
    type Chunk = Stretch;

    fn maker(&self) -> Box<dyn Fn() -> Stretch + Send + Sync> {
        Box::new(Stretch::default)
    }

    fn add(&mut self, chunk: Stretch, out: &mut Pieces) {
        chunk.pass_on(&mut self.last, out);
    }
}

/// How long a stretch of a document is, without what comes before its first scroll.
#[derive(Debug, Default)]
struct Measured {
    ends: Option<(Coordinate, Coordinate)>,
    bytes: u64,
    scrolls: u64,
}

impl Measured {
    /// Adds the stretch that follows.
    fn append(&mut self, next: &Measured) {
        self.ends = match (self.ends, next.ends) {
            (Some((first, last)), Some((following, end))) => {
                self.bytes += breaks_between(&last, &following);
                Some((first, end))
            }
            (ends, None) => ends,
            (None, ends) => ends,
        };
        self.bytes += next.bytes;
        self.scrolls += next.scrolls;
    }

    /// As the only stretch.
    fn document_bytes(&self) -> u64 {
        let before = |(first, _)| breaks_between(&Coordinate::ORIGIN, &first);
        self.ends.map_or(0, before) + self.bytes
    }
}

impl Chunk for Measured {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        if let (Some(coordinate), Some(bytes)) = (row.coordinate, row.length) {
            self.append(&Measured {
                ends: Some((coordinate, coordinate)),
                bytes,
                scrolls: 1,
            });
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn rows(&self) -> u64 {
        self.scrolls
    }

    fn truncate(&mut self, _: u64) {
        unreachable!("all of a document is measured")
    }
}
