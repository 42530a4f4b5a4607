//! `sqd lab locality`: which order of points puts together what is asked for together?
//!
//! | question | module |
//! |---|---|
//! | which options are there? | [`args`] |
//! | which data, in which dimensions? | [`source`], [`points`] |
//! | which orders, along which curves? | [`order`], [`curve`] |
//! | where does a point lie in an order? | [`layout`] |
//! | what is asked? | [`query`], [`nearest`], [`session`] |
//! | what is counted of it? | [`mod@measure`], [`figures`] |
//! | what would caches and prefetchers make of it? | [`cache`], [`trace`] |
//! | what does a key cost, and a query of the engine? | [`encode`], [`engine`] |
//! | what is told, and drawn? | [`report`] |
//!
//! The question, the method, results and limits: docs/LOCALITY.md.

mod args;
mod cache;
mod curve;
mod encode;
mod engine;
mod figures;
mod layout;
mod machine;
mod measure;
mod nearest;
mod order;
mod points;
mod query;
mod report;
mod session;
mod source;
mod trace;

pub(crate) use args::LocalityArgs;

use crate::phext_file::FileError;
use measure::{Bench, Plan};
use points::Points;
use report::{DimensionReport, Drawn, Report};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

/// Why a lab has no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabError {
    #[error("{path}: {source}", path = .path.display())]
    Data { path: PathBuf, source: io::Error },
    #[error("{path}: {source}", path = .path.display())]
    Phext {
        path: PathBuf,
        source: phext_storage::phext::PhextError,
    },
    #[error("{data} has fewer than two scrolls: there is no order to measure")]
    TooFew { data: String },
    #[error("the store in order {order} gave {rows} rows where there are {expected}")]
    Disagree {
        order: String,
        expected: u64,
        rows: u64,
    },
    #[error(transparent)]
    Store(#[from] phext_storage::StoreError),
    #[error(transparent)]
    Query(#[from] phext_query::ExecuteError),
    #[error("drawing {title}: {reason}")]
    Plot { title: String, reason: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path}: {source}", path = .path.display())]
    Out { path: PathBuf, source: io::Error },
    #[error("writing the table: {0}")]
    Table(io::Error),
}

/// Measures, and writes the report.
pub(crate) fn locality(args: &LocalityArgs) -> Result<(), LabError> {
    let (report, drawn) = measure(args, &mut |what| {
        // A measurement does not fail because nobody sees how far it is.
        let _ = writeln!(io::stderr(), "lab: {what}");
    })?;
    report::save(&report, &drawn, &args.out)?;
    report::print(&report, &mut io::stdout().lock()).map_err(LabError::Table)?;
    let _ = writeln!(
        io::stderr(),
        "lab: report.html, report.md and report.json in {}",
        args.out.display()
    );
    Ok(())
}

fn measure(
    args: &LocalityArgs,
    progress: &mut dyn FnMut(&str),
) -> Result<(Report, Drawn), LabError> {
    let start = Instant::now();
    let plan = Plan {
        queries: args.queries as usize,
        steps: args.steps as usize,
        timed: args.timed as usize,
        seed: args.seed,
    };
    let (mut dimensions, mut drawn) = (Vec::new(), Drawn::default());
    drawn.curves()?;
    for number in args.dimensions() {
        progress(&format!(
            "{}, {number} dimensions: points and orders",
            args.data
        ));
        let rows = source::rows(&args.data, args.scrolls, args.seed, number)?;
        let points = Points::new(&rows, number);
        if points.len() < 2 {
            let data = format!("{} in {number} dimensions", args.data);
            return Err(LabError::TooFew { data });
        }
        drop(rows);
        let bench = Bench::new(points, &args.orders(), plan);
        let progress = &mut |what: &str| {
            progress(&format!("{}, {number} dimensions: {what}", args.data));
        };
        let counted = bench.count(plan, progress);
        let dimension = DimensionReport {
            counted,
            encode: encode::measure(number, args.seed),
            engine: engine::measure(&bench, plan, &args.out, progress)?,
        };
        drawn.dimension(&bench, &dimension)?;
        dimensions.push(dimension);
    }
    let report = Report::new(args, dimensions, start.elapsed().as_secs_f64());
    Ok((report, drawn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, LabCommand};
    use clap::Parser;
    use phext_storage::vfs::{RealVfs, Vfs};
    use serde_json::Value;
    use std::io::Read;
    use std::path::Path;

    fn args(arguments: &[&str]) -> LocalityArgs {
        let arguments = ["sqd", "lab", "locality"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::Lab(LabCommand::Locality(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn text(path: &Path) -> String {
        let mut text = String::new();
        RealVfs
            .read(path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    fn field_names(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    /// A whole run: all files are there, and the JSON has the shape that readers rely on.
    #[test]
    fn a_small_run_leaves_a_whole_report() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("report");
        let small = [
            "--scrolls",
            "2000",
            "--queries",
            "3",
            "--steps",
            "30",
            "--timed",
            "1",
        ];
        let place = [
            "--data",
            "clustered",
            "--dimensions",
            "9,11",
            "--out",
            out.to_str().unwrap(),
        ];
        let args = args(&[&small[..], &place].concat());
        let mut said = 0;
        let (report, drawn) = measure(&args, &mut |_| said += 1).unwrap();
        assert!(said > 50, "{said}");
        report::save(&report, &drawn, &out).unwrap();
        let mut table = Vec::new();
        report::print(&report, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(
            table.contains("clustered in 11 dimensions") && table.contains("\nleaves "),
            "{table}"
        );

        let report: Value = serde_json::from_str(&text(&out.join("report.json"))).unwrap();
        assert_eq!(report["data"], "clustered");
        let [nine, eleven] = report["dimensions"].as_array().unwrap().as_slice() else {
            panic!("two numbers of dimensions");
        };
        assert_eq!(
            (&nine["dimensions"], &nine["points"]),
            (&9.into(), &2000.into())
        );
        assert!(nine["engine"]["stores"].as_array().unwrap().len() > 4);
        assert!(eleven["engine"].is_null());
        let order = &nine["orders"][0];
        assert_eq!(order["order"], "random");
        for trace in ["keys", "records", "scan"] {
            let trace = &order["session"][trace];
            assert!(trace["l1_hit_percent"].is_f64() && trace["next_line"]["issued"].is_u64());
        }
        assert!(order["nearest_by_ranks"]["slot_distance"]["p90"].is_f64());
        let cell = &nine["cells"][0];
        assert_eq!(
            (&cell["class"], &cell["free"]),
            (&"prefix".into(), &1.into())
        );
        assert_eq!(
            field_names(&cell["orders"][0]),
            ["blocks", "order", "over_read", "pages", "runs"]
        );
        assert_eq!(field_names(&cell["matches"]), ["mean", "p50", "p90", "p99"]);

        let page = text(&out.join("report.html"));
        assert_eq!(page.matches("<svg").count(), 1 + 5 + 4);
        assert!(
            !page.contains("href=") && !page.contains("src="),
            "it needs no other file"
        );
        assert!(text(&out.join("report.md")).contains("## 11 dimensions"));
        assert!(text(&out.join("01-curves.svg")).starts_with("<svg"));
    }

    #[test]
    fn a_phext_file_is_measured_and_what_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.phext");
        let document: String = (0..600).map(|n| format!("line\nof {n}\u{17}")).collect();
        crate::phext_file::save(&path, |file| {
            file.write_all(document.as_bytes())
                .map_err(|source| FileError::Io {
                    path: path.clone(),
                    source,
                })
        })
        .unwrap();
        let data = path.to_str().unwrap();
        let small = [
            "--queries",
            "2",
            "--steps",
            "5",
            "--timed",
            "0",
            "--dimensions",
            "2,11",
        ];
        let (report, _) = measure(
            &args(&[&["--data", data], &small[..]].concat()),
            &mut |_| {},
        )
        .unwrap();
        assert_eq!(report.dimensions[0].counted.points, 600);
        assert_eq!(report.dimensions[1].counted.names[9..], ["line", "column"]);

        let absent = directory.path().join("absent.phext");
        let error = measure(&args(&["--data", absent.to_str().unwrap()]), &mut |_| {})
            .err()
            .unwrap();
        assert!(error.to_string().contains("absent.phext"), "{error}");
    }
}
