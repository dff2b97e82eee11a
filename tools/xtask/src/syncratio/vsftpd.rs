//! vsftpd on loopback, as the conformance tests configure it, with an anonymous user that may write.

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the server to listen.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// What the kernel counts time on the processor in (`USER_HZ`, 100 on every architecture that this runs on).
const TICKS_PER_SEC: f64 = 100.0;
/// The user `nobody` of Debian, whom the configuration names.
const NOBODY: u32 = 65534;

/// A server that runs; killed when dropped.
pub struct Vsftpd {
    child: Child,
    port: u16,
}

impl Vsftpd {
    /// Starts a server over an empty folder below `home`.
    ///
    /// # Errors
    /// When there is no vsftpd, or it does not come up.
    pub fn start(root: &Path, home: &Path) -> io::Result<Self> {
        Self::start_with(root, home, "")
    }

    /// As [`Vsftpd::start`], with further lines of configuration.
    ///
    /// # Errors
    /// As [`Vsftpd::start`].
    pub fn start_with(root: &Path, home: &Path, extra: &str) -> io::Result<Self> {
        let program = find().ok_or_else(|| io::Error::other("there is no vsftpd: tools/test-tools.sh fetches it"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        for dir in [home.join("files"), home.join("empty")] {
            std::fs::create_dir_all(&dir)?;
        }
        // Only root can give a folder away, and only root runs a server that changes its user.
        let _ = chown(home.join("files"), Some(NOBODY), Some(NOBODY));
        let template = std::fs::read_to_string(root.join("tests/data/ftp/vsftpd.conf"))?;
        let text = template.replace("@HOME@", &home.to_string_lossy()).replace("@PORT@", &port.to_string());
        let config = home.join("vsftpd.conf");
        std::fs::write(&config, text.replace("@TLS@", "NO").replace("xferlog_enable=NO\n", "") + extra)?;
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600))?;
        // The program may lie in a folder that a package was unpacked into, with its libraries beside it.
        let unpacked = program.ancestors().nth(3).unwrap_or(Path::new("/"));
        let libraries = unpacked.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        let mut command = Command::new(&program);
        command.arg(config).env("LD_LIBRARY_PATH", libraries).stdin(Stdio::null()).stdout(Stdio::null());
        let mut server = Self { child: command.spawn()?, port };
        server.wait()?;
        Ok(server)
    }

    /// Returns the address of a folder on the server.
    #[must_use]
    pub fn url(&self, dir: &str) -> String {
        format!("ftp://127.0.0.1:{}/{dir}", self.port)
    }

    /// Returns the time on the processor that sessions took which have ended, in seconds (`cutime` and `cstime` of proc(5)).
    ///
    /// # Errors
    /// When the system does not say.
    pub fn cpu_secs(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; what is counted stands behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields.iter().skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS_PER_SEC)
    }

    /// Waits for the greeting.
    fn wait(&mut self) -> io::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("vsftpd ended with {status}")));
            }
            if let Ok(mut tcp) = TcpStream::connect(("127.0.0.1", self.port)) {
                tcp.set_read_timeout(Some(START_TIMEOUT))?;
                return tcp.read_exact(&mut [0; 3]);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other("vsftpd does not listen"))
    }
}

impl Drop for Vsftpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds the server by its variable, else in the usual places.
fn find() -> Option<PathBuf> {
    let named = std::env::var_os("CHUNKSTORE_TEST_VSFTPD").map(PathBuf::from);
    let usual = ["/usr/sbin/vsftpd", "/usr/bin/vsftpd"].map(PathBuf::from);
    named.into_iter().chain(usual).find(|path| path.is_file())
}
