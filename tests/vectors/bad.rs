//! Illegal neighbours of the good vectors, each broken in one named way.
//!
//! The expected error is what `good::again` says when the vectors are written; reading the difference is the check.

use chunkstore::base::*;
use chunkstore::format::codec::Encoder;
use chunkstore::format::keylist::{KeyList, KeyTag};
use chunkstore::format::list::ListNode;
use chunkstore::format::manifest::{FileRef, KeyShards, Manifest};
use chunkstore::format::order::{OrderFile, encode_objects, encode_snapshots};
use chunkstore::format::recipe::{Recipe, RecipeStep};
use chunkstore::format::roster::{Holder, RosterFile};
use chunkstore::format::sealed::SealedPart;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::{Content, Node, TreeNode};
use chunkstore::format::{Class, Kind};

use super::{Vector, good};

/// Collects the bad vectors of one kind.
struct Bad {
    kind: &'static str,
    legal: Vec<u8>,
    vectors: Vec<Vector>,
}

impl Bad {
    fn of(kind: &'static str, legal: Vec<u8>) -> Self {
        Self { kind, legal, vectors: Vec::new() }
    }

    /// Adds bytes that must fail with the error, without what it names.
    fn add(&mut self, case: &str, error: &str, bytes: Vec<u8>) {
        let name = format!("{}-{case}", self.kind);
        let said = match good::again(self.kind, &bytes) {
            Err(said) => said,
            Ok(_) => panic!("{name} decodes"),
        };
        assert!(said.contains(error), "{name}: {said}");
        let note = format!("{}: {}", self.kind, case.replace('-', " "));
        let (kind, expect) = (self.kind, Some(said));
        self.vectors.push(Vector { name, kind, note, values: Vec::new(), expect, decoding_only: false, bytes });
    }

    /// Cuts the last byte, and appends one.
    fn ends(&mut self, cut: &str, longer: &str) {
        let legal = self.legal.clone();
        self.add("truncated", cut, legal[..legal.len() - 1].to_vec());
        self.add("extended", longer, [&legal[..], &[1]].concat());
        self.add("empty", "", Vec::new());
    }

    fn set(&mut self, case: &str, error: &str, at: usize, value: u8) {
        let mut bytes = self.legal.clone();
        bytes[at] = value;
        self.add(case, error, bytes);
    }

    /// Replaces the first `from`, which must be there.
    fn replace(&mut self, case: &str, error: &str, from: &[u8], to: &[u8]) {
        let at = self.legal.windows(from.len()).position(|window| window == from).expect(case);
        let bytes = [&self.legal[..at], to, &self.legal[at + from.len()..]].concat();
        self.add(case, error, bytes);
    }

    fn line(&mut self, case: &str, error: &str, from: &str, to: &str) {
        self.replace(case, error, from.as_bytes(), to.as_bytes());
    }

    /// What every text file refuses.
    fn text(&mut self) {
        let legal = self.legal.clone();
        self.add("truncated", "Truncated", legal[..legal.len() - 1].to_vec());
        self.add("extended", "NotCanonical", [&legal[..], b"junk\n"].concat());
        self.line("another-title", "WrongKind", "chunkstore ", "chunkstory ");
        self.line("newer-outer-version", "TooNew", "outer 1\n", "outer 2\n");
        self.line("padded-number", "NotCanonical", "outer 1\n", "outer 01\n");
        self.line("must-be-understood", "TooNew", "outer 1\n", "outer 1\n!new 1\n");
        self.line("field-missing", "Truncated", "outer 1\n", "");
        self.line("field-twice", "Limit", "outer 1\n", "outer 1\nouter 1\n");
        self.line("carriage-return", "NotCanonical", "outer 1\n", "outer 1\r\n");
        self.line("upper-case-hex", "NotCanonical", "0a0b0c", "0A0B0C");
        self.line("over-limit", "Limit", "outer 1\n", &format!("outer 1\nx {}\n", "y".repeat(65_536)));
    }

    /// What every binary file of the outer layer refuses in its first 32 bytes.
    fn header(&mut self) {
        self.set("another-magic", "WrongKind", 0, b'X');
        self.set("newer-outer-version", "TooNew", 8, 2);
        self.set("critical-flag", "TooNew", 10, 1);
        self.set("another-store", "WrongKind", 16, 0xff);
    }
}

pub fn all() -> Vec<Vector> {
    let kinds: [fn() -> Bad; 25] = [
        marker,
        head,
        receipt,
        trust,
        manifest,
        sealed_part,
        pack_header,
        pack_index,
        key_list,
        roster,
        holders,
        order,
        order_snapshots,
        order_objects,
        recipe,
        pointer,
        list,
        tree,
        extended_attributes,
        time_of_birth,
        holes,
        snapshot,
        index,
        key_file,
        frame,
    ];
    kinds.into_iter().flat_map(|kind| kind().vectors).collect()
}

fn good_bytes(name: &str) -> Vec<u8> {
    good::all().into_iter().find(|vector| vector.name == name).unwrap().bytes
}

fn marker() -> Bad {
    let mut bad = Bad::of("marker", good_bytes("marker"));
    bad.text();
    bad
}

fn head() -> Bad {
    let mut bad = Bad::of("head", good_bytes("head"));
    bad.text();
    bad.line("signed-number", "NotCanonical", "generation 7", "generation +7");
    bad.line("no-generation", "Limit", "generation 7", "generation 0");
    bad.line("no-epoch", "Limit", "epoch 1", "epoch 0");
    bad.line("another-zone", "NotCanonical", "123456789Z\nexpires", "123456789+00:00\nexpires");
    bad.line("fewer-decimals", "NotCanonical", "123456789Z\nexpires", "12345678Z\nexpires");
    bad.line("two-spaces", "NotCanonical", "trust 1 ", "trust 1  ");
    bad.line("group-in-upper-case", "NotCanonical", "target all", "target All");
    bad.line("group-too-long", "NotCanonical", "target all", &format!("target {}", "a".repeat(33)));
    bad.line("manifest-over-limit", "Limit", " 1234\n", " 33554433\n");
    let mut many = good::head();
    many.previous = vec![HeadHash([1; 32]); 17];
    bad.add("too-many-predecessors", "Limit", good::sign_head(many));
    let text = String::from_utf8(bad.legal.clone()).unwrap();
    let (body, signature) = text.split_at(text.find("signature").unwrap());
    let title = "chunkstore head\n";
    let moved = format!("{title}{signature}{}", &body[title.len()..]);
    bad.add("signature-not-last", "NotCanonical", moved.into_bytes());
    bad.add("signed-twice", "Limit", format!("{text}{signature}").into_bytes());
    bad
}

fn receipt() -> Bad {
    let mut bad = Bad::of("receipt", good_bytes("receipt"));
    bad.text();
    bad.line("signed-number", "NotCanonical", "generation 7", "generation +7");
    bad.line("no-generation", "Limit", "generation 7", "generation 0");
    bad.line("reached-in-another-zone", "NotCanonical", "123456789Z\ntime", "123456789+00:00\ntime");
    bad.line("reached-twice", "Limit", "time 2027", "reached 2027-01-15T08:00:00.000000000Z\ntime 2027");
    bad.line("outcome-of-two-words", "NotCanonical", "outcome done", "outcome all done");
    bad.line("outcome-in-upper-case", "NotCanonical", "outcome done", "outcome Done");
    bad.line("outcome-too-long", "Limit", "outcome done", &format!("outcome {}", "a".repeat(33)));
    bad.line("program-too-long", "Limit", "program chunkstore", &format!("program {}", "a".repeat(64)));
    bad.line("free-with-a-unit", "NotCanonical", "free 12000000000", "free 12G");
    bad.line("tag-in-lower-case", "NotCanonical", "tag 12ABFF00", "tag 12abff00");
    let text = String::from_utf8(bad.legal.clone()).unwrap();
    let (body, signature) = text.split_at(text.find("signature").unwrap());
    let title = "chunkstore receipt\n";
    bad.add("signature-first", "NotCanonical", format!("{title}{signature}{}", &body[title.len()..]).into_bytes());
    bad
}

fn trust() -> Bad {
    let mut bad = Bad::of("trust", good_bytes("trust"));
    bad.text();
    let mut change = |case: &str, edit: fn(&mut chunkstore::format::trust::Trust)| {
        let mut trust = good::trust();
        edit(&mut trust);
        bad.add(case, "Limit", good::sign_trust(trust));
    };
    change("threshold-of-none", |trust| trust.threshold = 0);
    change("threshold-over-roots", |trust| trust.threshold = 3);
    change("root-twice", |trust| trust.roots[1] = trust.roots[0]);
    change("writer-twice", |trust| trust.writers.push(trust.writers[0].clone()));
    change("version-0", |trust| trust.version = 0);
    change("first-with-predecessor", |trust| trust.previous = Some(TrustHash([1; 32])));
    change("later-without-predecessor", |trust| trust.version = 2);
    change("too-many-roots", |trust| trust.roots.extend((0..15).map(|at| PublicKey([at; 32]))));
    let writer = good::trust().writers[0].clone();
    let mut many = good::trust();
    many.writers =
        (0..129).map(|at| chunkstore::format::trust::Writer { key: PublicKey([at; 32]), ..writer.clone() }).collect();
    bad.add("too-many-writers", "Limit", good::sign_trust(many));
    bad
}

fn manifest() -> Bad {
    let mut bad = Bad::of("manifest", good::manifest().encode(good::STORE));
    bad.header();
    bad.ends("Truncated", "Truncated");
    // The first section is the generation: tag, reserved, length, at 32.
    bad.set("section-reserved-bits", "NotCanonical", 34, 1);
    bad.add("section-unknown-and-even", "TooNew", [&bad.legal[..], &[22, 0, 0, 0, 0, 0, 0, 0]].concat());
    bad.set("section-missing", "Truncated", 32, 3);
    let section = bad.legal[32..48].to_vec();
    bad.replace("section-twice", "NotCanonical", &section, &[&section[..], &section[..]].concat());
    let mut change = |case: &str, error: &str, edit: fn(&mut Manifest)| {
        let mut manifest = good::manifest();
        edit(&mut manifest);
        bad.add(case, error, manifest.encode(good::STORE));
    };
    change("removed-unsorted", "NotCanonical", |m| m.removed.reverse());
    change("removed-twice", "NotCanonical", |m| m.removed.push(m.removed[1]));
    change("heads-unsorted", "NotCanonical", |m| m.heads.reverse());
    change("condemned-unsorted", "NotCanonical", |m| m.condemned.reverse());
    change("condemned-twice", "NotCanonical", |m| m.condemned[1].hash = m.condemned[0].hash);
    change("recipes-unsorted", "NotCanonical", |m| m.recipes.reverse());
    change("recipes-of-one-pack", "NotCanonical", |m| m.recipes[1].pack = m.recipes[0].pack);
    change("files-unsorted-by-kind", "NotCanonical", |m| m.files.swap(1, 2));
    change("files-unsorted-by-hash", "NotCanonical", |m| m.files.swap(0, 1));
    change("file-twice", "NotCanonical", |m| m.files[1] = FileRef { len_bytes: 701, ..m.files[0] });
    change("file-over-limit", "Limit", |m| m.files[0].len_bytes = (1 << 20) + 1);
    change("head-of-its-own-generation", "Limit", |m| m.heads[1].0 = m.generation);
    change("too-many-heads", "Limit", |m| {
        m.generation = Generation(5000);
        m.heads = (0..4097).map(|at| (Generation(at), HeadHash([0; 32]))).collect();
    });
    change("full-with-removed", "Limit", |m| m.base = None);
    change("chain-too-deep", "Limit", |m| m.base.as_mut().unwrap().depth = 16);
    change("base-of-depth-0", "Limit", |m| m.base.as_mut().unwrap().depth = 0);
    change("base-over-limit", "Limit", |m| m.base.as_mut().unwrap().len_bytes = (32 << 20) + 1);
    change("pack-over-limit", "Limit", |m| m.added[0].len_bytes = (64 << 20) + 1);
    change("condemned-over-limit", "Limit", |m| m.condemned[0].len_bytes = (64 << 20) + 1);
    change("recipe-over-limit", "Limit", |m| m.recipes[0].len_bytes = (16 << 20) + 1);
    change("key-list-over-limit", "Limit", |m| m.key_lists[0].shards[0].1 = (4 << 20) + 1);
    change("shards-no-power-of-two", "Limit", |m| {
        m.key_lists[0].shards.push((KeyListHash([0; 32]), 1));
    });
    change("no-shards", "Limit", |m| m.key_lists[0].shards.clear());
    change("epochs-unsorted", "NotCanonical", |m| {
        m.key_lists.push(KeyShards { epoch: Epoch(1), shards: vec![(KeyListHash([0; 32]), 1)] });
    });
    // Class and reserved byte stand 40 bytes behind the start of an added pack.
    let at = bad.legal.windows(32).position(|w| w == good::pack_ref(0x31, Class::Data).hash.0).unwrap();
    bad.set("class-unknown", "TooNew", at + 40, 2);
    bad.set("pack-reserved-byte", "NotCanonical", at + 41, 1);
    bad.set("pack-reserved-word", "NotCanonical", at + 44, 1);
    // The last file ends the manifest: its reserved half stands 46 bytes before the end, its reserved word 8.
    let end = bad.legal.len();
    bad.set("file-reserved-half", "NotCanonical", end - 46, 1);
    bad.set("file-reserved-word", "NotCanonical", end - 8, 1);
    bad.add("files-missing", "Truncated", bad.legal[..end - 8 - 4 * 48].to_vec());
    bad
}

fn sealed_part() -> Bad {
    let mut bad = Bad::of("sealed-part", good::sealed_part().encode(0));
    bad.ends("Truncated", "NotCanonical");
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("another-chunker", "TooNew", 1, 2);
    let mut change = |case: &str, error: &str, edit: fn(&mut SealedPart)| {
        let mut part = good::sealed_part();
        edit(&mut part);
        bad.add(case, error, part.encode(0));
    };
    change("chunker-level-4", "Limit", |p| p.chunker.level = 4);
    change("chunker-sizes-unordered", "Limit", |p| p.chunker.min_bytes = p.chunker.avg_bytes);
    change("chunker-average-no-power-of-two", "Limit", |p| p.chunker.avg_bytes += 2);
    change("chunker-average-too-long", "Limit", |p| {
        p.chunker.avg_bytes = 8 << 20;
        p.chunker.max_bytes = 16 << 20;
    });
    change("chunker-odd", "Limit", |p| p.chunker.max_bytes += 1);
    change("chunk-over-limit", "Limit", |p| p.chunker.max_bytes = (16 << 20) + 2);
    change("snapshot-over-limit", "Limit", |p| p.snapshots[0].len_bytes = (16 << 20) + 1);
    change("too-many-tags", "Limit", |p| p.snapshots[0].tags = vec!["t".into(); 65]);
    change("tag-too-long", "Limit", |p| p.snapshots[0].tags[0] = "t".repeat(65));
    change("index-of-another-kind", "WrongKind", |p| p.indexes[0].pointer.kind = Kind::Tree);
    change("epochs-unsorted", "NotCanonical", |p| p.older_epochs = [2, 1].map(|at| (Epoch(at), [0; 32].into())).into());
    change("extension-even", "TooNew", |p| p.extensions[0].0 = 4);
    change("index-keys-cut-short", "Truncated", |p| p.extensions = vec![(2, vec![1, 1, 0])]);
    change("index-keys-without-a-key", "NotCanonical", |p| p.extensions = vec![(2, vec![0])]);
    change("index-keys-unsorted", "NotCanonical", |p| {
        p.index_keys = [2, 1].map(|at| (Epoch(at), [0; 32].into())).into();
    });
    change("extensions-unsorted", "NotCanonical", |p| p.extensions = vec![(3, vec![]), (1, vec![])]);
    change("extension-too-long", "Limit", |p| p.extensions[0].1 = vec![0; 65_537]);
    change("too-many-extensions", "Limit", |p| p.extensions = (0..65).map(|at| (2 * at + 1, vec![])).collect());
    bad
}

fn pack_header() -> Bad {
    let mut bad = Bad::of("pack-header", good::pack_header());
    bad.header();
    bad.ends("Truncated", "Trailing");
    bad.set("class-unknown", "TooNew", 32, 2);
    bad.set("reserved-byte", "NotCanonical", 33, 1);
    bad.set("reserved-word", "NotCanonical", 60, 1);
    bad.set("lengths-do-not-add-up", "Limit", 40, 0);
    bad.set("over-limit", "Limit", 43, 0xff);
    bad.set("index-before-the-frames", "Limit", 48, 63);
    bad
}

fn pack_index() -> Bad {
    let mut bad = Bad::of("pack-index", good::pack_index());
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("count-lies", "Truncated", 1, 0x7f);
    bad.add("count-padded", "NotCanonical", [&bad.legal[..1], &[0x82, 0x00], &bad.legal[2..]].concat());
    // The first entry starts at 2: id, kind, codec, dedup generation, length, sealed length.
    bad.set("kind-unknown", "TooNew", 34, 6);
    bad.set("kind-of-the-other-class", "WrongKind", 34, 3);
    bad.set("codec-unknown", "TooNew", 35, 2);
    bad.set("stored-of-another-length", "Limit", 37, 12);
    bad.add("frames-leave-a-gap", "Limit", [&[1, 1], &bad.legal[2..39], &[0; 9][..]].concat());
    let last = bad.legal.len() - 1;
    bad.set("padding-not-zero", "NotCanonical", last, 1);
    bad.add("empty", "Truncated", Vec::new());
    bad
}

fn key_list() -> Bad {
    let mut bad = Bad::of("key-list", good::key_list().encode(good::STORE));
    bad.header();
    bad.ends("Truncated", "Truncated");
    bad.set("role-unknown", "TooNew", 44, 4);
    bad.set("reserved-byte", "NotCanonical", 45, 1);
    let mut change = |case: &str, error: &str, edit: fn(&mut KeyList)| {
        let mut list = good::key_list();
        edit(&mut list);
        bad.add(case, error, list.encode(good::STORE));
    };
    change("unsorted", "NotCanonical", |list| list.entries.reverse());
    change("tag-twice", "NotCanonical", |list| list.entries[1].tag = list.entries[0].tag);
    change("tag-of-another-shard", "NotCanonical", |list| list.entries[0].tag = KeyTag([1; 4]));
    change("shard-over-shards", "Limit", |list| list.shard = 2);
    change("shards-no-power-of-two", "Limit", |list| list.shards = 3);
    change("too-many-shards", "Limit", |list| list.shards = 8192);
    change("key-file-over-limit", "Limit", |list| list.entries[0].len_bytes = (16 << 10) + 1);
    bad
}

fn roster() -> Bad {
    let mut bad = Bad::of("roster", good::roster().encode(good::STORE));
    bad.header();
    bad.add("empty", "Truncated", Vec::new());
    bad.add("without-a-seal", "Truncated", bad.legal[..79].to_vec());
    let mut change = |case: &str, error: &str, edit: fn(&mut RosterFile)| {
        let mut file = good::roster();
        edit(&mut file);
        bad.add(case, error, file.encode(good::STORE));
    };
    change("shard-over-shards", "Limit", |file| file.shard = 2);
    change("shards-no-power-of-two", "Limit", |file| file.shards = 3);
    change("too-many-shards", "Limit", |file| file.shards = 8192);
    bad
}

fn holders() -> Bad {
    let mut bad = Bad::of("holders", good::encoded_holders(&good::holders(), 432));
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("count-lies", "Truncated", 1, 0x7f);
    bad.set("identity-for-a-role", "TooNew", 6, 3);
    bad.set("role-unknown", "TooNew", 6, 9);
    let last = bad.legal.len() - 1;
    bad.set("padding-not-zero", "NotCanonical", last, 1);
    bad.add("empty", "Truncated", Vec::new());
    let mut change = |case: &str, error: &str, edit: fn(&mut Vec<Holder>)| {
        let mut holders = good::holders();
        edit(&mut holders);
        bad.add(case, error, good::encoded_holders(&holders, 0));
    };
    change("unsorted", "NotCanonical", |holders| holders.reverse());
    change("tag-twice", "NotCanonical", |holders| holders[1].tag = holders[0].tag);
    change("name-over-limit", "Limit", |holders| holders[0].name = "n".repeat(129));
    change("note-over-limit", "Limit", |holders| holders[0].note = "n".repeat(1025));
    change("recipient-over-limit", "Limit", |holders| holders[0].recipient = "n".repeat(4097));
    change("identity-over-limit", "Limit", |holders| holders[1].identity = vec![0; 2049]);
    bad
}

fn order() -> Bad {
    let mut bad = Bad::of("order", good::encoded_order(&good::order()));
    bad.header();
    bad.ends("Truncated", "Trailing");
    bad.set("reserved-bytes", "NotCanonical", 52, 1);
    let mut change = |case: &str, error: &str, edit: fn(&mut OrderFile)| {
        let mut file = good::order();
        edit(&mut file);
        bad.add(case, error, good::encoded_order(&file));
    };
    change("packs-unsorted", "NotCanonical", |file| file.packs.reverse());
    change("pack-twice", "NotCanonical", |file| file.packs[1] = file.packs[0]);
    change("too-many-packs", "Limit", |file| {
        file.packs =
            (0..4097u32).map(|at| PackHash([&at.to_be_bytes()[..], &[0; 28]].concat().try_into().unwrap())).collect();
    });
    change("part-over-parts", "Limit", |file| file.part = 1);
    change("too-many-parts", "Limit", |file| file.parts = 1025);
    change("without-a-seal", "Truncated", |file| file.snapshots.truncate(39));
    bad
}

fn order_snapshots() -> Bad {
    let mut bad = Bad::of("order-snapshots", encode_snapshots(&good::order_snapshots(), 136));
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("count-lies", "Truncated", 1, 0x7f);
    bad.set("padding-not-zero", "NotCanonical", bad.legal.len() - 1, 1);
    let mut reversed = good::order_snapshots();
    reversed.reverse();
    bad.add("unsorted", "NotCanonical", encode_snapshots(&reversed, 136));
    bad
}

fn order_objects() -> Bad {
    let mut bad = Bad::of("order-objects", encode_objects(&good::order_objects(), 72));
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("count-lies", "Truncated", 1, 0x7f);
    bad.set("padding-not-zero", "NotCanonical", bad.legal.len() - 1, 1);
    bad.add("twice", "NotCanonical", encode_objects(&[good::order_objects()[0]; 2], 72));
    bad
}

fn recipe() -> Bad {
    let mut bad = Bad::of("recipe", good::recipe().encode(good::STORE));
    bad.header();
    bad.ends("Truncated", "Trailing");
    let mut change = |case: &str, error: &str, edit: fn(&mut Recipe)| {
        let mut recipe = good::recipe();
        edit(&mut recipe);
        bad.add(case, error, recipe.encode(good::STORE));
    };
    change("lengths-do-not-add-up", "Limit", |recipe| recipe.pack_len_bytes += 1);
    change("source-unknown", "Limit", |recipe| {
        recipe.sources.pop();
    });
    change("fetch-of-nothing", "Limit", |recipe| recipe.steps.push(RecipeStep::Fetch { len_bytes: 0 }));
    change("copy-of-nothing", "Limit", |recipe| {
        recipe.steps.push(RecipeStep::Copy { source: 0, offset: 0, len_bytes: 0 });
    });
    change("copy-beyond-a-pack", "Limit", |recipe| {
        recipe.steps[0] = RecipeStep::Copy { source: 0, offset: 64 << 20, len_bytes: 8192 };
    });
    change("pack-over-limit", "Limit", |recipe| {
        recipe.pack_len_bytes = 2 * (64 << 20);
        recipe.steps = vec![RecipeStep::Fetch { len_bytes: 64 << 20 }; 2];
    });
    // Header 32, pack 32, its length 8, count of sources 1, sources 64, count of steps 1, then the first step.
    bad.set("step-unknown", "TooNew", 138, 3);
    bad
}

fn pointer() -> Bad {
    let mut bad = Bad::of("pointer", good_bytes("pointer"));
    bad.ends("Truncated", "Trailing");
    bad.set("of-another-kind", "WrongKind", 0, 3);
    bad.set("of-a-reserved-kind", "TooNew", 0, 6);
    let legal = bad.legal.clone();
    bad.add("number-padded", "NotCanonical", [&legal[..1], &[0x81, 0x00], &legal[2..]].concat());
    bad.add("over-limit", "Limit", [&legal[..2], &[0x81, 0x80, 0x80, 0x08], &legal[3..]].concat());
    bad.add(
        "dedup-generation-over-32-bits",
        "Limit",
        [&legal[..1], &[0xff, 0xff, 0xff, 0xff, 0x1f], &legal[2..]].concat(),
    );
    bad
}

/// A list leaf of raw parts: pointers, then extents as numbers.
fn raw_list(kinds: &[Kind], extents: &[[u64; 3]]) -> Vec<u8> {
    let mut out = Encoder::new();
    out.u8(1);
    out.u8(0);
    out.count(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        good::pointer(*kind, &[at as u8; 10]).put(&mut out);
    }
    out.count(extents.len());
    extents.iter().flatten().for_each(|number| out.number(*number));
    out.finish()
}

fn list() -> Bad {
    let mut bad = Bad::of("list", good::list_leaf().encode());
    bad.ends("Truncated", "Trailing");
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("level-17", "", 1, 17);
    bad.add("leaf-of-nothing", "Limit", ListNode::Leaf(Vec::new()).encode());
    let ListNode::Inner(_, children) = good::list_inner() else { unreachable!() };
    bad.add("one-child", "Limit", ListNode::Inner(1, children[..1].to_vec()).encode());
    bad.add("too-many-levels", "Limit", ListNode::Inner(17, children).encode());
    let chunk = Kind::Chunk;
    assert!(good::again("list", &raw_list(&[chunk, chunk], &[[0, 0, 10], [1, 0, 10]])).is_ok());
    bad.add("pointer-unused", "NotCanonical", raw_list(&[chunk, chunk], &[[0, 0, 10]]));
    bad.add("pointers-out-of-order", "NotCanonical", raw_list(&[chunk, chunk], &[[1, 0, 10], [0, 0, 10]]));
    bad.add("pointer-missing", "Limit", raw_list(&[chunk], &[[0, 0, 10], [1, 0, 10]]));
    bad.add("pointer-of-another-kind", "WrongKind", raw_list(&[Kind::Tree], &[[0, 0, 10]]));
    bad.add("extent-of-nothing", "Limit", raw_list(&[chunk], &[[0, 0, 0]]));
    bad.add("extent-beyond-its-chunk", "Limit", raw_list(&[chunk], &[[0, 5, 6]]));
    bad.add("extent-over-limit", "Limit", raw_list(&[chunk], &[[0, 1 << 63, 1 << 63]]));
    let mut twice = Encoder::new();
    [1, 0, 2].into_iter().for_each(|byte| twice.u8(byte));
    (0..2).for_each(|_| good::chunk_pointer().put(&mut twice));
    [2, 0, 0, 1, 1, 0, 1].into_iter().for_each(|byte| twice.u8(byte));
    bad.add("pointer-twice", "NotCanonical", twice.finish());
    bad.add("over-limit", "Limit", vec![1; (128 << 10) + 1]);
    bad
}

fn tree() -> Bad {
    let mut bad = Bad::of("tree", good::tree_leaf().encode());
    bad.ends("Truncated", "Trailing");
    bad.set("newer-version", "TooNew", 0, 2);
    let TreeNode::Leaf(entries) = good::tree_leaf() else { unreachable!() };
    let TreeNode::Inner(_, children) = good::tree_inner() else { unreachable!() };
    bad.add("unsorted", "NotCanonical", TreeNode::Leaf(entries.iter().rev().cloned().collect()).encode());
    bad.add("name-twice", "NotCanonical", TreeNode::Leaf(vec![entries[3].clone(), entries[3].clone()]).encode());
    bad.add("one-child", "Limit", TreeNode::Inner(1, children[..1].to_vec()).encode());
    bad.add("too-many-levels", "Limit", TreeNode::Inner(17, children.clone()).encode());
    bad.add("children-unsorted", "NotCanonical", TreeNode::Inner(1, children.iter().rev().cloned().collect()).encode());
    // A pipe alone: version, level, no pointers, one entry, name of one byte, type, flags, file id, mode.
    let one = TreeNode::Leaf(vec![good::entry("n", 0, Node::Fifo)]).encode();
    let set = |at: usize, value: u8| {
        let mut bytes = one.clone();
        bytes[at] = value;
        bytes
    };
    bad.add("name-with-slash", "Limit", set(5, b'/'));
    bad.add("name-of-dot", "Limit", set(5, b'.'));
    bad.add("name-empty", "", set(4, 0));
    bad.add("type-unknown", "TooNew", set(6, 8));
    bad.add("flag-unknown", "TooNew", set(7, 2));
    bad.add("mode-over-limit", "Limit", [&one[..24], &[0x80, 0x20], &one[26..]].concat());
    let change = |edit: fn(&mut chunkstore::format::tree::Entry)| {
        let mut entry = entries[8].clone();
        edit(&mut entry);
        TreeNode::Leaf(vec![entry]).encode()
    };
    bad.add("nanoseconds-over-limit", "Limit", change(|entry| entry.meta.mtime_nanos = 1_000_000_000));
    bad.add("owner-too-long", "Limit", change(|entry| entry.meta.user = "u".repeat(257)));
    bad.add("target-too-long", "Limit", change(|entry| entry.node = Node::Symlink { target: vec![b'x'; 65_537] }));
    bad.add(
        "extents-do-not-add-up",
        "Limit",
        change(|entry| {
            if let Node::File { len_bytes, .. } = &mut entry.node {
                *len_bytes += 1;
            }
        }),
    );
    bad.add(
        "directory-of-another-kind",
        "WrongKind",
        change(|entry| {
            entry.node = Node::Dir { tree: good::chunk_pointer() };
        }),
    );
    bad.add(
        "list-of-another-kind",
        "WrongKind",
        change(|entry| {
            entry.node = Node::File { len_bytes: 1, content: Content::List(good::chunk_pointer()) };
        }),
    );
    bad.add("extension-even", "TooNew", change(|entry| entry.extensions = vec![(2, vec![])]));
    bad
}

fn extended_attributes() -> Bad {
    let mut bad = Bad::of("extended-attributes", good_bytes("extended-attributes"));
    bad.ends("Truncated", "Trailing");
    bad.add("none", "NotCanonical", vec![0]);
    bad.add("unsorted", "NotCanonical", vec![2, 1, b'b', 0, 1, b'a', 0]);
    bad.add("name-twice", "NotCanonical", vec![2, 1, b'a', 0, 1, b'a', 0]);
    bad.add("name-empty", "Limit", vec![1, 0, 1, 0]);
    bad.add("name-with-nul", "Limit", vec![1, 1, 0, 0]);
    bad.add("name-too-long", "Limit", [&[1, 0x80, 2][..], &[b'n'; 256], &[0]].concat());
    bad
}

fn time_of_birth() -> Bad {
    let mut bad = Bad::of("time-of-birth", good_bytes("time-of-birth"));
    bad.ends("Truncated", "Trailing");
    bad.add("nanoseconds-over-limit", "Limit", vec![0, 0x80, 0x94, 0xeb, 0xdc, 0x03]);
    bad
}

fn holes() -> Bad {
    let mut bad = Bad::of("holes", good_bytes("holes"));
    bad.ends("Truncated", "Trailing");
    bad.add("none", "NotCanonical", vec![0]);
    bad.add("empty-hole", "Limit", vec![1, 5, 0]);
    bad.add("touching", "NotCanonical", vec![2, 5, 5, 0, 5]);
    // The file has 2 MiB.
    bad.add("outside-the-file", "Limit", vec![1, 0x81, 0x80, 0x80, 1, 1]);
    bad
}

fn snapshot() -> Bad {
    let mut bad = Bad::of("snapshot", good::snapshot().encode());
    bad.ends("Truncated", "Trailing");
    bad.set("newer-version", "TooNew", 0, 2);
    bad.set("flag-unknown", "TooNew", 1, 1);
    bad.set("root-of-another-kind", "WrongKind", 2, 1);
    let mut change = |case: &str, error: &str, edit: fn(&mut Snapshot)| {
        let mut snapshot = good::snapshot();
        edit(&mut snapshot);
        bad.add(case, error, snapshot.encode());
    };
    change("too-many-parents", "Limit", |snapshot| snapshot.parents = vec![snapshot.parents[0]; 17]);
    change("author-too-long", "Limit", |snapshot| snapshot.author = "a".repeat(1025));
    change("message-too-long", "Limit", |snapshot| snapshot.message = "m".repeat(65_537));
    change("conflict-without-sides", "Limit", |snapshot| snapshot.conflicts[0].sides.clear());
    change("conflict-with-too-many-sides", "Limit", |snapshot| {
        snapshot.conflicts[0].sides = vec![snapshot.conflicts[0].path.clone(); 65];
    });
    change("conflict-at-the-root", "Limit", |snapshot| snapshot.conflicts[0].path = RelPath::root());
    change("extension-even", "TooNew", |snapshot| snapshot.extensions[0].0 = 4);
    bad.line("path-with-empty-name", "NotCanonical", "plan.txt", "plan//xt");
    bad.replace("author-no-utf8", "NotCanonical", b"ada@desk", b"ada\xffdesk");
    bad
}

fn index() -> Bad {
    let mut bad = Bad::of("index", good::index_part().encode());
    bad.ends("Truncated", "Trailing");
    bad.set("newer-version", "TooNew", 0, 2);
    let mut part = good::index_part();
    part.entries.reverse();
    bad.add("unsorted", "NotCanonical", part.encode());
    let mut part = good::index_part();
    part.entries[1] = part.entries[0];
    bad.add("object-twice", "NotCanonical", part.encode());
    let mut part = good::index_part();
    part.entries[0].pack = 2;
    bad.add("pack-unknown", "Limit", part.encode());
    let mut part = good::index_part();
    part.entries[0].offset = (64 << 20) + 1;
    bad.add("offset-over-limit", "Limit", part.encode());
    bad
}

fn key_file() -> Bad {
    let mut bad = Bad::of("key-file", good_bytes("writer-keys"));
    let legal = bad.legal.clone();
    bad.add("truncated", "Truncated", legal[..legal.len() - 1].to_vec());
    bad.line("another-title", "WrongKind", "chunkstore ", "chunkstory ");
    bad.line("of-another-store", "WrongKind", "store 00", "store ff");
    bad.line("of-another-epoch", "WrongKind", "epoch 1", "epoch 2");
    bad.line("secret-too-short", "NotCanonical", "store-secret 00", "store-secret ");
    bad.line("upper-case-hex", "NotCanonical", "0a0b0c", "0A0b0c");
    bad.line("upper-case-secret", "NotCanonical", "2a2b2c", "2A2b2c");
    bad.line("signed-number", "NotCanonical", "epoch 1", "epoch +1");
    bad.line("padded-number", "NotCanonical", "dedup 1", "dedup 01");
    let dedup = format!("dedup 1 {}\n", "00".repeat(32));
    bad.line("dedup-twice", "NotCanonical", "dedup 1", &format!("{dedup}dedup 1"));
    bad.line("dedup-unsorted", "NotCanonical", "dedup 1", &format!("{}dedup 1", dedup.replace("1 ", "2 ")));
    bad.line("without-epoch", "Truncated", "epoch 1", "x 1");
    bad.line("must-be-understood", "TooNew", "epoch 1", "!new 1\nepoch 1");
    bad
}

fn frame() -> Bad {
    let mut bad = Bad::of("frame", good_bytes("frame-stored"));
    let legal = bad.legal.clone();
    let last = legal.len() - 1;
    bad.add("truncated", "SealError", legal[..last].to_vec());
    bad.add("extended", "SealError", [&legal[..], &[0]].concat());
    bad.add("shorter-than-a-seal", "SealError", legal[..39].to_vec());
    bad.set("nonce-changed", "SealError", 0, legal[0] ^ 1);
    bad.set("payload-changed", "SealError", 30, legal[30] ^ 1);
    bad.set("tag-changed", "SealError", last, legal[last] ^ 1);
    bad
}
