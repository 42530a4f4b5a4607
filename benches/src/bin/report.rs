//! The page of benchmarks, made of what they wrote as JSON: `cargo bench-report FILES`.
//!
//! ```text
//! cargo peers --json peers.json
//! cargo peers --workloads ycsb-a,ycsb-b,ycsb-c,ycsb-d,ycsb-e,ycsb-f --json ycsb.json
//! cargo http-peers --sq target/peers/bin/sq --json http.json
//! cargo siw-bench --json siw.json
//! cargo bench-report peers.json ycsb.json http.json siw.json
//! ```
//!
//! The page begins with every bar, met or missed, and names those that no file has a figure for.
//! Tables follow in the order of the files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use phext_benches::report::{self, Report};

/// Makes docs/BENCHMARKS.md of the reports of benchmarks.
#[derive(Debug, Parser)]
struct Arguments {
    /// What `cargo peers`, `cargo http-peers` and `cargo siw-bench` wrote with `--json`.
    #[arg(required = true)]
    reports: Vec<PathBuf>,
    /// Where to write the page.
    #[arg(long, default_value = "docs/BENCHMARKS.md")]
    page: PathBuf,
}

fn main() -> ExitCode {
    match write(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments) -> std::io::Result<()> {
    let reports = arguments.reports.iter().map(|path| Report::read(path));
    let reports = reports.collect::<Result<Vec<_>, _>>()?;
    report::write(&arguments.page, &report::page(&reports))
}
