//! What somebody signs who may not, who no longer may, or who may and is no friend: and numbers that are too big.

use chunkstore::base::{Generation, PackHash, RecipeHash};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::SignKey;
use chunkstore::format::Class;
use chunkstore::format::head::SignedHead;
use chunkstore::format::manifest::{PackRef, RecipeRef};
use chunkstore::format::recipe::{Recipe, RecipeStep};
use chunkstore::format::trust::{Trust, Writer};
use chunkstore::store::{layout, pack};

use super::List::{Own, Tuf};
use super::Verb::{Clone, Sync};
use super::stage::{Image, Scene, forge, head_of, image, sign_head, sign_trust};
use super::{After, Row, row};
use crate::env::{Key, Publisher};

/// A key of nobody.
fn own_key(seed: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([seed; 32]))
}

/// The trust file after one of an image, as `change` has it.
fn trust_after(image: &Image, version: u32, change: impl FnOnce(&mut Trust)) -> Trust {
    let last = chunkstore::format::trust::SignedTrust::decode(&image[&format!("trust/{version}")]).unwrap();
    let mut trust = Trust { version: version + 1, previous: Some(last.hash()), ..last.trust };
    change(&mut trust);
    trust
}

/// Shows a state that a thief of the writer's key made on top of the newest one.
fn show_forged(scene: &mut Scene, make: impl FnOnce(&Publisher)) {
    let publisher = scene.stage.publisher_at(&scene.stage.next);
    make(&publisher);
    scene.server.show(&image(&publisher.disk));
}

/// Has the key sync the last generation that there can be, which a thief of the writer's key made on top of the newest state.
fn take_the_last_generation(scene: &mut Scene) {
    show_forged(scene, |publisher| {
        forge(publisher, |manifest, head| {
            manifest.generation = Generation(u64::MAX);
            head.generation = Generation(u64::MAX);
        });
    });
    let ended = super::run_sync(scene);
    assert_eq!(ended.code, 0, "{}", ended.said);
    scene.remotes.clear();
    let remote = scene.server.remote();
    scene.remotes.push(remote);
}

/// Shows generation 8 under a third trust file, which names a second writer, who signs; without the first one if it `removes` it.
fn show_after_removal(scene: &mut Scene, removes: bool) -> SignedHead {
    let publisher = scene.stage.publisher_at(&scene.stage.next);
    let second = own_key(3);
    let trust = trust_after(&scene.stage.next, 2, |trust| {
        let recipient = trust.writers[0].recipient.replace("age1", "age1z");
        if removes {
            trust.writers.clear();
        }
        trust.writers.push(Writer { key: second.public(), recipient });
    });
    let trust = sign_trust(&[&scene.stage.stolen().root], trust);
    pack::create_immutable(publisher.disk.as_ref(), &layout::trust(3), trust.bytes()).unwrap();
    let made = forge(&publisher, |manifest, head| {
        (manifest.generation, head.generation) = (Generation(8), Generation(8));
        (head.trust_version, head.trust) = (3, trust.hash());
    });
    scene.server.show(&image(&publisher.disk));
    let shown = sign_head(&second, made.head);
    scene.server.put("HEAD", shown.bytes());
    shown
}

pub const ROWS: &[Row] = &[
    row(
        "arbitrary software, HEAD of another key",
        Tuf,
        "signs a HEAD with a key of its own",
        (Sync, 18, "its HEAD is signed by a key that is no writer", After::Unchanged),
        |scene| {
            let head = sign_head(&own_key(1), head_of(&scene.stage.next).head);
            scene.server.put("HEAD", head.bytes());
        },
    ),
    row(
        "arbitrary software, HEAD without a signature",
        Tuf,
        "changes the HEAD and leaves the signature as it is",
        (Sync, 18, "the signature of its HEAD does not hold", After::Unchanged),
        |scene| {
            let text = String::from_utf8(scene.stage.next["HEAD"].clone()).unwrap();
            scene.server.put("HEAD", text.replace("\ntarget all\n", "\ntarget some\n").as_bytes());
        },
    ),
    row(
        "arbitrary software, trust of another root",
        Tuf,
        "adds a trust file that names its own writer, signed by its own root",
        (Sync, 18, "trust file 3 does not follow", After::Unchanged),
        |scene| {
            let own = own_key(2);
            let trust = trust_after(&scene.stage.next, 2, |trust| {
                trust.roots = vec![own.public()];
                trust.writers = vec![Writer { key: own.public(), ..trust.writers[0].clone() }];
            });
            let trust = sign_trust(&[&own], trust);
            let mut head = head_of(&scene.stage.next).head;
            (head.trust_version, head.trust, head.generation) = (3, trust.hash(), Generation(7));
            scene.server.put("trust/3", trust.bytes());
            scene.server.put("HEAD", sign_head(&own, head).bytes());
        },
    ),
    row(
        "key compromise, one root of two",
        Tuf,
        "adds a trust file that one stolen root signed where two have to: the newer one wants both",
        (Sync, 18, "trust file 4 does not follow", After::Unchanged),
        |scene| {
            let (stolen, second, own) = (scene.stage.stolen(), own_key(3), own_key(4));
            let two = trust_after(&scene.stage.next, 2, |trust| {
                trust.roots.push(second.public());
                trust.threshold = 2;
            });
            let two = sign_trust(&[&stolen.root, &second], two);
            let mut shown = scene.stage.next.clone();
            shown.insert("trust/3".to_owned(), two.bytes().to_vec());
            let three = trust_after(&shown, 3, |trust| {
                trust.writers = vec![Writer { key: own.public(), ..trust.writers[0].clone() }];
            });
            // The same root twice is one.
            let three = sign_trust(&[&stolen.root, &stolen.root], three);
            let mut head = head_of(&scene.stage.next).head;
            (head.trust_version, head.trust, head.generation) = (4, three.hash(), Generation(7));
            shown.insert("trust/4".to_owned(), three.bytes().to_vec());
            shown.insert("HEAD".to_owned(), sign_head(&own, head).bytes().to_vec());
            scene.server.show(&shown);
        },
    ),
    row(
        "key compromise, after the trust moved on",
        Tuf,
        "shows newer generations that a removed writer signed under the trust file before",
        (Sync, 18, "under trust file 1, and a newer one is known", After::Newest),
        |scene| {
            let ended = super::run_sync(scene);
            assert_eq!(ended.code, 0, "{}", ended.said);
            let mut head = head_of(&scene.stage.thief).head;
            head.generation = Generation(9);
            let stolen = scene.stage.stolen();
            scene.server.show(&scene.stage.thief);
            scene.server.put("HEAD", sign_head(&stolen.writer, head).bytes());
            scene.key.on_a_fresh_host();
        },
    ),
    row(
        "fast-forward without a key",
        Tuf,
        "shows a HEAD of the last generation of all, so that no other could follow",
        (Sync, 18, "the signature of its HEAD does not hold", After::Unchanged),
        |scene| {
            let text = String::from_utf8(scene.stage.next["HEAD"].clone()).unwrap();
            let last = format!("\ngeneration {}\n", u64::MAX);
            scene.server.put("HEAD", text.replace("\ngeneration 6\n", &last).as_bytes());
        },
    ),
    row(
        "fast-forward with a stolen key",
        Tuf,
        "has shown the last generation of all, signed by a stolen key, and then shows a lower one under a trust file without its writer",
        (Sync, 0, "the writer who signed generation 18446744073709551615 here was removed since", After::Recovered),
        |scene| {
            take_the_last_generation(scene);
            let _ = show_after_removal(scene, true);
        },
    )
    .for_good(),
    row(
        "fast-forward with a key that still stands",
        Tuf,
        "has shown the last generation of all, and then shows a lower one under a newer trust file that has the same writer",
        (Sync, 18, "went back to generation 8", After::Unchanged),
        |scene| {
            take_the_last_generation(scene);
            let _ = show_after_removal(scene, false);
        },
    )
    .for_good(),
    row(
        "key compromise, a removed writer to a new key",
        Tuf,
        "shows what a removed writer signed since to a machine that saw the trust file which removed it elsewhere",
        (Clone, 18, "shows generation 9 under trust file 2, and a newer one is known", After::None),
        |scene| {
            let shown = show_after_removal(scene, true);
            show_forged(scene, |publisher| {
                forge(publisher, |manifest, head| {
                    (manifest.generation, head.generation) = (Generation(9), Generation(9));
                });
            });
            scene.new_key_where_was_seen("ftp://elsewhere/", &shown);
        },
    )
    .for_good(),
    row(
        "key compromise, a removed writer to a new machine",
        Tuf,
        "shows what a removed writer signed since to a machine that was told the fingerprint of the newest trust file",
        (Clone, 18, "is not the one that was expected", After::None),
        |scene| {
            let newest = show_after_removal(scene, true).head.trust;
            scene.server.show(&scene.stage.next);
            scene.key = Key::empty(79);
            scene.fingerprint = hex::encode(&newest.0[..16]);
        },
    ),
    row(
        "key compromise, the state after it to a new machine",
        Own,
        "shows an honest state to a machine that was told the fingerprint of the newest trust file",
        (Clone, 0, "", After::Recovered),
        |scene| {
            let newest = show_after_removal(scene, true).head.trust;
            scene.key = Key::empty(79);
            scene.fingerprint = hex::encode(&newest.0[..16]);
        },
    )
    .for_good(),
    row(
        "a chain of trust that is too long",
        Own,
        "names trust file 10,001: not one of them is asked for",
        (Sync, 18, "its chain of trust is too long", After::Unchanged),
        |scene| {
            let mut head = head_of(&scene.stage.next).head;
            head.trust_version = 10_001;
            scene.server.put("HEAD", sign_head(&own_key(1), head).bytes());
        },
    ),
    row(
        "a chain of trust without an end",
        Own,
        "names trust file 9,999 and gives the second for each: the first that does not follow ends it",
        (Sync, 18, "does not follow from the one before it", After::Unchanged),
        |scene| {
            let mut head = head_of(&scene.stage.next).head;
            head.trust_version = 9_999;
            scene.server.put("HEAD", sign_head(&own_key(1), head).bytes());
            for version in 3..40 {
                scene.server.put(&format!("trust/{version}"), &scene.stage.next["trust/2"]);
            }
        },
    ),
    row(
        "a manifest that is too long",
        Own,
        "has a stolen key sign for a manifest of 4 GiB",
        (Sync, 18, "its HEAD is no HEAD", After::Unchanged),
        |scene| {
            let mut head = head_of(&scene.stage.next).head;
            head.manifest_len_bytes = 4 << 30;
            scene.server.put("HEAD", sign_head(&scene.stage.stolen().writer, head).bytes());
        },
    ),
    row(
        "a list of packs that fits nowhere",
        Own,
        "has a stolen key sign for 20,000 packs of 64 MiB that are not there",
        (Sync, 15, "needed", After::Unchanged),
        |scene| {
            show_forged(scene, |publisher| {
                let pack = |at: u32| {
                    let hash = PackHash(*blake3::hash(&at.to_le_bytes()).as_bytes());
                    PackRef { hash, len_bytes: 64 << 20, class: Class::Data, set_label: 0 }
                };
                drop(forge(publisher, |manifest, _| manifest.added = (0..20_000).map(pack).collect()));
            });
        },
    )
    .for_good(),
    row(
        "a chain of manifests that is too long",
        Own,
        "has a stolen key sign for a manifest at the end of a chain that says it is longer than it may be",
        (Sync, 13, "manifest", After::Unchanged),
        |scene| {
            show_forged(scene, |publisher| {
                drop(forge(publisher, |manifest, _| {
                    let base = manifest.base.as_mut().unwrap();
                    base.depth = 15;
                }));
            });
        },
    ),
    row(
        "manifests that do not fit each other",
        Own,
        "has a stolen key sign for a manifest that removes a pack which is not there",
        (Sync, 13, "the chain of manifests", After::Unchanged),
        |scene| {
            show_forged(scene, |publisher| {
                drop(forge(publisher, |manifest, _| manifest.removed = vec![PackHash([9; 32])]));
            });
        },
    ),
    row(
        "recipes that amplify",
        Own,
        "has a stolen key sign for recipes that are longer than an eighth of what they spare: none is fetched",
        (Sync, 0, "", After::Forged),
        show_long_recipe,
    )
    .for_good(),
    row(
        "a threshold that its own roots do not reach",
        Tuf,
        "shows a new key a first trust file with a threshold of two and one signature",
        (Clone, 18, "the first trust file is not signed by its own roots", After::None),
        |scene| {
            let stolen = scene.stage.stolen();
            let second = own_key(3);
            let first = chunkstore::format::trust::SignedTrust::decode(&scene.stage.next["trust/1"]).unwrap();
            let mut trust = first.trust;
            trust.roots.push(second.public());
            trust.threshold = 2;
            let signed = sign_trust(&[&stolen.root], trust);
            scene.fingerprint = hex::encode(&signed.hash().0[..16]);
            scene.server.put("trust/1", signed.bytes());
            scene.key = Key::empty(79);
        },
    ),
];

/// The newest state, whose new pack of 300 KiB has a rightly listed recipe of 100 KiB beside it that says to fetch all of it.
fn show_long_recipe(scene: &mut Scene) {
    let newest = scene.newest();
    let packs = newest.store.packs().packs();
    let last = packs[packs.len() - 1];
    let publisher = scene.stage.publisher_at(&scene.stage.next);
    let mut sources: Vec<PackHash> =
        (0..3_000_u32).map(|at| PackHash(*blake3::hash(&at.to_le_bytes()).as_bytes())).collect();
    let steps = (0..3_000).map(|source| RecipeStep::Copy { source, offset: 0, len_bytes: 1 });
    let rest = RecipeStep::Fetch { len_bytes: last.len_bytes - 3_000 };
    sources.sort_unstable();
    let recipe = Recipe {
        clash_counter: 0,
        pack: last.hash,
        pack_len_bytes: last.len_bytes,
        sources,
        steps: steps.chain([rest]).collect(),
    };
    let bytes = recipe.encode(publisher.id);
    let hash = RecipeHash(*blake3::hash(&bytes).as_bytes());
    pack::create_immutable(publisher.disk.as_ref(), &layout::recipe(&hash), &bytes).unwrap();
    let listed = RecipeRef { pack: last.hash, recipe: hash, len_bytes: bytes.len() as u64 };
    forge(&publisher, |manifest, _| manifest.recipes = vec![listed]);
    scene.server.show(&image(&publisher.disk));
    // Whoever asks for it waits for ever.
    scene.server.answer(layout::recipe(&hash).as_str(), chunkstore::serve::Answer::Endless([][..].into()));
}

#[test]
fn forged_and_huge() {
    super::play(ROWS);
}

#[test]
fn a_recipe_that_may_cost_more_than_it_spares_is_not_asked_for() {
    let mut scene = Scene::new();
    show_long_recipe(&mut scene);
    let ended = super::run_sync(&mut scene);
    assert!(ended.code == 0 && !ended.said.contains("recipes of packs are of no use"), "{}", ended.said);
}
