//! What is fuzzed: every decoder that is fed by a medium, a server or a person, each as one function of bytes.
//!
//! A target fails by panicking. Beside "no panic" each holds what the format promises: that a value has one encoding. Used by
//! the fuzzer in `tools/fuzz` and by the smoke test in `tests/fuzz_smoke`, which runs on any toolchain.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::sync::Arc;

use chunkstore::agent::document::records_in;
use chunkstore::base::limits::{KEY_FILE_MAX_BYTES, OBJECT_MAX_BYTES, RECEIPT_MAX_BYTES};
use chunkstore::base::{DedupGeneration, EntryName, Epoch, ObjectId, RelPath, StoreId, StorePath, Timestamp};
use chunkstore::crypto::wrap::{Identity, Recipient, is_wrapped_with_passphrase, unwrap};
use chunkstore::crypto::{Secret, seal};
use chunkstore::disk::near::Near;
use chunkstore::disk::served::{SERVED_DEPTH_MAX, SERVED_NAME_MAX_BYTES, ServedPath};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::format::attributes::{
    decode_attributes, decode_birth, decode_holes, encode_attributes, encode_birth, encode_holes,
};
use chunkstore::format::codec::{Decoder, EXTENSION_MAX_BYTES, Encoder};
use chunkstore::format::head::SignedHead;
use chunkstore::format::index::IndexPart;
use chunkstore::format::keylist::KeyList;
use chunkstore::format::list::ListNode;
use chunkstore::format::manifest::Manifest;
use chunkstore::format::marker::Marker;
use chunkstore::format::order::{OrderFile, decode_objects, decode_snapshots, encode_objects, encode_snapshots};
use chunkstore::format::pack::{PACK_HEADER_BYTES, PackHeader, decode_index, encode_index};
use chunkstore::format::receipt::SignedReceipt;
use chunkstore::format::recipe::Recipe;
use chunkstore::format::roster::{RosterFile, decode_holders, encode_holders};
use chunkstore::format::sealed::SealedPart;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::text::Lines;
use chunkstore::format::tree::TreeNode;
use chunkstore::format::trust::SignedTrust;
use chunkstore::format::{Class, Codec, FormatError, Kind, ObjectKey, Pointer};
use chunkstore::ops::fleet::memory::FleetMemory;
use chunkstore::ops::fleet::remembered::Day;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::open::Spot;
use chunkstore::ops::trust::card::Card;
use chunkstore::ops::trust::proposal::Proposal;
use chunkstore::remote::ftp::{TlsTrust, read_names, read_reply};
use chunkstore::remote::http::HttpUrl;
use chunkstore::remote::proxy::{NoProxy, Proxy};
use chunkstore::remote::url::FtpUrl;
use chunkstore::store::keyring::{KeyFileContent, ReaderKeys, decode_key_file};
use chunkstore::store::object::{Opener, Purpose, associated_data};
use chunkstore::store::trust::TrustChain;

#[path = "wires.rs"]
mod wires;

/// The store that the vectors of the format belong to.
const STORE: StoreId = StoreId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
/// The reader of the store that is kept as a fixture, whose key files are seeds.
const READER: &str =
    include_str!("../../../tests/data/stores/outer-1-inner-1/keys/13ff948e57682a29b38d7ab475aadfbb/reader.key");
/// Where the upper byte of the flags stands, which a reader may ignore and so does not write again.
const IGNORED_FLAGS_AT: usize = 11;

/// One function of bytes that never panics.
pub struct Target {
    /// Its name; also that of the vectors that it begins with.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "marker", run: marker },
    Target { name: "head", run: head },
    Target { name: "trust", run: trust },
    Target { name: "text", run: text },
    Target { name: "pack-header", run: pack_header },
    Target { name: "pack-index", run: pack_index },
    Target { name: "manifest", run: manifest },
    Target { name: "sealed-part", run: sealed_part },
    Target { name: "key-list", run: key_list },
    Target { name: "recipe", run: recipe },
    Target { name: "receipt", run: receipt },
    Target { name: "roster", run: roster },
    Target { name: "holders", run: holders },
    Target { name: "order", run: order },
    Target { name: "order-snapshots", run: order_snapshots },
    Target { name: "order-objects", run: order_objects },
    Target { name: "index", run: index },
    Target { name: "pointer", run: pointer },
    Target { name: "tree", run: tree },
    Target { name: "list", run: list },
    Target { name: "snapshot", run: snapshot },
    Target { name: "extended-attributes", run: extended_attributes },
    Target { name: "time-of-birth", run: time_of_birth },
    Target { name: "holes", run: holes },
    Target { name: "frame", run: frame },
    Target { name: "key-file", run: key_file },
    Target { name: "wrapped-key", run: wrapped_key },
    Target { name: "proposal", run: proposal },
    Target { name: "ftp-reply", run: ftp_reply },
    Target { name: "http-answer", run: wires::http_answer },
    Target { name: "web-request", run: wires::web_request },
    Target { name: "url", run: url },
    Target { name: "proxy", run: proxy },
    Target { name: "config", run: config },
    Target { name: "names", run: names },
    Target { name: "served-path", run: served_path },
    Target { name: "host-memory", run: host_memory },
];

/// Runs the target of a name.
///
/// # Panics
/// When there is none, and as the target does.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(bytes);
}

/// What decodes is written as it was, byte for byte.
fn exact<T: Debug>(bytes: &[u8], decoded: Result<T, FormatError>, encode: impl Fn(&T) -> Vec<u8>) {
    if let Ok(value) = decoded {
        assert_eq!(encode(&value), bytes, "a second spelling of {value:?}");
    }
}

/// What decodes is written so that it decodes to the same; as it was unless it holds what a reader may ignore.
fn same<T: Debug + PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    let Ok(value) = decode(bytes) else { return };
    let again = encode(&value);
    assert_eq!(decode(&again).as_ref(), Ok(&value));
    if again.len() == bytes.len() && bytes[IGNORED_FLAGS_AT] == 0 {
        assert_eq!(again, bytes, "a second spelling of {value:?}");
    }
}

fn marker(bytes: &[u8]) {
    if let Ok(marker) = Marker::decode(bytes) {
        assert_eq!(Marker::decode(&marker.encode()), Ok(marker));
    }
}

fn head(bytes: &[u8]) {
    let Ok(head) = SignedHead::decode(bytes) else { return };
    assert_eq!(head.bytes(), bytes);
    assert!(bytes.starts_with(head.body()));
    let again = SignedHead::new(head.head.clone(), head.signature);
    assert_eq!(SignedHead::decode(again.bytes()).map(|again| again.head), Ok(head.head));
}

fn receipt(bytes: &[u8]) {
    let mut padded = bytes.to_vec();
    padded.resize(RECEIPT_MAX_BYTES as usize, 0);
    if let Ok(receipt) = SignedReceipt::decode_padded(&padded) {
        assert!(bytes.starts_with(receipt.bytes()));
    }
    let Ok(receipt) = SignedReceipt::decode(bytes) else { return };
    assert_eq!(receipt.bytes(), bytes);
    assert!(bytes.starts_with(receipt.body()));
    assert_eq!(receipt.padded().and_then(|padded| SignedReceipt::decode_padded(&padded)).as_ref(), Ok(&receipt));
    let again = SignedReceipt::new(receipt.receipt.clone(), receipt.signature);
    assert_eq!(SignedReceipt::decode(again.bytes()).map(|again| again.receipt), Ok(receipt.receipt));
}

fn trust(bytes: &[u8]) {
    if let Ok(mut chain) = TrustChain::start(bytes) {
        assert!(chain.add(bytes).is_err(), "no file follows itself");
    }
    let Ok(signed) = SignedTrust::decode(bytes) else { return };
    assert!(signed.bytes() == bytes && bytes.starts_with(signed.body()));
    let again = SignedTrust::new(signed.trust.clone(), signed.signatures.clone());
    assert_eq!(SignedTrust::decode(again.bytes()).map(|again| again.trust), Ok(signed.trust));
}

fn text(bytes: &[u8]) {
    for title in ["chunkstore replica", "chunkstore store"] {
        let Ok(lines) = Lines::parse("a text", title, bytes) else { continue };
        let _ = (lines.value::<u64>("generation"), lines.value::<Timestamp>("time"), lines.version("outer", 1));
        assert!(lines.all("remote", 4).is_ok_and(|values| values.len() <= 4) || lines.one("remote").is_err());
    }
}

fn pack_header(bytes: &[u8]) {
    same(bytes, |bytes| PackHeader::decode(bytes, STORE), |header| header.encode(STORE));
}

/// Begins with the class (one byte) and the offset of the index (four) of the pack that it stands in.
fn pack_index(bytes: &[u8]) {
    let Some((&[class, a, b, c, d], plain)) = bytes.split_first_chunk::<5>() else { return };
    let index_len_bytes = plain.len() as u32;
    let header = PackHeader {
        clash_counter: 0,
        class: if class == 0 { Class::Data } else { Class::Meta },
        set_label: 0,
        epoch: Epoch(1),
        len_bytes: u64::from(u32::from_le_bytes([a, b, c, d])) + u64::from(index_len_bytes),
        index_len_bytes,
    };
    let Ok(entries) = decode_index(plain, &header) else { return };
    let mut end = PACK_HEADER_BYTES as u64;
    for (offset, entry) in &entries {
        assert_eq!(*offset, end);
        end += entry.sealed_len_bytes;
    }
    assert_eq!(end, header.index_offset());
    let bare: Vec<_> = entries.iter().map(|(_, entry)| *entry).collect();
    assert_eq!(encode_index(&bare, plain.len()), plain);
}

fn manifest(bytes: &[u8]) {
    same(bytes, |bytes| Manifest::decode(bytes, STORE), |manifest| manifest.encode(STORE));
}

fn sealed_part(bytes: &[u8]) {
    exact(bytes, SealedPart::decode(bytes), |part| part.encode(bytes.len()));
}

fn key_list(bytes: &[u8]) {
    same(bytes, |bytes| KeyList::decode(bytes, STORE), |list| list.encode(STORE));
}

fn recipe(bytes: &[u8]) {
    same(bytes, |bytes| Recipe::decode(bytes, STORE), |recipe| recipe.encode(STORE));
}

fn roster(bytes: &[u8]) {
    same(bytes, |bytes| RosterFile::decode(bytes, STORE), |file| file.encode(STORE));
}

fn holders(bytes: &[u8]) {
    exact(bytes, decode_holders(bytes), |holders| encode_holders(&holders.iter().collect::<Vec<_>>(), bytes.len()));
}

fn order(bytes: &[u8]) {
    let decode = |bytes: &[u8]| OrderFile::decode(bytes, STORE).map(|(order, signature, _)| (order, signature));
    same(bytes, decode, |(order, signature)| [&order.encode_body(STORE)[..], &signature[..]].concat());
}

fn order_snapshots(bytes: &[u8]) {
    exact(bytes, decode_snapshots(bytes), |pairs| encode_snapshots(pairs, bytes.len()));
}

fn order_objects(bytes: &[u8]) {
    exact(bytes, decode_objects(bytes), |ids| encode_objects(ids, bytes.len()));
}

fn index(bytes: &[u8]) {
    exact(bytes, IndexPart::decode(bytes), IndexPart::encode);
}

fn pointer(bytes: &[u8]) {
    for kind in [Kind::Chunk, Kind::List, Kind::Tree, Kind::Snapshot, Kind::Index] {
        let mut input = Decoder::new("a pointer", bytes);
        let pointer = Pointer::get(&mut input, kind).and_then(|pointer| input.end().map(|()| pointer));
        exact(bytes, pointer, |pointer| {
            let mut out = Encoder::new();
            pointer.put(&mut out);
            out.finish()
        });
    }
}

fn tree(bytes: &[u8]) {
    exact(bytes, TreeNode::decode(bytes), TreeNode::encode);
}

fn list(bytes: &[u8]) {
    exact(bytes, ListNode::decode(bytes), ListNode::encode);
}

fn snapshot(bytes: &[u8]) {
    exact(bytes, Snapshot::decode(bytes), Snapshot::encode);
}

fn extended_attributes(bytes: &[u8]) {
    // What is over the limit of an extension is read here as well, and not written.
    if bytes.len() < EXTENSION_MAX_BYTES - 16 {
        exact(bytes, decode_attributes(bytes), |attributes| encode_attributes(attributes).0.unwrap_or_default());
    }
}

fn time_of_birth(bytes: &[u8]) {
    exact(bytes, decode_birth(bytes), |(secs, nanos)| encode_birth(*secs, *nanos));
}

/// Begins with the length of the file (eight bytes).
fn holes(bytes: &[u8]) {
    let Some((len_bytes, list)) = bytes.split_first_chunk::<8>() else { return };
    let len_bytes = u64::from_le_bytes(*len_bytes);
    let Ok(holes) = decode_holes(list, len_bytes) else { return };
    let mut end = 0;
    for (at, (offset, hole_len)) in holes.iter().enumerate() {
        assert!((at == 0 || *offset > end) && *hole_len > 0 && offset + hole_len <= len_bytes);
        end = offset + hole_len;
    }
    if list.len() < EXTENSION_MAX_BYTES - 16 {
        assert_eq!(encode_holes(&holes).as_deref(), Some(list));
    }
}

/// What a writer with all keys could seal: a payload that is no zstd frame, or one of another length than it says.
fn frame(bytes: &[u8]) {
    let Some((length, payload)) = bytes.split_first_chunk::<4>() else { return };
    let len_bytes = u64::from(u32::from_le_bytes(*length)) % (OBJECT_MAX_BYTES / 16);
    let secret = || Secret::from_bytes([7; 32]);
    let keys = ReaderKeys::new(STORE, secret(), Epoch(1), secret());
    let key = ObjectKey([9; 32]);
    let mut opener = Opener::new(STORE).expect("a decompressor");
    for codec in [Codec::Stored, Codec::Zstd] {
        let id = keys.object_id(Kind::Chunk, payload);
        let associated = associated_data(STORE, Purpose::Object, Some((Kind::Chunk, codec, id)), len_bytes);
        let mut frame = seal::seal(&key.0, &associated, payload).expect("a frame");
        let pointer = Pointer { kind: Kind::Chunk, dedup_generation: DedupGeneration(1), len_bytes, id, key };
        if let Ok(plain) = opener.open(&keys, &pointer, codec, &mut frame) {
            assert_eq!((plain.len() as u64, ObjectId(keys.object_id(Kind::Chunk, &plain).0)), (len_bytes, id));
        }
    }
}

fn key_file(bytes: &[u8]) {
    for epoch in [Epoch(1), Epoch(u32::MAX)] {
        let Ok(content) = decode_key_file(bytes, STORE, epoch) else { continue };
        let again = match content {
            KeyFileContent::Reader(keys) => keys.encode(),
            KeyFileContent::Writer(keys) => keys.encode(),
        };
        assert!(decode_key_file(again.as_bytes(), STORE, epoch).is_ok());
    }
}

fn wrapped_key(bytes: &[u8]) {
    let _ = is_wrapped_with_passphrase(bytes);
    let identities = Identity::parse_file(READER).expect("an identity");
    if let Ok(content) = unwrap(&identities, bytes, KEY_FILE_MAX_BYTES) {
        assert!(content.len() as u64 <= KEY_FILE_MAX_BYTES);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Identity::parse_file(text);
        let _ = Recipient::parse(text);
    }
}

fn ftp_reply(bytes: &[u8]) {
    let said = read_reply(bytes.to_vec());
    assert!(said.code <= 999 && said.shown.len() < 2048, "{said:?}");
    assert!(!said.shown.chars().any(char::is_control), "{said:?}");
    assert!(said.home.is_none_or(|home| !home.contains(['\r', '\n'])));
    // The same bytes over a data connection, as a list.
    let names = read_names(bytes);
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for name in &names {
        assert!(StorePath::new(name).is_ok_and(|path| path.as_str() == name) && !name.contains('/'), "{name:?}");
    }
}

/// What somebody hands to whoever holds root keys: a card, or a change of trust.
fn proposal(bytes: &[u8]) {
    if let Some(card) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Card>().ok()) {
        let shown = card.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert_eq!(shown.parse(), Ok(card));
    }
    let Ok(proposal) = Proposal::decode(bytes) else { return };
    assert!(proposal.labels.values().all(|label| label.fits()), "{proposal:?}");
    assert_eq!(Proposal::decode(&proposal.encode()), Ok(proposal));
}

fn url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = TlsTrust::parse_pin(text);
    if let Ok(url) = HttpUrl::parse(text) {
        let shown = url.to_string();
        assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
        assert_eq!(HttpUrl::parse(&shown), Ok(url));
    }
    let Ok(url) = FtpUrl::parse(text) else { return };
    assert!(FtpUrl::is_ftp(text));
    let shown = url.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let again = FtpUrl::parse(&shown).map(|again| again.to_string());
    assert!(again.as_ref().is_ok_and(|again| *again == shown), "{shown:?} reads as {again:?}");
}

/// A session's way through directories, a name that a client sends in each line.
fn served_path(bytes: &[u8]) {
    let mut at = ServedPath::default();
    for line in String::from_utf8_lossy(bytes).split('\n') {
        let Some(next) = at.resolve(line) else { continue };
        let shown = next.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        let names: Vec<&str> = shown.split('/').skip(1).collect();
        assert!(names.len() <= SERVED_DEPTH_MAX && names.iter().all(|name| name.len() <= SERVED_NAME_MAX_BYTES));
        assert!(shown == "/" || !names.iter().any(|name| matches!(*name, "" | "." | "..")), "{shown:?}");
        assert_eq!(next.resolve(&shown), Some(next.clone()), "{shown:?}");
        assert_eq!(
            next.split_last().and_then(|(above, last)| above.resolve(last)),
            (shown != "/").then_some(next.clone())
        );
        at = next;
    }
}

/// What a proxy says to whoever asks it; what it hears is dropped.
struct Answers<'a>(&'a [u8]);

impl Read for Answers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Answers<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn proxy(bytes: &[u8]) {
    for text in ["socks5h://user:secret@h", "http://user:secret@h"] {
        let proxy = Proxy::parse(text).expect("a proxy");
        if let Err(error) = proxy.ask(&mut Answers(bytes), "host", 21) {
            assert!(!error.reason.contains("secret") && error.reason.len() < 2048, "{error:?}");
            assert!(!error.reason.chars().any(char::is_control), "{error:?}");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = NoProxy::new(text).covers("127.0.0.1");
    let Ok(proxy) = Proxy::parse(text) else { return };
    let again = Proxy::parse(&proxy.to_string()).map(|again| again.to_string());
    assert_eq!(again.as_ref().ok(), Some(&proxy.to_string()), "{proxy}");
}

fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = chunkstore::cli::check_config(text);
    }
}

fn names(bytes: &[u8]) {
    if let Ok(spot) = Spot::parse(bytes) {
        assert!(!spot.snapshot.is_empty());
    }
    if let Ok(path) = RelPath::new(bytes) {
        assert_eq!(RelPath::new(path.as_bytes()), Ok(path.clone()));
        assert!(!path.to_string().chars().any(char::is_control));
        assert_eq!(path.names().count(), path.depth());
    }
    if let Ok(name) = EntryName::new(bytes) {
        assert_eq!(name.as_bytes(), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = StorePath::new(text) {
        assert!(path.as_str() == text && text.split('/').all(|part| part != ".."));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

/// A segment of what a host keeps near, behind its beginning: torn, worn, or written by whoever can.
fn near(bytes: &[u8]) {
    const MOST_BYTES: u64 = 1 << 20;
    let disk = SimDisk::new(Profile::Ext4);
    disk.put("00000001.seg", &[b"CKSNEAR1".as_slice(), &7_u64.to_le_bytes(), bytes].concat());
    let near = Near::open(Arc::new(disk) as Arc<dyn Disk>, MOST_BYTES, 7);
    if let Some(name) = bytes.first_chunk()
        && let Some(kept) = near.get(name)
    {
        assert!(bytes.windows(kept.len()).any(|window| window == kept), "{kept:?}");
    }
    // What is there under a name and does not read is lost with the first look.
    let _ = near.get(&[0xff; 16]);
    near.put(&[0xff; 16], b"kept");
    let own = near.get(&[0xff; 16]);
    assert!(own.is_some_and(|own| own == b"kept" || bytes.windows(own.len()).any(|window| window == own)));
    assert!(near.len_bytes() <= MOST_BYTES);
}

/// What a host remembers, in files that a cut, a bad disk or another program may have changed.
fn host_memory(bytes: &[u8]) {
    near(bytes);
    for record in records_in(bytes) {
        assert!(record.result.chars().count() <= 32, "{record:?}");
    }
    let host = HostState::parse(bytes);
    let shown: Vec<_> = host.remotes().map(|address| host.shown(address)).collect();
    let _ = (host.highest_head(), host.last_sync(), host.last_verify(), host.accepted(), shown);
    let fleet = FleetMemory::parse(bytes);
    for (replica, known) in fleet.replicas() {
        assert_eq!(fleet.find(&replica.to_string()).ok(), Some(replica));
        let days: Vec<_> = known.reached.iter().map(|(_, day)| Day::of(day.start())).collect();
        assert_eq!(days.len(), known.reached.len());
    }
}
