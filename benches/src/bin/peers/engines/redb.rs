//! redb.

use std::ops::ControlFlow;
use std::path::Path;

use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::engine::{Engine, Kind, Load, Outcome, Put, Reader, Sizing};
use crate::key::{PACKED_BYTES, Packed};
use crate::ordered::{Ordered, OrderedReader};
use crate::workload::Workload;

pub(crate) const KIND: Kind = Kind {
    name: "redb",
    settings: "redb 4; cache of 2 x the data, compacted after the load, one read transaction per cell",
    put_durability: "fsync at each commit (Durability::Immediate, one phase)",
    load_durability: "one transaction, synced at its end",
    supports: |workload| workload != Workload::Callbacks,
    open: |directory, sizing| Ok(Box::new(Redb::open(directory, sizing)?)),
};

const TABLE: TableDefinition<'_, &[u8; PACKED_BYTES], &[u8]> = TableDefinition::new("scrolls");

struct Redb {
    database: Database,
}

impl Redb {
    fn open(directory: &Path, sizing: Sizing) -> Outcome<Redb> {
        let database = Database::builder()
            .set_cache_size(usize::try_from(sizing.cache_bytes())?)
            .create(directory.join("store.redb"))?;
        Ok(Redb { database })
    }
}

impl Engine for Redb {
    fn load(&self, load: Load<'_>) -> Outcome {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, text) in load.packed_records() {
                table.insert(&key, text)?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn settle(&mut self) -> Outcome {
        while self.database.compact()? {}
        Ok(())
    }

    fn reader(&self) -> Outcome<Box<dyn Reader + '_>> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        Ok(Box::new(OrderedReader(View { table })))
    }

    fn put(&self, put: &Put) -> Outcome {
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(TABLE)?
            .insert(&put.key.packed, &put.text[..])?;
        Ok(transaction.commit()?)
    }
}

struct View {
    table: ReadOnlyTable<&'static [u8; PACKED_BYTES], &'static [u8]>,
}

impl Ordered for View {
    fn get(&self, key: &Packed, read: impl FnOnce(&[u8])) -> Outcome {
        if let Some(value) = self.table.get(key)? {
            read(value.value());
        }
        Ok(())
    }

    fn walk(
        &self,
        from: &Packed,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Outcome {
        for record in self.table.range::<&Packed>(from..)? {
            let (key, value) = record?;
            if visit(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }
}
