//! The suite over real servers, plain and with TLS. A server is found through an environment variable or in the usual
//! places, and skipped with a line where it is not there or cannot run; `tools/test-tools.sh` fetches them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "these tests start programs and write their configurations"
)]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chunkstore::base::Clock;
use chunkstore::base::clock::SystemClock;
use chunkstore::remote::ftp::TlsTrust;
use chunkstore::remote::url::Credentials;

use super::{Identity, ftp, options, suite};

/// The user `nobody` of Debian, as whom servers run that insist on changing their user.
const NOBODY: u32 = 65534;
/// Longest wait for a server to listen.
const START_TIMEOUT: Duration = Duration::from_secs(15);

/// A folder for one server: `files` to serve, its certificate, its configuration.
struct Home {
    dir: tempfile::TempDir,
    identity: Identity,
    port: u16,
}

impl Home {
    fn new() -> Self {
        let (dir, identity) = (tempfile::tempdir().unwrap(), Identity::new());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = Self { dir, identity, port };
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for sub in ["files", "empty"] {
            std::fs::create_dir(home.path().join(sub)).unwrap();
        }
        let _ = std::os::unix::fs::chown(home.path().join("files"), Some(NOBODY), Some(NOBODY));
        home.write("cert.pem", &home.identity.cert_pem);
        home.write("key.pem", &home.identity.key_pem);
        home.write("both.pem", &format!("{}{}", home.identity.key_pem, home.identity.cert_pem));
        home
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file that only its owner reads, as servers ask of keys and passwords.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Fills in a configuration of `tests/data/ftp`.
    fn configure(&self, name: &str, more: &[(&str, &str)]) -> PathBuf {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ftp").join(name);
        let mut text = std::fs::read_to_string(template).unwrap();
        let home = self.path().to_str().unwrap().to_owned();
        for (key, value) in [("@HOME@", home.as_str()), ("@PORT@", &self.port.to_string())].iter().chain(more) {
            text = text.replace(key, value);
        }
        self.write(name, &text)
    }
}

/// A server that runs; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Finds a program by an environment variable, else in the usual places.
fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).collect::<Vec<_>>();
    let usual = || dirs.iter().flat_map(|dir| names.iter().map(move |name| dir.join(name))).find(|path| path.is_file());
    let found = named.or_else(usual);
    if found.is_none() {
        println!("SKIPPED: no {} here; set {variable} (tools/test-tools.sh fetches it)", names[0]);
    }
    found
}

/// The folder into which a package was unpacked, from its program in `usr/sbin`.
fn root_of(program: &Path) -> PathBuf {
    program.ancestors().nth(3).unwrap_or(Path::new("/")).to_owned()
}

fn is_root(server: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("SKIPPED: {server} changes its user, which only root can");
    }
    root
}

/// Starts a server and waits for its greeting; nothing where it does not come up.
fn start(home: &Home, mut command: Command, root: &Path) -> Option<Running> {
    let log = std::fs::File::create(home.path().join("output")).unwrap();
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    command.env("LD_LIBRARY_PATH", libraries).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut running = Running(command.spawn().unwrap());
    let start = SystemClock.monotonic();
    while SystemClock.monotonic() - start < START_TIMEOUT {
        if running.0.try_wait().unwrap().is_some() {
            break;
        }
        if let Ok(mut tcp) = TcpStream::connect(("127.0.0.1", home.port)) {
            tcp.set_read_timeout(Some(START_TIMEOUT)).unwrap();
            if tcp.read(&mut [0; 3]).is_ok_and(|count| count == 3) {
                return Some(running);
            }
        }
        SystemClock.sleep(Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(home.path().join("output")).unwrap_or_default();
    println!("SKIPPED: {command:?} does not come up: {said}");
    None
}

fn run_suite(name: &str, home: &Home, login: Credentials, dir: &str, tls: bool) {
    let scheme = if tls { "ftps" } else { "ftp" };
    let trust = if tls { home.identity.trust() } else { TlsTrust::PublicRoots };
    let start = SystemClock.monotonic();
    let remote = ftp(&format!("{scheme}://127.0.0.1:{}/{dir}", home.port), login, options(trust));
    suite::run(name, &remote);
    let wire_bytes = suite::wire_bytes_of_ranges(&remote, 4096);
    // A new connection for each would cost more over TLS, and 256 KiB were once read too far.
    assert!((4096..64 * 1024).contains(&wire_bytes), "{name}: {wire_bytes} bytes on the wire for 4 KiB");
    println!("RAN: {name}, {scheme}, in {:?}", SystemClock.monotonic() - start);
}

fn vsftpd(tls: bool) {
    let Some(program) = find("CHUNKSTORE_TEST_VSFTPD", &["vsftpd"]) else { return };
    let home = Home::new();
    let config = home.configure("vsftpd.conf", &[("@TLS@", if tls { "YES" } else { "NO" })]);
    let mut command = Command::new(&program);
    command.arg(config);
    let Some(_running) = start(&home, command, &root_of(&program)) else { return };
    run_suite("vsftpd", &home, Credentials::anonymous(), "some/store", tls);
}

fn proftpd(tls: bool, overwrite: bool) {
    let Some(program) = find("CHUNKSTORE_TEST_PROFTPD", &["proftpd"]) else { return };
    if !is_root("proftpd") {
        return;
    }
    let (home, root) = (Home::new(), root_of(&program));
    let on = |is_on| if is_on { "on" } else { "off" };
    let more = [("@TLS@", on(tls)), ("@OVERWRITE@", on(overwrite)), ("@ROOT@", root.to_str().unwrap())];
    let config = home.configure("proftpd.conf", &more);
    let hash = "$6$chunkstore$h7gB0IDiVNVJja1oUnP9up4iMltbCjQUJTuOCc2zzDMkPmXoCEZnTBrvctwfUsn2K8h9X1h1WcOfylc9hujsR/";
    home.write("passwd", &format!("ann:{hash}:{NOBODY}:{NOBODY}::{}/files:/bin/false\n", home.path().display()));
    let mut command = Command::new(&program);
    command.args(["-n", "-q", "-c"]).arg(config);
    let Some(_running) = start(&home, command, &root) else { return };
    let name = if overwrite { "ProFTPD" } else { "ProFTPD with AllowOverwrite off" };
    run_suite(name, &home, Credentials::new("ann", "secret"), "some/store", tls);
}

fn pure_ftpd(tls: bool) {
    let Some(program) = find("CHUNKSTORE_TEST_PUREFTPD", &["pure-ftpd"]) else { return };
    if !is_root("pure-ftpd") {
        return;
    }
    let (home, root) = (Home::new(), root_of(&program));
    let files = home.path().join("files");
    let hash = "$6$chunkstore$h7gB0IDiVNVJja1oUnP9up4iMltbCjQUJTuOCc2zzDMkPmXoCEZnTBrvctwfUsn2K8h9X1h1WcOfylc9hujsR/";
    let users = home.write("users", &format!("ann:{hash}:{NOBODY}:{NOBODY}::{}/./::::::::::::\n", files.display()));
    let database = home.path().join("users.pdb");
    let made = Command::new(root.join("usr/bin/pure-pw")).arg("mkdb").arg(&database).arg("-f").arg(users).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("SKIPPED: no pure-pw beside {}", program.display());
        return;
    }
    let mut command = Command::new(&program);
    command.args(["-A", "-E", "-H", "-j", "-u", "1", "-U", "022:022", "-c", "30", "-C", "30"]);
    command.arg("-S").arg(format!("127.0.0.1,{}", home.port));
    command.arg("-l").arg(format!("puredb:{}", database.display()));
    command.arg("-g").arg(home.path().join("pid"));
    command.args(["-Y", if tls { "2" } else { "0" }]).arg("-2").arg(home.path().join("both.pem"));
    let Some(_running) = start(&home, command, &root) else { return };
    run_suite("Pure-FTPd", &home, Credentials::new("ann", "secret"), "some/store", tls);
}

fn pyftpdlib(tls: bool) {
    let library = std::env::var_os("CHUNKSTORE_TEST_PYFTPDLIB").unwrap_or_default();
    let home = Home::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ftp/pyftpd.py");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", library).arg(script).arg(home.path()).arg(home.port.to_string());
    command.arg(if tls { "on" } else { "off" });
    let Some(_running) = start(&home, command, Path::new("/")) else { return };
    run_suite("pyftpdlib", &home, Credentials::new("ann", "secret"), "some/store", tls);
}

#[test]
fn vsftpd_plain() {
    vsftpd(false);
}

#[test]
fn vsftpd_tls() {
    vsftpd(true);
}

#[test]
fn proftpd_plain() {
    proftpd(false, true);
}

#[test]
fn proftpd_tls() {
    proftpd(true, true);
}

#[test]
fn proftpd_that_refuses_to_overwrite() {
    proftpd(false, false);
    proftpd(true, false);
}

#[test]
fn pure_ftpd_plain() {
    pure_ftpd(false);
}

#[test]
fn pure_ftpd_tls() {
    pure_ftpd(true);
}

#[test]
fn pyftpdlib_plain() {
    pyftpdlib(false);
}

#[test]
fn pyftpdlib_tls() {
    pyftpdlib(true);
}
