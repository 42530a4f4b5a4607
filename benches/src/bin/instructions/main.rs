//! Instructions of the core paths, beside those in the tree: `cargo instructions`.
//!
//! ```text
//! cargo instructions                     compares; fails where a path takes over 3 % more
//! cargo instructions --refresh           writes benches/instructions.json anew
//! cargo instructions --only scan,miss    some paths
//! ```
//!
//! Each path runs in a process of its own under `valgrind --tool=callgrind`, which counts the
//! instructions between entering and leaving one function: no clock, no other process and no
//! other thread has a part in the figure. What was asked is asked once before, so that nothing
//! that is done only once counts. Every answer is compared with that of a run without valgrind.
//!
//! Valgrind has no AVX-512 and says so in the CPUID that it shows, so the kernels take their AVX2
//! form here, or the portable one where the machine lacks AVX2 too. Time in the kernel, in memory
//! and in caches does not count; that is what `cargo bench` and `cargo peers` are for.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ground`] | the store and the keys, which follow from nothing but constants |
//! | [`paths`] | what is counted |
//! | [`callgrind`] | running one path under valgrind |
//! | [`baselines`] | the figures in the tree, and where they hold |
//!
//! A baseline holds for one architecture, vector extension and compiler. With others the table is
//! printed, and nothing is judged.

use std::path::{Path as FilePath, PathBuf};
use std::process::ExitCode;

use clap::Parser;

mod baselines;
mod callgrind;
mod ground;
mod paths;

use baselines::{Baselines, Environment, Verdict};
use callgrind::Counted;
use ground::Ground;
use paths::{PATHS, Path};

/// Whatever ends the run.
type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A result that ends the run where it is an error.
type Outcome<T = ()> = Result<T, Failure>;

/// Counts the instructions of core paths.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to the file of baselines.
    #[arg(long)]
    refresh: bool,
    /// Which paths; all where none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Per cent by which a path may be above its baseline.
    #[arg(long, default_value_t = 3.0)]
    tolerance: f64,
    /// The file of baselines; the one in the tree where none is named.
    #[arg(long)]
    baselines: Option<PathBuf>,
    /// Counts one path in the store of this directory; under valgrind.
    #[arg(long, hide = true, requires = "directory")]
    count: Option<String>,
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("instructions: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every path keeps to its baseline.
fn start(arguments: &Arguments) -> Outcome<bool> {
    if cfg!(debug_assertions) {
        return Err("baselines are of optimised builds: use `cargo instructions`".into());
    }
    if let (Some(name), Some(directory)) = (&arguments.count, &arguments.directory) {
        callgrind::count(path(name)?, directory)?;
        return Ok(true);
    }
    let wanted = wanted(arguments)?;
    let counted = count_all(&wanted)?;
    let file = match &arguments.baselines {
        Some(file) => file.clone(),
        None => FilePath::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json"),
    };
    let environment = Environment::of(&counted)?;
    println!("{environment}");
    if arguments.refresh {
        Baselines::new(environment, &counted).write(&file)?;
        println!("{} paths written to {}", counted.len(), file.display());
        return Ok(true);
    }
    let verdict = Baselines::read(&file)?.judge(&environment, &counted, arguments.tolerance);
    print!("{verdict}");
    Ok(!matches!(verdict, Verdict::Judged { failed: 1.., .. }))
}

fn path(name: &str) -> Outcome<&'static Path> {
    let found = PATHS.iter().find(|path| path.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = PATHS.iter().map(|path| path.name).collect();
        format!("there is no path {name}, only {}", names.join(", ")).into()
    })
}

fn wanted(arguments: &Arguments) -> Outcome<Vec<&'static Path>> {
    match &arguments.only[..] {
        [] => Ok(PATHS.iter().collect()),
        _ if arguments.refresh => Err("baselines are refreshed all together".into()),
        only => only.iter().map(|name| path(name)).collect(),
    }
}

/// Builds the store once, and counts each path in a copy of it.
fn count_all(paths: &[&'static Path]) -> Outcome<Vec<Counted>> {
    let scratch = tempfile::tempdir()?;
    let store = scratch.path().join("store");
    std::fs::create_dir(&store)?;
    ground::build(&store)?;
    let mut counted = Vec::new();
    for path in paths {
        let expected = callgrind::answer(path, &Ground::open(&store)?)?;
        counted.push(callgrind::run(path, &store, scratch.path(), expected)?);
    }
    Ok(counted)
}
