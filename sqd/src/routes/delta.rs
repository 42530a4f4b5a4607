//! `delta`: what a client that knows some scrolls by checksum does not have.

use super::Answer;
use super::Refusal;
use super::arguments::Arguments;
use super::assembly::{Assembly, Pieces};
use super::cores::Cores;
use super::document::Stretch;
use super::read::{TEXT, phext_of};
use crate::library::Library;
use phext_query::{Chunk, Fields, Plan, Query, ResultRow};
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{checksum_hex, validate_text};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

/// The text at a coordinate that the client has and the server has not.
const MISSING: &str = "---sq:Scroll-Missing---";

/// The scrolls by checksum, as the client's manifest says.
type Manifest = BTreeMap<Coordinate, String>;

/// A phext of the scrolls that differ from the client's manifest; without one, of all scrolls.
pub(super) async fn delta(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
    with_content: bool,
) -> Answer {
    let manifest = parse_manifest(&arguments.text(with_content)?)?;
    let phext = phext_of(arguments, library).await?;
    let fields = Fields {
        checksum: true,
        ..Fields::TEXT
    };
    let plan = Plan::new(&Query::all(fields))?;
    let delta = Delta {
        manifest: Arc::new(manifest),
        seen: None,
        last: None,
    };
    cores.answer(plan, phext, library, TEXT, delta).await
}

/// Reads lines of `<coordinate>: <checksum>`. Lines without that form say nothing, as in SQ.
fn parse_manifest(text: &str) -> Result<Manifest, Refusal> {
    let mut manifest = Manifest::new();
    for (number, line) in text.lines().enumerate() {
        let mut fields = line.split(": ");
        let (Some(coordinate), Some(checksum)) = (fields.next(), fields.next()) else {
            continue;
        };
        let coordinate = Coordinate::parse_lenient(coordinate).map_err(|error| {
            Refusal::bad_request(format_args!("manifest line {}: {error}", number + 1))
        })?;
        manifest.insert(coordinate, checksum.to_owned());
    }
    Ok(manifest)
}

/// Adds what the client has, and the server has not, beyond one scroll of the server and before another.
fn add_missing(
    manifest: &Manifest,
    beyond: Option<Coordinate>,
    before: Bound<Coordinate>,
    stretch: &mut Stretch,
) {
    let beyond = beyond.map_or(Bound::Unbounded, Bound::Excluded);
    for (&missing, _) in manifest.range((beyond, before)) {
        stretch.push(missing, MISSING);
    }
}

/// The differences along some scrolls.
struct Differences {
    manifest: Arc<Manifest>,
    stretch: Stretch,
    /// The first and the last scroll that were compared.
    seen: Option<(Coordinate, Coordinate)>,
    rows: u64,
}

impl Chunk for Differences {
    fn add(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        self.rows += 1;
        let (Some(coordinate), Some(text), Some(checksum)) =
            (row.coordinate, row.text, row.checksum)
        else {
            return Ok(());
        };
        let first = match self.seen {
            None => coordinate,
            Some((first, last)) => {
                let before = Bound::Excluded(coordinate);
                add_missing(&self.manifest, Some(last), before, &mut self.stretch);
                first
            }
        };
        self.seen = Some((first, coordinate));
        let theirs = self.manifest.get(&coordinate);
        if theirs.is_none_or(|theirs| *theirs != checksum_hex(checksum)) {
            let text = validate_text(text).map_err(io::Error::other)?;
            self.stretch.push(coordinate, text);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.stretch.bytes()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn truncate(&mut self, _: u64) {
        unreachable!("all scrolls are compared")
    }
}

/// All differences as a document.
#[derive(Debug, Clone)]
struct Delta {
    manifest: Arc<Manifest>,
    /// The scroll that was compared last.
    seen: Option<Coordinate>,
    /// The one that was given last.
    last: Option<Coordinate>,
}

impl Delta {
    /// Gives what the server lacks before its next scroll.
    fn give_missing(&mut self, before: Bound<Coordinate>, out: &mut Pieces) {
        let mut missing = Stretch::default();
        add_missing(&self.manifest, self.seen, before, &mut missing);
        missing.pass_on(&mut self.last, out);
    }
}

impl Assembly for Delta {
    type Chunk = Differences;

    fn maker(&self) -> Box<dyn Fn() -> Differences + Send + Sync> {
        let manifest = Arc::clone(&self.manifest);
        Box::new(move || Differences {
            manifest: Arc::clone(&manifest),
            stretch: Stretch::default(),
            seen: None,
            rows: 0,
        })
    }

    fn add(&mut self, chunk: Differences, out: &mut Pieces) {
        if let Some((first, end)) = chunk.seen {
            self.give_missing(Bound::Excluded(first), out);
            chunk.stretch.pass_on(&mut self.last, out);
            self.seen = Some(end);
        }
    }

    fn end(&mut self, out: &mut Pieces) {
        self.give_missing(Bound::Unbounded, out);
    }
}
