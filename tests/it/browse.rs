//! `browse`: who is let in, what pages show of hostile names, what damage and a pulled key look like, and WebDAV.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::random::SeededRandom;
use chunkstore::disk::SimDisk;
use chunkstore::format::tree::Node;
use chunkstore::ops::export::ZipRoom;
use chunkstore::ops::open::Reading;
use chunkstore::view::{View, ViewRequest};
use chunkstore::web::{Bounds, Web, WebOptions};

use crate::handmade::{Hand, commit};
use crate::scene::{NOW, Scene, noise};
use client::{Reply, send};

pub mod client;
mod dav;

/// A served store, and the session of a browser.
struct Site {
    web: Web,
    cookie: String,
    /// The path of all pages of this run.
    home: String,
}

impl Site {
    fn new(scene: &Scene) -> Self {
        Self::over(scene, &scene.disk)
    }

    fn over(scene: &Scene, disk: &SimDisk) -> Self {
        Self::within(scene, disk, Bounds::default())
    }

    fn within(scene: &Scene, disk: &SimDisk, bounds: Bounds) -> Self {
        let identities = scene.readers();
        let copies = vec![Arc::new(disk.clone()) as Arc<dyn chunkstore::disk::Disk>];
        let request = ViewRequest { copies, identities: &identities, snapshot: None, now: NOW };
        let view = View::open(request, &scene.monitor).unwrap();
        let (store, reader) = view.shared();
        let reading = Reading::sharing(store, reader, &identities, NOW).unwrap();
        let (clock, random) = (Arc::new(FixedClock::new(NOW)), Arc::new(SeededRandom::new(3)));
        let web = Web::start(WebOptions { view, reading, port: 0, clock, random, bounds }).unwrap();
        let mut site = Self { web, cookie: String::new(), home: String::new() };
        (site.cookie, site.home) = site.let_in();
        site
    }

    /// Uses the printed address up; returns the cookie of a new session, and where it sends the browser.
    fn let_in(&self) -> (String, String) {
        let opened = self.ask("GET", &self.opening(), &[]);
        assert_eq!(opened.status, 200, "{opened:?}");
        let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        (cookie, values(&opened.text(), "<p><a href").remove(0))
    }

    /// Returns the address of a page.
    fn at(&self, word: &str) -> String {
        format!("{}{word}", self.home)
    }

    /// Returns the address of the committed folder in the newest snapshot.
    fn files(&self) -> String {
        self.get(&self.home).header("location").unwrap().to_owned()
    }

    /// Returns the path of the printed address.
    fn opening(&self) -> String {
        let host = format!("http://{}", self.web.address());
        self.web.url().strip_prefix(&host).unwrap().to_owned()
    }

    /// Asks with these headers and nothing else but the host.
    fn ask(&self, method: &str, path: &str, lines: &[&str]) -> Reply {
        self.ask_with(method, path, lines, b"")
    }

    fn ask_with(&self, method: &str, path: &str, lines: &[&str], body: &[u8]) -> Reply {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        if !lines.iter().any(|line| line.starts_with("Host:")) {
            lines.push(format!("Host: {}", self.web.address()));
        }
        if !body.is_empty() {
            lines.push(format!("Content-Length: {}", body.len()));
        }
        let head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n\r\n", lines.join("\r\n"));
        send(self.web.address(), &[head.as_bytes(), body].concat())
    }

    /// Asks as the browser that was let in.
    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[&format!("Cookie: {}", self.cookie)])
    }

    fn page(&self, path: &str) -> String {
        let reply = self.get(path);
        assert!(reply.status == 200 && reply.is_whole, "{path}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        reply.text()
    }
}

/// Returns the values of an attribute in the order of the page.
fn values(page: &str, attribute: &str) -> Vec<String> {
    let begin = format!("{attribute}=\"");
    let parts = page.split(&begin).skip(1);
    parts.map(|part| part.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

/// Returns where the entries of a page lead.
fn entries(page: &str) -> Vec<String> {
    values(page, "<a class=\"entry\" href")
}

fn main_of(page: &str) -> &str {
    page.split_once("<main").unwrap().1.split_once("</main>").unwrap().0
}

fn committed() -> Scene {
    let scene = Scene::new();
    scene.write("a.txt", b"first");
    scene.write("sub/b.bin", &noise(1, 3_000_000));
    scene.commit("one").unwrap();
    scene
}

#[test]
fn an_address_lets_in_once_and_the_next_one_is_another() {
    let scene = committed();
    let site = Site::new(&scene);
    let opening = site.opening();
    assert_eq!(site.ask("HEAD", &opening, &[]).status, 503, "nobody went there yet");
    assert_eq!(site.ask("GET", &opening, &["Sec-Purpose: prefetch;prerender"]).status, 503);
    assert_eq!(site.opening(), opening);
    let from_mail = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    let opened = site.ask("GET", &opening, &from_mail);
    let cookie = opened.header("set-cookie").unwrap();
    let ends = format!("; Path={}; HttpOnly; SameSite=Strict", site.home);
    assert!(opened.status == 200 && cookie.ends_with(&ends) && site.home.len() > 32, "{opened:?}");
    for wrong in [&opening[..], "/open/", "/open", "/open/x", &format!("{}x", site.opening())] {
        let refused = site.ask("GET", wrong, &[]);
        assert!(refused.status >= 400 && refused.header("set-cookie").is_none(), "{wrong}: {refused:?}");
    }
    let own = site.cookie.split('=').next().unwrap();
    assert_eq!(own, format!("chunkstore-session-{}", site.web.address().port()));
    for cookie in ["", &format!("Cookie: {own}="), &format!("Cookie: {own}=00"), "Cookie: x"] {
        let lines = &[cookie, "Accept: text/html"][usize::from(cookie.is_empty())..];
        let refused = site.ask("GET", &site.at("snapshots"), lines);
        assert!(refused.status == 401 && !refused.text().contains(&site.home), "{refused:?}");
    }
    assert_eq!(site.get(&site.at("snapshots")).status, 200, "the first browser goes on");
    assert_eq!(site.get(&site.home).status, 303);
    assert_eq!(site.files().len(), site.at("files//").len() + 16);
}

#[test]
fn no_page_lies_where_another_server_of_this_machine_can_send_a_browser() {
    let scene = committed();
    let site = Site::new(&scene);
    let other = format!("/{}/", "0".repeat(site.home.len() - 2));
    for home in ["/", &other] {
        for word in ["", "snapshots", "files/latest/", "download/latest/a.txt", "search/latest/?q=a", "zip/latest/"] {
            let path = format!("{home}{word}");
            assert_eq!(site.get(&path).status, 404, "{path}: not even with the cookie");
            let refused = site.ask("GET", &path, &[]);
            assert!(refused.status == 401 && !refused.text().contains(&site.home), "{path}: {refused:?}");
        }
    }
    for file in ["/page.css", "/page.js", "/icon.svg"] {
        assert_eq!(site.ask("GET", file, &[]).status, 200, "browsers send no cookie there");
    }
    let (page, files) = (site.page(&site.at("snapshots")), site.files());
    for link in values(&page, "<a class=\"brand\" href").into_iter().chain(entries(&page)).chain([files]) {
        assert!(link.starts_with(&site.home), "{link}");
    }
}

#[test]
fn other_names_other_sites_and_other_methods_are_refused() {
    let scene = committed();
    let site = Site::new(&scene);
    let (cookie, files) = (format!("Cookie: {}", site.cookie), site.files());
    let password = site.web.dav_login().1.to_owned();
    let dav = format!("/dav/{password}/latest/a.txt");
    let port = site.web.address().port();
    for path in [&files[..], "/page.css", &site.at("snapshots"), &dav] {
        for line in ["Host: evil.example", "Host: 127.0.0.1", &format!("Host: evil.example:{port}"), "Host:"] {
            assert_eq!(site.ask("GET", path, &[&cookie, line]).status, 421, "{path} {line}");
        }
        let own = format!("Host: localhost:{port}");
        assert_eq!(site.ask("GET", path, &[&cookie, &own]).status, 200, "{path}");
        for line in
            ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
        {
            let refused = site.ask("GET", path, &[&cookie, line]);
            assert!(refused.status == 403 && !refused.text().contains("first"), "{path} {line}: {refused:?}");
        }
        let own = [&cookie[..], &format!("Origin: http://127.0.0.1:{port}"), "Sec-Fetch-Site: same-origin"];
        assert_eq!(site.ask("GET", path, &own).status, 200, "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "MOVE", "LOCK", "PROPPATCH"] {
            assert_eq!(site.ask_with(method, path, &[&cookie], b"x").status, 405, "{method} {path}");
        }
    }
    let went_there =
        [&cookie[..], "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    assert_eq!(site.ask("GET", &files, &went_there).status, 403, "not even by a link");
    let long = format!("X: {}", "x".repeat(1_000_000));
    let refused = site.ask("GET", &site.at("snapshots"), &[&cookie, &long]).status;
    assert!([0, 431].contains(&refused), "what is too long is not even read: {refused}");
}

#[test]
fn every_answer_keeps_browsers_careful() {
    let scene = committed();
    scene.write("evil.html", b"<script>alert(1)</script>");
    scene.write("evil.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");
    scene.commit("two").unwrap();
    let site = Site::new(&scene);
    let files = site.files();
    let at = |word: &str, name: &str| format!("{}{name}", files.replace("/files/", &format!("/{word}/")));
    let paths = [
        &site.home[..],
        &files,
        &at("files", "a.txt"),
        &at("preview", "evil.html"),
        &at("preview", "evil.svg"),
        &site.at("snapshots"),
        &site.at("none"),
        "/none",
        "/page.js",
    ];
    for path in paths {
        let reply = site.get(path);
        let is = |name: &str, value: &str| assert_eq!(reply.header(name), Some(value), "{path}");
        is("x-content-type-options", "nosniff");
        is("referrer-policy", "no-referrer");
        is("cross-origin-resource-policy", "same-origin");
        is("cache-control", "no-store");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("script-src 'unsafe"), "{path}: {policy}");
    }
    for (word, name, kind) in [
        ("preview", "evil.html", "text/plain; charset=utf-8"),
        ("preview", "evil.svg", "image/svg+xml"),
        ("download", "evil.html", "application/octet-stream"),
    ] {
        let reply = site.get(&at(word, name));
        assert_eq!(reply.header("content-type"), Some(kind));
        assert!(reply.header("content-security-policy").unwrap().starts_with("sandbox;"), "{reply:?}");
    }
    let shown = site.page(&at("files", "evil.html"));
    assert!(shown.contains("&lt;script&gt;alert(1)") && !main_of(&shown).contains("<script"), "{shown}");
    let refused = site.ask("GET", "/none", &[&format!("Cookie: {}", site.cookie), "Accept: application/json"]);
    assert_eq!((refused.status, refused.header("content-type")), (404, Some("application/json")));
    let document: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(document["error"]["kind"], "not-found");
}

/// Names that a file system here may refuse, so they are made by hand.
const HOSTILE: [&[u8]; 12] = [
    b"\"><script>alert(1)<!--",
    b"<img src=x onerror=alert(1)>",
    b"' onclick='alert(1)",
    b"new\nline\r\nX-Header: 1",
    b"latin1-\xe4\xf6\xff",
    b"back\\slash",
    b"percent%2e%2e%2F",
    b"control\x01\x1b[31m\x7f",
    b"a&amp;b{{title}}",
    b"?query#fragment",
    b" ",
    "\u{202e}txt.exe".as_bytes(),
];

fn hostile(scene: &Scene) {
    commit(scene, |hand: &mut Hand| {
        let mut files: Vec<_> = HOSTILE
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mut entry = hand.file("x", at as u64 + 1, &[b"content of ", *name].concat());
                entry.name = chunkstore::base::EntryName::new(name).unwrap();
                entry
            })
            .collect();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        let dir = hand.dir("<b>dir", 100, files);
        hand.tree(vec![dir])
    });
}

#[test]
fn hostile_names_are_text_everywhere_and_lead_to_their_files() {
    let scene = Scene::new();
    hostile(&scene);
    let site = Site::new(&scene);
    let files = site.files();
    let dirs = entries(&site.page(&files));
    assert_eq!(dirs.len(), 1, "{dirs:?}");
    let folder = site.page(&dirs[0]);
    let links = entries(&folder);
    assert_eq!(links.len(), HOSTILE.len());
    let mut names: Vec<_> = HOSTILE.to_vec();
    names.sort_unstable();
    for (link, name) in links.iter().zip(names) {
        let content = [b"content of ", name].concat();
        let downloaded = site.get(&link.replace("/files/", "/download/"));
        assert_eq!((downloaded.status, &downloaded.body), (200, &content), "{link}");
        let disposition = downloaded.header("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.is_ascii(), "{disposition}");
        assert!(downloaded.header("x-header").is_none());
        let page = site.page(link);
        assert!(!main_of(&page).contains("<script") && !main_of(&page).contains("<img"), "{page}");
    }
    let searched = site.page(&format!("{}?q=*", files.replace("/files/", "/search/")));
    let nothing = site.page(&format!("{}?q=%22%3E%3Cscript%3Ealert(2)", files.replace("/files/", "/search/")));
    for page in [&folder, &searched, &nothing] {
        let main = main_of(page);
        assert!(
            !main.contains("<script") && !main.contains("<img") && !main.contains("<b>") && !page.contains('\u{202e}')
        );
        assert!(!main.contains("onclick='"), "{main}");
    }
    assert_eq!(entries(&searched).len(), HOSTILE.len() + 1);
    // A backslash is a part of a name on every system, and says that what follows it is one.
    for query in ["BACK%5C%5Cs*", "**/back%3Fslash", "back%5B!a%5Dslash"] {
        assert_eq!(
            entries(&site.page(&format!("{}?q={query}", files.replace("/files/", "/search/")))).len(),
            1,
            "{query}"
        );
    }
}

#[test]
fn long_folders_are_paged_and_sorted() {
    let scene = Scene::new();
    for at in 0..1201usize {
        scene.write(&format!("many/{at:04}"), &vec![b'x'; (at * 7) % 1201]);
    }
    scene.commit("many").unwrap();
    let site = Site::new(&scene);
    let many = entries(&site.page(&site.files())).remove(0);
    let numbers = |query: &str| -> Vec<usize> {
        let page = site.page(&format!("{many}{query}"));
        assert!(page.contains("1\u{2009}201 entries"));
        entries(&page).iter().map(|link| link[link.len() - 4..].parse().unwrap()).collect()
    };
    assert_eq!(numbers(""), (0..500).collect::<Vec<_>>());
    assert_eq!(numbers("?page=3"), (1000..1201).collect::<Vec<_>>());
    assert_eq!(numbers("?sort=name&desc=1&page=3"), (0..201).rev().collect::<Vec<_>>());
    assert!(numbers("?page=4").is_empty());
    assert_eq!(numbers("?page=99999999999999999999"), (0..500).collect::<Vec<_>>());
    let by_size = numbers("?sort=size&desc=1");
    assert!(by_size.len() == 500 && by_size.windows(2).all(|two| two[0] * 7 % 1201 > two[1] * 7 % 1201));
    let pages: Vec<_> = values(&site.page(&format!("{many}?sort=size&page=2")), "<a class=\"button\" href");
    assert!(
        pages.contains(&"?sort=size&page=1".to_owned()) && pages.contains(&"?sort=size&page=3".to_owned()),
        "{pages:?}"
    );
}

#[test]
fn long_targets_of_links_are_cut_in_lists_and_whole_on_their_pages() {
    let scene = Scene::new();
    let target = vec![b't'; 5000];
    commit(&scene, |hand| {
        let link = |at: u64| Hand::entry(&format!("link{at}"), at, Node::Symlink { target: target.clone() });
        hand.tree((1..=3).map(link).collect())
    });
    let site = Site::new(&scene);
    for query in ["", "?sort=size&desc=1", "?sort=time"] {
        let page = site.page(&format!("{}{query}", site.files()));
        let shown = format!("<bdi>{}</bdi>…", "t".repeat(1024));
        assert!(page.matches(&shown).count() == 3 && !page.contains(&"t".repeat(1025)), "{query}: {page}");
    }
    assert!(site.page(&entries(&site.page(&site.files()))[0]).contains(&"t".repeat(5000)));
}

#[test]
fn ranges_and_heads_of_downloads_are_exact() {
    let scene = committed();
    let site = Site::new(&scene);
    let path = format!("{}sub/b.bin", site.files().replace("/files/", "/download/"));
    let (bytes, cookie) = (noise(1, 3_000_000), format!("Cookie: {}", site.cookie));
    let whole = site.get(&path);
    assert!(whole.is_whole && whole.body == bytes);
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap().to_owned();
    for (range, status, from, to) in [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=1048570-2097160", 206, 1_048_570, 2_097_161),
        ("bytes=2999999-", 206, 2_999_999, 3_000_000),
        ("bytes=-5", 206, 2_999_995, 3_000_000),
        ("bytes=3000000-", 416, 0, 0),
        ("bytes=5-1", 200, 0, 3_000_000),
    ] {
        let reply = site.ask("GET", &path, &[&cookie, &format!("Range: {range}"), &format!("If-Range: {tag}")]);
        assert!(reply.status == status && reply.is_whole && reply.body == bytes[from..to], "{range}: {}", reply.head);
        if status == 206 {
            assert_eq!(reply.header("content-range").unwrap(), format!("bytes {from}-{}/3000000", to - 1));
        }
        let head = site.ask("HEAD", &path, &[&cookie, &format!("Range: {range}")]);
        assert_eq!((head.status, head.header("content-length")), (status, reply.header("content-length")), "{range}");
    }
    let other = site.ask("GET", &path, &[&cookie, "Range: bytes=0-0", "If-Range: \"other\""]);
    assert_eq!((other.status, other.body.len()), (200, bytes.len()));
}

#[test]
fn snapshots_changes_searches_and_archives_say_what_there_is() {
    let scene = committed();
    std::fs::remove_file(scene.path("folder/a.txt")).unwrap();
    scene.write("sub/new #1.txt", b"new");
    scene.commit("<b>two</b>").unwrap();
    let site = Site::new(&scene);
    let line = site.page(&site.at("snapshots"));
    assert!(line.contains("the store as it was when browsing began"), "{line}");
    assert!(line.contains("&lt;b&gt;two&lt;/b&gt;") && line.contains("2 snapshots") && !main_of(&line).contains("<b>"));
    let kept = entries(&line);
    let (new, old) = (&kept[0], &kept[1]);
    assert!(site.page(new).contains("the newest") && site.page(new).contains(old.as_str()), "the way to the older one");
    assert_eq!(site.get(&format!("{new}a.txt")).status, 404);
    assert!(site.page(&format!("{old}a.txt")).contains("first"));
    let changes = site.page(&new.replace("/files/", "/changes/"));
    assert!(changes.contains(">Added<") && changes.contains(">Removed<"), "{changes}");
    assert!(
        entries(&changes).contains(&format!("{old}a.txt"))
            && entries(&changes).contains(&format!("{new}sub/new%20%231.txt"))
    );
    let id = new.trim_matches('/').rsplit('/').next().unwrap();
    let same = site.page(&format!("{}?old={id}", new.replace("/files/", "/changes/")));
    assert!(same.contains("Nothing changed."), "{same}");
    assert!(site.page(&old.replace("/files/", "/changes/")).contains("no older snapshot"));
    for unknown in ["old=0123456789abcdef", "new=0123456789abcdef", "old=", &format!("old={id}&new=none")] {
        let reply = site.get(&format!("{}?{unknown}", new.replace("/files/", "/changes/")));
        assert_eq!(reply.status, 404, "{unknown}: others are not compared instead");
    }
    let search = |query: &str| site.page(&format!("{}?q={query}", new.replace("/files/", "/search/")));
    assert_eq!(entries(&search("NEW+%23")), [format!("{new}sub/new%20%231.txt")]);
    assert_eq!(entries(&search("*.bin")).len(), 1);
    assert!(search("nowhere").contains("0 matches among 3 entries"));
    scene.write("deep/sub/b.bin", b"another");
    scene.commit("three").unwrap();
    let site = Site::new(&scene);
    let found =
        |query: &str| entries(&site.page(&format!("{}?q={query}", site.files().replace("/files/", "/search/"))));
    for at_any_depth in ["sub/b", "SUB/*.bin", "**/sub/b.bin"] {
        assert_eq!(
            found(at_any_depth),
            ["deep/sub/b.bin", "sub/b.bin"].map(|path| site.files() + path),
            "{at_any_depth}"
        );
    }
    for from_the_top in ["/sub/b", "/sub/*.bin", "/*/b.bin"] {
        assert_eq!(found(from_the_top), [site.files() + "sub/b.bin"], "{from_the_top}");
    }
    for wrong in ["", "%5B", "[z-a]"] {
        let reply = site.get(&format!("{}?q={wrong}", new.replace("/files/", "/search/")));
        assert!(reply.status == 400, "{wrong}: {reply:?}");
    }
    let zip = site.get(&new.replace("/files/", "/zip/"));
    assert!(zip.is_whole && zip.header("content-disposition").unwrap().contains("all-files.zip"));
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip.body)).unwrap();
    let mut names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["sub/", "sub/b.bin", "sub/new #1.txt"]);
    let mut bytes = Vec::new();
    archive.by_name("sub/b.bin").unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, noise(1, 3_000_000));
}

#[test]
fn a_folder_that_is_too_much_for_one_zip_is_refused_before_anything_is_sent() {
    let scene = Scene::new();
    (0..4).for_each(|number| scene.write(&format!("many/{number}"), b"x"));
    (0..2).for_each(|number| scene.write(&format!("few/{number}"), b"x"));
    let long = "n".repeat(200);
    (0..2).for_each(|number| scene.write(&format!("long/{long}{number}"), b"x"));
    scene.commit("one").unwrap();
    let zip = |room: ZipRoom, method: &str, path: &str| {
        let bounds = Bounds { zip: room, ..Bounds::default() };
        let site = Site::within(&scene, &scene.disk, bounds);
        let address = format!("{}{path}", site.files().replace("/files/", "/zip/"));
        site.ask(method, &address, &[&format!("Cookie: {}", site.cookie)])
    };
    let three = ZipRoom { entries: 3, path_bytes: 300 };
    for path in ["", "many"] {
        let refused = zip(three, "GET", path);
        assert!(refused.status == 413 && refused.text().contains("one after the other"), "{path}: {refused:?}");
        assert!(refused.text().contains("3 entries with 300 B of names"), "{refused:?}");
        assert_eq!(zip(three, "HEAD", path).status, 413);
    }
    assert!(zip(three, "GET", "few").is_whole && zip(three, "HEAD", "few").status == 200);
    assert_eq!(zip(three, "GET", "long").status, 413, "names count as well");
    // That the names of a snapshot of few entries are too long shows on the way.
    let broken = zip(ZipRoom { entries: 100, path_bytes: 300 }, "GET", "long");
    assert!(broken.status == 200 && !broken.is_whole, "{broken:?}");
    assert!(zip(ZipRoom { entries: 11, path_bytes: 10_000 }, "GET", "").is_whole, "what fits exactly");
}

#[test]
fn connections_are_bounded_and_one_that_says_nothing_more_is_closed() {
    let scene = committed();
    let head_timeout = std::time::Duration::from_millis(200);
    let site = Site::within(&scene, &scene.disk, Bounds { connections: 1, head_timeout, ..Bounds::default() });
    let address = site.web.address();
    let mut idle = std::net::TcpStream::connect(address).unwrap();
    write!(idle, "GET /page.css HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 100]).unwrap();
    let mut mute = std::net::TcpStream::connect(address).unwrap();
    // Answered once both before it are closed, which nobody did but the server.
    assert_eq!(site.get(&site.home).status, 303);
    let mut rest = Vec::new();
    for stream in [&mut idle, &mut mute] {
        stream.set_nonblocking(true).unwrap();
        stream.read_to_end(&mut rest).unwrap();
    }
    assert!(!rest.is_empty(), "the rest of the first answer");
}

/// Damages the one chunk of a file of many, behind its first megabyte.
fn damaged() -> (Scene, Vec<String>) {
    let scene = Scene::new();
    scene.write("d/good.txt", b"good");
    scene.write("d/long.bin", &noise(5, 9_000_000));
    scene.commit("one").unwrap();
    let packs: Vec<_> = scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/")).collect();
    (scene, packs)
}

#[test]
fn a_damaged_file_says_so_and_its_download_is_broken_off() {
    let (scene, packs) = damaged();
    let longest = packs.iter().max_by_key(|pack| scene.disk.content(pack).unwrap().len()).unwrap();
    assert!(scene.disk.corrupt(longest, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 100_000].iter_mut().for_each(|byte| *byte ^= 1);
    }));
    let site = Site::new(&scene);
    let files = site.files();
    let download = format!("{}d/long.bin", files.replace("/files/", "/download/"));
    let broken = site.get(&download);
    assert_eq!((broken.status, broken.header("content-length")), (200, Some("9000000")));
    assert!(!broken.is_whole && broken.body.len() < 9_000_000, "{} bytes", broken.body.len());
    assert_eq!(broken.body, noise(5, 9_000_000)[..broken.body.len()], "what came is right");
    let page = site.page(&format!("{files}d/long.bin"));
    assert!(page.contains("This is damaged") && page.contains(longest.as_str()), "{page}");
    assert!(site.page(&format!("{files}d")).contains("damaged</span>"));
    let range =
        |range: &str| site.ask("GET", &download, &[&format!("Cookie: {}", site.cookie), &format!("Range: {range}")]);
    assert_eq!(range("bytes=0-9").body, noise(5, 10));
    let mid = range(&format!("bytes={}-{}", broken.body.len(), broken.body.len() + (1 << 20) - 1));
    assert!(mid.status == 500 && mid.text().contains("damaged"), "{mid:?}");
    let zip = site.get(&files.replace("/files/", "/zip/"));
    assert!(zip.is_whole);
    let mut archive = zip::ZipArchive::new(Cursor::new(&zip.body)).unwrap();
    assert!(archive.by_name("d/long.bin").is_err() && archive.by_name("d/good.txt").is_ok());
    let mut told = String::new();
    archive.by_name("LEFT OUT.txt").unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("/d/long.bin: ") && told.starts_with("1 entries"), "{told}");
}

#[test]
fn a_link_to_what_is_damaged_leads_there_and_a_link_to_nothing_nowhere() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let damaged = hand.forged("..", 1, b"lost");
        let link = |name: &str, number: u64, target: &[u8]| {
            Hand::entry(name, number, Node::Symlink { target: target.to_vec() })
        };
        let file = hand.file("file", 3, b"x");
        let links = [link("to-damaged", 4, b"bad/x"), link("to-none", 5, b"none"), link("to-below", 6, b"file/x")];
        hand.tree([vec![Hand::over("bad", 2, damaged), file], links.to_vec()].concat())
    });
    let site = Site::new(&scene);
    let files = site.files();
    let leads = entries(&site.page(&format!("{files}to-damaged")));
    assert_eq!(leads, [format!("{files}bad/x")]);
    assert_eq!(site.get(&leads[0]).status, 500);
    for nowhere in ["to-none", "to-below"] {
        let page = site.page(&format!("{files}{nowhere}"));
        assert!(page.contains("not in this snapshot") && entries(&page).is_empty(), "{page}");
    }
}

/// Two snapshots, of which nothing of the newer one reads but that there is one.
fn newest_damaged() -> Scene {
    let scene = committed();
    let before = scene.disk.paths();
    scene.write("a.txt", b"second");
    scene.commit("two").unwrap();
    let new = scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/") && !before.contains(path));
    let damaged = new.filter(|pack| scene.disk.corrupt(pack, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1)));
    assert!(damaged.count() > 0);
    scene
}

#[test]
fn a_snapshot_that_does_not_read_stays_the_newest_and_says_so() {
    let scene = newest_damaged();
    let site = Site::new(&scene);
    let line = site.page(&site.at("snapshots"));
    assert!(line.contains("2 snapshots") && line.contains("It does not read from this copy"), "{line}");
    let kept = entries(&line);
    assert_eq!(site.files(), kept[0], "no older one passes for it");
    let newest = site.get(&kept[0]);
    assert!(newest.status == 500 && newest.text().contains("This is damaged"), "{newest:?}");
    assert!(!site.page(&kept[1]).contains("the newest"));
    assert!(site.page(&format!("{}a.txt", kept[1])).contains("first"));
}

#[test]
fn a_pulled_key_ends_answers_and_hangs_none() {
    let scene = committed();
    let site = Site::new(&scene);
    let files = site.files();
    scene.disk.unplug();
    let download = site.get(&format!("{}sub/b.bin", files.replace("/files/", "/download/")));
    assert!(download.status == 503 && download.text().contains("medium went away"), "{download:?}");
    let zip = site.get(&files.replace("/files/", "/zip/"));
    assert!(zip.status == 503 || !zip.is_whole, "{zip:?}");
    let search = site.get(&format!("{}?q=a", files.replace("/files/", "/search/")));
    assert!(search.status == 503 || search.text().contains("ended early"), "{search:?}");
    site.web.stop();
}

#[test]
fn nothing_is_written_and_an_empty_store_is_no_error() {
    let scene = Scene::new();
    let site = Site::new(&scene);
    assert_eq!(site.files(), site.at("snapshots"));
    assert!(site.page(&site.at("snapshots")).contains("Nothing was committed"));
    assert_eq!(site.get(&site.at("files/latest/")).status, 404);
    drop(site);
    let scene = committed();
    let before = scene.disk.fingerprint();
    let site = Site::new(&scene);
    let files = site.files();
    for path in [files.clone(), format!("{files}a.txt"), files.replace("/files/", "/zip/"), site.at("files/latest/sub")]
    {
        assert_eq!(site.get(&path).status, 200, "{path}");
    }
    for wrong in [
        "files",
        "files/",
        "files/0123",
        "files/zzzzzzzzzzzzzzzzzzzz/",
        "files/latest/%2e%2e",
        "files/latest/a.txt/b",
        "download/latest/sub",
        "files/latest/%00",
    ] {
        let reply = site.get(&site.at(wrong));
        assert!([400, 404].contains(&reply.status), "{wrong}: {reply:?}");
    }
    assert_eq!(scene.disk.fingerprint(), before);
}
