//! Values of every struct of the format, drawn from a seed: legal ones, often at the edges.

use crate::base::random::{Random, SeededRandom, random_array};
use crate::base::*;
use crate::format::codec::Extensions;
use crate::format::head::{Group, Head};
use crate::format::index::{IndexEntry, IndexPart};
use crate::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use crate::format::list::{ListChild, ListNode};
use crate::format::manifest::{Base, CondemnedPack, FileKind, FileRef, KeyShards, Manifest, PackRef, RecipeRef};
use crate::format::pack::{PACK_HEADER_BYTES, PackEntry, PackHeader, SEAL_OVERHEAD_BYTES};
use crate::format::receipt::Receipt;
use crate::format::recipe::{Recipe, RecipeStep};
use crate::format::sealed::{ChunkerParameters, IndexRef, SealedPart, SnapshotRef};
use crate::format::snapshot::{Conflict, Parent, Snapshot, Totals};
use crate::format::tree::{Child, Content, Entry, Meta, Node, TreeNode};
use crate::format::trust::{Trust, Writer};
use crate::format::{Class, Codec, Extent, Kind, ObjectKey, Pointer};

/// A stream of choices that follows from its seed.
pub struct Draw(SeededRandom);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    pub fn array<const N: usize>(&self) -> [u8; N] {
        random_array(&self.0)
    }

    /// Any number, small ones and the ends more often.
    pub fn number(&self) -> u64 {
        let bits = u64::from_le_bytes(self.array());
        bits >> (self.array::<1>()[0] % 65).min(63)
    }

    pub fn to(&self, max: u64) -> u64 {
        match self.array::<1>()[0] % 8 {
            0 => 0,
            1 => max,
            _ => u64::from_le_bytes(self.array()) % max.saturating_add(1).max(1),
        }
    }

    pub fn u32(&self) -> u32 {
        self.to(u64::from(u32::MAX)) as u32
    }

    pub fn flag(&self) -> bool {
        self.array::<1>()[0].is_multiple_of(2)
    }

    pub fn vec<T>(&self, max: u64, make: impl Fn(&Self) -> T) -> Vec<T> {
        (0..self.to(max)).map(|_| make(self)).collect()
    }

    /// Distinct values in ascending order.
    fn sorted<T: Ord>(&self, max: u64, make: impl Fn(&Self) -> T) -> Vec<T> {
        let set: std::collections::BTreeSet<T> = self.vec(max, make).into_iter().collect();
        set.into_iter().collect()
    }

    pub fn bytes(&self, max: u64) -> Vec<u8> {
        let mut bytes = vec![0; self.to(max) as usize];
        self.0.fill(&mut bytes);
        bytes
    }

    fn text(&self, max: u64) -> String {
        self.vec(max, |draw| char::from(b' ' + draw.to(94) as u8)).into_iter().collect()
    }

    fn name(&self) -> EntryName {
        let mut bytes = self.bytes(12);
        bytes.iter_mut().filter(|b| **b == b'/' || **b == 0).for_each(|b| *b = b'x');
        EntryName::new(&bytes).unwrap_or_else(|_| EntryName::new(b"n").unwrap())
    }

    fn path(&self) -> RelPath {
        let names = std::iter::once(self.name()).chain(self.vec(3, Self::name));
        names.fold(RelPath::root(), |path, name| path.join(&name).unwrap())
    }

    fn time(&self) -> Timestamp {
        Timestamp(self.number() as i64)
    }

    fn epoch(&self) -> Epoch {
        Epoch(self.u32())
    }

    pub fn extensions(&self) -> Extensions {
        let tags = self.sorted(3, |draw| draw.to(u64::MAX) | 1);
        tags.into_iter().map(|tag| (tag, self.bytes(9))).collect()
    }

    pub fn pointer(&self, kind: Kind) -> Pointer {
        Pointer {
            kind,
            dedup_generation: DedupGeneration(self.u32()),
            len_bytes: 1 + self.to((16 << 20) - 1),
            id: ObjectId(self.array()),
            key: ObjectKey(self.array()),
        }
    }

    /// Extents over few chunks, so that they share.
    fn extents(&self, min: usize, max: u64) -> Vec<Extent> {
        let chunks: Vec<_> = (0..3).map(|_| self.pointer(Kind::Chunk)).collect();
        let mut extents = self.vec(max, |draw| {
            let chunk = chunks[draw.to(2) as usize];
            let offset = draw.to(chunk.len_bytes - 1);
            Extent { chunk, offset, len_bytes: 1 + draw.to(chunk.len_bytes - offset - 1) }
        });
        while extents.len() < min {
            extents.push(Extent { chunk: chunks[0], offset: 0, len_bytes: 1 });
        }
        extents
    }

    pub fn list(&self) -> ListNode {
        if self.flag() {
            return ListNode::Leaf(self.extents(1, 40));
        }
        let child = |draw: &Self| ListChild { pointer: draw.pointer(Kind::List), len_bytes: draw.number() };
        let mut children = self.vec(5, child);
        children.extend([child(self), child(self)]);
        ListNode::Inner(1 + self.to(15) as u8, children)
    }

    fn meta(&self) -> Meta {
        Meta {
            mode: self.to(0o7777) as u32,
            mtime_secs: self.number() as i64,
            mtime_nanos: self.to(999_999_999) as u32,
            uid: self.u32(),
            gid: self.u32(),
            user: self.text(8),
            group: self.text(8),
        }
    }

    fn node(&self) -> Node {
        match self.to(7) {
            0 => Node::Dir { tree: self.pointer(Kind::Tree) },
            1 => Node::Symlink { target: self.bytes(20) },
            2 => Node::Fifo,
            3 => Node::Socket,
            4 => Node::CharDevice(self.number()),
            5 => Node::BlockDevice(self.number()),
            6 => Node::File { len_bytes: self.number(), content: Content::List(self.pointer(Kind::List)) },
            _ => {
                let extents = self.extents(0, 32);
                let len_bytes = extents.iter().map(|extent| extent.len_bytes).sum();
                Node::File { len_bytes, content: Content::Inline(extents) }
            }
        }
    }

    pub fn tree(&self) -> TreeNode {
        if self.flag() {
            let entries = self.sorted(8, Self::name).into_iter().map(|name| Entry {
                name,
                file_id: FileId(self.array()),
                hard_linked: self.flag(),
                meta: self.meta(),
                node: self.node(),
                extensions: self.extensions(),
            });
            return TreeNode::Leaf(entries.collect());
        }
        let mut names = self.sorted(8, Self::name);
        if names.len() < 2 {
            names = [b"a", b"b"].map(|name| EntryName::new(name).unwrap()).to_vec();
        }
        let child = |first| Child { first, pointer: self.pointer(Kind::Tree), entries: self.number() };
        TreeNode::Inner(1 + self.to(15) as u8, names.into_iter().map(child).collect())
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            root: self.pointer(Kind::Tree),
            root_file_id: FileId(self.array()),
            root_meta: self.meta(),
            parents: self.vec(16, |draw| Parent {
                id: ObjectId(draw.array()),
                epoch: draw.epoch(),
                len_bytes: draw.to(16 << 20),
            }),
            replica: ReplicaId(self.array()),
            sequence: self.number(),
            epoch: self.epoch(),
            time: self.time(),
            author: self.text(20),
            message: self.text(99),
            totals: Totals { files: self.number(), dirs: self.number(), others: self.number(), bytes: self.number() },
            conflicts: self.vec(4, |draw| Conflict {
                path: draw.path(),
                sides: std::iter::once(draw.path()).chain(draw.vec(3, Self::path)).collect(),
            }),
            extensions: self.extensions(),
        }
    }

    fn pack_entry(&self, class: Class) -> PackEntry {
        let kind = match class {
            Class::Data => Kind::Chunk,
            Class::Meta => [Kind::List, Kind::Tree, Kind::Snapshot, Kind::Index][self.to(3) as usize],
        };
        let len_bytes = self.to(16 << 20);
        let codec = if self.flag() { Codec::Stored } else { Codec::Zstd };
        let payload = if codec == Codec::Stored { len_bytes } else { self.to(len_bytes) };
        PackEntry {
            id: ObjectId(self.array()),
            kind,
            codec,
            dedup_generation: DedupGeneration(self.u32()),
            len_bytes,
            sealed_len_bytes: payload + SEAL_OVERHEAD_BYTES,
        }
    }

    /// A header and the entries of an index that fit it.
    pub fn pack(&self) -> (PackHeader, Vec<PackEntry>) {
        let class = if self.flag() { Class::Data } else { Class::Meta };
        let entries = self.vec(3, |draw| draw.pack_entry(class));
        let frames: u64 = entries.iter().map(|entry| entry.sealed_len_bytes).sum();
        let index_len_bytes = 40 + self.to(1000) as u32;
        let header = PackHeader {
            clash_counter: self.u32(),
            class,
            set_label: self.u32() as u16,
            epoch: self.epoch(),
            len_bytes: PACK_HEADER_BYTES as u64 + frames + u64::from(index_len_bytes),
            index_len_bytes,
        };
        (header, entries)
    }

    pub fn index(&self) -> IndexPart {
        let mut packs = self.vec(4, |draw| PackHash(draw.array()));
        packs.push(PackHash(self.array()));
        let mut entries = self.vec(9, |draw| IndexEntry {
            pack: draw.to(packs.len() as u64 - 1) as u32,
            offset: draw.to(64 << 20),
            entry: draw.pack_entry(if draw.flag() { Class::Data } else { Class::Meta }),
        });
        entries.sort_by_key(|entry| (entry.entry.id, entry.entry.dedup_generation));
        IndexPart { packs, entries }
    }

    pub fn sealed(&self) -> SealedPart {
        SealedPart {
            chunker: ChunkerParameters::DEFAULT,
            dedup_generation: DedupGeneration(self.u32()),
            snapshots: self.vec(9, |draw| SnapshotRef {
                id: ObjectId(draw.array()),
                epoch: draw.epoch(),
                len_bytes: draw.to(16 << 20),
                generation: Generation(draw.number()),
                time: draw.time(),
                tags: draw.vec(3, |draw| draw.text(64)),
            }),
            indexes: self.vec(3, |draw| IndexRef {
                pointer: draw.pointer(Kind::Index),
                pack: PackHash(draw.array()),
                offset: draw.to(64 << 20),
                sealed_len_bytes: draw.to(64 << 20),
                codec: if draw.flag() { Codec::Stored } else { Codec::Zstd },
            }),
            older_epochs: self
                .sorted(3, Self::epoch)
                .into_iter()
                .map(|epoch| (epoch, zeroize::Zeroizing::new(self.array())))
                .collect(),
            index_keys: self
                .sorted(3, Self::epoch)
                .into_iter()
                .map(|epoch| (epoch, zeroize::Zeroizing::new(self.array())))
                .collect(),
            extensions: self.extensions(),
        }
    }

    fn pack_ref(&self) -> PackRef {
        PackRef {
            hash: PackHash(self.array()),
            len_bytes: self.to(64 << 20),
            class: if self.flag() { Class::Data } else { Class::Meta },
            set_label: self.u32() as u16,
        }
    }

    pub fn manifest(&self) -> Manifest {
        let generation = Generation(self.number().max(1));
        let base = self.flag().then(|| Base {
            depth: 1 + self.to(14) as u32,
            hash: ManifestHash(self.array()),
            len_bytes: self.to(32 << 20),
        });
        let heads = self.sorted(4, |draw| Generation(draw.to(generation.0 - 1)));
        Manifest {
            clash_counter: self.u32(),
            generation,
            base,
            removed: if base.is_some() { self.sorted(4, |draw| PackHash(draw.array())) } else { Vec::new() },
            added: self.vec(4, Self::pack_ref),
            condemned: self
                .sorted(3, |draw| PackHash(draw.array()))
                .into_iter()
                .map(|hash| CondemnedPack { hash, len_bytes: self.to(64 << 20), since: self.time() })
                .collect(),
            recipes: self
                .sorted(3, |draw| PackHash(draw.array()))
                .into_iter()
                .map(|pack| RecipeRef { pack, recipe: RecipeHash(self.array()), len_bytes: self.to(16 << 20) })
                .collect(),
            heads: heads.into_iter().map(|head| (head, HeadHash(self.array()))).collect(),
            key_lists: self.sorted(2, Self::epoch).into_iter().map(|epoch| self.key_shards(epoch)).collect(),
            sealed: (self.epoch(), self.bytes(99)),
            files: self
                .sorted(4, |draw| (FileKind(draw.to(4) as u16), FileHash(draw.array())))
                .into_iter()
                .map(|(kind, hash)| FileRef { kind, len_bytes: self.to(1 << 20) as u32, hash })
                .collect(),
        }
    }

    fn key_shards(&self, epoch: Epoch) -> KeyShards {
        let shards = 1 << self.to(3);
        KeyShards { epoch, shards: (0..shards).map(|_| (KeyListHash(self.array()), self.to(4 << 20))).collect() }
    }

    pub fn key_list(&self) -> KeyList {
        let shards = 1u16 << self.to(12);
        let shard = self.to(u64::from(shards) - 1) as u16;
        let bits = shards.ilog2();
        let tag = |draw: &Self| {
            let low = if bits == 0 { draw.u32() } else { (u32::from(shard) << (32 - bits)) | (draw.u32() >> bits) };
            KeyTag(low.to_be_bytes())
        };
        let entries = self.sorted(9, tag).into_iter().map(|tag| KeyEntry {
            tag,
            role: if self.flag() { KeyRole::Reader } else { KeyRole::Writer },
            len_bytes: self.to(16 << 10) as u32,
            hash: self.array(),
        });
        KeyList { clash_counter: self.u32(), epoch: self.epoch(), shard, shards, entries: entries.collect() }
    }

    pub fn recipe(&self) -> Recipe {
        let mut sources = self.vec(3, |draw| PackHash(draw.array()));
        sources.push(PackHash(self.array()));
        let steps = self.vec(9, |draw| {
            let len_bytes = 1 + draw.to(4 << 20);
            if draw.flag() {
                return RecipeStep::Fetch { len_bytes };
            }
            let source = draw.to(sources.len() as u64 - 1) as u32;
            RecipeStep::Copy { source, offset: draw.to((64 << 20) - len_bytes), len_bytes }
        });
        let pack_len_bytes = steps
            .iter()
            .map(|step| match step {
                RecipeStep::Copy { len_bytes, .. } | RecipeStep::Fetch { len_bytes } => len_bytes,
            })
            .sum();
        Recipe { clash_counter: self.u32(), pack: PackHash(self.array()), pack_len_bytes, sources, steps }
    }

    pub fn head(&self) -> Head {
        Head {
            inner_version: self.u32() as u16,
            store: StoreId(self.array()),
            generation: Generation(self.number().max(1)),
            manifest: ManifestHash(self.array()),
            manifest_len_bytes: self.to(32 << 20),
            trust_version: self.u32(),
            trust: TrustHash(self.array()),
            writer: PublicKey(self.array()),
            previous: self.vec(16, |draw| HeadHash(draw.array())),
            time: self.time(),
            expires: self.time(),
            group: Group::all(),
            floor: Generation(self.number()),
            epoch: Epoch(self.u32().max(1)),
            commitment: self.array(),
        }
    }

    pub fn receipt(&self) -> Receipt {
        Receipt {
            store: StoreId(self.array()),
            replica: ReplicaId(self.array()),
            generation: Generation(self.number().max(1)),
            head: HeadHash(self.array()),
            reached: self.flag().then(|| self.time()),
            time: self.time(),
            outcome: ["done", "nothing-new", "full"][self.to(2) as usize].into(),
            free_bytes: self.flag().then(|| self.number()),
            problems: self.number(),
            tag: self.flag().then(|| KeyTag(self.array())),
            program: "p".to_owned() + &self.text(63),
            purge: Generation(self.number()),
            key: PublicKey(self.array()),
        }
    }

    pub fn trust(&self) -> Trust {
        let mut roots = self.vec(15, |draw| PublicKey(draw.array()));
        roots.push(PublicKey(self.array()));
        let version = 1 + self.to(3) as u32;
        Trust {
            store: StoreId(self.array()),
            version,
            previous: (version > 1).then(|| TrustHash(self.array())),
            time: self.time(),
            expires: self.time(),
            floor: Generation(self.number()),
            threshold: 1 + self.to(roots.len() as u64 - 1) as u32,
            roots,
            writers: self.vec(128, |draw| Writer { key: PublicKey(draw.array()), recipient: "age1example".into() }),
        }
    }
}
