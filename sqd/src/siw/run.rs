//! Running a stream: its rows are printed as lines of JSON.

use super::{SiwError, file, writes};
use crate::cli::RunArgs;
use crate::command::{CommandError, follow, require_store};
use phext_query::ExecuteError;
use phext_siw::Stream;
use phext_siw::execute::{Collected, Flow, Flush, Report, ResultRow, Sink, Tally, execute};
use phext_storage::phext::checksum_hex;
use phext_storage::{Options, Phext, Store, StoreError, WriteBatch, WriteOp};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

/// Runs the stream of a file.
pub(super) fn run(args: &RunArgs) -> Result<(), CommandError> {
    let stream = file::load_valid(&args.file)?;
    require_store(&args.data.data_dir)?;
    match writes(&stream) {
        true if args.write => run_writing(&stream, args),
        true => Err(SiwError::Writes.into()),
        false => run_reading(&stream, args),
    }
}

/// Beside a server too: nothing of the directory changes.
fn run_reading(stream: &Stream, args: &RunArgs) -> Result<(), CommandError> {
    let directory = &args.data.data_dir;
    let snapshot = follow(directory)?.snapshot();
    let Some(phext) = snapshot.phext(&args.phext) else {
        let (name, directory) = (args.phext.clone(), directory.clone());
        return Err(CommandError::NoSuchPhext { name, directory });
    };
    print(stream, phext, &mut Collected::default(), args)
}

fn run_writing(stream: &Stream, args: &RunArgs) -> Result<(), CommandError> {
    let directory = &args.data.data_dir;
    let store = match Store::open(directory, Options::default()) {
        Err(StoreError::Locked { .. }) => {
            let directory = directory.clone();
            return Err(SiwError::InUse { directory }.into());
        }
        store => store?,
    };
    let snapshot = store.snapshot();
    let phext: &Phext = match snapshot.phext(&args.phext) {
        Some(phext) => phext,
        None => Phext::empty(),
    };
    let mut commits = Commits {
        store: &store,
        phext: &args.phext,
    };
    print(stream, phext, &mut commits, args)
}

/// Makes the writes of each SFLUSH durable.
struct Commits<'s> {
    store: &'s Store,
    phext: &'s str,
}

impl Flush for Commits<'_> {
    fn flush(&mut self, operations: Vec<WriteOp>) -> Result<(), StoreError> {
        if !operations.is_empty() {
            let phext = self.phext.to_owned();
            self.store.commit(WriteBatch { phext, operations })?;
        }
        Ok(())
    }
}

/// Runs a stream: rows to the standard output, figures to the standard error.
fn print(
    stream: &Stream,
    phext: &Phext,
    flush: &mut dyn Flush,
    args: &RunArgs,
) -> Result<(), CommandError> {
    let start = Instant::now();
    let mut lines = Lines {
        out: BufWriter::new(io::stdout().lock()),
        doubles: args.doubles,
    };
    let report = execute(stream, phext, &mut lines, flush).map_err(ExecuteError::from)?;
    match lines.out.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    let Report {
        batches,
        lanes,
        ops,
        bytes_gathered,
        rows,
        ..
    } = report;
    let seconds = start.elapsed().as_secs_f64();
    writeln!(
        io::stderr(),
        "{lanes} lanes in {batches} batches, {ops} ops, {bytes_gathered} bytes gathered, {rows} rows, {seconds:.6} s"
    )?;
    Ok(())
}

/// Prints rows.
struct Lines<W: Write> {
    out: BufWriter<W>,
    doubles: bool,
}

impl<W: Write> Sink for Lines<W> {
    fn row(&mut self, row: &ResultRow<'_>) -> io::Result<Flow> {
        match write_row(&mut self.out, row, self.doubles) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Flow::Stop),
            result => result.map(|()| Flow::Continue),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.out.flush() {
            // The next row finds out.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

fn write_row(out: &mut impl Write, row: &ResultRow<'_>, doubles: bool) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Row::of(row, doubles))?;
    out.write_all(b"\n")
}

/// A row as it is printed.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The text in hexadecimal digits where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<Tally>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Integer(u64),
    /// `null` where it is not finite: JSON has no word for that.
    Double(f64),
}

impl<'a> Row<'a> {
    fn of(row: &ResultRow<'a>, doubles: bool) -> Self {
        let text = row.text.map(|text| str::from_utf8(text).map_err(|_| text));
        let number = |bits| match doubles {
            true => Number::Double(f64::from_bits(bits)),
            false => Number::Integer(bits),
        };
        Row {
            coordinate: row.coordinate.map(|coordinate| coordinate.to_string()),
            text: text.and_then(Result::ok),
            bytes: text.and_then(Result::err).map(hexadecimal),
            length: row.length,
            checksum: row.checksum.map(checksum_hex),
            number: row.number.map(number),
            tally: row.tally,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
