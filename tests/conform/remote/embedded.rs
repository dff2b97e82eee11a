//! The suite over our own server: plain, explicit and implicit TLS, and what a login and a certificate decide.

#![expect(clippy::disallowed_methods, reason = "the tests plant files and look at them from outside")]

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chunkstore::base::StorePath;
use chunkstore::base::clock::SystemClock;
use chunkstore::disk::served::ServedDir;
use chunkstore::remote::ftp::{FtpOptions, FtpRemote, TlsTrust};
use chunkstore::remote::rate::Throttle;
use chunkstore::remote::url::Credentials;
use chunkstore::remote::{Remote, RemoteErrorKind};
use chunkstore::serve::{Faults, ServeOptions, Server, TlsIdentity};

use super::{Identity, ftp, options, suite};

/// A server over an empty directory, and its script.
pub struct Served {
    pub server: Server,
    pub faults: Faults,
    pub home: tempfile::TempDir,
}

pub fn login() -> Credentials {
    Credentials::new("ann", "s3cret pass")
}

pub fn serve(change: impl FnOnce(&mut ServeOptions)) -> Served {
    let home = tempfile::tempdir().unwrap();
    let mut options = ServeOptions { login: Some(login()), allow_upload: true, ..ServeOptions::default() };
    change(&mut options);
    let dir = ServedDir::open_root(home.path()).unwrap();
    let faults = Faults::none();
    let server = Server::start(dir, options, faults.clone(), Arc::new(SystemClock)).unwrap();
    Served { server, faults, home }
}

impl Served {
    pub fn remote(&self, scheme: &str, options: FtpOptions) -> FtpRemote {
        ftp(&format!("{scheme}://{}/a/store", self.server.addr()), login(), options)
    }
}

pub fn with_tls(identity: &Identity) -> TlsIdentity {
    TlsIdentity { chain_pem: identity.cert_pem.clone().into_bytes(), key_pem: identity.key_pem.clone().into_bytes() }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let rustls::SupportedCipherSuite::Tls12(suite) =
        rustls::crypto::ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    else {
        panic!("not a suite of TLS 1.2");
    };
    suite.common.hash_provider.hash(bytes).as_ref().try_into().unwrap()
}

#[test]
fn plain() {
    let served = serve(|_| {});
    let remote = served.remote("ftp", options(TlsTrust::PublicRoots));
    suite::run("own server, plain", &remote);
}

#[test]
fn wire_bytes_hold_file_and_protocol() {
    let identity = Identity::new();
    let served = serve(|options| options.tls = Some(with_tls(&identity)));
    for (scheme, least, most) in [("ftp", 2300, 3500), ("ftps", 2800, 9000)] {
        let remote = served.remote(scheme, options(identity.trust()));
        let mut session = remote.connect().unwrap();
        session.create_dir(&StorePath::root()).unwrap();
        session.send(&suite::path("x"), &mut Cursor::new([7; 1000])).unwrap();
        suite::fetch(&mut *session, "x", 0, 5000).1.unwrap();
        let wire = remote.wire_bytes();
        assert!((least..most).contains(&wire), "{scheme}: {wire}");
    }
}

#[test]
fn ranges_of_a_session_take_one_login_and_little_more_than_their_bytes() {
    let identity = Identity::new();
    let served = serve(|options| options.tls = Some(with_tls(&identity)));
    for (scheme, logins, most) in [("ftp", 1, 32 * 1024), ("ftps", 2, 64 * 1024)] {
        let wire_bytes = suite::wire_bytes_of_ranges(&served.remote(scheme, options(identity.trust())), 4096);
        assert_eq!(served.server.counts().logins, logins, "{scheme}");
        assert!((4096..most).contains(&wire_bytes), "{scheme}: {wire_bytes} bytes on the wire");
    }
}

#[test]
fn explicit_tls_with_resumed_data_sessions() {
    let identity = Identity::new();
    let served = serve(|options| {
        options.tls = Some(with_tls(&identity));
        options.require_tls = true;
        options.require_session_reuse = true;
    });
    suite::run("own server, explicit TLS", &served.remote("ftps", options(identity.trust())));
}

#[test]
fn implicit_tls() {
    let identity = Identity::new();
    let served = serve(|options| {
        options.tls = Some(with_tls(&identity));
        options.implicit_tls = true;
        options.require_tls = true;
        options.require_session_reuse = true;
    });
    suite::run("own server, implicit TLS", &served.remote("ftps+implicit", options(identity.trust())));
}

#[test]
fn only_the_trusted_certificate_is_taken() {
    let (identity, other) = (Identity::new(), Identity::new());
    let served = serve(|options| options.tls = Some(with_tls(&identity)));
    let connect = |trust| served.remote("ftps", options(trust)).connect().map(drop);
    assert_eq!(connect(TlsTrust::PublicRoots).unwrap_err().kind, RemoteErrorKind::Refused);
    assert_eq!(connect(other.trust()).unwrap_err().kind, RemoteErrorKind::Refused);
    assert_eq!(connect(TlsTrust::CaPem(b"no pem".to_vec())).unwrap_err().kind, RemoteErrorKind::Refused);
    assert_eq!(connect(TlsTrust::PinSha256(sha256(&other.cert_der))).unwrap_err().kind, RemoteErrorKind::Refused);
    connect(TlsTrust::PinSha256(sha256(&identity.cert_der))).unwrap();
    connect(identity.trust()).unwrap();
    assert_eq!(served.server.counts().logins, 2, "no password was shown to a stranger");
}

#[test]
fn a_certificate_has_to_be_for_the_host_and_in_date_unless_it_is_pinned() {
    let (stranger, expired) = (Identity::named(&["other.example"], false), Identity::named(&["127.0.0.1"], true));
    for (identity, implicit_tls) in [(&stranger, false), (&stranger, true), (&expired, false), (&expired, true)] {
        let served = serve(|options| {
            options.tls = Some(with_tls(identity));
            options.implicit_tls = implicit_tls;
        });
        let scheme = if implicit_tls { "ftps+implicit" } else { "ftps" };
        let connect = |trust| served.remote(scheme, options(trust)).connect().map(drop);
        let error = connect(identity.trust()).unwrap_err();
        assert_eq!((error.kind, served.server.counts().logins), (RemoteErrorKind::Refused, 0), "{error}");
        assert!(error.reason.contains("certificate"), "{error}");
        connect(TlsTrust::PinSha256(sha256(&identity.cert_der))).unwrap();
    }
}

#[test]
fn a_server_without_tls_gets_no_password() {
    let served = serve(|_| {});
    let error = served.remote("ftps", options(TlsTrust::PublicRoots)).connect().err().unwrap();
    assert_eq!(error.kind, RemoteErrorKind::Refused, "{error}");
    let plain_forbidden = FtpOptions { allow_plaintext: false, ..options(TlsTrust::PublicRoots) };
    let error = served.remote("ftp", plain_forbidden).connect().err().unwrap();
    assert_eq!((error.kind, served.server.counts().logins), (RemoteErrorKind::Refused, 0));
}

#[test]
fn a_wrong_password_is_refused_and_not_shown() {
    let served = serve(|_| {});
    let url = format!("ftp://{}/", served.server.addr());
    let remote = ftp(&url, Credentials::new("ann", "wr0ng"), options(TlsTrust::PublicRoots));
    let error = remote.connect().err().unwrap();
    assert_eq!(error.kind, RemoteErrorKind::Refused);
    assert!(!format!("{error} {error:?}").contains("wr0ng"));
}

#[test]
fn a_read_only_server_refuses_to_be_written() {
    let served = serve(|options| options.allow_upload = false);
    std::fs::create_dir_all(served.home.path().join("a/store")).unwrap();
    std::fs::write(served.home.path().join("a/store/HEAD"), b"head").unwrap();
    let remote = served.remote("ftp", options(TlsTrust::PublicRoots));
    let mut session = remote.connect().unwrap();
    assert_eq!(suite::fetch(&mut *session, "HEAD", 0, 100).0, b"head");
    assert_eq!(session.replace(&suite::path("HEAD"), b"x").unwrap_err().kind, RemoteErrorKind::Refused);
    let mut session = remote.connect().unwrap();
    assert_eq!(session.remove(&suite::path("HEAD")).unwrap_err().kind, RemoteErrorKind::Refused);
    assert_eq!(std::fs::read(served.home.path().join("a/store/HEAD")).unwrap(), b"head");
}

#[test]
fn too_many_connections_are_busy() {
    let served = serve(|options| options.max_connections = 1);
    let remote = served.remote("ftp", options(TlsTrust::PublicRoots));
    let first = remote.connect().unwrap();
    assert_eq!(remote.connect().err().unwrap().kind, RemoteErrorKind::Busy);
    drop(first);
}

#[test]
fn nobody_there_is_unreachable() {
    let served = serve(|_| {});
    let remote = served.remote("ftp", options(TlsTrust::PublicRoots));
    served.server.shutdown();
    assert_eq!(remote.connect().err().unwrap().kind, RemoteErrorKind::Unreachable);
}

#[test]
fn a_line_end_in_a_login_is_no_second_command() {
    let served = serve(|options| options.login = None);
    std::fs::write(served.home.path().join("victim"), b"here").unwrap();
    let url = format!("ftp://{}/", served.server.addr());
    for login in [Credentials::new("ann\r\nDELE victim", "x"), Credentials::new("ann", "s3cret\r\nDELE victim")] {
        let error = ftp(&url, login, options(TlsTrust::PublicRoots)).connect().err().unwrap();
        assert_eq!(error.kind, RemoteErrorKind::Refused, "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    assert!(served.home.path().join("victim").exists());
}

/// A throttle that only counts.
#[derive(Default)]
pub(super) struct Counting(pub(super) AtomicUsize);

impl Throttle for Counting {
    fn passed(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn every_byte_of_a_file_passes_the_throttle() {
    let (served, counting) = (serve(|_| {}), Arc::new(Counting::default()));
    let throttle = Some(Arc::clone(&counting) as Arc<dyn Throttle>);
    let remote = served.remote("ftp", FtpOptions { throttle, ..options(TlsTrust::PublicRoots) });
    let mut session = remote.connect().unwrap();
    session.create_dir(&StorePath::root()).unwrap();
    session.send(&suite::path("x"), &mut Cursor::new(suite::sample(700_000))).unwrap();
    suite::fetch(&mut *session, "x", 0, u64::MAX).1.unwrap();
    assert_eq!(counting.0.load(Ordering::SeqCst), 1_400_000);
}
