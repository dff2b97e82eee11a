//! The one look at the environment: variables, the platform's folders, the working directory, and terminals.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::base::random::{OsRandom, random_array};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::url::Password;

/// What the surroundings of the process say.
#[derive(Debug, Default)]
pub struct Environment {
    /// `CHUNKSTORE_STORE`.
    pub store: Option<PathBuf>,
    /// `CHUNKSTORE_KEYS`.
    pub keys: Option<PathBuf>,
    /// `CHUNKSTORE_IDENTITY`: several may be joined as in `PATH`.
    pub identities: Vec<PathBuf>,
    /// `CHUNKSTORE_PROFILE`.
    pub profile: Option<String>,
    /// `CHUNKSTORE_REMOTE_USER`.
    pub remote_user: Option<String>,
    /// `CHUNKSTORE_REMOTE_PASSWORD`.
    pub remote_password: Option<Password>,
    /// The variable that names a proxy for FTP, and the proxy: `FTP_PROXY`, else `ALL_PROXY`, in lower case first.
    pub proxy: Option<(&'static str, Password)>,
    /// `NO_PROXY`.
    pub no_proxy: String,
    /// The platform's configuration folder with `chunkstore` below; nothing where there is no home.
    pub config_dir: Option<PathBuf>,
    /// The platform's cache folder with `chunkstore` below.
    pub cache_dir: Option<PathBuf>,
    /// Who runs this, as `user@host`, as far as the system tells.
    pub author: String,
    /// The system lets this user give files to others.
    pub privileged: bool,
    /// Questions can be asked: stdin is a terminal.
    pub can_ask: bool,
    /// stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// `NO_COLOR` is set, or the terminal is a dumb one.
    pub no_color: bool,
    /// What a service is told.
    pub service: ServiceEnvironment,
}

/// What whoever started a service tells it, and what it finds of a desktop.
#[derive(Debug, Clone, Default)]
pub struct ServiceEnvironment {
    /// `NOTIFY_SOCKET`.
    pub notify_socket: Option<OsString>,
    /// `WATCHDOG_USEC`.
    pub watchdog_micros: Option<String>,
    /// `JOURNAL_STREAM`: stderr goes to the journal, which understands `<N>` before a line.
    pub has_journal: bool,
    /// There is a desktop: `DBUS_SESSION_BUS_ADDRESS`, and on Windows whatever is run by a person.
    pub has_desktop: bool,
    /// Where a person's own units lie.
    #[cfg(not(windows))]
    pub unit_dir: Option<PathBuf>,
}

impl Environment {
    /// Looks around.
    #[must_use]
    pub fn read() -> Self {
        let path = |name| variable(name).map(PathBuf::from);
        let text = |name| variable(name).and_then(|value| value.into_string().ok());
        let identities = variable("CHUNKSTORE_IDENTITY");
        Self {
            store: path("CHUNKSTORE_STORE"),
            keys: path("CHUNKSTORE_KEYS"),
            identities: identities.map(|list| std::env::split_paths(&list).collect()).unwrap_or_default(),
            // One that is no UTF-8 names no profile, which is an error and not silence.
            profile: variable("CHUNKSTORE_PROFILE").map(|name| name.to_string_lossy().into_owned()),
            remote_user: text("CHUNKSTORE_REMOTE_USER"),
            remote_password: text("CHUNKSTORE_REMOTE_PASSWORD").map(Password::new),
            proxy: ["ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY"]
                .into_iter()
                .find_map(|name| Some((name, Password::new(variable(name)?.to_string_lossy().into_owned())))),
            no_proxy: text("no_proxy").or_else(|| text("NO_PROXY")).unwrap_or_default(),
            config_dir: platform_folder("XDG_CONFIG_HOME", ".config", "APPDATA"),
            cache_dir: platform_folder("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA"),
            author: author(),
            privileged: is_privileged(),
            can_ask: std::io::stdin().is_terminal(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            service: ServiceEnvironment {
                notify_socket: variable("NOTIFY_SOCKET"),
                watchdog_micros: text("WATCHDOG_USEC"),
                has_journal: variable("JOURNAL_STREAM").is_some(),
                has_desktop: cfg!(windows) || variable("DBUS_SESSION_BUS_ADDRESS").is_some(),
                #[cfg(not(windows))]
                unit_dir: platform_folder("XDG_CONFIG_HOME", ".config", "APPDATA")
                    .map(|dir| dir.with_file_name("systemd").join("user")),
            },
            no_color: variable("NO_COLOR").is_some() || variable("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

impl Environment {
    /// Has the machine's folder in place of a person's and no desktop, for a service that is nobody's.
    #[must_use]
    pub fn of_the_machine(self) -> Self {
        let service = ServiceEnvironment { has_desktop: false, ..self.service };
        Self { config_dir: Some(machine_folder()), cache_dir: Some(machine_folder()), service, ..self }
    }
}

/// Returns a variable; an empty one counts as none.
#[expect(clippy::disallowed_methods, reason = "the one look at the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the person's home folder.
#[must_use]
pub fn home() -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    variable(name).map(PathBuf::from).filter(|home| home.is_absolute())
}

/// Returns the program's folder below one of the platform's; relative ones do not count, as the XDG rules say.
fn platform_folder(xdg: &str, in_home: &str, windows: &str) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        absolute(windows)
    } else {
        absolute(xdg).or_else(|| absolute("HOME").map(|home| home.join(in_home)))
    };
    base.map(|base| base.join("chunkstore"))
}

/// Names the person and the machine for snapshots.
fn author() -> String {
    let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
    let user = text("USER").or_else(|| text("LOGNAME")).or_else(|| text("USERNAME"));
    let host = text("HOSTNAME").or_else(|| text("COMPUTERNAME")).or_else(host_name);
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), host.as_deref().unwrap_or("localhost"))
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

#[cfg(unix)]
fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(windows)]
fn is_privileged() -> bool {
    false
}

#[cfg(windows)]
fn host_name() -> Option<String> {
    None
}

/// Returns where this program lies.
///
/// # Errors
/// [`ErrorKind::Other`] where the system does not tell.
pub fn program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::with_source(ErrorKind::Other, "cannot tell where this program is", error))
}

/// Returns where the agent of the machine, and not of a person, keeps what it needs.
#[must_use]
pub fn machine_folder() -> PathBuf {
    #[cfg(windows)]
    return crate::disk::host::program_data().unwrap_or_else(|| PathBuf::from(r"C:\ProgramData")).join("chunkstore");
    #[cfg(not(windows))]
    PathBuf::from("/var/cache/chunkstore")
}

/// Returns a path seen from the root, so that it holds in another working directory; as it is where there is none.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns a path below the system's folder for temporary things that nothing stands at, most likely.
#[must_use]
pub fn temporary_dir(prefix: &str) -> PathBuf {
    let unlikely = hex::encode(random_array::<8>(&OsRandom));
    absolute(&std::env::temp_dir()).join(format!("{prefix}-{unlikely}"))
}
