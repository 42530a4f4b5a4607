//! Data directories as one file each.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the fixture of this name is.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(name)
}

/// Packs a directory.
pub(crate) fn pack(directory: &Path, file: &Path) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let packed = GzEncoder::new(File::create(file).unwrap(), Compression::best());
    let mut archive = tar::Builder::new(packed);
    archive.append_dir_all(".", directory).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
}

/// Unpacks a file of at most this length into a directory.
pub(crate) fn unpack(file: &Path, most_bytes: u64, directory: &Path) {
    let packed = File::open(file).unwrap();
    assert!(packed.metadata().unwrap().len() < most_bytes);
    let mut archive = tar::Archive::new(GzDecoder::new(packed));
    archive.unpack(directory).unwrap();
}
