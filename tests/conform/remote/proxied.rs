//! The suite through a proxy, and whatever a proxy does.

use std::time::Duration;

use chunkstore::base::Clock;
use chunkstore::base::clock::SystemClock;
use chunkstore::remote::ftp::{FtpOptions, FtpRemote, TlsTrust};
use chunkstore::remote::proxy::Proxy;
use chunkstore::remote::{Remote, RemoteError, RemoteErrorKind};

use super::embedded::{Served, login, serve, with_tls};
use super::scripted_proxy::{Conduct, NAME, ScriptedProxy};
use super::suite::{self, fetch, path};
use super::{Identity, ftp, options};

/// No proxy may hold a caller for longer than this; the options of these tests make the bounds far shorter.
const PATIENCE: Duration = Duration::from_secs(10);

fn through(proxy: &ScriptedProxy, scheme: &str, options: FtpOptions) -> FtpOptions {
    let text = format!("{scheme}{}", proxy.addr());
    FtpOptions { proxy: Some(Proxy::parse(&text).unwrap()), ..options }
}

/// The served folder by a name that only the proxy knows.
fn remote(served: &Served, scheme: &str, host: &str, options: FtpOptions) -> FtpRemote {
    ftp(&format!("{scheme}://{host}:{}/a/store", served.server.addr().port()), login(), options)
}

/// Runs the suite, and says that each connection of the server, for control or data, came by a tunnel of its own.
fn run_through(proxy: &ScriptedProxy, served: &Served, scheme: &str, host: &str, options: FtpOptions) {
    suite::run(&format!("{scheme} through {:?}", options.proxy), &remote(served, scheme, host, options));
    let (targets, counts) = (proxy.targets(), served.server.counts());
    let control = format!("{host}:{}", served.server.addr().port());
    let to_control = targets.iter().filter(|target| **target == control).count() as u64;
    let to_data = targets.iter().filter(|target| **target != control && target.starts_with(&format!("{host}:")));
    let to_data = to_data.count() as u64;
    assert_eq!(to_control, counts.connections, "the server has no other connections");
    assert!(to_data >= counts.retrieves + counts.stores && counts.stores > 5, "{to_data} of {counts:?}");
    assert_eq!((to_control + to_data) as usize, targets.len(), "{targets:?}");
    assert_eq!(proxy.connections(), targets.len());
}

#[test]
fn plain_ftp_through_each_kind_of_proxy() {
    for (scheme, login, host) in [
        ("socks5h://", None, NAME),
        ("socks5h://u:p%40ss@", Some(("u", "p@ss")), NAME),
        ("socks5://", None, "127.0.0.1"),
        ("http://", None, NAME),
        ("http://u:p%40ss@", Some(("u", "dTpwQHNz")), NAME),
    ] {
        let (proxy, served) = (ScriptedProxy::start(Conduct::Serve(login)), serve(|_| {}));
        run_through(&proxy, &served, "ftp", host, through(&proxy, scheme, options(TlsTrust::PublicRoots)));
    }
}

#[test]
fn explicit_and_implicit_tls_through_a_proxy() {
    let identity = Identity::named(&[NAME], false);
    for (proxy_scheme, scheme) in [("socks5h://", "ftps"), ("http://", "ftps"), ("http://", "ftps+implicit")] {
        let proxy = ScriptedProxy::start(Conduct::Serve(None));
        let served = serve(|options| {
            options.tls = Some(with_tls(&identity));
            options.implicit_tls = scheme == "ftps+implicit";
            options.require_tls = true;
            options.require_session_reuse = true;
        });
        run_through(&proxy, &served, scheme, NAME, through(&proxy, proxy_scheme, options(identity.trust())));
    }
}

#[test]
fn a_proxy_does_not_vouch_for_the_server() {
    let (identity, other) = (Identity::named(&[NAME], false), Identity::named(&[NAME], false));
    let served = serve(|options| options.tls = Some(with_tls(&identity)));
    let proxy = ScriptedProxy::start(Conduct::Serve(None));
    let options = through(&proxy, "socks5h://", options(other.trust()));
    let error = remote(&served, "ftps", NAME, options).connect().err().unwrap();
    assert_eq!((error.kind, served.server.counts().logins), (RemoteErrorKind::Refused, 0), "{error}");
    assert_eq!(proxy.targets().len(), 1);
}

/// Connects through a proxy of this conduct; it has to fail soon.
fn refused(conduct: &Conduct, scheme: &str, ftp_scheme: &str) -> RemoteError {
    let (proxy, served) = (ScriptedProxy::start(conduct.clone()), serve(|_| {}));
    let short = FtpOptions { timeout: Duration::from_millis(400), ..options(TlsTrust::PublicRoots) };
    let remote = remote(&served, ftp_scheme, NAME, through(&proxy, scheme, short));
    let start = SystemClock.monotonic();
    let error = remote.connect().err().unwrap_or_else(|| panic!("{conduct:?} works"));
    let took = SystemClock.monotonic() - start;
    assert!(took < PATIENCE, "{conduct:?}, {scheme}: {took:?}");
    assert!(error.reason.starts_with("proxy ") && !error.to_string().contains("geheim"), "{error}");
    assert!(!error.to_string().chars().any(char::is_control) && error.to_string().len() < 600, "{error}");
    assert_eq!(served.server.counts().connections, 0, "nothing goes past a proxy that fails");
    error
}

#[test]
fn whatever_a_proxy_does_ends_soon_and_names_it() {
    use RemoteErrorKind::{Protocol, Refused, Unreachable};
    let drip = Conduct::Drip(b"HTTP/1.1 200 x\r\nx".to_vec());
    let endless = Conduct::Say([&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'x'; 100_000]].concat());
    for (conduct, scheme, kind) in [
        (Conduct::Say(vec![]), "socks5h://", Unreachable),
        (Conduct::Say(vec![]), "http://", Unreachable),
        (Conduct::Say(b"\x05".to_vec()), "socks5h://", Unreachable),
        (Conduct::Say(b"HTTP/1.1 200 OK\r\n".to_vec()), "http://", Unreachable),
        (Conduct::HangUp, "socks5h://", Unreachable),
        (Conduct::HangUp, "http://", Unreachable),
        (drip, "http://", Unreachable),
        (Conduct::Drip(vec![5, 0, 5, 0, 0, 3, 255]), "socks5h://", Unreachable),
        (endless, "http://", Protocol),
        (Conduct::Say(b"220 FTP\x1b[2J\r\n\r\n".to_vec()), "http://", Protocol),
        (Conduct::Say(b"220 FTP\r\n".to_vec()), "socks5h://", Protocol),
        (Conduct::Serve(Some(("u", "x"))), "socks5h://", Refused),
        (Conduct::Serve(Some(("u", "x"))), "socks5h://u:geheim@", Refused),
        (Conduct::Serve(Some(("u", "x"))), "http://u:geheim@", Refused),
        (Conduct::ServeOnly(0), "socks5h://", Refused),
        (Conduct::ServeOnly(0), "http://", Refused),
    ] {
        let error = refused(&conduct, scheme, "ftp");
        assert_eq!(error.kind, kind, "{scheme}: {error}");
    }
    let drip = Conduct::Drip(b"HTTP/1.1 200 x\r\nx".to_vec());
    assert_eq!(refused(&drip, "http://", "ftps+implicit").kind, Unreachable);
}

#[test]
fn a_data_connection_that_a_proxy_refuses_is_told_as_the_proxys_doing() {
    for scheme in ["socks5h://", "http://"] {
        let (proxy, served) = (ScriptedProxy::start(Conduct::ServeOnly(1)), serve(|_| {}));
        let remote = remote(&served, "ftp", NAME, through(&proxy, scheme, options(TlsTrust::PublicRoots)));
        let mut session = remote.connect().unwrap();
        let error = fetch(&mut *session, "HEAD", 0, 10).1.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Refused, "{error}");
        assert!(error.reason.contains(&format!("proxy {scheme}{}", proxy.addr())), "{error}");
        assert!(session.length(&path("HEAD")).is_err(), "a session that failed stays dead");
        assert_eq!(served.server.counts().retrieves, 0);
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable_through_a_proxy_too() {
    for scheme in ["socks5h://", "http://"] {
        let (proxy, served) = (ScriptedProxy::start(Conduct::Serve(None)), serve(|_| {}));
        let remote = remote(&served, "ftp", NAME, through(&proxy, scheme, options(TlsTrust::PublicRoots)));
        served.server.shutdown();
        let error = remote.connect().err().unwrap();
        assert_eq!(error.kind, RemoteErrorKind::Unreachable, "{error}");
    }
    let proxy = ScriptedProxy::start(Conduct::Serve(None));
    let served = serve(|_| {});
    let options = through(&proxy, "socks5h://", options(TlsTrust::PublicRoots));
    drop(proxy);
    let error = remote(&served, "ftp", NAME, options).connect().err().unwrap();
    assert_eq!(error.kind, RemoteErrorKind::Unreachable, "{error}");
    assert!(error.reason.starts_with("proxy socks5h://"), "{error}");
}
