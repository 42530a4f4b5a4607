//! sled.

use std::ops::ControlFlow;
use std::path::Path;

use sled::Db;

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::Packed;
use crate::ordered::{Ordered, OrderedReader};
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "sled",
    settings: "sled 0.34; cache of 2 x the data; has no snapshots: reads see the tree as it is",
    put_durability: "insert, then flush: sync_file_range, not an fsync",
    load_durability: "inserts, one flush at the end: sync_file_range, not an fsync",
    supports: |workload| workload != Workload::Callbacks,
    open: |directory, sizing| Ok(Box::new(Sled::open(directory, sizing)?)),
};

struct Sled {
    db: Db,
}

impl Sled {
    fn open(directory: &Path, sizing: Sizing) -> Outcome<Sled> {
        let db = sled::Config::new()
            .path(directory)
            .cache_capacity(sizing.cache_bytes())
            .open()?;
        Ok(Sled { db })
    }
}

impl Engine for Sled {
    fn load(&self, load: Load<'_>) -> Outcome {
        for (key, text) in load.packed_records() {
            self.db.insert(key, text)?;
        }
        self.db.flush()?;
        Ok(())
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        Ok(Box::new(OrderedReader(View { db: &self.db })))
    }

    fn put(&self, put: &Put) -> Outcome {
        self.db.insert(put.key.packed, &put.text[..])?;
        self.db.flush()?;
        Ok(())
    }
}

struct View<'e> {
    db: &'e Db,
}

impl Ordered for View<'_> {
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome {
        if let Some(value) = self.db.get(key)? {
            read(&value);
        }
        Ok(())
    }

    fn walk(
        &self,
        from: &Packed,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Outcome {
        for record in self.db.range(&from[..]..) {
            let (key, value) = record?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
