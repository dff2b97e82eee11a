//! Damage is found, named by file and path, and costs only what it touches.

use chunkstore::base::RelPath;
use chunkstore::disk::sim::FaultKind;
use chunkstore::error::ErrorKind;
use chunkstore::ops::verify::{Finding, ProblemKind, Report, VerifyRequest, verify};
use chunkstore::store::{Store, layout};

use crate::handmade;
use crate::scene::{Scene, noise, read};

fn check(scene: &Scene, read_data: bool) -> Report {
    let identities = scene.readers();
    verify(
        scene.shared_disk(),
        &VerifyRequest { identities: &identities, read_data, ..VerifyRequest::default() },
        scene.run(),
    )
    .unwrap()
}

fn packs(scene: &Scene) -> Vec<String> {
    scene
        .disk
        .paths()
        .into_iter()
        .map(|path| path.to_string())
        .filter(|path| path.matches('/').count() == 2 && path.starts_with("packs/"))
        .collect()
}

#[test]
fn a_sound_store_has_no_findings() {
    let scene = Scene::new();
    scene.write("a/b", &noise(1, 3_000_000));
    scene.commit("one").unwrap();
    let report = check(&scene, true);
    assert_eq!(report.findings, []);
    assert!(report.inner && report.objects >= 4 && report.packs >= 2, "{report:?}");
}

#[test]
fn a_damaged_pack_is_named_with_the_paths_that_it_spoils() {
    let scene = Scene::new();
    scene.write("hit", &noise(1, 1_300_000));
    scene.commit("one").unwrap();
    let before = packs(&scene);
    scene.write("other", &noise(2, 1_300_000));
    scene.commit("two").unwrap();
    let data = before.iter().max_by_key(|path| scene.disk.content(path.as_str()).unwrap().len()).unwrap();
    assert!(scene.disk.corrupt(data, |bytes| bytes[1000] ^= 1));
    let report = check(&scene, false);
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!((report.findings[0].kind, &report.findings[0].file), (ProblemKind::DamagedPack, data));
    assert_eq!(report.findings[0].paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/hit"]);
    let restored = scene.restore("/", "out").unwrap();
    assert_eq!((restored.damaged, restored.files), (1, 1));
    assert!(read(scene.path("out/other")) == noise(2, 1_300_000));
    assert!(!scene.path("out/hit").exists());
}

// U4
#[test]
fn a_pack_whose_name_does_not_read_is_one_finding() {
    let scene = Scene::new();
    scene.write("a", &noise(1, 3_000));
    scene.commit("one").unwrap();
    let packs = packs(&scene);
    let request = VerifyRequest { threads: 1, ..VerifyRequest::default() };
    let outer = || verify(scene.shared_disk(), &request, scene.run());
    let before = scene.disk.call_count();
    outer().unwrap();
    let calls = scene.disk.call_count() - before;
    let mut named = std::collections::BTreeSet::new();
    for call in 0..calls {
        scene.disk.fail_nth_call(scene.disk.call_count() + call, FaultKind::Io);
        // What the store opens by may end it.
        let Ok(report) = outer() else { continue };
        let unlooked = |finding: &&Finding| finding.why.as_ref().is_some_and(|why| why.contains("cannot look at"));
        named.extend(report.findings.iter().filter(unlooked).map(|finding| finding.file.clone()));
    }
    assert!(packs.iter().all(|pack| named.contains(pack)), "{named:?} of {packs:?}");
}

/// What was found, and where.
fn found(report: &Report) -> Vec<(ProblemKind, &str)> {
    report.findings.iter().map(|found| (found.kind, found.file.as_str())).collect()
}

// U11
#[test]
fn a_place_where_no_store_stood_is_no_store_and_a_lost_marker_is_a_finding() {
    let scene = Scene::new();
    scene.write("a", b"a");
    scene.commit("one").unwrap();
    assert!(scene.disk.wipe("STORE"));
    let report = check(&scene, true);
    assert_eq!(found(&report), [(ProblemKind::Marker, "STORE")]);
    assert!(report.inner && report.packs >= 2, "all else was looked at: {report:?}");
    // Generation 1 holds nothing, and without its marker `init` has not handed it to anyone.
    let scene = Scene::new();
    assert!(scene.disk.wipe("STORE"));
    let request = VerifyRequest::default();
    let error = verify(scene.shared_disk(), &request, scene.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoStore);
}

// U11
#[test]
fn a_record_that_was_cut_off_is_no_finding_and_a_damaged_older_one_is() {
    let scene = Scene::new();
    for name in ["a", "b"] {
        scene.write(name, name.as_bytes());
        scene.commit(name).unwrap();
    }
    scene.disk.put("heads/00000004", b"chunkstore head\nto");
    scene.disk.put("HEAD.new", b"chunkst");
    assert_eq!(check(&scene, false).findings, []);
    assert!(scene.disk.corrupt("heads/00000002", |bytes| bytes.truncate(50)));
    assert_eq!(found(&check(&scene, false)), [(ProblemKind::Head, "heads/00000002")]);
}

// U11
#[test]
fn a_forged_record_and_a_foreign_trust_file_are_not_trusted() {
    let (scene, other) = (Scene::new(), Scene::with_seed(8));
    scene.write("a", b"a");
    scene.commit("one").unwrap();
    let own = scene.disk.content("HEAD").unwrap();
    scene.disk.put("HEAD", &other.disk.content("HEAD").unwrap());
    let report = check(&scene, false);
    assert_eq!(found(&report), [(ProblemKind::Head, "HEAD")]);
    assert!(report.findings[0].untrusted, "{report:?}");
    scene.disk.put("HEAD", &own);
    scene.disk.put("trust/1", &other.disk.content("trust/1").unwrap());
    let report = check(&scene, false);
    assert_eq!(found(&report), [(ProblemKind::Trust, "trust/1")]);
    assert!(report.findings[0].untrusted && !report.inner, "{report:?}");
}

// U11
#[test]
fn packs_hashed_at_a_time_are_told_of_in_the_order_of_the_manifest() {
    let scene = Scene::new();
    for at in 0..6 {
        scene.write(&format!("f{at}"), &noise(at, 300_000));
        scene.commit("one more").unwrap();
    }
    for path in packs(&scene) {
        assert!(scene.disk.corrupt(&path, |bytes| bytes[40] ^= 1));
    }
    let report = |threads| {
        let request = VerifyRequest { threads, ..VerifyRequest::default() };
        verify(scene.shared_disk(), &request, scene.run()).unwrap()
    };
    let listed: Vec<_> = Store::open(scene.shared_disk()).unwrap().packs().packs().to_vec();
    let listed: Vec<_> = listed.iter().map(|pack| layout::pack(&pack.hash).to_string()).collect();
    let told = |report: Report| report.findings.into_iter().map(|found| found.file).collect::<Vec<_>>();
    for threads in [0, 1, 3, 64] {
        assert_eq!(told(report(threads)), listed, "{threads}");
    }
}

// U11
#[test]
fn the_first_hundred_paths_are_named_and_all_are_counted() {
    let scene = Scene::new();
    for at in 0..150 {
        scene.write(&format!("d/{at:03}"), &noise(at, 2000));
    }
    scene.commit("one").unwrap();
    let data = packs(&scene).into_iter().max_by_key(|path| scene.disk.content(path).unwrap().len()).unwrap();
    assert!(scene.disk.corrupt(&data, |bytes| bytes[1000] ^= 1));
    let report = check(&scene, false);
    assert_eq!((report.findings.len(), report.findings[0].paths_total), (1, 150));
    let named: Vec<_> = report.findings[0].paths.iter().map(ToString::to_string).collect();
    assert_eq!(named, (0..100).map(|at| format!("/d/{at:03}")).collect::<Vec<_>>());
}

// U11
#[test]
fn with_its_data_a_damaged_pack_spoils_only_what_does_not_open() {
    let scene = Scene::new();
    scene.write("hit", &noise(1, 1_300_000));
    scene.write("well", &noise(2, 1_300_000));
    scene.commit("one").unwrap();
    let data = packs(&scene).into_iter().max_by_key(|path| scene.disk.content(path).unwrap().len()).unwrap();
    assert!(scene.disk.corrupt(&data, |bytes| bytes[1000] ^= 1));
    let paths =
        |read_data| check(&scene, read_data).findings[0].paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(paths(false), ["/hit", "/well"]);
    assert_eq!(paths(true).len(), 1);
}

// U11
#[test]
fn a_damaged_merged_index_is_told_of_and_costs_nothing_else() {
    let scene = Scene::new();
    for at in 0..12 {
        scene.write(&format!("f{at}"), &noise(at, 3000));
        scene.commit("one more").unwrap();
    }
    let store = Store::open(scene.shared_disk()).unwrap();
    let part = store.unlock(&scene.readers()).unwrap().sealed.indexes[0];
    let (pack, at) = (layout::pack(&part.pack), part.offset as usize + 50);
    assert!(scene.disk.corrupt(pack.as_str(), |bytes| bytes[at] ^= 1));
    let report = check(&scene, true);
    let index = format!("index {}", part.pointer.id);
    assert_eq!(found(&report), [(ProblemKind::DamagedPack, pack.as_str()), (ProblemKind::Index, index.as_str())]);
    assert!(report.findings.iter().all(|found| found.paths.is_empty()), "{report:?}");
}

// U11
#[test]
fn a_file_of_another_length_than_its_extents_is_told_of() {
    let scene = Scene::new();
    handmade::commit(&scene, |hand| {
        let files = vec![hand.file("right", 1, b"some bytes"), hand.file_of_length("wrong", 2, b"other bytes", 12)];
        hand.tree(files)
    });
    let report = check(&scene, false);
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    // The pack is what its name says, so it is the directory that somebody made wrong.
    assert!(finding.kind == ProblemKind::Object && finding.file.starts_with("object "), "{report:?}");
    assert!(finding.why.is_some() && finding.paths == [RelPath::root()], "{report:?}");
}
