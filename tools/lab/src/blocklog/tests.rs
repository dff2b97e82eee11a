//! Logs by hand, and logs that no logger wrote.

use super::*;

fn write(sector: u64, sectors: usize, fill: u8) -> Entry {
    Entry::Write { sector, data: vec![fill; sectors * SECTOR_BYTES], fua: false }
}

fn sample() -> BlockLog {
    let fua = Entry::Write { sector: 9, data: vec![4; SECTOR_BYTES], fua: true };
    let mark = Entry::Mark("begin".to_owned());
    BlockLog { entries: vec![mark, write(3, 2, 1), Entry::Flush, Entry::Discard { sector: 4, sectors: 3 }, fua] }
}

fn encoded(log: &BlockLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    log.encode(&mut bytes).unwrap();
    bytes
}

fn decoded(bytes: &[u8]) -> Result<BlockLog> {
    BlockLog::decode(bytes, bytes.len() as u64)
}

/// Puts a number where one stands in the file.
fn patched(log: &BlockLog, at: usize, value: u64) -> Vec<u8> {
    let mut bytes = encoded(log);
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn a_log_is_read_as_it_was_written() {
    let log = sample();
    assert_eq!(decoded(&encoded(&log)).unwrap(), log);
    assert_eq!(decoded(&encoded(&BlockLog::default())).unwrap(), BlockLog::default());
}

#[test]
fn a_write_with_a_flush_is_a_flush_and_a_write() {
    let log = BlockLog { entries: vec![write(7, 1, 9)] };
    let bytes = patched(&log, 512 + 16, FLUSH | FUA | 16);
    let fua = Entry::Write { sector: 7, data: vec![9; SECTOR_BYTES], fua: true };
    assert_eq!(decoded(&bytes).unwrap().entries, [Entry::Flush, fua]);
}

#[test]
fn requests_change_an_image() {
    let mut image = Image::new(8192);
    let mut sectors = [0; 8192];
    for entry in &sample().entries {
        entry.apply(&mut image, u64::MAX);
    }
    image.read_at(0, &mut sectors);
    let firsts: Vec<u8> = sectors.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect();
    assert_eq!(firsts, [0, 0, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    write(0, 4, 8).apply(&mut image, 1);
    assert_eq!((image.read_at(0, &mut sectors), sectors[511], sectors[512]), (8192, 8, 0));
    Entry::Discard { sector: 0, sectors: u64::MAX }.apply(&mut image, u64::MAX);
    image.read_at(0, &mut sectors);
    assert!(sectors.iter().all(|byte| *byte == 0));
}

#[test]
fn what_was_counted_must_be_whole_and_what_was_not_may_be_torn() {
    let log = sample();
    let whole = encoded(&log);
    for len_bytes in 0..whole.len() {
        assert!(decoded(&whole[..len_bytes]).is_err(), "{len_bytes} of {} bytes", whole.len());
    }
    // The last request takes 1024 bytes.
    let uncounted = patched(&log, 16, 4);
    assert_eq!(decoded(&uncounted).unwrap(), log);
    for len_bytes in whole.len() - 1024..whole.len() {
        assert_eq!(decoded(&uncounted[..len_bytes]).unwrap().entries, log.entries[..4], "{len_bytes} bytes");
    }
    let mut followed_by_nothing = whole;
    followed_by_nothing.extend([0; 4096]);
    assert_eq!(decoded(&followed_by_nothing).unwrap(), log);
}

#[test]
fn what_no_logger_writes_is_refused() {
    let log = sample();
    let second = 1024;
    let cases: [(usize, u64, &str); 10] = [
        (0, MAGIC + 1, "no log"),
        (8, 2, "no log"),
        (24, 100, "sectors have"),
        (24, 1 << 20, "sectors have"),
        (16, 6, "ends before"),
        (second, u64::MAX, "request 1"),
        (second + 8, u64::MAX, "request 1"),
        (second + 8, WRITE_MAX_SECTORS + 1, "request 1"),
        (second + 16, 1 << 40, "request 1"),
        (second + 24, 481, "request 1"),
    ];
    for (at, value, expected) in cases {
        let error = decoded(&patched(&log, at, value)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let long = patched(&log, second + 8, 1000);
    assert!(decoded(&long).unwrap_err().to_string().contains("ends within its data"));
}
