//! `sqd siw`: streams of Sentron Instruction Words written by hand.
//!
//! ```text
//! text --asm--> bytes --dis--> text        check: either, may it run?        run: either, over a phext
//! ```
//!
//! | question | module |
//! |---|---|
//! | what is in a file, and what is wrong with it? | [`mod@file`] |
//! | how does a stream run here, and what is printed of its rows? | [`run`] |

mod file;
mod run;

pub(crate) use file::SiwError;

use crate::cli::SiwCommand;
use crate::command::CommandError;
use phext_siw::{Part, SparseOp, Stream};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a stream's bytes are kept in, beside its text.
const EXTENSION: &str = "siw";

/// Runs a command.
pub(crate) fn command(command: SiwCommand) -> Result<(), CommandError> {
    match command {
        SiwCommand::Asm { file, output } => asm(&file, output),
        SiwCommand::Dis { file } => {
            let assembly = file::load(&file)?;
            write!(io::stdout(), "{}", assembly.stream)?;
            Ok(())
        }
        SiwCommand::Check { file } => {
            let stream = file::load_valid(&file)?;
            writeln!(io::stdout(), "{}: {}", file.display(), Summary(&stream))?;
            Ok(())
        }
        SiwCommand::Run(args) => run::run(&args),
    }
}

fn asm(path: &Path, output: Option<PathBuf>) -> Result<(), CommandError> {
    let beside = path.with_extension(EXTENSION);
    let output = match output {
        Some(output) => output,
        None if file::is_standard(path) || path == beside => return Err(SiwError::NoOutput.into()),
        None => beside,
    };
    let stream = file::load_text(path)?;
    file::save(&output, &stream.encode())?;
    if !file::is_standard(&output) {
        writeln!(io::stderr(), "{}: {}", output.display(), Summary(&stream))?;
    }
    Ok(())
}

/// What a stream is made of, in a line.
struct Summary<'a>(&'a Stream);

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Stream {
            tier, constants, ..
        } = self.0;
        let constants = constants.len();
        write!(
            f,
            "a valid stream of tier {tier} with {constants} constants"
        )?;
        for part in Part::ALL {
            write!(f, ", {} words in {part}", self.0.words(part).len())?;
        }
        f.write_str(if writes(self.0) { "; it writes" } else { "" })
    }
}

fn writes(stream: &Stream) -> bool {
    let is_write = |op| matches!(op, SparseOp::Scattr { .. });
    stream.each.iter().any(|word| is_write(word.sparse))
}
