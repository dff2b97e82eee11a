//! Clients of WebDAV, each asked for the whole tree or for some of it, and held against the folder that was committed.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Report, Served};
use crate::content::files_below;
use crate::stage::Stage;

/// Tries every client that is installed.
///
/// # Errors
/// Those of starting them, and of files.
pub fn try_all(stage: &Stage, served: &Served, report: &mut Report) -> io::Result<()> {
    rclone(stage, served, report)?;
    cadaver(stage, served, report)?;
    davfs2(stage, served, report)
}

/// Returns whether a program is there; says so where not.
pub fn has(program: &str, report: &mut Report) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        report.skip(&format!("{program} is not installed"));
    }
    found
}

/// Compares two trees, without links, which WebDAV does not have.
fn same_tree(one: &Path, other: &Path) -> io::Result<bool> {
    let script = "cd \"$0\" && find . -type f -exec sha256sum {} + | sort";
    let sums = |dir: &Path| Command::new("sh").args(["-c", script]).arg(dir).output();
    let (one, other) = (sums(one)?, sums(other)?);
    Ok(one.status.success() && !one.stdout.is_empty() && one.stdout == other.stdout)
}

fn rclone(stage: &Stage, served: &Served, report: &mut Report) -> io::Result<()> {
    if !has("rclone", report) {
        return Ok(());
    }
    let obscured = Command::new("rclone").args(["obscure", &served.password]).output()?;
    let password = String::from_utf8_lossy(&obscured.stdout).trim().to_owned();
    let target = stage.path("by-rclone");
    let mut copy = Command::new("rclone");
    copy.args(["copy", ":webdav:latest"]).arg(&target).args(["--webdav-url", &served.dav_url]);
    copy.args(["--webdav-user", "chunkstore", "--webdav-pass", &password, "--retries", "1", "--config", "/dev/null"]);
    let copied = copy.output()?;
    report.row("rclone copies the newest snapshot", copied.status.success(), &last_line(&copied.stderr));
    report.row("  and it is the folder that was committed", same_tree(&stage.path("files"), &target)?, "");
    let mut write = Command::new("rclone");
    write.args([
        "touch",
        ":webdav:latest/new",
        "--webdav-url",
        &served.dav_url,
        "--retries",
        "1",
        "--low-level-retries",
        "1",
    ]);
    write.args(["--webdav-user", "chunkstore", "--webdav-pass", &password, "--config", "/dev/null"]);
    report.row("  and writes nothing", !write.output()?.status.success(), "");
    Ok(())
}

fn cadaver(stage: &Stage, served: &Served, report: &mut Report) -> io::Result<()> {
    if !has("cadaver", report) {
        return Ok(());
    }
    let netrc = stage.path("cadaver-home");
    std::fs::create_dir_all(&netrc)?;
    std::fs::write(netrc.join(".netrc"), format!("machine 127.0.0.1 login x password {}\n", served.password))?;
    let mut child = Command::new("cadaver")
        .arg(&served.dav_url)
        .current_dir(&netrc)
        .env("HOME", &netrc)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(stdin) = child.stdin.as_mut() {
        stdin.write_all(b"ls\ncd latest/docs\nls\nget archive.bin\nput .netrc\nquit\n")?;
    }
    let said = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&said.stdout);
    let lists = ["latest", "snapshots", "archive.bin"].iter().all(|name| text.contains(name));
    report.row("cadaver lists folders", lists, text.lines().last().unwrap_or_default());
    let got = std::fs::read(netrc.join("archive.bin")).unwrap_or_default();
    report.row("  and fetches a file", got == std::fs::read(stage.path("files/docs/archive.bin"))?, "");
    report.row("  and puts none", text.contains("405"), "");
    Ok(())
}

fn davfs2(stage: &Stage, served: &Served, report: &mut Report) -> io::Result<()> {
    if !has("mount.davfs", report) {
        return Ok(());
    }
    let (point, cache) = (stage.path("by-davfs"), stage.path("davfs-cache"));
    std::fs::create_dir_all(&point)?;
    std::fs::create_dir_all(&cache)?;
    // It gives up root's rights before it writes there.
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777))?;
    let config = stage.path("davfs2.conf");
    std::fs::write(&config, format!("use_locks 0\nask_auth 0\ncache_dir {}\n", cache.display()))?;
    // The address with the password behind it asks for none.
    let url = format!("{}{}/", served.dav_url, served.password);
    let mut mount = Command::new("mount");
    mount.args(["-t", "davfs", "-o"]).arg(format!("ro,conf={}", config.display())).arg(&url).arg(&point);
    let mounted = mount.stdin(Stdio::null()).output()?;
    if !mounted.status.success() {
        report.skip(&format!("davfs2 cannot mount here: {}", last_line(&mounted.stderr)));
        return Ok(());
    }
    let same = same_files(&stage.path("files"), &point.join("latest"));
    let listed = std::fs::read_dir(&point).and_then(|mut entries| entries.next().transpose());
    let unmounted = Command::new("umount").arg(&point).stdout(Stdio::null()).status()?;
    report.row("davfs2 mounts it, and files are those of the folder that was committed", same?, "");
    if let Err(error) = listed {
        // Of 1.6.1 on newer kernels, with any server.
        report.skip(&format!("davfs2 lists no folder here: {error}"));
    }
    report.row("  and lets go of it", unmounted.success(), "");
    Ok(())
}

/// Compares files with plain names one by one, without asking for a list of them.
fn same_files(one: &Path, other: &Path) -> io::Result<bool> {
    for dir in ["docs", "pictures"] {
        for file in files_below(&one.join(dir))? {
            let below = file.strip_prefix(one).map_err(io::Error::other)?;
            if std::fs::read(&file)? != std::fs::read(other.join(below))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().last().unwrap_or_default().to_owned()
}
