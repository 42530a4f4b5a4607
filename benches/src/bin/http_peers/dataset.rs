//! Phexts shaped like books: nested numbering, texts of about 1 KB in lines.

use std::path::Path;

use phext_tests::coordinate::Coordinate;
use phext_tests::document::Document;
use phext_tests::error::{Context, Error};
use phext_tests::random::{self, Random, pick};
use rand::Rng;

const WORDS: [&str; 16] = [
    "the", "ship", "came", "to", "an", "island", "where", "no", "one", "had", "ever", "been",
    "and", "night", "fell", "slowly",
];

/// A phext and its name. The copy that updates go to is named `<name>-updates`.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) name: &'static str,
    pub(crate) document: Document,
}

impl Dataset {
    /// `scrolls` scrolls of about 1 KB, ten to a section, ten sections to a chapter and so on.
    pub(crate) fn generate(name: &'static str, scrolls: usize, seed: u64) -> Self {
        let mut random = random::seeded(seed);
        let mut document = Document::default();
        for number in 0..scrolls {
            document.set(nested(number), text(&mut random));
        }
        Self { name, document }
    }

    /// The name of the phext that updates go to.
    pub(crate) fn copy_name(&self) -> String {
        format!("{}-updates", self.name)
    }

    /// Puts the phext and its copy into a server's directory.
    pub(crate) fn place(&self, directory: &Path) -> Result<(), Error> {
        let bytes = self.document.render();
        for name in [self.name, &self.copy_name()] {
            let path = directory.join(format!("{name}.phext"));
            write(&path, &bytes)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the files are inputs that both servers import, not store files"
)]
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).context(|| format!("writing {}", path.display()))
}

fn nested(number: usize) -> Coordinate {
    let mut components = [1; 9];
    let mut rest = number as u64;
    for component in components.iter_mut().rev() {
        *component = rest % 10 + 1;
        rest /= 10;
    }
    Coordinate(components)
}

/// A text of 900 to 1,150 bytes in lines of about 70.
pub(crate) fn text(random: &mut Random) -> String {
    let length = random.random_range(900..1_150);
    let mut text = String::with_capacity(length + 16);
    let mut line = 0;
    while text.len() < length {
        let word: &&str = pick(random, &WORDS);
        text.push_str(word);
        let ends = text.len() - line > 70;
        text.push(if ends { '\n' } else { ' ' });
        line = if ends { text.len() } else { line };
    }
    text
}
