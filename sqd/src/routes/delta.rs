//! `delta`: what a client that knows some scrolls by checksum does not have.

use super::arguments::Arguments;
use super::read::phext_of;
use super::render::{self, Render};
use super::{Answer, Refusal};
use crate::library::Library;
use phext_query::{ExecuteError, Fields, Flow, Query, ResultRow, run};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::{PhextWriter, checksum_hex};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

/// The text at a coordinate that the client has and the server has not.
const MISSING: &str = "---sq:Scroll-Missing---";

/// The scrolls by checksum, as the client's manifest says.
type Manifest = BTreeMap<Coordinate, String>;

/// A phext of the scrolls that differ from the client's manifest; without one, of all scrolls.
pub(super) async fn delta(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    with_content: bool,
) -> Answer {
    let manifest = parse_manifest(&arguments.text(with_content)?)?;
    let phext = phext_of(arguments, library).await?;
    let short = phext.as_deref().is_none_or(render::is_short);
    let render: Arc<Render> = Arc::new(move |out| {
        write_delta(phext.as_deref().unwrap_or(Phext::empty()), &manifest, out)
    });
    render::respond(short, "text/plain; charset=utf-8", render).await
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

fn write_delta(
    phext: &Phext,
    manifest: &Manifest,
    out: &mut dyn Write,
) -> Result<(), ExecuteError> {
    let mut writer = PhextWriter::new(out);
    let mut put = |coordinate: Coordinate, text: &str| {
        writer.write(coordinate, text).map_err(io::Error::other)
    };
    // Both are in coordinate order: what the server lacks is written between what it has.
    let mut known = manifest.iter().peekable();
    let fields = Fields {
        checksum: true,
        ..Fields::TEXT
    };
    let mut sink = |row: &ResultRow<'_>| {
        let (Some(coordinate), Some(text), Some(checksum)) =
            (row.coordinate, row.text, row.checksum)
        else {
            return Ok(Flow::Continue);
        };
        while let Some((&missing, _)) = known.next_if(|(known, _)| **known < coordinate) {
            put(missing, MISSING)?;
        }
        let theirs = known.next_if(|(known, _)| **known == coordinate);
        if theirs.is_none_or(|(_, theirs)| *theirs != checksum_hex(checksum)) {
            put(
                coordinate,
                std::str::from_utf8(text).map_err(io::Error::other)?,
            )?;
        }
        Ok(Flow::Continue)
    };
    run(&Query::all(fields), phext, &mut sink)?;
    for (&missing, _) in known {
        put(missing, MISSING)?;
    }
    Ok(())
}
