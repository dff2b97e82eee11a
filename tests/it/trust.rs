//! Who may write, and who may change that: followed by keys from the first trust file on, and come back from when a
//! writer's key was stolen.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::{DedupGeneration, Generation, HeadHash, Timestamp};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::head::{Head, SignedHead};
use chunkstore::format::trust::{SignedTrust, Trust, Writer};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::ops::readers::rotate;
use chunkstore::ops::sync::{SyncRequest, sync};
use chunkstore::ops::trust::proposal::{Label, Proposal};
use chunkstore::ops::trust::{Applied, ApplyRequest, BackTo, add_signatures, apply, propose, writers};
use chunkstore::ops::writing::{Writing, require_newest};
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::head::{self, Soundness};
use chunkstore::store::trust::change::Edit;
use chunkstore::store::{Next, Store, layout};

use super::env::{Key, MIB, Named, Publisher, arc, damage, files, kind};

/// A publisher with its root key, a second writer, and a remote that holds what was published.
struct House {
    publisher: Publisher,
    root: SignKey,
    second: WriterKey,
    remote: MemRemote,
    state: HostState,
}

impl House {
    /// Publishes one pack by the first writer; the second is added, if that is asked for.
    fn new(seed: u64, with_second: bool) -> Self {
        let publisher = Publisher::new(seed);
        let keys = KeyDir::new(&publisher.dir.path().join("roots"), publisher.id);
        let root = keys.load_roots(&|_| unreachable!()).unwrap().pop().unwrap();
        let second = WriterKey::generate(&publisher.world.random);
        let mut house = Self { publisher, root, second, remote: MemRemote::new(), state: HostState::default() };
        house.publisher.commit(&[MIB]);
        if with_second {
            house.change(&house.first(), &[house.add_second()], None).unwrap();
        }
        house.push().unwrap();
        house
    }

    fn first(&self) -> WriterKey {
        KeyDir::new(&self.publisher.keys(), self.publisher.id).load_writer(&|_| unreachable!()).unwrap().unwrap()
    }

    fn add_second(&self) -> Edit {
        Edit::AddWriter(listed(&self.second))
    }

    fn remove_first(&self) -> Edit {
        Edit::RemoveWriter(self.first().signer().public())
    }

    fn change(&self, by: &WriterKey, edits: &[Edit], back_to: Option<BackTo>) -> Result<Applied> {
        change_on(&self.publisher.disk, std::slice::from_ref(&self.root), by, edits, back_to, &self.publisher)
    }

    fn push(&mut self) -> Result<Pushed> {
        let remote = arc(&self.remote);
        push(&self.publisher.disk, &remote, &PushRequest::default(), &mut self.state, self.publisher.world.run())
    }

    /// Makes a generation that changes nothing.
    fn commit_by(&self, writer: &WriterKey) -> SignedHead {
        commit_on(&self.publisher.disk, writer, &self.publisher)
    }

    /// Replaces what the remote shows by the last generation there can be, signed by whoever has the first writer's key.
    fn steal(&self) -> SignedHead {
        let thief = Key::of(&self.publisher, &self.remote);
        let next = commit_on(&thief.disk, &self.second, &self.publisher);
        let stolen = signed_by(&self.first(), Head { generation: Generation(u64::MAX), ..next.head });
        head::swing(thief.disk.as_ref(), &stolen).unwrap();
        plant(&thief, &self.remote);
        stolen
    }

    fn open(&self) -> Store {
        self.publisher.open()
    }
}

fn change_on(
    disk: &Arc<dyn Disk>,
    roots: &[SignKey],
    by: &WriterKey,
    edits: &[Edit],
    back_to: Option<BackTo>,
    publisher: &Publisher,
) -> Result<Applied> {
    let run = publisher.world.run();
    let proposal = propose(&Store::open(Arc::clone(disk))?, edits, BTreeMap::new(), roots, run.clock.now())?;
    apply(disk, &proposal, &ApplyRequest { writer: by, back_to, cache: None }, run)
}

fn commit_on(disk: &Arc<dyn Disk>, writer: &WriterKey, publisher: &Publisher) -> SignedHead {
    let run = publisher.world.run();
    let writing = Writing::look(Arc::clone(disk), writer, run).unwrap();
    let next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
    writing.publish(next).unwrap()
}

fn listed(writer: &WriterKey) -> Writer {
    Writer { key: writer.signer().public(), recipient: writer.identity.recipient().as_str().to_owned() }
}

/// Puts everything that a key holds onto a remote, past all rules.
fn plant(key: &Key, remote: &MemRemote) {
    for path in files(key.disk.as_ref()).into_iter().filter(|path| !path.as_str().starts_with("replica")) {
        remote.plant(&path, &super::env::read(key.disk.as_ref(), &path));
    }
}

fn signed_by(writer: &WriterKey, head: Head) -> SignedHead {
    let head = Head { writer: writer.signer().public(), ..head };
    let signature = writer.signer().sign(Purpose::Head, &head.encode_body());
    SignedHead::new(head, signature)
}

fn key_of(number: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([number; 32]))
}

/// Checks that a key holds a state, with no record that outranks it, and that another sync writes nothing.
fn assert_settled(key: &mut Key, head: &SignedHead, remote: &MemRemote) {
    key.assert_holds(head);
    assert_eq!(key.open().soundness(), Soundness::Sound);
    assert_eq!(head::newest_name(key.disk.as_ref()).unwrap(), Some(head.head.generation));
    let before = key.snapshot();
    assert!(!key.sync(remote).unwrap().changed);
    assert!(key.snapshot() == before, "a sync that changes nothing wrote something");
}

// U18: fast-forward by a stolen key
#[test]
fn a_key_that_took_the_last_generation_from_a_stolen_key_comes_back_by_a_plain_sync() {
    let mut house = House::new(1, true);
    let mut key = Key::of(&house.publisher, &house.remote);
    let stolen = house.steal();
    key.sync(&house.remote).unwrap();
    assert_eq!(key.open().head().bytes(), stolen.bytes());
    // Nothing can follow it as long as that key is trusted.
    house.commit_by(&house.second);
    assert_eq!(kind(house.push()), ErrorKind::Conflict);
    house.change(&house.second, &[house.remove_first()], None).unwrap();
    house.push().unwrap();
    let head = house.open().head().clone();
    assert_eq!((head.head.trust_version, house.publisher.world.monitor.notes().len()), (3, 1));
    let synced = key.sync(&house.remote).unwrap();
    assert_eq!((synced.changed, synced.recovered_from), (true, Some(Generation(u64::MAX))));
    assert_settled(&mut key, &head, &house.remote);
    // From here on it is as ever, here and on a host that never saw it.
    let next = house.commit_by(&house.second);
    house.push().unwrap();
    key.sync(&house.remote).unwrap();
    assert_settled(&mut key, &next, &house.remote);
    key.on_a_fresh_host();
    house.steal();
    for _ in 0..2 {
        assert_eq!(kind(key.sync(&house.remote)), ErrorKind::NotTrusted);
        assert_eq!(kind(key.sync_accepting(&house.remote)), ErrorKind::NotTrusted, "nobody accepts that");
    }
    key.assert_holds(&next);
}

// U18
#[test]
fn a_store_that_lost_what_the_stolen_key_signed_comes_back_as_well() {
    let mut house = House::new(1, true);
    let mut key = Key::of(&house.publisher, &house.remote);
    let forged = house.publisher.commit(&[1000]);
    let thief = Key::of(&house.publisher, &house.publisher.remote());
    let stolen = signed_by(&house.first(), Head { generation: Generation(u64::MAX), ..forged.head.clone() });
    head::swing(thief.disk.as_ref(), &stolen).unwrap();
    plant(&thief, &house.remote);
    key.sync(&house.remote).unwrap();
    damage(&key.path(), &layout::manifest(&stolen.head.manifest), |bytes| bytes[50] ^= 1);
    assert_eq!(key.open().soundness(), Soundness::Older);
    house.change(&house.second, &[house.remove_first()], None).unwrap();
    house.push().unwrap();
    let head = house.open().head().clone();
    key.sync(&house.remote).unwrap();
    assert_settled(&mut key, &head, &house.remote);
}

// U18
#[test]
fn a_generation_of_the_stolen_key_gives_way_to_the_same_one_of_another() {
    let mut house = House::new(1, true);
    let mut key = Key::of(&house.publisher, &house.remote);
    let head = house.open().head().clone();
    let next = head.head.generation.next().unwrap();
    let stolen = signed_by(&house.first(), Head { generation: next, previous: vec![HeadHash([9; 32])], ..head.head });
    // On the key alone: its remote and its host know nothing of it.
    head::swing(key.disk.as_ref(), &stolen).unwrap();
    key.on_a_fresh_host();
    house.change(&house.second, &[house.remove_first()], None).unwrap();
    house.push().unwrap();
    let head = house.open().head().clone();
    assert_eq!(head.head.generation, next);
    assert!(key.sync(&house.remote).unwrap().changed);
    assert_settled(&mut key, &head, &house.remote);
}

// U18
#[test]
fn a_writer_who_still_stands_forks_and_rolls_back_nothing() {
    let mut house = House::new(1, true);
    let mut key = Key::of(&house.publisher, &house.remote);
    for _ in 0..3 {
        house.commit_by(&house.first());
    }
    house.push().unwrap();
    key.sync(&house.remote).unwrap();
    let held = key.open().head().clone();
    let third = WriterKey::generate(&house.publisher.world.random);
    // Trust goes on from an earlier generation, and nobody is removed.
    let back = BackTo::Generation(Generation(held.head.generation.0 - 2));
    let edits = [Edit::AddWriter(listed(&third))];
    let applied = house.change(&house.first(), &edits, Some(back)).unwrap();
    assert_eq!((applied.generation.0, applied.dropped), (held.head.generation.0 - 1, Some(held.head.generation)));
    house.publisher.plant(&house.remote);
    assert_eq!(kind(key.sync(&house.remote)), ErrorKind::NotTrusted);
    key.on_a_fresh_host();
    assert_eq!(kind(key.sync(&house.remote)), ErrorKind::NotTrusted);
    key.assert_holds(&held);
    // Neither does a push write over it.
    let mut state = HostState::default();
    let pushed = push(&key.disk, &arc(&house.remote), &PushRequest::default(), &mut state, key.world.run());
    assert_eq!(kind(pushed), ErrorKind::Conflict);
}

// U18: the publisher's own store took it
#[test]
fn a_publisher_who_took_it_goes_on_from_before_it() {
    for second_wrote in [true, false] {
        let mut house = House::new(1, true);
        let mut key = Key::of(&house.publisher, &house.remote);
        if second_wrote {
            house.commit_by(&house.second);
            house.push().unwrap();
        }
        let good = house.open().head().head.generation;
        house.steal();
        let run = house.publisher.world.run();
        let remotes = [arc(&house.remote)];
        sync(&house.publisher.disk, &remotes, SyncRequest::default(), &mut house.state, run).unwrap();
        key.sync(&house.remote).unwrap();
        let error = house.change(&house.second, &[house.remove_first()], None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotTrusted);
        assert!(error.in_full().contains("last generation"), "{}", error.in_full());
        let discarded = house.change(&house.second, &[house.remove_first()], Some(BackTo::BeforeRemoved));
        let applied = if second_wrote {
            discarded.unwrap()
        } else {
            let error = discarded.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.in_full());
            let text = error.in_full();
            let listed =
                text.contains(&format!("one of {} (signed ", u64::MAX)) && text.contains(&format!(", {good} (signed "));
            assert!(listed && text.contains("clone from a copy"), "{text}");
            let nowhere = Some(BackTo::Generation(Generation(999)));
            assert_eq!(kind(house.change(&house.second, &[house.remove_first()], nowhere)), ErrorKind::Usage);
            house.change(&house.second, &[house.remove_first()], Some(BackTo::Generation(good))).unwrap()
        };
        assert_eq!((applied.generation.0, applied.dropped), (good.0 + 1, Some(Generation(u64::MAX))));
        let store = house.open();
        assert_eq!((store.head().head.rank().trust_version, store.soundness()), (3, Soundness::Sound));
        assert_eq!(head::newest_name(store.disk().as_ref()).unwrap(), Some(applied.generation));
        require_newest(&store, &house.state).unwrap();
        let next = house.commit_by(&house.second);
        house.push().unwrap();
        key.sync(&house.remote).unwrap();
        assert_settled(&mut key, &next, &house.remote);
    }
}

// U18: the thief's key files stand in the store, and copies hold them under the same names
#[test]
fn no_epoch_has_the_number_of_one_that_was_dropped() {
    let house = House::new(1, false);
    let good = house.open().head().head.generation;
    let run = house.publisher.world.run();
    let stolen = rotate(&house.publisher.disk, &house.first(), None, run).unwrap();
    let back = Some(BackTo::Generation(good));
    let applied = house.change(&house.first(), &[house.add_second()], back).unwrap();
    assert!(!applied.new_epoch && applied.epoch < stolen.epoch);
    let own = rotate(&house.publisher.disk, &house.second, None, run).unwrap();
    assert_eq!(Some(own.epoch), stolen.epoch.next());
}

// U16 U17
#[test]
fn a_removed_writer_neither_signs_nor_reads_nor_derives_what_comes_after() {
    let house = House::new(1, true);
    let store = house.open();
    let first = house.first();
    let identities = std::slice::from_ref(&first.identity);
    let (before, unlocked) = store.unlock_writer(identities).unwrap();
    assert_eq!(unlocked.sealed.dedup_generation, DedupGeneration(1));
    let applied = house.change(&house.second, &[house.remove_first()], None).unwrap();
    assert!(applied.new_epoch && applied.added.is_empty());
    let store = house.open();
    assert_eq!(store.unlock_writer(identities).err().map(|error| error.to_string()), no_identity());
    assert!(store.unlock(identities).is_err());
    let look = Writing::look(Arc::clone(&house.publisher.disk), &first, house.publisher.world.run());
    assert_eq!(look.err().map(|error| error.kind()), Some(ErrorKind::NoIdentity));
    let (after, unlocked) = store.unlock_writer(std::slice::from_ref(&house.second.identity)).unwrap();
    let (epoch, dedup) = (after.reader.epoch(), unlocked.sealed.dedup_generation);
    assert_eq!((epoch, dedup), (applied.epoch, DedupGeneration(2)));
    assert!(before.reader.root_key(epoch).is_none() && before.reader.index_key(epoch).is_none());
    assert!(before.key_maker(dedup).is_none() && before.roster_key(dedup).is_none());
    // Nor is the new secret an old one under another number.
    let (old, new) = (before.reader.epoch(), DedupGeneration(1));
    assert_ne!(*after.reader.root_key(epoch).unwrap().expose(), *before.reader.root_key(old).unwrap().expose());
    assert_ne!(*after.reader.index_key(epoch).unwrap().expose(), *before.reader.index_key(old).unwrap().expose());
    assert_ne!(*after.roster_key(dedup).unwrap().expose(), *before.roster_key(new).unwrap().expose());
    assert!(after.reader.root_key(before.reader.epoch()).is_some(), "what is old can be read still");
    assert!(after.key_maker(DedupGeneration(1)).is_some());
    // Whatever stands in the store now, none of its key files opens with the removed identity.
    for path in files(house.publisher.disk.as_ref()).iter().filter(|path| path.as_str().starts_with("keys/0000000")) {
        if path.as_str().contains(&format!("{:08}", epoch.0)) {
            let bytes = super::env::read(house.publisher.disk.as_ref(), path);
            assert!(chunkstore::crypto::wrap::unwrap(identities, &bytes, 1 << 14).is_err(), "{path}");
        }
    }
    // What it signs under its old trust file is nothing to a store that heard of the new one.
    let head = Head { generation: Generation(99), ..house.publisher.open().head().head.clone() };
    assert!(store.trust().check_head(&signed_by(&first, head)).is_err());
    let named = writers(&store, Some(&house.second)).unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].writer, listed(&house.second));
}

fn no_identity() -> Option<String> {
    Some(chunkstore::store::StoreError::NoIdentity.to_string())
}

#[test]
fn the_last_key_at_hand_cannot_remove_itself() {
    let house = House::new(1, true);
    let error = house.change(&house.first(), &[house.remove_first()], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotTrusted, "{}", error.in_full());
    assert_eq!(house.open().trust().newest().trust.version, 2, "nothing was changed");
    house.commit_by(&house.first());
}

/// A publisher at trust file 9: roots come and go, the threshold rises and falls, writers change, the expiry is renewed.
fn at_version_9() -> House {
    let mut house = House::new(1, true);
    let (two, three) = (key_of(2), key_of(3));
    let roots = [SignKey::from_seed(&root_seed(&house)), two, three];
    let steps: [Edit; 7] = [
        Edit::AddRoot(key_of(2).public()),
        Edit::AddRoot(key_of(3).public()),
        Edit::Threshold(2),
        Edit::RemoveRoot(house.root.public()),
        house.remove_first(),
        Edit::Threshold(1),
        Edit::Renew(super::env::NOW.plus_secs(1000)),
    ];
    for step in steps {
        let by = if house.open().trust().newest().trust.version < 6 { house.first() } else { copy_of(&house.second) };
        let by = if matches!(step, Edit::RemoveWriter(_)) { copy_of(&house.second) } else { by };
        change_on(&house.publisher.disk, &roots, &by, &[step], None, &house.publisher).unwrap();
    }
    house.push().unwrap();
    assert_eq!(house.open().trust().newest().trust.version, 9);
    house
}

fn root_seed(house: &House) -> Secret {
    let path = house.publisher.dir.path().join("roots").join(house.publisher.id.to_string()).join("root.key");
    let text = String::from_utf8(super::env::host_bytes(&path)).unwrap();
    let seed = text.lines().find_map(|line| line.strip_prefix("sign-seed ")).unwrap();
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).unwrap()).collect();
    Secret::from_bytes(bytes.try_into().unwrap())
}

fn copy_of(key: &WriterKey) -> WriterKey {
    key.clone()
}

// U18
#[test]
fn a_store_pinned_at_version_1_follows_to_version_9() {
    let house = at_version_9();
    let head = house.open().head().clone();
    let cloned = Key::of(&house.publisher, &house.remote);
    cloned.assert_holds(&head);
    assert_eq!(cloned.open().trust().newest().trust.version, 9);
    let mut late = pinned_at_1(&house);
    assert_eq!(late.open().trust().newest().trust.version, 1);
    late.sync(&house.remote).unwrap();
    late.assert_holds(&head);
    assert_eq!(late.open().trust().files(), house.open().trust().files());
}

/// A key that was cloned before trust ever changed.
fn pinned_at_1(house: &House) -> Key {
    let early = house.remote.fork();
    let records =
        head::newest_valid(house.publisher.disk.as_ref(), house.publisher.id, house.open().trust(), 99).unwrap();
    assert!(records.iter().all(|(record, _)| record.head.trust_version > 1), "pruned by now");
    let first = signed_by(
        &house.first(),
        Head {
            generation: Generation(2),
            trust_version: 1,
            trust: house.open().trust().files()[0].hash(),
            writer: house.first().signer().public(),
            previous: vec![],
            ..house.open().head().head.clone()
        },
    );
    early.plant(&layout::head(), first.bytes());
    early.uproot(&layout::trust(2));
    let mut key = Key::of(&house.publisher, &early);
    key.on_a_fresh_host();
    key
}

// U18: a gap, a fork, wrong keys, too few signatures, a changed file
#[test]
fn a_chain_that_does_not_hold_is_refused_by_sync_and_clone() {
    let house = at_version_9();
    let chain = house.open().trust().clone();
    let five = chain.version(5).unwrap();
    let resigned = |trust: Trust, roots: &[SignKey]| {
        let mut proposal = Proposal { file: SignedTrust::new(trust, vec![]), labels: BTreeMap::new() };
        let all = Trust { roots: roots.iter().map(SignKey::public).collect(), ..proposal.file.trust.clone() };
        add_signatures(&mut proposal, &all, roots);
        proposal.file.bytes().to_vec()
    };
    let forked = Trust { expires: Timestamp(5), ..five.trust.clone() };
    let bad: [(&str, u32, Option<Vec<u8>>); 6] = [
        ("a gap", 5, None),
        ("a fork", 5, Some(resigned(forked, &[key_of(2), key_of(3)]))),
        ("wrong keys", 5, Some(resigned(five.trust.clone(), &[key_of(8), key_of(9)]))),
        ("a threshold that is not met", 6, Some(resigned(chain.version(6).unwrap().trust.clone(), &[key_of(2)]))),
        ("a changed file", 7, Some(flipped(chain.version(7).unwrap().bytes()))),
        ("another version in its place", 5, Some(chain.version(4).unwrap().bytes().to_vec())),
    ];
    for (what, version, bytes) in bad {
        let remote = house.remote.fork();
        match bytes {
            Some(bytes) => remote.plant(&layout::trust(version), &bytes),
            None => remote.uproot(&layout::trust(version)),
        }
        let mut key = pinned_at_1(&house);
        let before = key.snapshot();
        assert_eq!(kind(key.sync(&remote)), ErrorKind::NotTrusted, "{what}");
        assert!(key.snapshot() == before, "{what}: something was written");
        let mut other = Key::empty(3);
        assert_eq!(kind(other.clone_from_remote(&house.publisher, &remote)), ErrorKind::NotTrusted, "{what}");
        key.sync(&house.remote).unwrap();
    }
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let at = text.find("\nwriter ").unwrap() + 10;
    let mut bytes = bytes.to_vec();
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    bytes
}

// U18
#[test]
fn trust_that_expired_blocks_nothing() {
    let house = at_version_9();
    let mut key = pinned_at_1(&house);
    key.world.clock.advance(std::time::Duration::from_secs(3600));
    assert!(house.open().trust().newest().trust.expires < key.world.run().clock.now());
    key.sync(&house.remote).unwrap();
    assert_eq!(key.open().trust().newest().trust.version, 9);
    house.commit_by(&house.second);
}

#[test]
fn a_change_travels_between_two_roots() {
    let mut house = House::new(1, false);
    let other = key_of(2);
    house.change(&house.first(), &[Edit::AddRoot(other.public())], None).unwrap();
    let roots = [SignKey::from_seed(&root_seed(&house))];
    let both = [SignKey::from_seed(&root_seed(&house)), key_of(2)];
    change_on(&house.publisher.disk, &both, &house.first(), &[Edit::Threshold(2)], None, &house.publisher).unwrap();
    let label = Label { name: "laptop".into(), note: "of the office".into() };
    let labels = BTreeMap::from([(house.second.signer().public(), label)]);
    let now = house.publisher.world.run().clock.now();
    let mut proposal = propose(&house.open(), &[house.add_second()], labels, &roots, now).unwrap();
    let writer = house.first();
    let request = ApplyRequest { writer: &writer, back_to: None, cache: None };
    let error = apply(&house.publisher.disk, &proposal, &request, house.publisher.world.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoIdentity);
    let text = error.in_full();
    assert!(text.starts_with("1 more root signature is needed") && text.contains("trust sign FILE"), "{text}");
    // It goes as a file to where the other root key is, and comes back.
    proposal = Proposal::decode(&proposal.encode()).unwrap();
    let before = house.open().trust().newest().trust.clone();
    assert_eq!(add_signatures(&mut proposal, &before, &[key_of(7)]), 0, "a key that is no root");
    assert_eq!(add_signatures(&mut proposal, &before, &[other]), 1);
    proposal = Proposal::decode(&proposal.encode()).unwrap();
    let applied = apply(&house.publisher.disk, &proposal, &request, house.publisher.world.run()).unwrap();
    assert_eq!((applied.trust_version, applied.new_epoch, applied.added.len()), (4, false, 1));
    let named = writers(&house.open(), Some(&house.second)).unwrap();
    let holder = named.iter().find(|found| found.writer == listed(&house.second)).unwrap().holder.clone().unwrap();
    assert_eq!((holder.name.as_str(), holder.note.as_str()), ("laptop", "of the office"));
    house.commit_by(&house.second);
    // A change that was overtaken is not published.
    let late = apply(&house.publisher.disk, &proposal, &request, house.publisher.world.run());
    assert_eq!(kind(late), ErrorKind::Conflict);
    house.push().unwrap();
}

// U7
#[test]
fn a_trust_file_that_no_record_names_is_not_trusted_yet() {
    let mut house = House::new(1, false);
    let mut key = Key::of(&house.publisher, &house.remote);
    house.publisher.rotate_trust();
    assert_eq!(house.open().trust().newest().trust.version, 1);
    assert_eq!(house.commit_by(&house.first()).head.trust_version, 1);
    house.push().unwrap();
    assert!(house.remote.file(&layout::trust(2)).is_none(), "it stays here");
    key.sync(&house.remote).unwrap();
    // Another change comes in its place.
    house.change(&house.first(), &[house.add_second()], None).unwrap();
    house.push().unwrap();
    key.sync(&house.remote).unwrap();
    key.assert_holds(house.open().head());
    assert!(key.open().trust().newest().trust.is_writer(&house.second.signer().public()));
}

// U18
#[test]
fn of_two_remotes_the_one_of_newer_trust_is_taken() {
    let mut house = House::new(1, true);
    let stolen = house.remote.fork();
    let mut key = Key::of(&house.publisher, &house.remote);
    house.change(&house.second, &[house.remove_first()], None).unwrap();
    house.push().unwrap();
    let head = house.open().head().clone();
    let forged = signed_by(
        &house.first(),
        Head {
            generation: Generation(1 << 40),
            ..SignedHead::decode(&stolen.file(&layout::head()).unwrap()).unwrap().head
        },
    );
    stolen.plant(&layout::head(), forged.bytes());
    let stolen: Arc<dyn chunkstore::remote::Remote> = Arc::new(Named(stolen, "mem:stolen"));
    for _ in 0..2 {
        let synced = key.sync_all(&[Arc::clone(&stolen), arc(&house.remote)]).unwrap();
        assert_eq!((synced.generation, synced.ignored.len()), (head.head.generation, 1), "{:?}", synced.ignored);
        key.assert_holds(&head);
    }
    assert_eq!(kind(key.sync_all(&[stolen])), ErrorKind::NotTrusted);
}

#[test]
fn a_hosts_memory_from_before_trust_could_change_still_counts() {
    let mut house = House::new(1, true);
    let mut key = Key::of(&house.publisher, &house.remote);
    let head = house.open().head().clone();
    let file = key.cache().join(house.publisher.id.to_string()).join("state.json");
    let memory = |generation: u64| {
        let (address, hash) = (arc(&house.remote).address(), HeadHash([1; 32]));
        format!(
            r#"{{"last_sync":null,"generation":{generation},"remotes":{{"{address}":{{"generation":{generation},"head":"{hash}"}}}}}}"#
        )
    };
    std::fs::write(&file, memory(head.head.generation.0 + 1)).unwrap();
    key.state = HostState::load(Some(&key.cache()), house.publisher.id);
    assert_eq!(key.state.highest(), Generation(head.head.generation.0 + 1));
    assert_eq!(kind(key.sync(&house.remote)), ErrorKind::NotTrusted, "the remote went back");
    assert_eq!(require_newest(&key.open(), &key.state).unwrap_err().kind(), ErrorKind::Conflict);
    std::fs::write(&file, memory(head.head.generation.0 - 1)).unwrap();
    key.state = HostState::load(Some(&key.cache()), house.publisher.id);
    house.commit_by(&house.second);
    house.push().unwrap();
    key.sync(&house.remote).unwrap();
    assert_eq!(key.state.highest_head().rank, house.open().head().head.rank());
    assert_eq!(key.state.highest_head().writer, Some(house.second.signer().public()));
}

#[test]
fn a_writer_who_is_added_writes_from_a_clone() {
    let mut house = House::new(1, true);
    let cloned = Key::of(&house.publisher, &house.remote);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&cloned.path()).unwrap());
    let head = commit_on(&disk, &house.second, &house.publisher);
    let mut state = HostState::default();
    push(&disk, &arc(&house.remote), &PushRequest::default(), &mut state, house.publisher.world.run()).unwrap();
    let remotes = [arc(&house.remote)];
    let run = house.publisher.world.run();
    sync(&house.publisher.disk, &remotes, SyncRequest::default(), &mut house.state, run).unwrap();
    assert_eq!(house.open().head().bytes(), head.bytes());
}
