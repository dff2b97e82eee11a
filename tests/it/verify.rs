//! Damage is found, named by file and path, and costs only what it touches.

use chunkstore::ops::verify::{ProblemKind, Report, VerifyRequest, verify};

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
