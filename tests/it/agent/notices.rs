//! What a desktop is told, and what it is not: a program stands in for the desktop's and writes down what it is given.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A desktop whose notices are written down.
struct Desktop<'a> {
    stage: &'a Stage,
}

impl<'a> Desktop<'a> {
    fn new(stage: &'a Stage) -> Self {
        // One line a call, in one write.
        stage.cli.write("bin/notify-send", b"#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$HOME/rung\"\n");
        let twin = stage.cli.path("bin/notify-send");
        std::fs::set_permissions(twin, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { stage }
    }

    fn agent(&self) -> Running {
        let mut command = self.stage.cli.command(&RUN);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.stage.cli.path("bin").display()));
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        self.stage.agent_by(command)
    }

    fn rung(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.stage.cli.path("home/rung")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until so many notices were shown; returns their titles, those of each run in the order of the alphabet: two programs
    /// that are started one after the other may write in any order.
    fn wait_for(&self, count: usize) -> Vec<String> {
        while self.rung().len() < count {
            std::thread::yield_now();
        }
        let rung = self.rung();
        let title = |line: &String| TITLES.iter().find(|title| line.contains(*title)).map(|title| (*title).to_owned());
        let mut titles: Vec<_> = rung.iter().map(|line| title(line).unwrap_or_else(|| line.clone())).collect();
        assert_eq!(titles.len(), count, "{titles:?}");
        titles.chunks_mut(2).for_each(<[String]>::sort);
        titles
    }
}

const TITLES: [&str; 3] = ["Updating your key", "Update goes on next time", "Your key is up to date"];

// U23
#[test]
fn a_person_is_told_what_changed_and_nothing_else() {
    let stage = Stage::new();
    let desktop = Desktop::new(&stage);
    stage.key("a");
    stage.publish(1, 12 << 20);
    stage.hold_packs_after(3 << 20);
    std::fs::create_dir(stage.cli.path("shelf/photos")).unwrap();
    let mut agent = desktop.agent();
    // What is no key is nobody's business.
    stage.plug("photos");
    agent.notice("no-store");
    stage.plug("a");
    agent.notice("updating");
    assert_eq!(desktop.wait_for(1), ["Updating your key"]);
    let said = &desktop.rung()[0];
    assert!(said.starts_with("--app-name=chunkstore --urgency normal -- "), "{said}");
    assert!(said.contains("You may unplug it at any time"), "{said}");
    agent.wait_for_bytes(&stage.volume("a"), 2 << 20);
    stage.pull("a");
    agent.notice("unplugged");
    assert_eq!(desktop.wait_for(2), ["Update goes on next time", "Updating your key"]);
    agent.ended("interrupted");
    stage.faults.heal();
    stage.plug("a");
    agent.notice("updated");
    assert_eq!(desktop.wait_for(4)[2..], ["Updating your key", "Your key is up to date"]);
    // Where nothing changed there is nothing to say, however often the key is plugged in.
    for _ in 0..3 {
        stage.pull("a");
        stage.plug("a");
        agent.ended("up-to-date");
    }
    // Whatever was to be said of that is said before this.
    stage.pull("a");
    stage.publish(2, 1000);
    stage.plug("a");
    agent.notice("updated");
    assert_eq!(desktop.wait_for(6)[4..], ["Updating your key", "Your key is up to date"]);
    assert_eq!(agent.end(), 0);
}

#[test]
fn a_person_who_wants_quiet_has_it() {
    let stage = Stage::new();
    let desktop = Desktop::new(&stage);
    stage.cli.configure(&format!("{QUICK}notify = false\n"));
    stage.key("a");
    stage.publish(1, 1000);
    let mut agent = desktop.agent();
    stage.plug("a");
    agent.notice("updated");
    stage.pull("a");
    stage.cli.configure(QUICK);
    agent.signal(rustix::process::Signal::HUP);
    agent.wait_for("configuration", |event| event["event"] == "configured");
    stage.publish(2, 1000);
    stage.plug("a");
    agent.notice("updated");
    // All that is shown is of the second time.
    assert_eq!(desktop.wait_for(2), ["Updating your key", "Your key is up to date"]);
}
