//! A headless Chromium, driven by its chromedriver as WebDriver has it (<https://www.w3.org/TR/webdriver2/>).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A browser with one window; ended when dropped.
pub struct Driver {
    child: Child,
    address: SocketAddr,
    session: String,
}

impl Driver {
    /// Starts a browser that saves downloads in a folder.
    ///
    /// # Errors
    /// Those of starting and of the browser.
    pub fn start(downloads: &Path) -> io::Result<Self> {
        // Free now, and most likely still free in a moment.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port())).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut driver = Self { child, address, session: String::new() };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other("chromedriver never listened"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"];
        let prefs = json!({"download.default_directory": downloads, "download.prompt_for_download": false});
        let options = json!({"args": args, "prefs": prefs});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let begun = driver.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}))?;
        driver.session = begun["sessionId"].as_str().unwrap_or_default().to_owned();
        Ok(driver)
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// Those of the browser.
    pub fn go(&self, url: &str) -> io::Result<()> {
        self.post("url", &json!({"url": url})).map(drop)
    }

    /// Runs a script in the page and returns what it returns.
    ///
    /// # Errors
    /// Those of the browser and of the script.
    pub fn run(&self, script: &str) -> io::Result<Value> {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script returns true.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait(&self, what: &str, script: &str) -> io::Result<()> {
        let started = Instant::now();
        while self.run(script)? != json!(true) {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("waited in vain for {what}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Presses and lets go of keys, one after the other.
    ///
    /// # Errors
    /// Those of the browser.
    pub fn press(&self, keys: &str) -> io::Result<()> {
        let strokes = keys.chars().flat_map(|key| {
            let stroke = |kind: &str| json!({"type": kind, "value": key.to_string()});
            [stroke("keyDown"), stroke("keyUp")]
        });
        let strokes: Vec<Value> = strokes.collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})).map(drop)
    }

    /// Tells the browser itself.
    ///
    /// # Errors
    /// Those of the browser.
    pub fn tell(&self, command: &str, given: &Value) -> io::Result<Value> {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": given}))
    }

    /// Saves what the window shows as PNG.
    ///
    /// # Errors
    /// Those of the browser and of the file.
    pub fn shoot(&self, file: &Path) -> io::Result<()> {
        let shot = self.tell("Page.captureScreenshot", &json!({"format": "png"}))?;
        let bytes = from_base64(shot["data"].as_str().unwrap_or_default());
        std::fs::write(file, bytes.ok_or_else(|| io::Error::other("the picture is no base64"))?)
    }

    /// Returns what the console said since it was asked last.
    ///
    /// # Errors
    /// Those of the browser.
    pub fn said(&self) -> io::Result<Vec<String>> {
        let said = self.post("se/log", &json!({"type": "browser"}))?;
        let lines = said.as_array().into_iter().flatten();
        Ok(lines.filter_map(|line| line["message"].as_str().map(str::to_owned)).collect())
    }

    fn post(&self, command: &str, given: &Value) -> io::Result<Value> {
        self.ask("POST", &format!("/session/{}/{command}", self.session), given)
    }

    fn ask(&self, method: &str, path: &str, given: &Value) -> io::Result<Value> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = given.to_string();
        let (address, len) = (self.address, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
        )?;
        let answer = body_of(stream)?;
        let value = serde_json::from_slice::<Value>(&answer).map_err(io::Error::other)?["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(io::Error::other(format!("{path}: {error}: {}", value["message"]))),
            None => Ok(value),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser ends with its session, and the driver is killed then.
        let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the body of an answer that says its length.
fn body_of(stream: TcpStream) -> io::Result<Vec<u8>> {
    let (mut reader, mut len) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// Decodes base64.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut bits = 0;
        for letter in group {
            bits = bits << 6 | LETTERS.iter().position(|known| known == letter)? as u32;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(bits.to_be_bytes().get(1..group.len())?);
    }
    Some(bytes)
}
