//! What `browse` takes: a release build over a folder of very many entries and a long file, with its memory watched from outside.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Served;
use crate::content::{Draw, noise};
use crate::memory::peak::anon_in;
use crate::stage::{Stage, succeed};

/// Most anonymous memory, whatever is asked for.
const BOUND_MIB: f64 = 256.0;
/// Longest wait for the first byte of a page.
const FIRST_BYTE: Duration = Duration::from_millis(500);
/// Entries of the folder that holds most.
const MANY: usize = 100_000;
/// Files of the folder that is made a zip.
const SOME: usize = 20_000;
/// Length of the long file.
const LONG_BYTES: u64 = 256 << 20;
/// How many read it at a time.
const READERS: usize = 10;
/// How often the kernel is asked for the memory.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What the kernel counts CPU time in.
const TICKS_A_SEC: f64 = 100.0;

/// Measures and prints a table; returns whether all stayed within their bounds.
///
/// # Errors
/// Those of files, of the program and of its answers.
pub fn measure(root: &Path) -> io::Result<bool> {
    let stage = Stage::new(root, "browse-figures")?;
    prepare(&stage)?;
    let served = Served::start(&stage)?;
    println!(
        "| what was asked for | first byte ms | whole s | MiB sent | CPU s | MiB read of the store | peak anonymous MiB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let (cookie, files) = let_in(&served)?;
    let dav = format!("/dav/{}/latest", served.password);
    let own = [format!("Cookie: {cookie}")];
    let mut table = Table { served: &served, held: true };
    let page = |word: &str, rest: &str| format!("{}{rest}", files.replace("/files/", &format!("/{word}/")));
    let get = |path: String| Asked { method: "GET", path, lines: &own };
    table.page(&format!("the first page of {MANY} entries"), &get(page("files", "many")))?;
    table.page("  its last page", &get(page("files", "many?page=100")))?;
    table.page("  by size", &get(page("files", "many?sort=size")))?;
    let depth = ["Depth: 1".to_owned()];
    table.row("  PROPFIND, depth 1", &Asked { method: "PROPFIND", path: format!("{dav}/many"), lines: &depth }, 1)?;
    table.row(&format!("a zip of {SOME} files"), &get(page("zip", "some")), 1)?;
    table.row(&format!("a zip of {MANY} files"), &get(page("zip", "many")), 1)?;
    let long = Asked { method: "GET", path: format!("{dav}/long"), lines: &[] };
    table.row("a file of 256 MiB", &long, 1)?;
    let read_bytes = table.row(&format!("  by {READERS} at a time"), &long, READERS)?;
    table.must("and most chunks are read and opened once for all of them", read_bytes <= LONG_BYTES / 2 * 3);
    Ok(table.held)
}

fn prepare(stage: &Stage) -> io::Result<()> {
    for (dir, files) in [("many", MANY), ("some", SOME)] {
        let dir = stage.path("files").join(dir);
        std::fs::create_dir_all(&dir)?;
        for at in 0..files {
            std::fs::write(dir.join(format!("entry number {at:06}.txt")), format!("{at} ").repeat(at % 97))?;
        }
    }
    noise(&stage.path("files/long"), LONG_BYTES, &mut Draw::new(1))?;
    stage.init("store")?;
    succeed(
        stage
            .program(&["commit", "files", "--store", "store", "-m", "first", "--quiet"])
            .stdout(std::process::Stdio::null()),
    )
}

/// Opens the printed address; returns the cookie of a session and the path of the committed folder.
fn let_in(served: &Served) -> io::Result<(String, String)> {
    let odd = || io::Error::other("browse answered oddly");
    let opening = served.url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or_else(odd)?.1;
    let opened = Asked { method: "GET", path: format!("/{opening}"), lines: &[] }.send(served)?;
    let cookie = opened.header("set-cookie").and_then(|value| value.split(';').next()).ok_or_else(odd)?.to_owned();
    let home = opened.begin.split_once("<p><a href=\"").and_then(|(_, rest)| rest.split('"').next()).ok_or_else(odd)?;
    let lines = [format!("Cookie: {cookie}")];
    let to_files = Asked { method: "GET", path: home.to_owned(), lines: &lines }.send(served)?;
    let files = to_files.header("location").ok_or_else(odd)?.to_owned();
    Ok((cookie, files))
}

/// A request.
struct Asked<'a> {
    method: &'static str,
    path: String,
    lines: &'a [String],
}

/// What came.
struct Came {
    first_byte: Duration,
    whole: Duration,
    bytes: u64,
    /// The head, and the body's first bytes.
    begin: String,
}

impl Came {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.begin.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

impl Asked<'_> {
    fn send(&self, served: &Served) -> io::Result<Came> {
        let host = served.url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let mut stream = TcpStream::connect(host)?;
        let lines: String = self.lines.iter().map(|line| format!("{line}\r\n")).collect();
        let started = Instant::now();
        write!(stream, "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n", self.method, self.path)?;
        let (mut begin, mut buffer, mut bytes) = (Vec::new(), vec![0; 256 << 10], 0);
        let mut first_byte = None;
        loop {
            let count = stream.read(&mut buffer)?;
            first_byte.get_or_insert_with(|| started.elapsed());
            if count == 0 {
                break;
            }
            bytes += count as u64;
            if begin.len() < 4096 {
                begin.extend_from_slice(&buffer[..count.min(4096)]);
            }
        }
        let begin = String::from_utf8_lossy(&begin).into_owned();
        let status = begin.split(' ').nth(1).unwrap_or_default();
        if !["200", "207", "303"].contains(&status) {
            return Err(io::Error::other(format!("{} {}: {status}", self.method, self.path)));
        }
        let first_byte = first_byte.unwrap_or_default();
        Ok(Came { first_byte, whole: started.elapsed(), bytes, begin })
    }
}

/// The rows, printed as they come.
struct Table<'a> {
    served: &'a Served,
    held: bool,
}

impl Table<'_> {
    /// A row of a page that a person waits for.
    fn page(&mut self, what: &str, asked: &Asked<'_>) -> io::Result<()> {
        let first_byte = asked.send(self.served)?.first_byte;
        self.row(what, asked, 1)?;
        self.must("and its first byte comes within half a second, also the first time", first_byte <= FIRST_BYTE);
        Ok(())
    }

    /// Asks so many times at once; returns the bytes that the program read meanwhile.
    fn row(&mut self, what: &str, asked: &Asked<'_>, times: usize) -> io::Result<u64> {
        let before = self.spent()?;
        let done = AtomicBool::new(false);
        let (came, peak_bytes) = thread::scope(|scope| {
            let watch = scope.spawn(|| self.watch(&done));
            let asking: Vec<_> = (0..times).map(|_| scope.spawn(|| asked.send(self.served))).collect();
            let came: Vec<_> =
                asking.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("broken")))).collect();
            done.store(true, Ordering::Relaxed);
            (came, watch.join().unwrap_or(0))
        });
        let came = came.into_iter().collect::<io::Result<Vec<_>>>()?;
        let after = self.spent()?;
        let (cpu, read_bytes) = (after.0 - before.0, after.1 - before.1);
        let slowest = |of: fn(&Came) -> Duration| came.iter().map(of).max().unwrap_or_default();
        let (first, whole) =
            (slowest(|one| one.first_byte).as_secs_f64() * 1e3, slowest(|one| one.whole).as_secs_f64());
        let sent: u64 = came.iter().map(|one| one.bytes).sum();
        let peak = mib(peak_bytes);
        println!(
            "| {what} | {first:.1} | {whole:.2} | {:.1} | {cpu:.2} | {:.1} | {peak:.1} |",
            mib(sent),
            mib(read_bytes)
        );
        self.must("and that within 256 MiB", peak <= BOUND_MIB);
        Ok(read_bytes)
    }

    /// Prints what was not held.
    fn must(&mut self, what: &str, is_so: bool) {
        if !is_so {
            println!("| BROKEN: not so: {what} | | | | | | |");
        }
        self.held &= is_so;
    }

    /// Returns the seconds of CPU that the program took so far, and the bytes that it read.
    fn spent(&self) -> io::Result<(f64, u64)> {
        let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.served.child.id()));
        let odd = || io::Error::other("the kernel tells nothing of the program");
        let (stat, io) = (of("stat")?, of("io")?);
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or_else(odd)?;
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).and_then(|text| text.parse().ok());
        Ok(((user + system) / TICKS_A_SEC, read.ok_or_else(odd)?))
    }

    fn watch(&self, done: &AtomicBool) -> u64 {
        let mut peak_bytes = 0;
        while !done.load(Ordering::Relaxed) {
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", self.served.child.id())).unwrap_or_default();
            peak_bytes = peak_bytes.max(anon_in(&status).unwrap_or(0));
            thread::sleep(LOOK_EVERY);
        }
        peak_bytes
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
