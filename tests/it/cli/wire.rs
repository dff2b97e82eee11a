//! What flags, environment and configuration decide about the wire: whose certificate is taken, and which proxy is used.

use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::disk::served::ServedDir;
use chunkstore::serve::{Faults, ServeOptions, Server, TlsIdentity};

use super::{Cli, Ran, ended};
use crate::scripted_proxy::{Conduct, NAME, ScriptedProxy};

/// A store, a key cloned from it, and a server over the store with a certificate for 127.0.0.1.
struct Scene {
    cli: Cli,
    server: Server,
}

pub fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// The SHA-256 of a certificate in hex, as a person gets it from openssl.
pub fn pin(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    let suite = rustls::crypto::ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let rustls::SupportedCipherSuite::Tls12(suite) = suite else { panic!("not a suite of TLS 1.2") };
    hex::encode(suite.common.hash_provider.hash(certificate.cert.der()).as_ref())
}

impl Scene {
    fn new() -> (Self, rcgen::CertifiedKey<rcgen::KeyPair>) {
        let cli = Cli::with_store();
        let trust = cli.ok(&["status", "--store", "pub", "--json"]).document();
        cli.ok(&["clone", "./pub", "key", "--trust", trust["fingerprint"].as_str().unwrap()]);
        let made = certificate();
        let (chain_pem, key_pem) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes());
        let options = ServeOptions { tls: Some(TlsIdentity { chain_pem, key_pem }), ..ServeOptions::default() };
        let dir = ServedDir::open_root(&cli.path("pub")).unwrap();
        let server = Server::start(dir, options, Faults::none(), Arc::new(SystemClock)).unwrap();
        (Self { cli, server }, made)
    }

    fn sync(&self, remote: &str, flags: &[&str], variables: &[(&str, &str)]) -> Ran {
        let args = [&["sync", remote, "--store", "key", "--timeout", "5s"], flags].concat();
        ended(self.cli.command(&args).envs(variables.iter().copied()))
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/", self.server.addr().port())
    }
}

#[test]
fn only_the_certificate_that_was_named_is_taken_and_a_flag_wins() {
    let (scene, made) = Scene::new();
    let other = certificate();
    let (right, wrong) = (pin(&made), pin(&other));
    scene.cli.write("right.pem", made.cert.pem().as_bytes());
    scene.cli.write("wrong.pem", other.cert.pem().as_bytes());
    let (url, right_ca) = (scene.url("ftps", "127.0.0.1"), scene.cli.path("right.pem"));
    scene.cli.configure(&format!(
        "[profiles.pinned]\ntls-pin = \"{right}\"\n[profiles.mispinned]\ntls-pin = \"{wrong}\"\n\
         [remotes.right]\nurl = \"{url}\"\ntls-ca = {right_ca:?}\n"
    ));
    let bare = scene.url("ftps", "127.0.0.1") + "/";
    let refused: [(&str, &[&str]); 7] = [
        (&bare, &[]),
        (&bare, &["--tls-pin", &wrong]),
        (&bare, &["--tls-ca", "wrong.pem"]),
        (&bare, &["--profile", "mispinned"]),
        (&bare, &["--profile", "pinned", "--tls-pin", &wrong]),
        ("right", &["--tls-pin", &wrong]),
        ("right", &["--tls-ca", "wrong.pem"]),
    ];
    for (remote, flags) in refused {
        let ran = scene.sync(remote, flags, &[]);
        assert_eq!(ran.code, 14, "{remote} {flags:?}: {ran:?}");
        assert!(ran.stderr.contains("certificate"), "{remote} {flags:?}: {ran:?}");
    }
    assert_eq!(scene.server.counts().logins, 0, "nobody logs in at a stranger");
    let taken: [(&str, &[&str]); 6] = [
        (&bare, &["--tls-pin", &right]),
        (&bare, &["--tls-ca", "right.pem"]),
        (&bare, &["--profile", "pinned"]),
        (&bare, &["--profile", "mispinned", "--tls-pin", &right]),
        ("right", &[]),
        ("right", &["--profile", "mispinned"]),
    ];
    for (remote, flags) in taken {
        let ran = scene.sync(remote, flags, &[]);
        assert_eq!(ran.code, 0, "{remote} {flags:?}: {ran:?}");
    }
}

#[test]
fn the_proxy_of_the_environment_is_used_unless_it_is_excepted() {
    let (scene, _) = Scene::new();
    let (proxy, other) = (ScriptedProxy::start(Conduct::Serve(None)), ScriptedProxy::start(Conduct::Serve(None)));
    let (socks, http) = (format!("socks5h://{}", proxy.addr()), format!("http://{}", other.addr()));
    let named = scene.url("ftp", NAME);
    let ran = scene.sync(&named, &[], &[("ALL_PROXY", &socks)]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let first = proxy.targets().len();
    assert!(first >= 2, "control and data go by the proxy: {:?}", proxy.targets());
    let all = [("ALL_PROXY", &*socks), ("all_proxy", &socks), ("FTP_PROXY", &socks), ("ftp_proxy", &http)];
    let ran = scene.sync(&named, &[], &all);
    assert_eq!((ran.code, proxy.targets().len()), (0, first), "ftp_proxy comes first: {ran:?}");
    let through_other = other.targets().len();
    assert!(through_other >= 2);
    let plain = scene.url("ftp", "127.0.0.1");
    for no_proxy in ["127.0.0.0/8", "example.org, 127.0.0.1", "*"] {
        let ran = scene.sync(&plain, &[], &[("FTP_PROXY", &socks), ("NO_PROXY", no_proxy)]);
        assert_eq!((ran.code, proxy.targets().len()), (0, first), "{no_proxy} is reached directly: {ran:?}");
    }
    let ran = scene.sync(&plain, &[], &[("FTP_PROXY", &socks), ("NO_PROXY", "example.org")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(proxy.targets().len() > first);
    assert_eq!(other.targets().len(), through_other);
}

#[test]
fn a_proxy_that_refuses_is_14_and_one_that_is_none_is_2() {
    let (scene, _) = Scene::new();
    let proxy = ScriptedProxy::start(Conduct::Serve(Some(("u", "x"))));
    let named = scene.url("ftp", NAME);
    for scheme in ["socks5h", "http"] {
        let ran = scene.sync(&named, &[], &[("ALL_PROXY", &format!("{scheme}://u:geheim@{}", proxy.addr()))]);
        assert_eq!(ran.code, 14, "{ran:?}");
        assert!(ran.stderr.contains(&format!("proxy {scheme}://{}", proxy.addr())), "{ran:?}");
        assert!(!ran.stderr.contains("geheim"), "{ran:?}");
    }
    let wrong = [("ALL_PROXY", "https://u:geheim@host")];
    let ran = scene.sync(&named, &[], &wrong);
    assert_eq!(ran.code, 2, "{ran:?}");
    // Windows does not tell cases of such names apart.
    assert!(ran.stderr.to_uppercase().contains("ALL_PROXY") && !ran.stderr.contains("geheim"), "{ran:?}");
    assert_eq!(scene.sync("./pub", &[], &wrong).code, 0, "a path needs no proxy");
}
