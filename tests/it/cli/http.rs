//! Stores on a server of files: read, cloned and synced over http and https, and servers that misbehave.

use super::far::fingerprint;
use super::wire::{certificate, pin};
use super::{Cli, Ran};
use crate::scene::noise;
use crate::web_server::{Conduct, WebServer};

/// A store `pub` that was pushed to `mirror`.
fn scene() -> Cli {
    let cli = Cli::with_store();
    cli.write("files/big.bin", &noise(1, 3 << 20));
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli
}

fn cat(cli: &Cli, url: &str, flags: &[&str]) -> Ran {
    cli.run(&[&["cat", "/a.txt", "--store", url, "--keys", "k"], flags].concat())
}

#[test]
fn a_store_is_read_cloned_and_synced_over_https() {
    let (cli, made) = (scene(), certificate());
    let server = WebServer::with_tls(&cli.path("mirror"), &made);
    cli.write("ca.pem", made.cert.pem().as_bytes());
    let url = server.url();
    let stranger = cat(&cli, &url, &[]);
    assert_eq!(stranger.code, 14, "{stranger:?}");
    assert!(stranger.stderr.contains("certificate"), "{stranger:?}");
    let wrong = cat(&cli, &url, &["--tls-pin", &pin(&certificate())]);
    assert!(wrong.code == 14 && wrong.stderr.contains("certificate"), "{wrong:?}");
    assert_eq!(cat(&cli, &url, &["--tls-pin", &pin(&made), "--no-cache"]).stdout, "first");
    let before = server.counts();
    let read = cat(&cli, &url, &["--tls-ca", "ca.pem"]);
    assert_eq!((read.code, read.stdout.as_str()), (0, "first"), "{read:?}");
    let after = server.counts();
    let (requests, bytes, connections) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
    println!("cat over https: {requests} requests, {bytes} bytes, {connections} connections");
    assert!(bytes < 1 << 20, "only what is read");
    assert!(connections <= 2, "a connection is used again: {connections}");
    cli.ok(&["clone", &url, "key", "--trust", &fingerprint(&cli), "--tls-ca", "ca.pem"]);
    cli.write("files/new.txt", b"new");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "three"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", &url, "--store", "key", "--tls-ca", "ca.pem"]);
    assert_eq!(cli.ok(&["cat", "/new.txt", "--store", "key", "--keys", "k"]).stdout, "new");
    assert_eq!(cli.ok(&["verify", "--store", "key"]).code, 0);
}

#[test]
fn every_way_to_serve_files_will_do_and_every_other_is_an_error_in_time() {
    let cli = scene();
    let server = WebServer::plain(&cli.path("mirror"));
    let url = server.url();
    for conduct in [Conduct::Right, Conduct::NoRanges] {
        server.behave(conduct);
        let read = cat(&cli, &url, &["--no-cache"]);
        assert_eq!((read.code, read.stdout.as_str()), (0, "first"), "{conduct:?}: {read:?}");
    }
    let bad = [
        (Conduct::Redirects, "elsewhere.example"),
        (Conduct::Busy, "503"),
        (Conduct::Garbage, "HTTP"),
        (Conduct::EndlessHead, ""),
        (Conduct::Truncates, ""),
        (Conduct::WrongRange, "another range"),
        (Conduct::Endless, ""),
    ];
    for (conduct, word) in bad {
        server.behave(conduct);
        let ran = cat(&cli, &url, &["--no-cache", "--timeout", "2s"]);
        assert!([13, 14, 18].contains(&ran.code), "{conduct:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains(word), "{conduct:?}: {ran:?}");
        let other = cat(&cli, "pub", &["--also", &url, "--timeout", "2s"]);
        assert_eq!((other.code, other.stdout.as_str()), (0, "first"), "{conduct:?}: {other:?}");
    }
    server.behave(Conduct::Silent);
    let silent = cat(&cli, &url, &["--no-cache", "--timeout", "500ms"]);
    assert_eq!(silent.code, 14, "{silent:?}");
    assert!(silent.stderr.contains("no answer in time"), "{silent:?}");
}

#[test]
fn addresses_that_are_not_for_reading_or_not_for_http_are_refused() {
    let cli = scene();
    let server = WebServer::plain(&cli.path("mirror"));
    for (url, word) in [
        ("http://example.org/", "https://"),
        ("https://me:secret@127.0.0.1/", "user"),
        ("https://127.0.0.1/a?b", "query"),
    ] {
        let ran = cat(&cli, url, &[]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(word) && !ran.stderr.contains("secret"), "{ran:?}");
    }
    cli.write("files/more.txt", b"more");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "three"]);
    let pushed = cli.run(&["push", &server.url(), "--store", "pub", "--keys", "k"]);
    assert_eq!(pushed.code, 14, "{pushed:?}");
    assert!(pushed.stderr.contains("can only be read"), "{pushed:?}");
    let missing = cat(&cli, &format!("{}nowhere/", server.url()), &[]);
    assert_eq!(missing.code, 10, "{missing:?}");
}
