//! Acts that never end by themselves, and a server whose queue is full.

use std::sync::mpsc;

use super::*;

#[test]
fn an_answer_is_returned_and_a_breakdown_is_one() {
    let line = Arc::new(HangUp::default());
    assert_eq!(line.unless_it_comes(|| Ok(7)), Ok(7));
    let trouble = line.unless_it_comes(|| -> Result<(), Trouble> { panic!("as the test wants it") }).unwrap_err();
    assert_eq!(trouble.kind, RemoteErrorKind::Local);
}

// U22
#[test]
fn who_hangs_up_waits_no_longer_and_starts_nothing_more() {
    let line = Arc::new(HangUp::default());
    let (begins, begun) = mpsc::channel();
    let (goes_on, may_go_on) = mpsc::channel::<()>();
    let (drops, dropped) = mpsc::channel();
    let waits = Arc::clone(&line);
    let waiting = std::thread::spawn(move || {
        waits.unless_it_comes(move || {
            begins.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(Tells(drops))
        })
    });
    begun.recv().unwrap();
    line.come();
    // The act still goes on.
    let trouble = waiting.join().unwrap().map(drop).unwrap_err();
    assert_eq!(trouble.kind, RemoteErrorKind::Unreachable);
    let further = line.unless_it_comes(|| -> Result<(), Trouble> { unreachable!("nothing is begun any more") });
    assert_eq!(further.unwrap_err(), trouble);
    goes_on.send(()).unwrap();
    dropped.recv().unwrap();
}

/// Tells that it was dropped.
struct Tells(mpsc::Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        // Whoever listens may have failed.
        let _ = self.0.send(());
    }
}

// U22
#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::disallowed_methods, reason = "looks at what the system does")]
fn a_connect_that_nobody_answers_is_left_alone() {
    use std::net::TcpListener;
    use std::time::Duration;

    use crate::base::clock::SystemClock;
    use crate::remote::Remote;
    use crate::remote::ftp::{FtpOptions, FtpRemote};
    use crate::remote::url::FtpUrl;

    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let listener: TcpListener = socket.into();
    let address = listener.local_addr().unwrap();
    // Linux takes no more into a queue that is full, and says nothing to who comes then.
    let _first = std::net::TcpStream::connect(address).unwrap();
    let url = FtpUrl::parse(&format!("ftp://{address}/")).unwrap();
    let options = FtpOptions { timeout: Duration::from_secs(43_200), ..FtpOptions::default() };
    let remote = Arc::new(FtpRemote::new(url, None, options, Arc::new(SystemClock)));
    let connects = Arc::clone(&remote);
    let waiting = std::thread::spawn(move || connects.connect().map(drop));
    let is_asking = || {
        let wanted = format!(" 0100007F:{:04X} 02 ", address.port());
        std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted)
    };
    while !is_asking() {
        std::thread::yield_now();
    }
    remote.hang_up();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(error.reason.contains("hung up"), "{error}");
    assert!(is_asking(), "the system goes on for minutes, and nobody waits for it");
    assert!(remote.connect().is_err());
}
