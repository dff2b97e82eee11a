//! Recordings by hand, and files that are none.

use super::*;

fn header() -> Header {
    let text = |text: &str| text.to_owned();
    Header {
        medium: text("vfat"),
        mount: text("rw"),
        kernel: text("6.1"),
        recorded: text("2026-01-01T00:00:00Z"),
        story: text("none"),
        device_bytes: 1 << 20,
        volume_bytes: 1 << 19,
        store: text("store"),
        steps: vec![text("init")],
        keys: std::collections::BTreeMap::new(),
    }
}

fn log() -> BlockLog {
    let data = vec![3; 2 * SECTOR_BYTES];
    let mark = Entry::Write { sector: 1024, data: mark_sector(1, "init", 1), fua: false };
    let fua = Entry::Write { sector: 1, data: data.clone(), fua: true };
    let write = Entry::Write { sector: 5, data, fua: false };
    BlockLog {
        entries: vec![
            write,
            Entry::Flush,
            mark,
            fua,
            Entry::Discard { sector: 9, sectors: 8 },
            Entry::Mark("x".into()),
        ],
    }
}

fn sample() -> Recording {
    let mut base = Image::new(1 << 20);
    base.write_at(100_000, &[7; 10_000]);
    Recording::new(header(), base, log()).unwrap()
}

fn decoded(plain: &[u8]) -> Result<Recording> {
    Recording::decode(&zstd::encode_all(plain, 1).unwrap()[..])
}

#[test]
fn a_recording_is_read_as_it_was_written() {
    let (recording, mut bytes) = (sample(), Vec::new());
    recording.encode(&mut bytes).unwrap();
    let again = Recording::decode(&bytes[..]).unwrap();
    assert_eq!((&again.header, &again.log), (&recording.header, &recording.log));
    assert!(again.base.written().eq(recording.base.written()));
    assert_eq!(again.marks(), [Mark { at: 2, step: 1, verb: "init".into(), generation: 1 }]);
    let changed: Vec<_> = (0..7).map(|at| again.changed_sectors(at)).collect();
    assert_eq!((changed, again.is_mark(2), again.is_mark(3)), (vec![2, 0, 0, 2, 8, 0, 0], true, false));
}

#[test]
fn what_is_written_before_the_first_mark_may_be_what_the_device_held() {
    let plain = sample();
    let cut = plain.clone().from_first_mark();
    assert_eq!(cut.log.entries, plain.log.entries[2..]);
    assert_eq!((cut.marks()[0].at, cut.is_mark(0), plain.is_mark(2)), (0, true, true));
    let sector = |recording: &Recording| {
        let mut bytes = [0; SECTOR_BYTES];
        recording.base.read_at(5 * SECTOR_BYTES as u64, &mut bytes);
        bytes
    };
    assert_eq!((sector(&plain), sector(&cut)), ([0; SECTOR_BYTES], [3; SECTOR_BYTES]));
}

#[test]
fn a_torn_or_changed_recording_is_refused_or_read_and_never_worse() {
    let mut bytes = Vec::new();
    sample().encode(&mut bytes).unwrap();
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    assert!(decoded(&plain).is_ok());
    for len_bytes in (0..plain.len()).step_by(7).chain(plain.len() - 40..plain.len()) {
        assert!(decoded(&plain[..len_bytes]).is_err(), "{len_bytes} of {} bytes", plain.len());
    }
    for at in (0..plain.len()).filter(|at| *at < 400 || at % 97 == 0) {
        let mut changed = plain.clone();
        changed[at] = 0xff;
        // Only that it returns counts: a changed byte of a page is as good as any.
        let _ = decoded(&changed);
    }
    assert!(decoded(&[&plain[..], &[0]].concat()).is_err());
    assert!(Recording::decode(&plain[..]).is_err() && Recording::decode(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn what_cannot_be_is_refused() {
    let new =
        |header: Header, entry: Entry| Recording::new(header, Image::new(1 << 20), BlockLog { entries: vec![entry] });
    let refused =
        |header: Header, entry: Entry| new(header, entry).err().map(|error| error.to_string()).unwrap_or_default();
    let write = |sector, text: &str| {
        let mut data = text.as_bytes().to_vec();
        data.resize(SECTOR_BYTES, 0);
        Entry::Write { sector, data, fua: false }
    };
    assert!(refused(header(), write(2048, "")).contains("over the end"));
    assert!(refused(header(), Entry::Discard { sector: 2, sectors: u64::MAX }).contains("over the end"));
    for text in ["", "LABMARK 1 init", "LABMARK 1 init x\n", "ACKMARK 1 init 1\n", "LABMARK 1 init 1 2\n"] {
        assert!(refused(header(), write(1024, text)).contains("no mark"), "{text}");
    }
    assert!(refused(Header { volume_bytes: 1 << 21, ..header() }, Entry::Flush).contains("volume"));
    assert!(refused(Header { device_bytes: 1 << 40, ..header() }, Entry::Flush).contains("device"));
    assert!(new(header(), write(1024, "LABMARK 1 init 1\n")).is_ok());
}
