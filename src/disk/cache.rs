//! A key-value cache on the host's fixed disk, kept in one redb file; never on a key.
//!
//! Losing it costs time only, so whatever is wrong with it is answered by doing without. Limits: one process at a time; a
//! second one does without.

use std::path::Path;

use redb::{Database, ReadOnlyDatabase, ReadableDatabase, TableDefinition};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("cache");
/// redb's default of 1 GiB is far more than a cache may take.
const MEMORY_BYTES: usize = 16 << 20;

/// Says what an entry, of a key and a value, has as its value from now on; nothing where it goes.
pub type Keep<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Option<Vec<u8>>;

/// An open cache.
pub struct HostCache {
    database: Database,
}

impl HostCache {
    /// Opens or makes a cache file; nothing when that fails or another process has it open.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "disk touches files")]
    pub fn open(file: &Path) -> Option<Self> {
        std::fs::create_dir_all(file.parent()?).ok()?;
        let database = Database::builder().set_cache_size(MEMORY_BYTES).create(file);
        let database = match database {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return None,
            Err(_) => {
                // A damaged cache is made anew.
                std::fs::remove_file(file).ok()?;
                Database::builder().set_cache_size(MEMORY_BYTES).create(file).ok()?
            }
        };
        Some(Self { database })
    }

    /// Makes a cache file anew of what `keep` returns for each entry, so that the file holds no trace of the others; one that does
    /// not read is removed.
    #[expect(clippy::disallowed_methods, reason = "disk touches files")]
    pub fn renew(file: &Path, keep: Keep<'_>) {
        let fresh = file.with_extension("new");
        let _ = std::fs::remove_file(&fresh);
        let made = CacheView::of_file(file).is_some_and(|view| {
            let mut kept: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            view.for_each(&mut |key, value| kept.extend(keep(key, value).map(|value| (key.to_vec(), value))));
            let entries = kept.iter().map(|(key, value)| (&key[..], Some(&value[..])));
            Self::open(&fresh).is_some_and(|cache| cache.update(true, entries))
        });
        if !made || std::fs::rename(&fresh, file).is_err() {
            let _ = std::fs::remove_file(&fresh);
            let _ = std::fs::remove_file(file);
        }
    }

    /// Returns a view of what the cache holds now, for many look-ups.
    #[must_use]
    pub fn view(&self) -> Option<CacheView> {
        let table = self.database.begin_read().ok()?.open_table(TABLE).ok()?;
        Some(CacheView { table, _database: None })
    }

    /// Sets entries, or takes them out where the value is none, all or none; without `keep` all others are gone.
    ///
    /// # Durability
    /// Durable when this returns true.
    pub fn update<'a>(&self, keep: bool, entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> bool {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            if !keep {
                transaction.delete_table(TABLE)?;
            }
            {
                let mut table = transaction.open_table(TABLE)?;
                for (key, value) in entries {
                    match value {
                        Some(value) => table.insert(key, value)?,
                        None => table.remove(key)?,
                    };
                }
            }
            Ok(transaction.commit()?)
        };
        write().is_ok()
    }
}

/// What a cache held at one moment. Shared by threads.
pub struct CacheView {
    table: redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Held for as long as it is looked into, where nobody else holds it.
    _database: Option<ReadOnlyDatabase>,
}

impl CacheView {
    /// Opens a cache file for looking alone and writes nothing; nothing when there is none or another process has it open.
    #[must_use]
    pub fn of_file(file: &Path) -> Option<Self> {
        let database = ReadOnlyDatabase::open(file).ok()?;
        let table = database.begin_read().ok()?.open_table(TABLE).ok()?;
        Some(Self { table, _database: Some(database) })
    }

    /// Gives every entry to `take`, as far as they read.
    pub fn for_each(&self, take: &mut dyn FnMut(&[u8], &[u8])) {
        let Ok(entries) = self.table.range::<&[u8]>(..) else { return };
        for (key, value) in entries.flatten() {
            take(key.value(), value.value());
        }
    }

    /// Returns whether a key has this very value.
    #[must_use]
    pub fn holds(&self, key: &[u8], value: &[u8]) -> bool {
        matches!(self.table.get(key), Ok(Some(found)) if found.value() == value)
    }
}
