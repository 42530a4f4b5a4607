//! Running one path, here or under valgrind.

use std::path::Path as FilePath;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::ground::Ground;
use crate::paths::{Pass, Path};

/// The function between whose entry and return instructions count, as callgrind matches it.
const MEASURED: &str = "*measured_pass*";

/// What counting a path gave.
pub(crate) struct Counted {
    pub(crate) path: &'static Path,
    pub(crate) instructions: u64,
    /// The vector extension that the path could use.
    pub(crate) vectors: String,
}

/// What the process under valgrind says of itself.
#[derive(Serialize, Deserialize)]
struct Said {
    answer: u64,
    vectors: String,
}

/// Makes a path's pass twice and gives what the second one answered. The first has done by then
/// what is done once only.
pub(crate) fn answer(path: &Path, ground: &Ground) -> Outcome<u64> {
    let mut pass = (path.prepare)(ground, path.units)?;
    pass()?;
    measured_pass(&mut pass)
}

/// Callgrind finds it by its name.
#[inline(never)]
fn measured_pass(pass: &mut Pass<'_>) -> Outcome<u64> {
    pass()
}

/// The part of this program that runs under valgrind.
pub(crate) fn count(path: &Path, directory: &FilePath) -> Outcome {
    let said = Said {
        answer: answer(path, &Ground::open(directory)?)?,
        vectors: vectors().to_owned(),
    };
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

/// The widest vector extension that the processor shows, of those that kernels ask for.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") {
            return "avx2";
        }
    }
    "portable"
}

/// Counts a path in the store of a directory.
///
/// # Errors
/// Where valgrind is not there or fails, or the path answers something else than expected.
pub(crate) fn run(
    path: &'static Path,
    store: &FilePath,
    scratch: &FilePath,
    expected: u64,
) -> Outcome<Counted> {
    let counts = scratch.join(format!("{}.callgrind", path.name));
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe()?)
        .args(["--count", path.name, "--directory"])
        .arg(store)
        .output()
        .map_err(|error| {
            format!("valgrind does not run ({error}): it is a package of that name")
        })?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} under valgrind: {error}", path.name).into());
    }
    let said: Said = serde_json::from_slice(&output.stdout)?;
    if said.answer != expected {
        let answer = said.answer;
        let name = path.name;
        return Err(format!("{name} answers {answer} under valgrind, {expected} without").into());
    }
    Ok(Counted {
        path,
        instructions: total(&std::fs::read_to_string(&counts)?)
            .ok_or_else(|| format!("callgrind counted nothing of {}", path.name))?,
        vectors: said.vectors,
    })
}

/// The total of a file of callgrind's.
fn total(counts: &str) -> Option<u64> {
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    total?.trim().parse().ok().filter(|&total| total > 0)
}
