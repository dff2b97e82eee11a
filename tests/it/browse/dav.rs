//! WebDAV: a suite of PROPFIND and GET, and what a client may not do.

use super::{HOSTILE, Site, committed, damaged, hostile, newest_damaged};
use crate::scene::{Scene, noise};

/// Returns the addresses that a listing tells of, in its order.
fn listed(site: &Site, path: &str, depth: &str) -> Vec<String> {
    let reply = site.ask("PROPFIND", path, &[&format!("Depth: {depth}")]);
    assert!(reply.status == 207 && reply.is_whole, "{path}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/xml; charset=utf-8"));
    let text = reply.text();
    text.split("<D:href>").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

fn base_of(site: &Site) -> String {
    format!("/dav/{}", site.web.dav_login().1)
}

#[test]
fn the_password_lets_in_by_a_header_or_in_the_address() {
    let scene = committed();
    let site = Site::new(&scene);
    let cookie = format!("Cookie: {}", site.cookie);
    for lines in [&[][..], &[&cookie[..]], &["Authorization: Basic eDp4"], &["Authorization: Bearer x"]] {
        let refused = site.ask("PROPFIND", "/dav/", lines);
        assert_eq!(refused.status, 401, "a cookie is for pages alone");
        assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"chunkstore\", charset=\"UTF-8\""));
    }
    assert_eq!(site.ask("PROPFIND", &format!("{}x/", base_of(&site)), &["Depth: 0"]).status, 401);
    let basic = format!("Authorization: Basic {}", base64(format!("ada:{}", site.web.dav_login().1).as_bytes()));
    let by_header = site.ask("PROPFIND", "/dav/latest/", &[&basic, "Depth: 1"]);
    assert!(by_header.status == 207 && by_header.text().contains("<D:href>/dav/latest/a.txt</D:href>"));
    assert_eq!(site.ask("GET", "/dav/latest/a.txt", &[&basic]).body, b"first");
    assert_eq!(site.ask("GET", &format!("{}/latest/a.txt", base_of(&site)), &[]).body, b"first");
    assert_eq!(site.ask("GET", &site.at("snapshots"), &[&basic]).status, 401, "a password is for WebDAV alone");
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).map(|group| {
        let bits = group.iter().chain(&[0, 0]).take(3).fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        let letters = (0..4).map(|at| char::from(LETTERS[bits >> (18 - 6 * at) & 63]));
        letters.enumerate().map(|(at, letter)| if at > group.len() { '=' } else { letter }).collect::<String>()
    });
    groups.collect()
}

#[test]
fn the_tree_is_listed_and_links_to_snapshots_are_folders() {
    let scene = committed();
    #[cfg(unix)]
    std::os::unix::fs::symlink("a.txt", scene.path("folder/link")).unwrap();
    scene.write("a.txt", b"second");
    let committed = scene.commit("two").unwrap();
    let site = Site::new(&scene);
    let base = base_of(&site);
    let at = |below: &str| format!("{base}{below}");
    assert_eq!(listed(&site, &at("/"), "0"), [at("/")]);
    assert_eq!(listed(&site, &at(""), "1"), [at("/"), at("/by-id/"), at("/latest/"), at("/snapshots/")]);
    let latest = [at("/latest/"), at("/latest/a.txt"), at("/latest/sub/")];
    assert_eq!(listed(&site, &at("/latest/"), "1"), latest);
    let id = committed.snapshot.to_string();
    assert_eq!(listed(&site, &at(&format!("/by-id/{id}/sub/")), "1").len(), 2);
    let times = listed(&site, &at("/snapshots/"), "1");
    assert!(times.len() == 3 && times[1].ends_with('/'), "{times:?}");
    assert_eq!(listed(&site, &format!("{}sub/b.bin", times[1]), "0").len(), 1);
    for absent in ["/none", "/latest/none", "/latest/a.txt/x", "/by-id/00", "/latest/%2e%2e/x", "/latest/link"] {
        assert_eq!(site.ask("PROPFIND", &at(absent), &["Depth: 0"]).status, 404, "{absent}");
    }
    for depth in [&["Depth: infinity"][..], &["Depth: infinity", "X-Litmus: x"], &[], &["Depth: 2"]] {
        assert_eq!(site.ask("PROPFIND", &at("/"), depth).status, 403, "{depth:?}");
    }
    let asked =
        b"<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop><getcontentlength/><displayname/></prop></propfind>";
    let props = site.ask_with("PROPFIND", &at("/latest/sub/b.bin"), &["Depth: 0"], asked).text();
    assert!(props.contains(">3000000<") && !props.contains("getlastmodified"), "{props}");
    let options = site.ask("OPTIONS", &at("/"), &[]);
    assert_eq!((options.header("dav"), options.header("allow")), (Some("1"), Some("OPTIONS, GET, HEAD, PROPFIND")));
}

#[test]
fn files_come_whole_or_in_ranges_and_never_as_pages() {
    let scene = committed();
    scene.write("page.html", b"<script>alert(1)</script>");
    scene.commit("two").unwrap();
    let site = Site::new(&scene);
    let (base, bytes) = (base_of(&site), noise(1, 3_000_000));
    let whole = site.ask("GET", &format!("{base}/latest/sub/b.bin"), &[]);
    assert!(whole.is_whole && whole.body == bytes);
    let part = site.ask("GET", &format!("{base}/latest/sub/b.bin"), &["Range: bytes=1000000-1000009"]);
    assert_eq!((part.status, &part.body[..]), (206, &bytes[1_000_000..1_000_010]));
    let page = site.ask("GET", &format!("{base}/latest/page.html"), &[]);
    assert_eq!(page.header("content-type"), Some("application/octet-stream"));
    assert!(page.header("content-security-policy").unwrap().starts_with("sandbox"));
    for folder in ["/", "/latest", "/latest/sub/"] {
        assert_eq!(site.ask("GET", &format!("{base}{folder}"), &[]).status, 405, "{folder}");
    }
    for method in ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPPATCH", "LOCK", "UNLOCK", "POST"] {
        let reply = site.ask_with(method, &format!("{base}/latest/a.txt"), &[], b"x");
        assert_eq!((reply.status, reply.header("allow")), (405, Some("OPTIONS, GET, HEAD, PROPFIND")), "{method}");
    }
}

#[test]
fn hostile_names_and_hostile_requests_break_no_listing() {
    let scene = Scene::new();
    hostile(&scene);
    let site = Site::new(&scene);
    let base = base_of(&site);
    let dir = listed(&site, &format!("{base}/latest/"), "1").remove(1);
    let names = listed(&site, &dir, "1");
    assert_eq!(names.len(), HOSTILE.len() + 1);
    for address in &names[1..] {
        let reply = site.ask("GET", address, &[]);
        assert!(reply.status == 200 && reply.body.starts_with(b"content of "), "{address}: {reply:?}");
    }
    let text = site.ask("PROPFIND", &dir, &["Depth: 1"]).text();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "XML has no controls");
    let deep = "<a>".repeat(2000);
    for (body, status) in
        [(deep.as_bytes(), 413), (&[b'x'; 100_000][..], 413), (b"<a", 400), (b"x", 400), (b"\xff\xfe\x00", 400)]
    {
        let reply = site.ask_with("PROPFIND", &dir, &["Depth: 1"], body);
        assert_eq!(reply.status, status, "{:?}", String::from_utf8_lossy(&body[..body.len().min(9)]));
    }
    assert_eq!(listed(&site, &dir, "0").len(), 1, "and it goes on");
}

#[test]
fn a_damaged_folder_is_an_error_and_no_empty_one() {
    let (scene, packs) = damaged();
    let site = Site::new(&scene);
    let base = base_of(&site);
    for pack in &packs {
        assert!(scene.disk.corrupt(pack, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1)));
    }
    for (method, path) in [("PROPFIND", "/latest/"), ("PROPFIND", "/latest/d/"), ("GET", "/latest/d/long.bin")] {
        let reply = site.ask(method, &format!("{base}{path}"), &["Depth: 1"]);
        assert!(reply.status == 500 && reply.text().contains("damaged"), "{path}: {reply:?}");
    }
}

#[test]
fn a_snapshot_that_does_not_read_hides_no_other_one() {
    let scene = newest_damaged();
    let site = Site::new(&scene);
    let base = base_of(&site);
    let at = |below: &str| format!("{base}{below}");
    assert_eq!(listed(&site, &at("/"), "1"), [at("/"), at("/by-id/"), at("/latest/"), at("/snapshots/")]);
    for dir in ["/snapshots/", "/by-id/"] {
        let snapshots = listed(&site, &at(dir), "1");
        assert_eq!(snapshots.len(), 3, "{snapshots:?}");
        let read = snapshots[1..].iter().filter(|path| site.ask("GET", &format!("{path}a.txt"), &[]).body == b"first");
        assert_eq!(read.count(), 1);
    }
    for path in ["/latest/", "/latest/a.txt"] {
        let reply = site.ask("PROPFIND", &at(path), &["Depth: 1"]);
        assert!(reply.status == 500 && reply.text().contains("damaged"), "{path}: {reply:?}");
    }
}
