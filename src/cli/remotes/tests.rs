//! Words and logins.

use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::base::clock::{FixedClock, SystemClock};
use crate::base::{StorePath, Timestamp};
use crate::cli::args::GlobalArgs;
use crate::cli::environment::Environment;
use crate::disk::served::ServedDir;
use crate::serve::{Faults, ServeOptions, Server};

fn login<'a>(user: Option<&'a str>, password: Option<&str>) -> Login<'a> {
    Login { user, password: password.map(|text| Password::new(text.to_owned())) }
}

#[test]
fn a_password_goes_only_with_its_user() {
    let chosen = |sources: &[Login<'_>]| {
        choose_login(sources).map(|found| (found.user.clone(), found.password.reveal().to_owned()))
    };
    let is = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    assert_eq!(chosen(&[login(None, None), login(None, Some("p"))]), None);
    assert_eq!(chosen(&[login(Some("a"), Some("x")), login(Some("b"), Some("y"))]), is("a", "x"));
    assert_eq!(chosen(&[login(Some("a"), None), login(Some("b"), Some("y"))]), is("a", ""));
    assert_eq!(chosen(&[login(Some("a"), None), login(Some("b"), Some("y")), login(None, Some("z"))]), is("a", "z"));
    assert_eq!(chosen(&[login(None, None), login(Some("b"), None), login(Some("b"), Some("z"))]), is("b", "z"));
}

#[test]
fn schemes_are_told_from_paths() {
    assert_eq!(scheme_of("http://h/x"), Some("http"));
    assert_eq!(scheme_of("/a://b"), None);
    assert_eq!(scheme_of("c://b"), None);
    assert!(require_plausible("no-such-name").is_err());
    assert!(require_plausible("").is_err());
    assert!(require_plausible("./no-such-name").is_ok());
}

/// A server over a folder with a file of this length.
fn served(len_bytes: usize) -> (Server, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    crate::disk::host::replace_host_file(&home.path().join("file"), &vec![7; len_bytes], 0o600).unwrap();
    let dir = ServedDir::open_root(home.path()).unwrap();
    (Server::start(dir, ServeOptions::default(), Faults::none(), Arc::new(SystemClock)).unwrap(), home)
}

#[test]
fn a_limited_rate_holds_over_all_sessions_and_remotes_of_a_run() {
    const LEN: usize = 1_000_000;
    let servers = [served(LEN), served(LEN)];
    let args = GlobalArgs { limit_rate: Some("100K".into()), ..GlobalArgs::default() };
    let settings = Settings::new(args, Environment::default()).unwrap();
    // Nothing is waited for: the clock moves where the limit asks for a wait, and nowhere else.
    let clock = Arc::new(FixedClock::new(Timestamp(0)));
    clock.advance(Duration::from_secs(100));
    let remotes = Remotes::new(&settings, Arc::clone(&clock) as Arc<dyn Clock>);
    let url = |at: usize| format!("ftp://{}/", servers[at].0.addr());
    let words = [url(0), url(0), url(1), servers[1].1.path().to_str().unwrap().to_owned()];
    let remotes = words.map(|word| remotes.find(&word, Need::Read).unwrap());
    let mut sessions = remotes.each_ref().map(|remote| remote.connect().unwrap());
    let mut got = 0;
    for session in &mut sessions {
        let mut sink = |piece: &[u8]| {
            got += piece.len();
            ControlFlow::Continue(())
        };
        session.fetch(&StorePath::new("file").unwrap(), 0, u64::MAX, &mut sink).unwrap();
    }
    let sent: u64 = servers.iter().map(|(server, _)| server.counts().sent_bytes).sum();
    assert_eq!((got, sent), (4 * LEN, 3 * LEN as u64), "the last came by its path");
    // All bytes but a burst of one second are waited for.
    let took = (clock.monotonic() - Duration::from_secs(100)).as_secs_f64();
    let wanted = (4 * LEN) as f64 / f64::from(100 << 10) - 1.0;
    assert!((took - wanted).abs() < wanted * 0.01, "{took} seconds for what should take {wanted}");
}

fn settings_around(proxy: &'static str, no_proxy: &str) -> Settings {
    let proxy = Some(("FTP_PROXY", Password::new(proxy.to_owned())));
    Settings::new(GlobalArgs::default(), Environment { proxy, no_proxy: no_proxy.to_owned(), ..Environment::default() })
        .unwrap()
}

#[test]
fn a_proxy_is_understood_where_it_is_needed() {
    let settings = settings_around("https://u:geheim@h", "direct.example");
    let remotes = Remotes::new(&settings, Arc::new(SystemClock));
    let error = remotes.find("ftp://host/", Need::Read).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.in_full().contains("FTP_PROXY") && error.in_full().contains("socks5h://"), "{}", error.in_full());
    assert!(!error.in_full().contains("geheim"));
    remotes.find("ftp://ftp.direct.example/", Need::Read).map(drop).unwrap();
    let dir = tempfile::tempdir().unwrap();
    remotes.find(dir.path().to_str().unwrap(), Need::Read).map(drop).unwrap();
}
