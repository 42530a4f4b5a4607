//! The bare append: what a durable put costs where nothing but the medium is left.
//!
//! Key, length and text are written at the end of a file whose space was reserved, as a log's is,
//! and `fdatasync` is called. Reading back exists to verify what was written.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use phext_storage::vfs::{File, RealVfs, Vfs};

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing, not_supported};
use crate::key::{Key, PACKED_BYTES, Packed};
use crate::query::{NearestQuestion, Prefix, RegionQuestion};
use crate::tally::Tally;
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "bare append",
    settings: "one write at the end of a file with reserved space, and fdatasync",
    put_durability: "fdatasync each put",
    load_durability: "none",
    supports: |workload| workload == Workload::Put,
    open: |directory, _: Sizing| Ok(Box::new(Append::open(directory)?)),
};

/// Space reserved at once; far more than the puts of a run take.
const RESERVED_BYTES: u64 = 64 << 20;

struct Append {
    file: Box<dyn File>,
    end: AtomicU64,
}

impl Append {
    fn open(directory: &Path) -> Outcome<Append> {
        let path = directory.join("log");
        let file = match RealVfs.create(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                RealVfs.open(&path)?
            }
            Err(error) => return Err(error.into()),
        };
        file.allocate(RESERVED_BYTES)?;
        file.sync_data()?;
        let end = AtomicU64::new(0);
        Ok(Append { file, end })
    }
}

impl Engine for Append {
    fn load(&self, _: Load<'_>) -> Outcome {
        Ok(())
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        let bytes = self.file.read_all()?;
        let end = usize::try_from(self.end.load(Ordering::Relaxed))?;
        let mut texts = HashMap::new();
        let mut rest = &bytes[..end];
        while let Some((key, after)) = rest.split_first_chunk::<PACKED_BYTES>() {
            let (length, after) = after.split_first_chunk().ok_or("a record is cut off")?;
            let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            texts.insert(*key, text.to_vec());
            rest = after;
        }
        Ok(Box::new(View { texts }))
    }

    fn put(&self, put: &Put) -> Outcome {
        let mut record = Vec::with_capacity(PACKED_BYTES + 4 + put.text.len());
        record.extend_from_slice(&put.key.packed);
        record.extend_from_slice(&u32::try_from(put.text.len())?.to_le_bytes());
        record.extend_from_slice(&put.text);
        let at = self.end.fetch_add(record.len() as u64, Ordering::Relaxed);
        self.file.write_at(at, &record)?;
        Ok(self.file.sync_data()?)
    }
}

struct View {
    texts: HashMap<Packed, Vec<u8>>,
}

impl Reader for View {
    fn point(&mut self, key: &Key, tally: &mut Tally) -> Outcome {
        if let Some(text) = self.texts.get(&key.packed) {
            tally.text(text);
        }
        Ok(())
    }

    fn range(&mut self, _: &Key, _: usize, _: &mut Tally) -> Outcome {
        not_supported("ranges")
    }

    fn scan(&mut self, _: &mut Tally) -> Outcome {
        not_supported("scans")
    }

    fn prefix(&mut self, _: &Prefix, _: &mut Tally) -> Outcome {
        not_supported("prefixes")
    }

    fn region(&mut self, _: &RegionQuestion, _: &mut Tally) -> Outcome {
        not_supported("regions")
    }

    fn nearest(&mut self, _: &NearestQuestion, _: &mut Tally) -> Outcome {
        not_supported("nearest records")
    }
}
