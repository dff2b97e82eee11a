//! The unit of systemd, and what a supervisor hears of a real agent.

use std::os::unix::net::UnixDatagram;

use super::*;
use crate::cli::Cli;

#[test]
fn the_unit_is_printed_written_and_taken_away() {
    let cli = Cli::new();
    let id = "ab".repeat(16);
    let unit = cli.ok(&["agent", "install", "--system", &id, "--print"]).stdout;
    assert!(unit.contains("Type=notify") && unit.contains(&format!("agent run {id}")), "{unit}");
    let installed = cli.ok(&["agent", "install", "--system", &id, "--root", "image", "--json"]).document();
    assert_eq!(installed["started"], false);
    let file = cli.path("image/etc/systemd/system/chunkstore-agent.service");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim_end(), unit.trim_end());
    cli.ok(&["agent", "uninstall", "--system", "--root", "image"]);
    assert!(!file.exists());
    let again = cli.ok(&["agent", "uninstall", "--system", "--root", "image", "--json"]).document();
    assert_eq!(again["removed"], false);
    assert_eq!(cli.run(&["agent", "install", "--system", "no-id", "--print"]).code, 2);
    assert_eq!(cli.run(&["agent", "install", "--system", &id, "--any"]).code, 2);
}

#[test]
fn systemd_understands_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return println!("not checked: there is no systemd-analyze here");
    }
    let cli = Cli::new();
    for whose in ["--system", "--user"] {
        cli.ok(&["agent", "install", whose, "--any", "--root", "image"]);
        let folder = whose.trim_start_matches('-');
        let file = cli.path(&format!("image/etc/systemd/{folder}/chunkstore-agent.service"));
        let ran = Command::new("systemd-analyze").args(["verify", "--man=no", whose]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        // What it says of other units of this machine is not ours.
        let ours: Vec<_> = said.lines().filter(|line| line.contains("chunkstore-agent")).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
    let file = cli.path("image/etc/systemd/system/chunkstore-agent.service");
    let ran = Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=40"]).arg(&file).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn a_supervisor_hears_when_it_is_ready_and_when_it_ends() {
    let stage = Stage::new();
    let socket = UnixDatagram::bind(stage.cli.path("notify")).unwrap();
    let mut command = stage.cli.command(&["agent", "run", "--volumes", "volumes"]);
    command.env("NOTIFY_SOCKET", stage.cli.path("notify")).env("WATCHDOG_USEC", "60000000");
    command.env("JOURNAL_STREAM", "1:2").stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let hear = || {
        let mut room = [0; 200];
        let len = socket.recv(&mut room).unwrap();
        String::from_utf8(room[..len].to_vec()).unwrap()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!(hear(), "WATCHDOG_USEC=31536000000000", "nothing goes on, so nobody has to be woken");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert_eq!(hear(), "STOPPING=1");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let lines = String::from_utf8(ended.stderr).unwrap();
    assert!(lines.lines().all(|line| line.starts_with("<6>")), "{lines}");
}
