//! Broken configuration, logins, and a host that is in the way.

use chunkstore::remote::url::Credentials;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn protect(stage: &Stage, text: &str) {
    stage.cli.configure(text);
    let file = stage.cli.path("home/.config/chunkstore/config.toml");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_login_that_is_refused_is_told_and_a_new_one_taken_on_the_fly() {
    let login = Some(Credentials::new("u", "right"));
    let stage = Stage::with(ServeOptions { login, ..ServeOptions::default() });
    stage.key_with_login("a", "u:right@");
    let newest = stage.publish(1, 1000);
    let url = stage.url("");
    let with = |entry: &str| format!("{QUICK}[remotes.server]\nurl = \"{url}\"\nuser = \"u\"\n{entry}\n");
    protect(&stage, &with("password = \"wrong\""));
    let mut agent = stage.agent();
    stage.plug("a");
    agent.notice("refused");
    // A file that others may read is refused, too.
    stage.cli.write("secret", b"right\n");
    let file = stage.cli.path("secret");
    protect(&stage, &with(&format!("password-file = {:?}", file.display().to_string())));
    agent.signal(rustix::process::Signal::HUP);
    agent.ended("refused");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    agent.signal(rustix::process::Signal::HUP);
    agent.ended("updated");
    assert_eq!(stage.generation("volumes/a"), newest);
    assert!(agent.errors().contains("can be read by others"), "{}", agent.errors());
    assert!(!agent.errors().contains("right") && !agent.errors().contains("wrong"), "{}", agent.errors());
    stage.publish(2, 1000);
    protect(&stage, &with("password-command = [\"printf\", \"right\"]"));
    stage.pull("a");
    agent.signal(rustix::process::Signal::HUP);
    stage.plug("a");
    agent.ended("updated");
}

#[test]
fn what_is_broken_is_named_and_the_rest_goes_on() {
    let stage = Stage::new();
    stage.key("a");
    stage.publish(1, 1000);
    stage.cli.configure(&format!("{QUICK}colour = 1\n[remotes.bad]\nurl = 7\n"));
    let mut agent = stage.agent();
    let errors = agent.errors();
    assert!(errors.contains("line 4 column 1") && errors.contains("colour"), "{errors}");
    assert!(errors.contains("line 6 column 7"), "{errors}");
    stage.plug("a");
    agent.ended("updated");
    // While it runs, a file that cannot be used at all changes nothing.
    stage.cli.configure("[agent\n");
    agent.signal(rustix::process::Signal::HUP);
    agent.wait_for("refusal", |event| event["event"] == "not-configured");
    assert!(agent.errors().contains("line 1"), "{}", agent.errors());
    stage.cli.configure(QUICK);
    stage.publish(2, 1000);
    stage.pull("a");
    stage.plug("a");
    agent.ended("updated");
    drop(agent);
    // And none starts with it.
    stage.cli.configure("[agent\n");
    let ran = stage.cli.run(&["agent", "run", "--any", "--volumes", "volumes"]);
    assert!(ran.code == 2 && ran.stderr.contains("line 1"), "{ran:?}");
}

#[test]
fn without_a_store_to_sync_it_does_not_start() {
    let stage = Stage::new();
    stage.cli.configure("");
    let ran = stage.cli.run(&["agent", "run", "--volumes", "volumes"]);
    assert!(ran.code == 2 && ran.stderr.contains("no store is known"), "{ran:?}");
    assert_eq!(stage.cli.run(&["agent", "run", "xyz", "--volumes", "volumes"]).code, 2);
    assert_eq!(stage.cli.run(&["agent", "run", "--any", "--volumes", "nowhere"]).code, 1);
}

#[test]
fn two_agents_do_not_run_at_once() {
    let stage = Stage::new();
    let agent = stage.agent();
    assert_eq!(stage.cli.ok(&["agent", "status", "--json"]).document()["running"], true);
    assert_eq!(stage.cli.run(&["agent", "run", "--any", "--volumes", "volumes"]).code, 11);
    agent.kill();
    assert_eq!(stage.cli.ok(&["agent", "status", "--json"]).document()["running"], false);
    assert_eq!(stage.agent().end(), 0);
}

#[test]
fn a_status_file_that_cannot_be_written_costs_a_line() {
    let stage = Stage::new();
    stage.key("a");
    stage.publish(1, 1000);
    std::fs::create_dir_all(stage.cli.path("home/.cache/chunkstore/agent/status.json/in-the-way")).unwrap();
    let mut agent = stage.agent();
    stage.plug("a");
    agent.ended("updated");
    agent.notice("updated");
    assert_eq!(agent.errors().matches("cannot write the status file").count(), 1, "{}", agent.errors());
}

#[test]
fn a_status_file_that_another_program_wrote_is_refused_or_shown_as_far_as_it_makes_sense() {
    let cli = Cli::new();
    let no_status = ["[]", "\"x\"", "5", "null", "{", ""];
    let odd = ["{\"volumes\":5,\"keys\":{\"a\":1}}", "{\"volumes\":[5,[]],\"keys\":[\"x\",{\"generation\":-1}]}"];
    for (texts, code) in [(&no_status[..], 1), (&odd[..], 0)] {
        for text in texts {
            cli.write("home/.cache/chunkstore/agent/status.json", text.as_bytes());
            for flags in [&[][..], &["--json"]] {
                let ran = cli.run(&[&["agent", "status"], flags].concat());
                assert_eq!(ran.code, code, "{text}: {ran:?}");
                assert_eq!(ran.stderr.contains("cannot read the status file"), code == 1, "{text}: {ran:?}");
            }
        }
    }
}

#[test]
fn a_full_disk_of_the_host_costs_lines_and_no_run() {
    // A file system of its own for the agent's folder, which only this process and its children see; one page is free of it.
    let mount = "mount -t tmpfs -o size=64k chunkstore-test \"$HOME/.cache/chunkstore\"";
    let fill = "head -c 61440 /dev/zero >\"$HOME/.cache/chunkstore/filler\"";
    let in_namespace = |stage: &Stage, script: &str| {
        let mut command = stage.cli.command(&[]);
        let program = command.get_program().to_owned();
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(program).args(RUN);
        unshare.current_dir(stage.cli.path(".")).env("HOME", stage.cli.path("home"));
        command = unshare;
        command
    };
    let stage = Stage::new();
    std::fs::create_dir_all(stage.cli.path("home/.cache/chunkstore")).unwrap();
    let tried = in_namespace(&stage, &format!("{mount} && {fill}")).output();
    if !tried.is_ok_and(|ran| ran.status.success()) {
        return println!("not checked: no file system can be mounted here");
    }
    stage.key("a");
    let newest = stage.publish(1, 300_000);
    let mut agent = stage.agent_by(in_namespace(&stage, &format!("{mount} && {fill} && exec \"$@\"")));
    stage.plug("a");
    agent.ended("updated");
    agent.notice("updated");
    assert_eq!(stage.generation("volumes/a"), newest);
    stage.pull("a");
    let next = stage.publish(2, 1000);
    stage.plug("a");
    agent.ended("updated");
    assert_eq!(stage.generation("volumes/a"), next);
    let errors = agent.errors();
    assert_eq!(errors.matches("cannot write the status file, and goes on without it").count(), 1, "{errors}");
    assert!(errors.contains("cannot remember on this host what was seen"), "{errors}");
    assert_eq!(agent.end(), 0);
}

// U23
#[test]
fn the_status_says_how_things_stand() {
    let stage = Stage::new();
    assert_eq!(stage.cli.ok(&["agent", "status", "--json"]).document()["running"], false);
    stage.key("a");
    let newest = stage.publish(1, 1000);
    let mut agent = stage.agent();
    stage.plug("a");
    agent.notice("updated");
    assert_eq!(agent.end(), 0);
    let status = stage.cli.ok(&["agent", "status", "--json"]).document();
    let (volume, key) = (&status["volumes"][0], &status["keys"][0]);
    assert_eq!(
        (&volume["notice"], &key["generation"], &key["result"]),
        (&"updated".into(), &newest.into(), &"updated".into())
    );
    let shown = stage.cli.ok(&["agent", "status"]).stdout;
    assert!(shown.contains("You may unplug it at any time") && shown.contains("last up to date 2"), "{shown}");
    // The next agent knows the key without meeting it.
    stage.pull("a");
    assert_eq!(stage.agent().end(), 0);
    assert_eq!(stage.cli.ok(&["agent", "status", "--json"]).document()["keys"][0]["generation"], newest);
}
