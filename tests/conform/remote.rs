//! The remote boundary: one suite for `MemRemote`, `PathRemote` and `FtpRemote`, the last against our own server and
//! against the real ones that are found.

mod embedded;
mod faults;
mod proxied;
mod scripted_proxy;
#[cfg(unix)]
mod servers;
mod suite;
mod tiny_disk;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chunkstore::base::clock::SystemClock;
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::remote::ftp::{FtpOptions, FtpRemote, TlsTrust};
use chunkstore::remote::mem::MemRemote;
use chunkstore::remote::rate::Throttle;
use chunkstore::remote::url::{Credentials, FtpUrl};

/// A certificate and its key.
struct Identity {
    cert_pem: String,
    key_pem: String,
    cert_der: Vec<u8>,
}

impl Identity {
    /// One for 127.0.0.1.
    fn new() -> Self {
        Self::named(&["127.0.0.1", "localhost"], false)
    }

    /// One for these names, that may have expired long ago.
    fn named(names: &[&str], expired: bool) -> Self {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        if expired {
            (params.not_before, params.not_after) =
                (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2020, 2, 1));
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Self { cert_pem: cert.pem(), key_pem: key.serialize_pem(), cert_der: cert.der().to_vec() }
    }

    fn trust(&self) -> TlsTrust {
        TlsTrust::CaPem(self.cert_pem.clone().into_bytes())
    }
}

/// Options with waits short enough for tests.
fn options(trust: TlsTrust) -> FtpOptions {
    FtpOptions { timeout: Duration::from_secs(10), trust, ..FtpOptions::default() }
}

fn ftp(url: &str, login: Credentials, options: FtpOptions) -> FtpRemote {
    FtpRemote::new(FtpUrl::parse(url).unwrap(), Some(login), options, Arc::new(SystemClock))
}

#[test]
fn mem() {
    suite::run("mem", &MemRemote::new());
}

#[test]
fn path() {
    let disk = tiny_disk::TinyDisk::default();
    suite::run("path", &PathRemote::new(Arc::new(disk.clone()), "/media/key".to_owned()));
    assert_eq!(disk.unsynced(), Vec::<String>::new(), "everything that was sent is durable");
}

#[test]
fn a_disk_that_fails_is_told_as_a_remote_that_fails() {
    use chunkstore::disk::DiskErrorKind as D;
    use chunkstore::remote::RemoteErrorKind as R;
    for (on_disk, told) in [(D::NoSpace, R::NoSpace), (D::Gone, R::Unreachable), (D::ReadOnly, R::Refused)] {
        let disk = tiny_disk::TinyDisk::default();
        let remote = PathRemote::new(Arc::new(disk.clone()), "/media/key".to_owned());
        let mut session = remote.connect().unwrap();
        disk.fail_with(on_disk);
        let error = session.send(&suite::path("x"), &mut &b"bytes"[..]).unwrap_err();
        assert_eq!(error.kind, told, "{error}");
        assert_eq!(session.replace(&suite::path("HEAD"), b"bytes").unwrap_err().kind, told);
    }
}

#[test]
fn every_byte_read_or_written_on_a_path_passes_the_throttle() {
    let counting = Arc::new(embedded::Counting::default());
    let throttle = Some(Arc::clone(&counting) as Arc<dyn Throttle>);
    let disk = Arc::new(tiny_disk::TinyDisk::default());
    let mut session = PathRemote::throttled(disk, "/media/key".to_owned(), throttle).connect().unwrap();
    let passed = |len: usize, what: &str| assert_eq!(counting.0.swap(0, Ordering::SeqCst), len, "{what}");
    let whole = suite::sample(700_000);
    session.send(&suite::path("x"), &mut &whole[..300_000]).unwrap();
    passed(300_000, "sent");
    session.send(&suite::path("x"), &mut &whole[..]).unwrap();
    passed(700_000, "what stood was read, the rest was written");
    suite::fetch(&mut *session, "x", 0, u64::MAX).1.unwrap();
    passed(700_000, "fetched");
    session.replace(&suite::path("HEAD"), b"head").unwrap();
    passed(4, "replaced");
}
