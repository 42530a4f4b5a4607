//! Routes that read one phext.

use super::arguments::{Arguments, excerpt};
use super::cores::Cores;
use super::document::document_bytes;
use super::json_text::write_json_text;
use super::rendered::{Format, Rendering};
use super::{Answer, Refusal};
use crate::http::Response;
use crate::library::Library;
use bytes::Bytes;
use phext_query::{Fields, Flow, Plan, Query, ResultRow, Target, run};
use phext_storage::Phext;
use phext_storage::coordinate::DIMENSIONS;
use phext_storage::phext::write_toc_line;
use std::io;
use std::sync::Arc;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

/// The phext that a request names, if there is one, as it is or as a named snapshot has it.
pub(super) async fn phext_of(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
) -> Result<Option<Arc<Phext>>, Refusal> {
    let name = arguments.phext();
    match arguments.get("snapshot") {
        Some(snapshot) => Ok(library.phext_in(snapshot, name).await?),
        None => Ok(library.phext(name).await?),
    }
}

/// `select`: the scroll at a coordinate; empty where there is none.
pub(super) async fn select(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let coordinate = arguments.coordinate()?;
    let Some(phext) = phext_of(arguments, library).await? else {
        return Ok(Response::text(200, ""));
    };
    let mut scroll = Bytes::new();
    let mut sink = |row: &ResultRow<'_>| {
        scroll = row.text.map(Bytes::copy_from_slice).unwrap_or_default();
        Ok(Flow::Continue)
    };
    run(&Query::point(coordinate), &phext, &mut sink)?;
    Ok(Response::text(200, scroll))
}

/// `status`: what is hosted, and how much of it.
pub(super) async fn status(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    connection: u64,
    cores: &Arc<Cores>,
) -> Answer {
    let name = arguments.phext().to_owned();
    let (bytes, scrolls) = match phext_of(arguments, library).await? {
        None => (0, 0),
        Some(phext) => {
            let scrolls = phext.scrolls();
            (document_bytes(&phext, library, cores).await?, scrolls)
        }
    };
    let text = format!(
        "Hosting: {name}.phext\nConnection ID: {connection}\nPhext Size: {bytes}\nScrolls: {scrolls}"
    );
    Ok(Response::text(200, text))
}

/// `toc`: a line a scroll. `c` restricts it to a prefix, `limit` to a number of lines.
pub(super) async fn toc(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    let limit = arguments.limit()?;
    let target = match arguments
        .get("c")
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        None => Target::All,
        Some(text) => Target::Prefix(parse_prefix(text)?),
    };
    let phext = phext_of(arguments, library).await?;
    let is_whole = limit.is_none() && target == Target::All;
    let plan = Plan::new(&Query {
        limit,
        ..Query::rows(target, Fields::TEXT)
    })?;
    let lines = Rendering::new(TocLines);
    match phext {
        Some(phext) if is_whole => {
            let same = Arc::clone(&phext);
            let length = &same.derived().toc_bytes;
            cores
                .answer_of_length(plan, phext, library, TEXT, lines, length)
                .await
        }
        phext => cores.answer(plan, phext, library, TEXT, lines).await,
    }
}

/// The lines of `toc`.
struct TocLines;

impl Format for TocLines {
    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        let (Some(coordinate), Some(text)) = (row.coordinate, row.text) else {
            return Ok(());
        };
        write_toc_line(out, &coordinate, text)
    }
}

/// `json-export`: all scrolls, laid out as SQ does, in coordinate order and with valid escapes.
pub(super) async fn json_export(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    let phext = phext_of(arguments, library).await?;
    let plan = Plan::new(&Query::all(Fields::TEXT))?;
    let scrolls = Rendering::new(JsonScrolls);
    cores.answer(plan, phext, library, JSON, scrolls).await
}

/// The scrolls of `json-export`.
struct JsonScrolls;

impl Format for JsonScrolls {
    const BEGIN: &'static str = "[\n";
    const END: &'static str = "]\n";
    const SEPARATOR: &'static str = ",";

    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        if let (Some(coordinate), Some(text)) = (row.coordinate, row.text) {
            out.extend_from_slice(b"   { \"coord\": \"");
            coordinate.write_text(out)?;
            out.extend_from_slice(b"\", \"scroll\": ");
            write_json_text(out, text)?;
            out.extend_from_slice(b" }\n");
        }
        Ok(())
    }
}

/// `list`: the names of all phexts, as a JSON array.
pub(super) fn list(library: &Arc<Library>) -> Answer {
    let snapshot = library.snapshot();
    let names: Vec<&str> = snapshot.phexts().map(|phext| phext.name()).collect();
    let json = serde_json::to_vec(&names).expect("strings are JSON");
    Ok(Response::json(200, json))
}

/// Reads a prefix of a coordinate: up to nine numbers, of which trailing `*` say nothing.
fn parse_prefix(text: &str) -> Result<Vec<u32>, Refusal> {
    let refuse = |field: &str| {
        let field = excerpt(field);
        Refusal::bad_request(format_args!(
            "prefix `c`: `{field}` is not a number from 1; a prefix is up to nine numbers, such as 1.2.3/4"
        ))
    };
    let fields: Vec<&str> = text.split(['.', '/', ';']).collect();
    let wild = fields
        .iter()
        .rev()
        .take_while(|field| field.starts_with('*'))
        .count();
    let fixed = &fields[..fields.len() - wild];
    if fields.len() > DIMENSIONS {
        return Err(refuse(fields[DIMENSIONS]));
    }
    fixed
        .iter()
        .map(|field| {
            field
                .parse()
                .ok()
                .filter(|&n: &u32| n > 0)
                .ok_or_else(|| refuse(field))
        })
        .collect()
}
