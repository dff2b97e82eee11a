//! Stores that are read where they lie on a server, and several copies of one store.

use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::OsRandom;
use chunkstore::disk::OsDisk;
use chunkstore::disk::served::ServedDir;
use chunkstore::format::Class;
use chunkstore::ops::Run;
use chunkstore::ops::list::cat;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::remote::ftp::{FtpOptions, FtpRemote};
use chunkstore::remote::url::FtpUrl;
use chunkstore::serve::{Answer, Faults, ServeOptions, Server};
use chunkstore::store::far::{FarDisk, FarOptions};
use chunkstore::store::{Store, layout};

use super::{Cli, Ran};
use crate::env::copy_dir;
use crate::scene::noise;

/// A server over a folder of a test.
pub fn serve(cli: &Cli, folder: &str) -> Server {
    let dir = ServedDir::open_root(&cli.path(folder)).unwrap();
    Server::start(dir, ServeOptions::default(), Faults::none(), Arc::new(SystemClock)).unwrap()
}

/// The address of a server's own folder.
pub fn url(server: &Server) -> String {
    format!("ftp://127.0.0.1:{}/", server.addr().port())
}

pub fn fingerprint(cli: &Cli) -> String {
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    status["fingerprint"].as_str().unwrap().to_owned()
}

/// A store `pub` of two commits, pushed to `mirror`, which a server shows.
fn scene() -> (Cli, Server) {
    let cli = Cli::with_store();
    cli.write("files/new.txt", b"second");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let server = serve(&cli, "mirror");
    (cli, server)
}

fn read(cli: &Cli, store: &str, args: &[&str]) -> Ran {
    cli.run(&[args, &["--store", store, "--keys", "k", "--timeout", "5s"]].concat())
}

// U14
#[test]
fn every_reading_verb_reads_a_store_where_it_lies_on_a_server() {
    let (cli, server) = scene();
    let (url, trust) = (url(&server), fingerprint(&cli));
    // A machine that has not met the store yet.
    std::fs::remove_dir_all(cli.path("home")).unwrap();
    let asked = read(&cli, &url, &["ls", "/"]);
    assert_eq!(asked.code, 2, "nobody is there who could confirm the fingerprint: {asked:?}");
    assert!(asked.stderr.contains(&trust), "{asked:?}");
    let wrong = read(&cli, &url, &["ls", "/", "--trust", &"0".repeat(32)]);
    assert_eq!(wrong.code, 18, "{wrong:?}");
    assert_eq!(read(&cli, &url, &["ls", "/", "--trust", &trust]).code, 0);
    let verbs: [&[&str]; 9] = [
        &["log", "--json"],
        &["ls", "/", "--recursive", "--json"],
        &["ls", "HEAD~1:/"],
        &["cat", "/sub/b.bin"],
        &["find", "*.txt", "--all"],
        &["diff", "HEAD~1", "HEAD"],
        &["stats", "--json"],
        &["export", "/"],
        &["restore", "/", "out", "--dry-run"],
    ];
    for args in verbs {
        let (near, far) = (read(&cli, "pub", args), read(&cli, &url, args));
        assert_eq!((near.code, far.code), (0, 0), "{args:?}: {near:?} {far:?}");
        assert_eq!(near.stdout, far.stdout, "{args:?}");
        assert_eq!(far.stderr, "", "{args:?}: it is met, and nothing is to be said");
    }
    assert_eq!(read(&cli, &url, &["restore", "/", "out"]).code, 0);
    assert_eq!(std::fs::read(cli.path("out/sub/b.bin")).unwrap(), [7; 5000]);
    assert_eq!(server.counts().stores, 0);
}

#[test]
fn whatever_writes_to_a_store_refuses_an_address() {
    let (cli, server) = scene();
    let with_login = format!("ftp://me:secret@127.0.0.1:{}/", server.addr().port());
    let verbs: [&[&str]; 5] =
        [&["commit", "files"], &["gc"], &["verify"], &["status"], &["forget", "--keep-last", "1"]];
    for args in verbs {
        let ran = read(&cli, &with_login, args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("can only be read"), "{args:?}: {ran:?}");
        assert!(!ran.stderr.contains("secret"), "{args:?}: {ran:?}");
    }
    assert_eq!(server.counts().connections, 0);
}

// U18
#[test]
fn a_server_that_goes_back_is_refused_and_read_when_a_person_takes_that() {
    let cli = Cli::with_store();
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    copy_dir(&cli.path("mirror"), &cli.path("old"));
    cli.write("files/new.txt", b"second");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let server = serve(&cli, "mirror");
    let url = url(&server);
    assert_eq!(read(&cli, &url, &["cat", "/new.txt"]).stdout, "second");
    std::fs::rename(cli.path("mirror/HEAD"), cli.path("new-head")).unwrap();
    std::fs::copy(cli.path("old/HEAD"), cli.path("mirror/HEAD")).unwrap();
    let refused = read(&cli, &url, &["log"]);
    assert_eq!(refused.code, 18, "{refused:?}");
    assert!(refused.stderr.contains("went back to generation 2"), "{refused:?}");
    let taken = read(&cli, &url, &["cat", "/a.txt", "--accept-older"]);
    assert_eq!((taken.code, taken.stdout.as_str()), (0, "first"), "{taken:?}");
    assert!(taken.stderr.contains("went back from generation 3 to 2"), "{taken:?}");
}

// D3
#[test]
fn what_is_not_there_is_said_at_once_and_another_copy_stands_in() {
    let (cli, server) = scene();
    let url = url(&server);
    server.shutdown();
    let gone = read(&cli, &url, &["cat", "/a.txt"]);
    assert_eq!(gone.code, 14, "{gone:?}");
    assert!(gone.stderr.contains("refused"), "the reason is said: {gone:?}");
    let other = read(&cli, &url, &["cat", "/a.txt", "--also", "./pub"]);
    assert_eq!((other.code, other.stdout.as_str()), (0, "first"), "{other:?}");
    assert!(other.stderr.contains("left out"), "{other:?}");
    let behind = read(&cli, "pub", &["cat", "/a.txt", "--also", &url, "--also", "./nowhere"]);
    assert_eq!((behind.code, behind.stdout.as_str()), (0, "first"), "{behind:?}");
    assert!(behind.stderr.contains("copy 2 of the store") || behind.stderr.contains("left out"), "{behind:?}");
    let stranger = Cli::with_store();
    let strange = stranger.path("pub");
    let refused = read(&cli, "pub", &["cat", "/a.txt", "--also", strange.to_str().unwrap()]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("is of the store"), "{refused:?}");
}

/// FTP 451: the server cannot read one file. What does not need it is written, and it may be there later.
#[test]
fn a_file_that_the_server_cannot_read_costs_what_needs_it_alone() {
    let cli = Cli::with_store();
    let packs = || -> std::collections::BTreeSet<_> {
        let store = Store::open(Arc::new(OsDisk::open(&cli.path("pub")).unwrap())).unwrap();
        let data = store.packs().packs().iter().filter(|pack| pack.class == Class::Data).map(|pack| pack.hash);
        data.collect()
    };
    let before = packs();
    cli.write("files/new/new.bin", &noise(9, 300_000));
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let (dir, faults) = (ServedDir::open_root(&cli.path("mirror")).unwrap(), Faults::none());
    let server = Server::start(dir, ServeOptions::default(), faults.clone(), Arc::new(SystemClock)).unwrap();
    let (url, new) = (url(&server), packs().difference(&before).copied().collect::<Vec<_>>());
    new.iter().for_each(|pack| faults.answer(&format!("/{}", layout::pack(pack)), &[Answer::Failing]));
    assert_eq!(new.len(), 1);
    let ran = read(&cli, &url, &["restore", "/", "out"]);
    assert_eq!(ran.code, 14, "{ran:?}");
    assert!(ran.stderr.contains("/new/new.bin") && ran.stderr.contains("does not give all files"), "{ran:?}");
    assert!(!ran.stderr.contains("left out for now"), "the server is there: {ran:?}");
    assert!(
        cli.path("out/a.txt").exists() && cli.path("out/sub/b.bin").exists() && !cli.path("out/new/new.bin").exists()
    );
    faults.heal();
    assert_eq!(read(&cli, &url, &["restore", "/", "out"]).code, 0);
    assert!(std::fs::read(cli.path("out/new/new.bin")).unwrap() == noise(9, 300_000));
}

/// A store of 24 MiB with one small file that is read, and a server over what was pushed.
fn big_scene() -> (Cli, Server) {
    let cli = Cli::with_store();
    cli.write("files/deep/er/small.txt", b"a marker of plaintext 4711");
    for number in 0..3 {
        cli.write(&format!("files/big/{number}"), &noise(number, 8 << 20));
    }
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "big"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let server = serve(&cli, "mirror");
    (cli, server)
}

const SMALL: [&str; 2] = ["cat", "/deep/er/small.txt"];

#[test]
fn one_small_file_of_a_big_store_costs_little_over_ftp_and_nothing_the_second_time() {
    let (cli, server) = big_scene();
    let url = url(&server);
    let sent = |args: &[&str]| {
        let before = server.counts();
        let ran = read(&cli, &url, &[&SMALL, args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "a marker of plaintext 4711"), "{ran:?}");
        let after = server.counts();
        (after.retrieves - before.retrieves, after.sent_bytes - before.sent_bytes, after.logins - before.logins)
    };
    let (bare, first, second) = (sent(&["--no-cache"]), sent(&[]), sent(&[]));
    println!("without a cache {bare:?}, first {first:?}, second {second:?}");
    assert!(bare.0 < 30, "{bare:?}");
    assert_eq!(bare.2, 1, "one session is enough");
    assert!(second.0 <= 5 && second.1 < 8192, "only what is never kept: {second:?}");
}

/// What the server's program wrote may wait in its system for good, so the wire is looked at from the other end.
#[test]
fn one_small_file_of_a_big_store_moves_few_bytes() {
    let (cli, server) = big_scene();
    let remote =
        FtpRemote::new(FtpUrl::parse(&url(&server)).unwrap(), None, FtpOptions::default(), Arc::new(SystemClock));
    let options = FarOptions {
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        stop: Arc::default(),
        tell: Box::new(|text| panic!("{text}")),
    };
    let far = FarDisk::new(Arc::new(remote), options);
    let store = Store::open(Arc::new(far.clone())).unwrap();
    let identities = KeyDir::new(&cli.path("k"), store.id()).load_reader(&|_| unreachable!()).unwrap();
    let run = Run { clock: &SystemClock, random: &OsRandom, monitor: &SilentMonitor };
    let reading = Reading::open(Arc::new(far.clone()), &identities, run).unwrap();
    let opened = far.wire_bytes();
    let (mut bytes, spot) = (Vec::new(), Spot::parse(b"/deep/er/small.txt").unwrap());
    cat(&reading, &spot, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    assert_eq!(bytes, b"a marker of plaintext 4711");
    println!("opening {opened} bytes, and with the file {}", far.wire_bytes());
    assert!(far.wire_bytes() < 1 << 20, "{}", far.wire_bytes());
}

fn files_below(dir: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

// D29
#[test]
fn what_is_kept_near_is_of_no_use_to_a_finder() {
    let (cli, server) = big_scene();
    assert_eq!(read(&cli, &url(&server), &["restore", "/", "out"]).code, 0);
    let mut files = Vec::new();
    files_below(&cli.path("home/.cache"), &mut files);
    let kept: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|it| it == "seg")).collect();
    let bytes: Vec<u8> = kept.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    assert!(bytes.len() > 20 << 20, "{}", bytes.len());
    let identity = std::fs::read_dir(cli.path("k")).unwrap().next().unwrap().unwrap().path().join("reader.key");
    let identity = std::fs::read_to_string(identity).unwrap();
    let secret = identity.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let piece = &noise(1, 8 << 20)[4 << 20..][..64];
    let markers: [&[u8]; 6] = [b"plaintext 4711", b"small.txt", b"a.txt", piece, secret.as_bytes(), b"127.0.0.1"];
    for marker in markers {
        let is_there = bytes.windows(marker.len()).any(|window| window == marker);
        assert!(!is_there, "{:?}", String::from_utf8_lossy(marker));
    }
    #[cfg(unix)]
    for path in &kept {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

fn kept_bytes(cli: &Cli, dir: &str) -> u64 {
    let mut files = Vec::new();
    if cli.path(dir).is_dir() {
        files_below(&cli.path(dir), &mut files);
    }
    let kept = files.iter().filter(|path| path.extension().is_some_and(|it| it == "seg"));
    kept.map(|path| std::fs::metadata(path).unwrap().len()).sum()
}

// U14, D27
#[test]
fn content_is_kept_where_it_was_asked_for_within_its_bound_and_never_in_the_store() {
    let (cli, server) = big_scene();
    let url = url(&server);
    assert_eq!(read(&cli, "pub", &SMALL).code, 0);
    assert_eq!(read(&cli, &url, &[&SMALL[..], &["--no-cache"]].concat()).code, 0);
    assert_eq!(kept_bytes(&cli, "home/.cache"), 0, "a store that is near is not kept, nor what was refused");
    let trust = fingerprint(&cli);
    assert_eq!(read(&cli, &url, &[&SMALL[..], &["--cache", "pub/own", "--trust", &trust]].concat()).code, 0);
    assert_eq!(read(&cli, "pub", &[&SMALL[..], &["--cache", "pub/own", "--cache-bytes", "1M"]].concat()).code, 0);
    assert_eq!(kept_bytes(&cli, "pub"), 0, "never in the store itself");
    assert_eq!(read(&cli, "pub", &[&SMALL[..], &["--cache-bytes", "1M"]].concat()).code, 0);
    let some = kept_bytes(&cli, "home/.cache");
    assert!(some > 0, "a slow key, as asked for");
    assert_eq!(read(&cli, &url, &["export", "/", "-o", "all.tar", "--cache-bytes", "12M"]).code, 0);
    assert!((4 << 20..=12 << 20).contains(&kept_bytes(&cli, "home/.cache")), "{}", kept_bytes(&cli, "home/.cache"));
    #[cfg(unix)]
    {
        // A file where the folder should be: it goes on without.
        cli.write("in-the-way", b"");
        assert_eq!(read(&cli, &url, &[&SMALL[..], &["--cache", "in-the-way", "--trust", &trust]].concat()).code, 0);
    }
    let nonsense = read(&cli, &url, &[&SMALL[..], &["--cache-bytes", "much"]].concat());
    assert_eq!(nonsense.code, 2, "{nonsense:?}");
}
