//! Routes that read one phext.

use super::arguments::{Arguments, excerpt};
use super::cores::{Cores, Format};
use super::render::{self, Render};
use super::{Answer, Refusal};
use crate::http::Response;
use crate::library::Library;
use crate::phext_file::write_document;
use bytes::Bytes;
use phext_query::{Chunk, ExecuteError, Fields, Flow, Query, ResultRow, Target, run};
use phext_storage::Phext;
use phext_storage::coordinate::{Coordinate, DIMENSIONS};
use phext_storage::phext::{breaks_between, checksum_hex, write_toc_line};
use std::io::{self, Write};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

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
    cores: &Cores,
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
    cores: &Cores,
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
    let Some(phext) = phext_of(arguments, library).await? else {
        return Ok(Response::text(200, ""));
    };
    let query = Query {
        limit,
        ..Query::rows(target, Fields::TEXT)
    };
    if !render::is_short(&phext) {
        return cores.respond::<TocLines>(&query, &phext, library).await;
    }
    let render: Arc<Render> = Arc::new(move |out| {
        let mut sink = |row: &ResultRow<'_>| {
            toc_line(row, out)?;
            Ok(Flow::Continue)
        };
        run(&query, &phext, &mut sink).map(drop)
    });
    render::respond(true, TEXT, render).await
}

/// The lines of `toc`.
struct TocLines;

impl Format for TocLines {
    const CONTENT_TYPE: &'static str = TEXT;

    fn write(row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        toc_line(row, out)
    }
}

fn toc_line(row: &ResultRow<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (Some(coordinate), Some(text)) = (row.coordinate, row.text) else {
        return Ok(());
    };
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    write_toc_line(out, &coordinate, text)
}

/// `get` and `export`: the whole phext as a document.
pub(super) async fn document(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Cores,
) -> Answer {
    let Some(phext) = phext_of(arguments, library).await? else {
        return Ok(Response::text(200, ""));
    };
    let short = render::is_short(&phext);
    let length = document_bytes(&phext, library, cores).await?;
    let render: Arc<Render> = Arc::new(move |out| write_document(&phext, out).map(drop));
    if short {
        return render::respond(short, TEXT, render).await;
    }
    Ok(Response::new(200, TEXT, render::stream(length, render)))
}

/// `checksum`: XXH3-128 of the document.
pub(super) async fn checksum(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let checksum = match phext_of(arguments, library).await? {
        None => Xxh3::new().digest128(),
        Some(phext) => {
            let short =
                phext.derived().document_checksum.get().is_some() || render::is_short(&phext);
            render::run(short, move || document_checksum(&phext)).await?
        }
    };
    Ok(Response::text(200, checksum_hex(checksum)))
}

/// `json-export`: all scrolls, laid out as SQ does, in coordinate order and with valid escapes.
pub(super) async fn json_export(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Cores,
) -> Answer {
    let phext = phext_of(arguments, library).await?;
    let query = Query::all(Fields::TEXT);
    if let Some(phext) = phext.as_ref().filter(|phext| !render::is_short(phext)) {
        return cores.respond::<JsonScrolls>(&query, phext, library).await;
    }
    let mut json = JsonScrolls::BEGIN.as_bytes().to_vec();
    let mut separator = "";
    let mut sink = |row: &ResultRow<'_>| {
        json.extend_from_slice(separator.as_bytes());
        JsonScrolls::write(row, &mut json)?;
        separator = JsonScrolls::SEPARATOR;
        Ok(Flow::Continue)
    };
    run(
        &query,
        phext.as_deref().unwrap_or(Phext::empty()),
        &mut sink,
    )?;
    json.extend_from_slice(JsonScrolls::END.as_bytes());
    Ok(Response::json(200, json))
}

/// The scrolls of `json-export`.
struct JsonScrolls;

impl Format for JsonScrolls {
    const CONTENT_TYPE: &'static str = JSON;
    const BEGIN: &'static str = "[\n";
    const END: &'static str = "]\n";
    const SEPARATOR: &'static str = ",";

    fn write(row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        if let (Some(coordinate), Some(text)) = (row.coordinate, row.text) {
            write!(out, "   {{ \"coord\": \"{coordinate}\", \"scroll\": ")?;
            write_json_text(out, text)?;
            out.write_all(b" }\n")?;
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

/// Writes UTF-8 text as a JSON string.
pub(super) fn write_json_text(out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    serde_json::to_writer(out, text).map_err(io::Error::other)
}

/// Length in bytes of the phext as a document; kept until the phext changes.
async fn document_bytes(
    phext: &Arc<Phext>,
    library: &Arc<Library>,
    cores: &Cores,
) -> Result<u64, Refusal> {
    let kept = &phext.derived().document_bytes;
    if let Some(&bytes) = kept.get() {
        return Ok(bytes);
    }
    let query = Query::all(Fields::LENGTH);
    let mut measured = Measured::default();
    if render::is_short(phext) {
        let mut sink = |row: &ResultRow<'_>| {
            measured.add(row)?;
            Ok(Flow::Continue)
        };
        run(&query, phext, &mut sink)?;
    } else {
        let add = |stretch: Measured| measured.append(&stretch);
        cores.each(&query, phext, library, add).await?;
    }
    let bytes = measured.document_bytes();
    Ok(*kept.get_or_init(|| bytes))
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

/// XXH3-128 of the phext as a document; kept until the phext changes.
fn document_checksum(phext: &Phext) -> Result<u128, ExecuteError> {
    let kept = &phext.derived().document_checksum;
    if let Some(&checksum) = kept.get() {
        return Ok(checksum);
    }
    let mut hasher = HashWriter(Xxh3::new());
    write_document(phext, &mut hasher)?;
    Ok(*kept.get_or_init(|| hasher.0.digest128()))
}

struct HashWriter(Xxh3);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
