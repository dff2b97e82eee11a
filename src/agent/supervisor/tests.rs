//! What a supervisor hears.

use super::*;

fn heard(socket: &UnixDatagram) -> Vec<String> {
    let mut room = [0; 100];
    let mut lines = Vec::new();
    while let Ok(len) = socket.recv(&mut room) {
        lines.push(String::from_utf8_lossy(&room[..len]).into_owned());
    }
    lines
}

#[test]
fn an_idle_agent_is_not_watched_and_a_busy_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let supervisor = Supervisor::new(Some(path.as_os_str()), Some("60000000"));
    supervisor.say("READY=1");
    assert_eq!(supervisor.beat(false), None);
    assert_eq!(supervisor.beat(false), None);
    assert_eq!(heard(&socket), ["READY=1", "WATCHDOG_USEC=31536000000000"]);
    assert_eq!(supervisor.beat(true), Some(Duration::from_secs(30)));
    assert_eq!(supervisor.beat(true), Some(Duration::from_secs(30)));
    assert_eq!(heard(&socket), ["WATCHDOG_USEC=60000000", "WATCHDOG=1", "WATCHDOG=1"]);
}

#[test]
fn without_a_supervisor_nothing_is_said() {
    for (socket, watchdog) in [(None, Some("5")), (Some("relative"), None), (Some(""), Some("x"))] {
        let supervisor = Supervisor::new(socket.map(std::ffi::OsStr::new), watchdog);
        supervisor.say("READY=1");
        assert_eq!(supervisor.beat(true), None);
    }
}
