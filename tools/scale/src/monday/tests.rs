//! What a log and a HEAD say.

use super::measure::ServerLog;
use super::*;

#[test]
fn the_log_of_a_server_is_counted() {
    let log = "\
Sun Nov 22 05:00:01 2026 [pid 2] CONNECT: Client \"127.0.0.1\"
Sun Nov 22 05:00:01 2026 [pid 1] [ftp] OK LOGIN: Client \"127.0.0.1\", anon password \"x\"
Sun Nov 22 05:00:02 2026 [pid 3] [ftp] OK DOWNLOAD: Client \"127.0.0.1\", \"/store/HEAD\", 700 bytes, 70.01Kbyte/sec
Sun Nov 22 05:00:02 2026 [pid 3] [ftp] FAIL DOWNLOAD: Client \"127.0.0.1\", \"/store/packs/a\", 65536 bytes, 0.01Kbyte/sec
Sun Nov 22 05:00:03 2026 [pid 4] CONNECT: Client \"127.0.0.1\", \"Connection refused: too many sessions.\"
";
    let read = ServerLog::of(log);
    assert_eq!(read, ServerLog { logins: 1, turned_away: 1, files: 2, bytes: 66_236 });
    assert_eq!(ServerLog::of(&log.repeat(2)).since(&read), read);
}

#[test]
fn a_head_tells_its_generation() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(generation_of(dir.path()), None);
    std::fs::write(dir.path().join("HEAD"), "chunkstore head\nouter 1\ngeneration 41\n").unwrap();
    assert_eq!(generation_of(dir.path()), Some(41));
}
