//! `browse`, used as people use it: a headless Chromium over its pages, with pictures to look at, and clients of WebDAV.
//!
//! What is not installed is said and left out (Debian: chromium-driver, rclone, cadaver, davfs2). All of it stays on this machine.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::{Stage, succeed, text_field};
use driver::Driver;

mod clients;
mod content;
mod driver;
mod figures;

const USAGE: &str = "\
Usage: cargo xtask browse [--pictures DIR]
       cargo xtask browse --figures

  --pictures DIR  where screenshots go (target/browse-pictures)
  --figures       measure a release build instead: pages, archives, listings and parallel downloads, and the memory they take

Needs chromedriver for the pages, and rclone, cadaver and davfs2 for WebDAV; what is missing is left out.
";
/// Keys as WebDriver has them.
const ENTER: &str = "\u{e007}";
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries everything and prints a list; returns whether all that could be tried went well.
#[must_use]
pub fn run(root: &Path, words: &[&str]) -> bool {
    let pictures = match words {
        [] => root.join("target/browse-pictures"),
        ["--pictures", dir] => PathBuf::from(dir),
        ["--figures"] => {
            let measured = figures::measure(root);
            return measured.as_ref().inspect_err(|error| eprintln!("browse: {error}")).is_ok_and(|held| *held);
        }
        _ => {
            eprint!("{USAGE}");
            return false;
        }
    };
    let mut report = Report { is_good: true };
    match try_all(root, &pictures, &mut report) {
        Ok(()) => report.is_good,
        Err(error) => {
            eprintln!("browse: {error}");
            false
        }
    }
}

/// The list, printed as it comes.
pub struct Report {
    is_good: bool,
}

impl Report {
    fn row(&mut self, what: &str, is_so: bool, remark: &str) {
        let remark = if is_so || remark.is_empty() { String::new() } else { format!(": {remark}") };
        println!("{} {what}{remark}", if is_so { "ok    " } else { "BROKEN" });
        self.is_good &= is_so;
    }

    fn skip(&mut self, why: &str) {
        println!("left   {why}");
    }
}

fn try_all(root: &Path, pictures: &Path, report: &mut Report) -> io::Result<()> {
    let stage = Stage::unmeasured(root, "browse")?;
    content::prepare(&stage)?;
    std::fs::create_dir_all(pictures)?;
    let served = Served::start(&stage)?;
    clients::try_all(&stage, &served, report)?;
    if clients::has("chromedriver", report) {
        Pages::start(&stage, &served, pictures)?.try_all(report)?;
    }
    Ok(())
}

/// A running `browse`; killed when dropped.
pub struct Served {
    child: Child,
    url: String,
    dav_url: String,
    password: String,
}

impl Served {
    fn start(stage: &Stage) -> io::Result<Self> {
        let mut command = stage.program(&["browse", "--store", "store", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.as_mut().ok_or_else(|| io::Error::other("no pipe"))?;
        BufReader::new(stdout).read_line(&mut line)?;
        let field = |name: &str| {
            text_field(&line, name).ok_or_else(|| io::Error::other(format!("browse said no {name}: {line}")))
        };
        let url = field("url")?;
        Ok(Self { child, url, dav_url: field("webdav_url")?, password: field("webdav_password")? })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The pages in a browser.
struct Pages<'a> {
    stage: &'a Stage,
    served: &'a Served,
    pictures: &'a Path,
    browser: Driver,
    /// The address of the committed folder in the newest snapshot.
    files: String,
    /// The address of the time line.
    snapshots: String,
}

impl<'a> Pages<'a> {
    fn start(stage: &'a Stage, served: &'a Served, pictures: &'a Path) -> io::Result<Self> {
        let downloads = stage.path("downloads");
        std::fs::create_dir_all(&downloads)?;
        let browser = Driver::start(&downloads)?;
        Ok(Self { stage, served, pictures, browser, files: String::new(), snapshots: String::new() })
    }

    fn try_all(mut self, report: &mut Report) -> io::Result<()> {
        self.browser.go(&self.served.url)?;
        self.browser.wait("the first page", "return location.pathname.includes('/files/')")?;
        self.files = self.text("return location.href")?;
        let home = self.files.split("/files/").next().unwrap_or_default();
        self.snapshots = format!("{home}/snapshots");
        report.row(
            "the printed address opens the newest snapshot",
            self.is("return document.querySelectorAll('a.entry').length > 3")?,
            "",
        );
        self.shoot("folder")?;
        self.by_keys(report)?;
        self.previews(report)?;
        self.downloads(report)?;
        self.snapshots(report)?;
        self.hostile(report)?;
        self.other_site(report)?;
        self.narrow_and_dark(report)
    }

    fn is(&self, script: &str) -> io::Result<bool> {
        Ok(self.browser.run(script)? == json!(true))
    }

    fn text(&self, script: &str) -> io::Result<String> {
        Ok(self.browser.run(script)?.as_str().unwrap_or_default().to_owned())
    }

    fn go(&self, below: &str) -> io::Result<()> {
        self.browser.go(&format!("{}{below}", self.files))
    }

    fn shoot(&self, name: &str) -> io::Result<()> {
        self.browser.shoot(&self.pictures.join(format!("{name}.png")))
    }

    fn by_keys(&self, report: &mut Report) -> io::Result<()> {
        let browser = &self.browser;
        browser.press("j")?;
        report.row(
            "j goes to the first entry",
            self.is("return document.activeElement.textContent.includes('docs')")?,
            "",
        );
        browser.press(ENTER)?;
        browser.wait("the folder", "return location.pathname.endsWith('/docs')")?;
        browser.press("jjk")?;
        report.row(
            "j and k go down and up",
            self.is("return document.activeElement === document.querySelector('a.entry')")?,
            "",
        );
        browser.press("u")?;
        browser
            .wait("the folder above", "return location.pathname.endsWith('/') && document.readyState === 'complete'")?;
        browser.press("?")?;
        report.row("? shows the keys", self.is("return document.getElementById('keys').open")?, "");
        self.shoot("keys")?;
        browser.press("/")?;
        browser.press(&format!("notes{ENTER}"))?;
        browser.wait("what was found", "return !!document.querySelector('.summary')")?;
        let found = self.text("return document.querySelector('.results').textContent")?;
        report.row("a search finds by name", found.contains("notes.txt") && found.contains("link-to-notes"), &found);
        self.shoot("search")?;
        browser.press("t")?;
        browser.wait("the time line", "return location.pathname.endsWith('/snapshots')")?;
        browser.press("f")?;
        browser.wait("the files", "return location.pathname.includes('/files/')")?;
        report.row("t and f go to the time line and back", true, "");
        Ok(())
    }

    fn previews(&self, report: &mut Report) -> io::Result<()> {
        let browser = &self.browser;
        self.go("docs/notes.txt")?;
        let text = "return document.querySelector('pre.preview').textContent.includes('with <b>tags</b> &')";
        report.row("a text is shown as it is", self.is(text)?, "");
        self.shoot("text")?;
        for picture in ["pictures/sunset.png", "pictures/logo.svg"] {
            self.go(picture)?;
            let script = "const i = document.querySelector('.preview img'); return i.complete && i.naturalWidth > 0";
            browser.wait("the picture", script)?;
            report.row(&format!("{picture} is shown"), true, "");
        }
        self.shoot("picture")?;
        self.go("docs/report.pdf")?;
        // The viewer needs a moment, and tells nobody when it is there.
        std::thread::sleep(Duration::from_secs(3));
        self.shoot("pdf")?;
        let said = browser.said()?;
        let complaints: Vec<_> =
            said.iter().filter(|line| line.contains("Content Security") || line.contains("Refused")).collect();
        report.row("nothing on these pages breaks their policy", complaints.is_empty(), &format!("{complaints:?}"));
        for (file, what) in
            [("docs/page.html", "a page of the store"), ("pictures/logo.svg", "a picture with a script")]
        {
            let address = format!("{}{file}", self.files.replace("/files/", "/preview/"));
            browser.go(&address)?;
            std::thread::sleep(LOOK_EVERY * 10);
            let title = self.text("return document.title")?;
            report.row(&format!("{what} runs nothing when it is opened by itself"), title != "PWNED", &title);
        }
        Ok(())
    }

    fn downloads(&self, report: &mut Report) -> io::Result<()> {
        self.go("docs/archive.bin")?;
        self.browser.press("d")?;
        let saved = self.saved("archive.bin")?;
        let same = saved == std::fs::read(self.stage.path("files/docs/archive.bin"))?;
        report.row("a file is downloaded as it was committed", same, "");
        self.go("many")?;
        self.browser.press("d")?;
        let zip = self.saved("many.zip")?;
        report.row("a folder is downloaded as a zip", zip.starts_with(b"PK") && zip.len() > 100_000, "");
        if clients::has("unzip", report) {
            let target = self.stage.path("unzipped");
            let mut unzip = std::process::Command::new("unzip");
            unzip.arg("-q").arg(self.stage.path("downloads/many.zip")).arg("-d").arg(&target);
            succeed(&mut unzip)?;
            let mut compared = std::process::Command::new("diff");
            compared.arg("-r").arg(self.stage.path("files/many")).arg(&target);
            report.row("  which another program opens", compared.stdout(Stdio::null()).status()?.success(), "");
        }
        Ok(())
    }

    /// Waits for a download and returns it.
    fn saved(&self, name: &str) -> io::Result<Vec<u8>> {
        let (started, path) = (Instant::now(), self.stage.path("downloads").join(name));
        // Until it is whole it has another name.
        while !path.exists() {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{name} was never downloaded")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        std::fs::read(path)
    }

    fn snapshots(&self, report: &mut Report) -> io::Result<()> {
        self.browser.go(&self.snapshots)?;
        report.row(
            "the time line has all snapshots",
            self.is("return document.querySelectorAll('.timeline li').length === 3")?,
            "",
        );
        self.shoot("timeline")?;
        self.browser.run(
            "[...document.querySelectorAll('.timeline a')].filter(a => a.textContent === 'What changed')[1].click()",
        )?;
        self.browser.wait("the changes", "return !!document.querySelector('.summary')")?;
        let told = self.text("return document.querySelector('.results').textContent")?;
        report.row("what changed is told", told.contains("letters") && told.contains("Removed"), &told);
        self.shoot("changes")
    }

    fn hostile(&self, report: &mut Report) -> io::Result<()> {
        self.go("odd%20names")?;
        self.shoot("names")?;
        let marks = "return document.querySelectorAll('main img, main script, main b').length === 0 && document.title !== 'PWNED'";
        report.row("names with HTML are text in a folder", self.is(marks)?, "");
        let count = self.browser.run("return document.querySelectorAll('a.entry').length")?.as_u64().unwrap_or(0);
        let mut opened = 0;
        for at in 0..count {
            self.go("odd%20names")?;
            self.browser.run(&format!("document.querySelectorAll('a.entry')[{at}].click()"))?;
            self.browser.wait(
                "the file",
                "return !location.pathname.endsWith('odd%20names') && !!document.querySelector('h1')",
            )?;
            opened += u64::from(self.is(marks)? && self.is("return !!document.querySelector('pre, dl.facts')")?);
        }
        report.row("and each opens, and is text there", opened == count && count > 10, &format!("{opened} of {count}"));
        self.browser.go(&format!("{}?q=%3Cimg", self.files.replace("/files/", "/search/")))?;
        report.row("and in a search", self.is(marks)?, "");
        Ok(())
    }

    /// Serves one page from another port of this machine, which tries to see something.
    fn other_site(&self, report: &mut Report) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let picture = format!("{}pictures/sunset.png", self.files.replace("/files/", "/preview/"));
        let page = format!(
            "<!doctype html><title>other</title><img id=i src=\"{picture}\"><iframe id=f src=\"{0}\"></iframe><script>\
             window.seen = 'none'; fetch('{0}', {{credentials: 'include'}}).then(r => r.text()).then(t => window.seen = t, () => window.seen = 'refused')\
             </script>",
            self.files
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take(3) {
                let mut stream = stream;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        self.browser.go(&format!("http://{address}/"))?;
        self.browser.wait("the other site", "return document.readyState === 'complete' && window.seen !== 'none'")?;
        report.row("another site reads no page", self.is("return window.seen === 'refused'")?, "");
        report.row("  and no picture", self.is("return document.getElementById('i').naturalWidth === 0")?, "");
        self.browser.go(&self.files)?;
        report.row(
            "  and the session lives on",
            self.is("return document.querySelectorAll('a.entry').length > 3")?,
            "",
        );
        Ok(())
    }

    fn narrow_and_dark(&self, report: &mut Report) -> io::Result<()> {
        let phone = json!({"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true});
        self.browser.tell("Emulation.setDeviceMetricsOverride", &phone)?;
        let snapshots = self.snapshots.clone();
        let changes = self.files.replace("/files/", "/changes/");
        let search = format!("{}?q=.", self.files.replace("/files/", "/search/"));
        let here = |below: &str| format!("{}{below}", self.files);
        let pages = [
            ("folder", here("")),
            ("names", here("odd%20names")),
            ("long-name", format!("{}?q=without-an-end", self.files.replace("/files/", "/search/"))),
            ("text", here("docs/notes.txt")),
            ("picture", here("pictures/sunset.png")),
            ("timeline", snapshots.clone()),
            ("changes", changes),
            ("search", search),
        ];
        for (name, address) in &pages {
            self.browser.go(address)?;
            let width = self.browser.run("return document.documentElement.scrollWidth")?;
            report.row(
                &format!("{name} fits into 360 pixels"),
                width.as_u64().is_some_and(|width| width <= 360),
                &width.to_string(),
            );
            self.shoot(&format!("narrow-{name}"))?;
        }
        self.browser.tell("Emulation.clearDeviceMetricsOverride", &json!({}))?;
        let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        self.browser.tell("Emulation.setEmulatedMedia", &dark)?;
        for (name, address) in [("folder", here("")), ("timeline", snapshots), ("text", here("docs/notes.txt"))] {
            self.browser.go(&address)?;
            let paper = self.text("return getComputedStyle(document.body).backgroundColor")?;
            report.row(&format!("{name} is dark where that is wanted"), paper == "rgb(22, 26, 25)", &paper);
            self.shoot(&format!("dark-{name}"))?;
        }
        Ok(())
    }
}
