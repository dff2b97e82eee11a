//! What is browsed: three snapshots of a folder with a bit of everything, and names that try to be more than names.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use crate::content::{Draw, noise};
use crate::stage::{Stage, succeed};

/// Names that try to be HTML, another line, a command, another name.
const HOSTILE: [&[u8]; 12] = [
    b"<img src=x onerror=document.title='PWNED'>.txt",
    b"\"><script>document.title='PWNED'<",
    b"' onmouseover='document.title=1",
    b"new\nline",
    b"\"double\" and 'single'",
    b"latin1-\xe4\xf6",
    "gpj.\u{202e}exe.txt".as_bytes(),
    b"percent%41%2Fb",
    b"control\x01\x1b[31mred",
    "ünïcödé 漢字.txt".as_bytes(),
    b"a&amp;b {{nav}}",
    b"..hidden ",
];
/// A picture that runs a script where it can.
const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"100\" onload=\"document.title='PWNED'\">\
    <rect width=\"200\" height=\"100\" fill=\"teal\"/><script>document.title='PWNED'</script></svg>";
/// The smallest page of a PDF that says something.
const REPORT: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n\
    4 0 obj<</Length 44>>stream\nBT /F1 24 Tf 40 100 Td (Hello chunkstore) Tj ET\nendstream endobj\n\
    5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Size 6/Root 1 0 R>>\n%%EOF\n";

/// Makes the folder and commits it three times.
///
/// # Errors
/// Those of files and of the program.
pub fn prepare(stage: &Stage) -> io::Result<()> {
    for dir in ["docs/letters", "pictures", "many", "odd names"] {
        std::fs::create_dir_all(stage.path("files").join(dir))?;
    }
    let write = |path: &str, bytes: &[u8]| std::fs::write(stage.path("files").join(path), bytes);
    let lines: String = (1..200).map(|at| format!("{at}. A line of notes with <b>tags</b> & ampersands.\n")).collect();
    write("docs/notes.txt", format!("Notes\n=====\n\n{lines}Turned \u{202e}around\n").as_bytes())?;
    write("docs/page.html", b"<script>document.title='PWNED'</script><h1>A page</h1>")?;
    write("docs/report.pdf", REPORT.as_bytes())?;
    write("docs/letters/to-ada.md", b"# Dear Ada\n\nThe engine runs.\n")?;
    write("pictures/logo.svg", PICTURE.as_bytes())?;
    write("pictures/sunset.png", &sunset(480, 300))?;
    noise(&stage.path("files/docs/archive.bin"), 3_500_000, &mut Draw::new(1))?;
    for at in 0..1203 {
        write(&format!("many/{at:05}.dat"), "x".repeat(at % 997).as_bytes())?;
    }
    for name in HOSTILE {
        let path = stage.path("files/odd names").join(OsStr::from_bytes(name));
        std::fs::write(path, [b"the content of ", name].concat())?;
    }
    let long = format!("a name as long as names can be {}.txt", "without-an-end".repeat(16));
    write(&format!("odd names/{}", &long[..250]), b"long")?;
    std::os::unix::fs::symlink("../docs/notes.txt", stage.path("files/odd names/link-to-notes"))?;
    std::os::unix::fs::symlink("/etc/hostname", stage.path("files/odd names/link-out"))?;
    stage.init("store")?;
    commit(stage, "Everything, for the first time")?;
    std::fs::remove_file(stage.path("files/many/00007.dat"))?;
    std::fs::rename(stage.path("files/docs/letters"), stage.path("files/letters"))?;
    commit(stage, "Letters have a place of their own, and <b>one</b> file is gone")?;
    write("new.txt", b"new\n")?;
    commit(stage, "A new file")
}

fn commit(stage: &Stage, message: &str) -> io::Result<()> {
    let mut commit = stage.program(&["commit", "files", "--store", "store", "-m", message, "--quiet"]);
    succeed(commit.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Draws a picture: PNG of one stored block a line, which needs no compressor.
fn sunset(width: u32, height: u32) -> Vec<u8> {
    let mut lines = Vec::new();
    for y in 0..height {
        lines.push(0);
        for x in 0..width {
            let part = |at: u32, of: u32| u8::try_from(at * 255 / of).unwrap_or(255);
            lines.extend([255 - part(y, height) / 2, 90 + part(x, width) / 3, part(y, height)]);
        }
    }
    let mut packed = vec![0x78, 0x01];
    let mut blocks = lines.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        packed.push(u8::from(blocks.peek().is_none()));
        packed.extend(len.to_le_bytes());
        packed.extend((!len).to_le_bytes());
        packed.extend(block);
    }
    let (a, b) = lines.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    packed.extend((b << 16 | a).to_be_bytes());
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let chunks = [chunk(*b"IHDR", &head), chunk(*b"IDAT", &packed), chunk(*b"IEND", &[])];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat()
}

fn chunk(kind: [u8; 4], bytes: &[u8]) -> Vec<u8> {
    let marked = [&kind[..], bytes].concat();
    let crc = marked.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes()[..], &marked, &(!crc).to_be_bytes()].concat()
}
