//! Small files that a manifest lists are carried by every replica, whatever their kind.

use std::sync::Arc;

use chunkstore::base::{FileHash, Generation, ManifestHash};
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::Result;
use chunkstore::format::head::Group;
use chunkstore::format::head::{Head, SignedHead};
use chunkstore::format::manifest::{Base, FileKind, FileRef, Manifest, RecipeRef};
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::remote::Remote;
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::{Store, head, layout, pack};

use crate::scene::Scene;

/// Publishes a generation that carries these files besides what is there.
fn publish(scene: &Scene, contents: &[(u16, &[u8])]) -> Vec<FileRef> {
    publish_carrying(&scene.disk, &scene.writer().signer(), contents, vec![])
}

/// Publishes a generation that carries these files and lists these recipes besides what is there.
pub fn publish_carrying(
    disk: &SimDisk,
    signer: &SignKey,
    contents: &[(u16, &[u8])],
    recipes: Vec<RecipeRef>,
) -> Vec<FileRef> {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let mut files = store.packs().top.files.clone();
    for (kind, bytes) in contents {
        let hash = FileHash(*blake3::hash(bytes).as_bytes());
        pack::create_immutable(disk, &layout::carried_file(&hash), bytes).unwrap();
        files.push(FileRef { kind: FileKind(*kind), len_bytes: bytes.len() as u32, hash });
    }
    files.sort_unstable_by_key(|file| (file.kind, file.hash));
    let old = &store.head().head;
    let generation = Generation(old.generation.0 + 1);
    let top = &store.packs().top;
    let manifest = Manifest {
        generation,
        base: Some(Base {
            depth: top.base.map_or(0, |base| base.depth) + 1,
            hash: old.manifest,
            len_bytes: old.manifest_len_bytes,
        }),
        removed: vec![],
        added: vec![],
        recipes,
        heads: vec![(old.generation, store.head().hash())],
        files: files.clone(),
        ..top.clone()
    };
    let bytes = manifest.encode(store.id());
    let hash = ManifestHash(*blake3::hash(&bytes).as_bytes());
    pack::create_immutable(disk, &layout::manifest(&hash), &bytes).unwrap();
    let manifest_len_bytes = bytes.len() as u64;
    let previous = vec![store.head().hash()];
    let next = Head { generation, manifest: hash, manifest_len_bytes, previous, ..old.clone() };
    let signature = signer.sign(Purpose::Head, &next.encode_body());
    head::swing(disk, &SignedHead::new(next, signature)).unwrap();
    files
}

fn serve(scene: &Scene) -> (MemRemote, Arc<dyn Remote>) {
    let remote = MemRemote::new();
    for path in scene.disk.paths().iter().filter(|path| !path.starts_with("replica/")) {
        if let Some(bytes) = scene.disk.content(path) {
            remote.plant(&chunkstore::base::StorePath::new(path).unwrap(), &bytes);
        }
    }
    (remote.clone(), Arc::new(remote))
}

fn assert_carries(disk: &SimDisk, files: &[FileRef]) {
    assert_eq!(Store::open(Arc::new(disk.clone())).unwrap().packs().top.files, files);
    for file in files {
        let bytes = disk.content(layout::carried_file(&file.hash).as_str()).unwrap();
        assert_eq!(*blake3::hash(&bytes).as_bytes(), file.hash.0);
    }
}

fn run_sync(scene: &Scene, disk: &Arc<dyn Disk>, remote: &Arc<dyn Remote>) -> Result<Synced> {
    let mut state = HostState::load(None, scene.store);
    sync(
        disk,
        &[Arc::clone(remote)],
        SyncRequest { accept_older: false, ..SyncRequest::default() },
        &mut state,
        scene.run(),
    )
}

#[test]
fn clone_and_sync_carry_the_files_of_a_manifest_and_commits_keep_them() {
    let scene = Scene::new();
    let first = publish(&scene, &[(1, b"an order"), (4711, b"of a later version")]);
    let (_, remote) = serve(&scene);
    let key = SimDisk::new(Profile::Fat32);
    let disk: Arc<dyn Disk> = Arc::new(key.clone());
    let request = CloneRequest {
        group: Group::all(),
        trust: Some(scene.fingerprint.clone()),
        confirm: &|_| Ok(true),
        reader: None,
        accept_older: false,
    };
    clone_store(&remote, &disk, &request, None, scene.run()).unwrap();
    assert_carries(&key, &first);

    let second = publish(&scene, &[(3, b"the state of a replica")]);
    assert_eq!(second.len(), 4, "the roster is one of them");
    scene.write("a", b"content");
    scene.commit("the next one").unwrap();
    let (_, remote) = serve(&scene);
    run_sync(&scene, &disk, &remote).unwrap();
    assert_carries(&key, &second);

    // A damaged file is mended though HEAD stays as it is.
    let path = layout::carried_file(&second[0].hash);
    assert!(key.corrupt(path.as_str(), |bytes| bytes[0] ^= 1));
    run_sync(&scene, &disk, &remote).unwrap();
    assert_carries(&key, &second);
}

#[test]
fn a_remote_without_a_carried_file_changes_nothing() {
    let scene = Scene::new();
    let (_, remote) = serve(&scene);
    let key = SimDisk::new(Profile::Fat32);
    let disk: Arc<dyn Disk> = Arc::new(key.clone());
    let request = CloneRequest {
        group: Group::all(),
        trust: Some(scene.fingerprint.clone()),
        confirm: &|_| Ok(true),
        reader: None,
        accept_older: false,
    };
    clone_store(&remote, &disk, &request, None, scene.run()).unwrap();
    let files = publish(&scene, &[(1, b"an order")]);
    let (mem, remote) = serve(&scene);
    mem.uproot(&layout::carried_file(&files[0].hash));
    let before = Store::open(Arc::clone(&disk)).unwrap().head().bytes().to_vec();
    assert!(run_sync(&scene, &disk, &remote).is_err());
    assert_eq!(Store::open(Arc::clone(&disk)).unwrap().head().bytes(), before);
}
