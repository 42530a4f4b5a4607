//! `sqd query` and `sqd explain`: questions to a data directory, also while a server is using it.
//!
//! Options have the names and values of the parameters of `query` in the HTTP API, which reads them
//! too.

use crate::cli::DataArgs;
use crate::command::{CommandError, open_existing};
use crate::routes::{Asked, Question, RowWriter};
use clap::Args;
use phext_query::explain::StreamExplanation;
use phext_query::{Explanation, Flow, Part, ResultRow, Timings, explain, run};
use phext_storage::Phext;
use phext_storage::coordinate::DIMENSION_NAMES;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

/// What is asked, of which phext. Values may begin with a hyphen, as a pattern or a text may.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskArgs {
    /// The phext's name.
    name: String,
    /// A pattern such as `1.1.1/**`; given several times, all must match.
    #[arg(long = "match", value_name = "PATTERN", allow_hyphen_values = true)]
    pattern: Vec<String>,
    /// The first coordinate of a range.
    #[arg(long, allow_hyphen_values = true)]
    from: Option<String>,
    /// The last coordinate of a range.
    #[arg(long, allow_hyphen_values = true)]
    to: Option<String>,
    /// Coordinates, separated by commas.
    #[arg(long, allow_hyphen_values = true)]
    set: Option<String>,
    /// The coordinate that the scrolls are to be nearest to.
    #[arg(long, value_name = "COORDINATE", allow_hyphen_values = true)]
    nearest: Option<String>,
    /// How many of the nearest: 10, or where a radius is given all within it.
    #[arg(long, allow_hyphen_values = true)]
    k: Option<String>,
    /// manhattan, chebyshev or nine weights such as 0,0,0,0,0,0,4,2,1.
    #[arg(long, allow_hyphen_values = true)]
    metric: Option<String>,
    /// The greatest distance that counts.
    #[arg(long, allow_hyphen_values = true)]
    radius: Option<String>,
    /// A text that the scroll holds; given several times, all must be there.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    contains: Vec<String>,
    /// A text that the scroll begins with.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    starts: Vec<String>,
    /// The least length in bytes.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    min_length: Option<String>,
    /// The greatest length in bytes.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    max_length: Option<String>,
    /// Columns, separated by commas: coordinate, text, length, checksum, distance, count,
    /// sum(length), min(length), max(length), distinct(chapter).
    #[arg(long, value_name = "COLUMNS", allow_hyphen_values = true)]
    select: Option<String>,
    /// Lines of the text, such as 2-5, 7- or 3.
    #[arg(long, allow_hyphen_values = true)]
    lines: Option<String>,
    /// Bytes of the text, such as 0-99.
    #[arg(long, allow_hyphen_values = true)]
    bytes: Option<String>,
    /// A number of leading dimensions, their names, or one dimension.
    #[arg(long, allow_hyphen_values = true)]
    group: Option<String>,
    /// coordinate, length, distance or count, descending as in `length desc`.
    #[arg(long, allow_hyphen_values = true)]
    order: Option<String>,
    /// The number of rows.
    #[arg(long, allow_hyphen_values = true)]
    limit: Option<String>,
    /// How far the program of the query is optimised, 0 to 3.
    #[arg(long, allow_hyphen_values = true)]
    tier: Option<String>,
    /// Of the phext as it was when this snapshot was created.
    #[arg(long, allow_hyphen_values = true)]
    snapshot: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

impl Asked for AskArgs {
    fn values(&self, name: &str) -> Vec<&str> {
        match name {
            "match" => self.pattern.iter().map(String::as_str).collect(),
            "contains" => self.contains.iter().map(String::as_str).collect(),
            "starts" => self.starts.iter().map(String::as_str).collect(),
            _ => self.single(name).as_deref().into_iter().collect(),
        }
    }
}

impl AskArgs {
    /// The value of an option that is given once.
    fn single(&self, name: &str) -> &Option<String> {
        match name {
            "from" => &self.from,
            "to" => &self.to,
            "nearest" => &self.nearest,
            "k" => &self.k,
            "metric" => &self.metric,
            "radius" => &self.radius,
            "min_length" => &self.min_length,
            "max_length" => &self.max_length,
            "select" => &self.select,
            "lines" => &self.lines,
            "bytes" => &self.bytes,
            "group" => &self.group,
            "order" => &self.order,
            "limit" => &self.limit,
            "tier" => &self.tier,
            _ => &None,
        }
    }

    fn question(&self) -> Result<Question, CommandError> {
        let set = self.set.as_deref().unwrap_or_default();
        Ok(Question::parse(self, set)?)
    }

    /// Calls `with` with the phext as it is, or as a snapshot has it.
    fn with_phext(
        &self,
        with: impl FnOnce(&Phext) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let opened = open_existing(&self.data.data_dir)?;
        let snapshot = match &self.snapshot {
            Some(named) => opened.snapshot_named(named)?,
            None => opened.snapshot(),
        };
        match snapshot.phext(&self.name) {
            Some(phext) => with(phext),
            None => Err(CommandError::NoSuchPhext {
                name: self.name.clone(),
                directory: self.data.data_dir.clone(),
            }),
        }
    }
}

/// Prints the rows of an answer as JSON.
pub(crate) fn query(args: &AskArgs) -> Result<(), CommandError> {
    let question = args.question()?;
    args.with_phext(|phext| {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut rows = RowWriter::new(&mut out, &question.columns);
        let mut sink = |row: &ResultRow<'_>| rows.row(row);
        run(&question.query, phext, &mut sink)?;
        rows.finish()?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    })
}

/// Prints how a question is answered: the plan, the streams, and what they did.
pub(crate) fn explained(args: &AskArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    let question = args.question()?;
    let parsing = start.elapsed();
    args.with_phext(|phext| {
        let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
        let explanation = explain(&question.query, phext, &mut no_rows)?;
        let mut out = BufWriter::new(io::stdout().lock());
        write_explanation(&mut out, &explanation, parsing)?;
        Ok(out.flush()?)
    })
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A ratio to three significant digits.
fn significant(ratio: f64) -> String {
    let magnitude = ratio.abs().log10().floor();
    let decimals = match ratio == 0.0 {
        true => 2,
        false => (2.0 - magnitude).clamp(0.0, 12.0) as usize,
    };
    format!("{ratio:.decimals$}")
}

fn write_explanation(
    out: &mut dyn Write,
    explanation: &Explanation,
    parsing: Duration,
) -> io::Result<()> {
    for step in &explanation.plan {
        writeln!(out, "{step}")?;
    }
    for stream in &explanation.streams {
        write_stream(out, stream)?;
    }
    writeln!(
        out,
        "\n{} rows; parsed in {:.1} us, planned in {:.1} us, compiled in {:.1} us, run in {:.1} us",
        explanation.report.rows,
        microseconds(parsing),
        microseconds(explanation.planning),
        microseconds(explanation.compiling),
        microseconds(explanation.running),
    )
}

fn write_stream(out: &mut dyn Write, stream: &StreamExplanation) -> io::Result<()> {
    let report = &stream.report;
    writeln!(
        out,
        "\n# {}: {} rows of {} lanes in {} batches, {} ops, {} bytes gathered, {:.1} us",
        stream.purpose,
        report.rows,
        report.lanes,
        report.batches,
        report.ops,
        report.bytes_gathered,
        microseconds(stream.running),
    )?;
    let metadata = &stream.metadata;
    let hot = metadata.hot_dimensions.iter();
    let hot: Vec<&str> = hot.map(|&dimension| DIMENSION_NAMES[dimension]).collect();
    writeln!(
        out,
        "# expected: {} ops a cycle, {} sentrons; hot dimensions: {}",
        significant(metadata.expected_ops_per_cycle),
        metadata.recommended_sentron_count,
        hot.join(", "),
    )?;
    if let Some(measured) = stream.ops_per_cycle {
        let measured = significant(measured);
        writeln!(out, "# measured: {measured} ops a cycle")?;
    }
    for access in &stream.access {
        writeln!(out, "# {access}")?;
    }
    if let Some(timings) = &stream.timings {
        write_timings(out, timings)?;
    }
    out.write_all(stream.text().as_bytes())
}

fn write_timings(out: &mut dyn Write, timings: &Timings) -> io::Result<()> {
    let [once, each, last] = Part::ALL.map(|part| microseconds(timings.part_time(part)));
    writeln!(
        out,
        "# once {once:.1} us, each {each:.1} us, last {last:.1} us"
    )?;
    writeln!(
        out,
        "# {:<16} {:>12} {:>8} {:>12} {:>12}",
        "operation", "us", "runs", "lanes", "ops"
    )?;
    for kind in timings.operations() {
        let (name, took) = (&kind.name, microseconds(kind.time));
        writeln!(
            out,
            "# {name:<16} {took:>12.2} {:>8} {:>12} {:>12}",
            kind.runs, kind.lanes, kind.ops
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn ratios_keep_three_digits() {
        for (ratio, expected) in [
            (0.0, "0.00"),
            (0.000_091_23, "0.0000912"),
            (0.5, "0.500"),
            (2.456, "2.46"),
            (271.8, "272"),
            (123_456.0, "123456"),
        ] {
            assert_eq!(significant(ratio), expected);
        }
    }
}
