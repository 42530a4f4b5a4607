//! The energy that processors took, as RAPL counts it.

use phext_storage::vfs::Vfs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where Linux shows the meters.
pub const POWERCAP: &str = "/sys/class/powercap";

/// The meters of all processor packages.
#[derive(Debug)]
pub struct Rapl {
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    energy: PathBuf,
    /// A reading is below this: it starts anew from 0.
    range_uj: u64,
    last_uj: u64,
}

impl Package {
    fn open(vfs: &dyn Vfs, directory: &Path) -> io::Result<Package> {
        let energy = directory.join("energy_uj");
        Ok(Package {
            range_uj: number(vfs, &directory.join("max_energy_range_uj"))?,
            last_uj: number(vfs, &energy)?,
            energy,
        })
    }
}

impl Rapl {
    /// Opens the meters below `directory`, and reads them.
    ///
    /// # Errors
    /// There is none, or it may not be read.
    pub fn open(vfs: &dyn Vfs, directory: &Path) -> io::Result<Rapl> {
        let mut packages = Vec::new();
        loop {
            // A package is `intel-rapl:0`; `intel-rapl:0:1` is a part of it.
            let package = directory.join(format!("intel-rapl:{}", packages.len()));
            match Package::open(vfs, &package) {
                Ok(package) => packages.push(package),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !packages.is_empty() => {
                    return Ok(Rapl { packages });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Joules since the last reading.
    ///
    /// # Errors
    /// A meter that could be read cannot be read any more.
    pub fn joules(&mut self, vfs: &dyn Vfs) -> io::Result<f64> {
        let mut microjoules = 0;
        for package in &mut self.packages {
            let now_uj = number(vfs, &package.energy)?;
            let wrapped = now_uj < package.last_uj;
            let range = if wrapped { package.range_uj } else { 0 };
            microjoules += (now_uj + range).saturating_sub(package.last_uj);
            package.last_uj = now_uj;
        }
        Ok(microjoules as f64 / 1e6)
    }
}

fn number(vfs: &dyn Vfs, path: &Path) -> io::Result<u64> {
    let mut text = String::new();
    vfs.read(path)?.read_to_string(&mut text)?;
    text.trim().parse().map_err(io::Error::other)
}
