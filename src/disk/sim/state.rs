//! What a simulated medium holds: the names and bytes that programs see, those that are durable, and in between the
//! effects that may or may not reach the medium.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Profile;
use super::content::Content;

/// A folded path: upper case on media that do not tell cases apart.
pub(super) type Key = Arc<str>;
/// A file's number; never used twice.
pub(super) type Ino = u64;
/// The names of a medium, by folded path.
pub(super) type Names = BTreeMap<Key, Node>;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// A directory.
    Dir,
    /// A file.
    File(Ino),
}

/// A name as it is shown, and what stands there.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: Arc<str>,
    pub(super) body: Body,
}

/// A file's bytes: as programs see them and as they surely survive a cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) live: Arc<Content>,
    pub(super) synced: Arc<Content>,
    /// Length of the start that `live` and `synced` share.
    pub(super) keep: u64,
    /// Where the last append began.
    pub(super) last_append: u64,
    /// The operation that made it differ from what is durable.
    pub(super) dirty_since: usize,
    /// A sync of it failed, so no later sync may be believed.
    pub(super) poisoned: bool,
}

/// One operation that changes the medium.
#[derive(Debug, Clone)]
pub(super) enum Op {
    CreateDir {
        key: Key,
        name: Arc<str>,
    },
    Create {
        key: Key,
        name: Arc<str>,
        ino: Ino,
    },
    Append {
        ino: Ino,
        bytes: Arc<[u8]>,
    },
    Truncate {
        ino: Ino,
        len: u64,
    },
    Sync {
        ino: Ino,
    },
    FailedSync {
        ino: Ino,
    },
    Rename {
        from: Key,
        to: Key,
        name: Arc<str>,
    },
    Remove {
        key: Key,
    },
    SyncDir {
        dir: Key,
    },
    /// A test changed the medium itself: durable at once.
    Put {
        key: Key,
        name: Arc<str>,
        ino: Ino,
        bytes: Arc<[u8]>,
    },
    /// A test took a name off the medium itself: durable at once.
    Wipe {
        key: Key,
    },
}

impl Op {
    /// Returns whether the operation only makes durable what is there, so that an unfinished one changes nothing.
    pub(super) fn is_barrier(&self) -> bool {
        matches!(
            self,
            Self::Sync { .. } | Self::FailedSync { .. } | Self::SyncDir { .. } | Self::Put { .. } | Self::Wipe { .. }
        )
    }
}

/// One change of a directory that is not yet durable.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A name where none stood; `fresh` when it was created and not renamed.
    Add { key: Key, node: Node, fresh: bool, file_synced: bool },
    /// A file renamed over another.
    Replace { key: Key, node: Node },
    /// A name taken away.
    Del { key: Key },
}

impl Change {
    /// Returns the name that is changed.
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Add { key, .. } | Self::Replace { key, .. } | Self::Del { key } => key,
        }
    }

    /// Applies the whole change.
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Add { key, node, .. } | Self::Replace { key, node } => {
                names.insert(Arc::clone(key), node.clone());
            }
            Self::Del { key } => {
                names.remove(key);
            }
        }
    }
}

/// A change and the operation that made it; a rename makes two.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) op: usize,
    pub(super) change: Change,
}

/// A medium after some operations.
#[derive(Debug, Clone)]
pub(super) struct Medium {
    pub(super) profile: Profile,
    /// The names that programs see.
    pub(super) live: Arc<Names>,
    /// The names that surely survive a cut.
    pub(super) durable: Arc<Names>,
    /// Every file there ever was; a handle may outlive its name.
    pub(super) inodes: Arc<BTreeMap<Ino, Arc<Inode>>>,
    /// Files whose bytes are not all durable.
    pub(super) dirty: BTreeSet<Ino>,
    /// Changes of directories that are not durable, in order.
    pub(super) effects: Vec<Effect>,
}

impl Medium {
    /// Returns an empty medium.
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            live: Arc::default(),
            durable: Arc::default(),
            inodes: Arc::default(),
            dirty: BTreeSet::new(),
            effects: Vec::new(),
        }
    }

    /// Returns what stands under a name as programs see it.
    pub(super) fn file(&self, key: &str) -> Option<(Ino, &Arc<Inode>)> {
        match self.live.get(key)?.body {
            Body::File(ino) => Some((ino, self.inodes.get(&ino)?)),
            Body::Dir => None,
        }
    }

    /// Changes a file.
    fn edit(&mut self, ino: Ino, change: impl FnOnce(&mut Inode)) {
        if let Some(inode) = Arc::make_mut(&mut self.inodes).get_mut(&ino) {
            change(Arc::make_mut(inode));
        }
    }

    /// Applies an operation whose number in the log is `at`.
    pub(super) fn apply(&mut self, at: usize, op: &Op) {
        match op {
            Op::CreateDir { key, name } => self.add(at, key, Node { name: Arc::clone(name), body: Body::Dir }),
            Op::Create { key, name, ino } => {
                Arc::make_mut(&mut self.inodes).insert(*ino, Arc::default());
                self.add(at, key, Node { name: Arc::clone(name), body: Body::File(*ino) });
            }
            Op::Append { ino, bytes } => self.append(at, *ino, bytes),
            Op::Truncate { ino, len } => self.truncate(at, *ino, *len),
            Op::Sync { ino } => self.sync(*ino),
            Op::FailedSync { ino } => {
                if self.dirty.contains(ino) {
                    self.edit(*ino, |inode| inode.poisoned = true);
                }
            }
            Op::Rename { from, to, name } => self.rename(at, from, to, name),
            Op::Remove { key } => {
                Arc::make_mut(&mut self.live).remove(key);
                self.effects.push(Effect { op: at, change: Change::Del { key: Arc::clone(key) } });
            }
            Op::SyncDir { dir } => self.sync_dir(dir),
            Op::Put { key, name, ino, bytes } => self.put(key, name, *ino, bytes),
            Op::Wipe { key } => {
                Arc::make_mut(&mut self.live).remove(key);
                Arc::make_mut(&mut self.durable).remove(key);
                self.effects.retain(|effect| effect.change.key() != key);
            }
        }
    }

    /// Adds a created name.
    fn add(&mut self, at: usize, key: &Key, node: Node) {
        Arc::make_mut(&mut self.live).insert(Arc::clone(key), node.clone());
        let change = Change::Add { key: Arc::clone(key), node, fresh: true, file_synced: false };
        self.effects.push(Effect { op: at, change });
    }

    /// Adds bytes to a file.
    fn append(&mut self, at: usize, ino: Ino, bytes: &Arc<[u8]>) {
        let fresh = self.dirty.insert(ino);
        self.edit(ino, |inode| {
            inode.last_append = inode.live.len();
            inode.dirty_since = if fresh { at } else { inode.dirty_since };
            Arc::make_mut(&mut inode.live).push(bytes);
        });
    }

    /// Cuts a file off.
    fn truncate(&mut self, at: usize, ino: Ino, len: u64) {
        let fresh = self.dirty.insert(ino);
        self.edit(ino, |inode| {
            inode.live = Arc::new(inode.live.prefix(len));
            inode.keep = inode.keep.min(len);
            inode.last_append = len;
            inode.dirty_since = if fresh { at } else { inode.dirty_since };
        });
    }

    /// Makes a file's bytes durable, and on FAT the short form of its name.
    fn sync(&mut self, ino: Ino) {
        if self.inodes.get(&ino).is_none_or(|inode| inode.poisoned) {
            return;
        }
        if self.dirty.remove(&ino) {
            self.edit(ino, |inode| {
                inode.synced = Arc::clone(&inode.live);
                inode.keep = inode.live.len();
            });
        }
        for effect in &mut self.effects {
            if let Change::Add { node, fresh: true, file_synced, .. } = &mut effect.change {
                *file_synced |= node.body == Body::File(ino);
            }
        }
    }

    /// Moves a name, over another if one stands there.
    fn rename(&mut self, at: usize, from: &Key, to: &Key, name: &Arc<str>) {
        let live = Arc::make_mut(&mut self.live);
        let Some(old) = live.remove(from) else { return };
        let node = Node { name: Arc::clone(name), body: old.body };
        let key = Arc::clone(to);
        let change = match live.insert(Arc::clone(to), node.clone()) {
            None => Change::Add { key, node, fresh: false, file_synced: false },
            Some(_) => Change::Replace { key, node },
        };
        self.effects.push(Effect { op: at, change });
        self.effects.push(Effect { op: at, change: Change::Del { key: Arc::clone(from) } });
    }

    /// Makes a directory's names durable; a journal takes everything older along.
    fn sync_dir(&mut self, dir: &str) {
        let within = |effect: &Effect| parent(effect.change.key()) == dir;
        let last = self.effects.iter().filter(|effect| within(effect)).map(|effect| effect.op).next_back();
        let Some(last) = last else { return };
        let journaled = self.profile.journaled();
        let durable = Arc::make_mut(&mut self.durable);
        self.effects.retain(|effect| {
            let settled = if journaled { effect.op <= last } else { within(effect) };
            if settled {
                effect.change.apply(durable);
            }
            !settled
        });
    }

    /// Puts bytes on the medium itself.
    fn put(&mut self, key: &Key, name: &Arc<str>, ino: Ino, bytes: &Arc<[u8]>) {
        let mut content = Content::default();
        content.push(bytes);
        let inodes = Arc::make_mut(&mut self.inodes);
        inodes.insert(ino, Arc::new(Inode::clean(Arc::new(content))));
        self.dirty.remove(&ino);
        let node = Node { name: Arc::clone(name), body: Body::File(ino) };
        self.effects.retain(|effect| effect.change.key() != key);
        for names in [&mut self.live, &mut self.durable] {
            let names = Arc::make_mut(names);
            names.insert(Arc::clone(key), node.clone());
            for (at, _) in key.match_indices('/') {
                let dir = &key[..at];
                let name = dir.rsplit_once('/').map_or(dir, |(_, name)| name);
                names.entry(dir.into()).or_insert_with(|| Node { name: name.into(), body: Body::Dir });
            }
        }
    }
}

impl Inode {
    /// Returns a file whose bytes are all durable.
    pub(super) fn clean(content: Arc<Content>) -> Self {
        let len = content.len();
        Self { live: Arc::clone(&content), synced: content, keep: len, last_append: len, ..Self::default() }
    }
}

/// Returns the folded path of the directory that holds a name.
pub(super) fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(dir, _)| dir)
}
