//! The systemd unit of the agent.
//!
//! A system's service sees keys wherever they are mounted, and may write below `/media`, `/run/media`, `/mnt` and to its own folders
//! alone. A person's service runs without rights of its own; what needs a namespace of mounts is left out there, since not every
//! system gives one to people. The machine's umask lets everybody read how its agent stands; what nobody should read is made so that
//! nobody can.

use std::path::Path;

/// The file's name.
pub const UNIT_NAME: &str = "chunkstore-agent.service";

/// Whose service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The machine's, run by root.
    System,
    /// One person's, run while they are logged in.
    User,
}

const COMMON: &str = "\
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
";

const SYSTEM: &str = "\
Environment=XDG_CONFIG_HOME=/etc XDG_CACHE_HOME=/var/cache
ConfigurationDirectory=chunkstore
ConfigurationDirectoryMode=0755
CacheDirectory=chunkstore chunkstore/agent
CacheDirectoryMode=0755
UMask=0022
ProtectSystem=strict
ReadWritePaths=-/media -/run/media -/mnt
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RemoveIPC=yes
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER
";

/// Writes the unit that runs a program with these arguments.
#[must_use]
pub fn unit_text(whose: Whose, program: &Path, arguments: &[String]) -> String {
    let words = std::iter::once(program.to_string_lossy().into_owned()).chain(arguments.iter().cloned());
    let command: Vec<_> = words.map(|word| quoted(&word)).collect();
    let (own, wanted_by) = match whose {
        Whose::System => (SYSTEM, "multi-user.target"),
        Whose::User => ("", "default.target"),
    };
    format!(
        "\
[Unit]
Description=chunkstore agent: keeps plugged-in keys up to date
Documentation=man:chunkstore(1)
After=network.target local-fs.target
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=notify
NotifyAccess=main
ExecStart={}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10
RestartPreventExitStatus=2 11
SuccessExitStatus=130
WatchdogSec=120
TimeoutStopSec=60
Nice=10
IOSchedulingClass=idle
{COMMON}{own}
[Install]
WantedBy={wanted_by}
",
        command.join(" ")
    )
}

/// Quotes a word for `ExecStart`, where `%` and `$` mean something.
fn quoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' | '$' => text.extend([c, c]),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.,:=+@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests;
