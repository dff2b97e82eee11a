//! Keys that come, go, and come back.

use chunkstore::serve::Fault;

use super::*;

// U1, U4
#[test]
fn a_key_that_arrives_is_synced_and_with_nothing_new_not_one_byte_of_it_changes() {
    let stage = Stage::new();
    stage.key("a");
    let newest = stage.publish(1, 300_000);
    let mut agent = stage.agent();
    stage.plug("a");
    agent.notice("updating");
    agent.ended("updated");
    agent.notice("updated");
    assert_eq!(stage.generation("volumes/a"), newest);
    let before = contents(&stage.volume("a"));
    stage.pull("a");
    stage.plug("a");
    agent.ended("up-to-date");
    assert_eq!(contents(&stage.volume("a")), before);
    assert_eq!(agent.end(), 0);
    assert_eq!(contents(&stage.volume("a")), before);
}

// U9, U22
#[test]
fn a_key_that_is_pulled_in_the_middle_goes_on_when_it_comes_back() {
    let stage = Stage::new();
    stage.key("a");
    let newest = stage.publish(1, 12 << 20);
    let bytes_before = stage.server.counts().sent_bytes;
    stage.hold_packs_after(3 << 20);
    let mut agent = stage.agent();
    stage.plug("a");
    agent.notice("updating");
    // What is on the key grows until the server stands still.
    agent.wait_for_bytes(&stage.volume("a"), 2 << 20);
    stage.pull("a");
    let unplugged = agent.notice("unplugged");
    assert!(unplugged["message"].as_str().unwrap().contains("goes on next time"), "{unplugged}");
    agent.ended("interrupted");
    assert!(stage.generation("shelf/a") < newest);
    stage.faults.heal();
    stage.plug("a");
    agent.ended("updated");
    assert_eq!(stage.generation("volumes/a"), newest);
    let sent = stage.server.counts().sent_bytes - bytes_before;
    assert!(sent < (12 << 20) + (6 << 20), "what was there was not fetched again: {sent}");
    assert_eq!(agent.end(), 0);
}

impl Running {
    /// Waits until a volume holds so many bytes of packs; the agent works on it meanwhile.
    pub(super) fn wait_for_bytes(&mut self, volume: &Path, bytes: u64) {
        let held = || -> u64 { contents(&volume.join("packs")).iter().map(|(_, _, len, _)| len).sum() };
        while held() < bytes {
            assert!(self.child.try_wait().unwrap().is_none(), "the agent ended: {}", self.errors());
            std::thread::yield_now();
        }
    }
}

// U25
#[test]
fn two_keys_of_one_store_are_synced_at_once() {
    let stage = Stage::new();
    stage.key("a");
    stage.key("b");
    let newest = stage.publish(1, 4 << 20);
    stage.hold_packs_after(1 << 20);
    let mut agent = stage.agent();
    stage.plug("a");
    let first = agent.began();
    stage.plug("b");
    // The first one cannot end yet.
    let second = agent.began();
    assert_ne!(first["replica_id"], second["replica_id"]);
    stage.pull("a");
    agent.ended("interrupted");
    stage.faults.heal();
    stage.plug("a");
    for _ in 0..2 {
        agent.wait_for("end", |event| event["event"] == "ended" && event["result"] == "updated");
    }
    assert_eq!((stage.generation("volumes/a"), stage.generation("volumes/b")), (newest, newest));
}

// U26
#[test]
fn an_agent_that_is_killed_anywhere_leaves_what_an_unplug_leaves() {
    let stage = Stage::new();
    stage.key("a");
    let newest = stage.publish(1, 6 << 20);
    stage.plug("a");
    for held_bytes in [0, 1, 1000, 300_000, (1 << 20) + 1, (2 << 20) + 1, (4 << 20) + 1] {
        stage.hold_packs_after(held_bytes);
        let mut agent = stage.agent();
        agent.notice("updating");
        agent.wait_for_bytes(&stage.volume("a"), u64::try_from(held_bytes >> 20 << 20).unwrap());
        agent.kill();
        stage.faults.heal();
        assert!(stage.generation("volumes/a") < newest, "at {held_bytes}");
    }
    let mut agent = stage.agent();
    agent.ended("updated");
    assert_eq!(agent.end(), 0);
    assert_eq!(stage.generation("volumes/a"), newest);
    stage.cli.ok(&["verify", "--store", "volumes/a"]);
}

// U16
#[test]
fn a_server_that_asks_to_come_later_is_left_alone() {
    let stage = Stage::new();
    stage.key("a");
    stage.publish(1, 1000);
    let reply = b"421 too many users, come again in 20 minutes\r\n".to_vec();
    stage.faults.add(Fault::Reply { verb: "", bytes: reply }, 100);
    let mut agent = stage.agent();
    let connections = stage.server.counts().connections;
    stage.plug("a");
    agent.ended("later");
    assert_eq!(stage.server.counts().connections, connections + 1, "one knock and no more");
    assert_eq!(agent.end(), 0);
    let status = stage.cli.ok(&["agent", "status", "--json"]).document();
    assert_eq!((&status["volumes"][0]["stage"], &status["volumes"][0]["why"]), (&"waiting".into(), &"later".into()));
}

// U22
#[test]
fn a_run_that_is_told_to_end_does_not_sit_out_its_server() {
    let stage = Stage::new();
    stage.key("a");
    stage.publish(1, 1000);
    // Whoever sat it out would do so for longer than any test runs.
    stage.cli.configure(&format!("{QUICK}[defaults]\ntimeout = \"12h\"\n"));
    stage.faults.add(Fault::Silence { verb: "RETR" }, u32::MAX);
    let mut agent = stage.agent();
    let logins = stage.server.counts().logins;
    stage.plug("a");
    agent.began();
    while stage.server.counts().logins == logins {
        std::thread::yield_now();
    }
    stage.pull("a");
    agent.ended("interrupted");
    assert_eq!(agent.end(), 0);
}

#[test]
fn a_damaged_key_is_mended_and_synced() {
    let stage = Stage::new();
    stage.key("a");
    let newest = stage.publish(1, 1000);
    // The record that opens is there, and its manifest is not.
    for entry in std::fs::read_dir(stage.cli.path("shelf/a/manifests")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"").unwrap();
    }
    let mut agent = stage.agent();
    stage.plug("a");
    agent.ended("damaged");
    agent.ended("healed");
    agent.notice("healed");
    agent.ended("updated");
    assert_eq!(stage.generation("volumes/a"), newest);
}

#[test]
fn the_agent_gives_receipts_where_it_is_configured_to_and_a_server_that_takes_none_changes_nothing() {
    for takes_them in [true, false] {
        let stage = Stage::with(ServeOptions { allow_upload: takes_them, ..ServeOptions::default() });
        stage.cli.configure(&format!("{QUICK}receipts = true\n"));
        stage.key("a");
        let newest = stage.publish(1, 1000);
        let mut agent = stage.agent();
        stage.plug("a");
        agent.ended("updated");
        assert_eq!(stage.generation("volumes/a"), newest);
        assert_eq!(agent.errors().contains("cannot give a receipt"), !takes_them, "{}", agent.errors());
        assert_eq!(agent.end(), 0);
        let given = std::fs::read_dir(stage.cli.path("server/receipts")).map_or(0, Iterator::count);
        assert_eq!(given, usize::from(takes_them));
        assert!(stage.volume("a").join("replica/receipt.key").exists());
        let key = &stage.cli.ok(&["agent", "status", "--json"]).document()["keys"][0];
        assert_eq!(key["no_receipt"].as_str().is_some_and(|why| why.contains("cannot give a receipt")), !takes_them);
        let shown = stage.cli.ok(&["agent", "status"]).stdout;
        assert_eq!(shown.contains("cannot give a receipt"), !takes_them, "{shown}");
    }
}

// U22
#[test]
fn a_run_that_waits_for_a_server_that_does_not_answer_lets_go_at_once() {
    let stage = Stage::new();
    stage.key("a");
    // To who comes when its queue is full Linux says nothing.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let id = stage.cli.ok(&["status", "--store", "pub", "--json"]).document()["store_id"].clone();
    let remotes = format!("[agent.remotes]\n{id} = [\"mute\"]\n[remotes.mute]\nurl = \"ftp://{address}/\"\n");
    stage.cli.configure(&format!("{QUICK}{remotes}[defaults]\ntimeout = \"12h\"\n"));
    let _first = std::net::TcpStream::connect(address).unwrap();
    let is_asking = || {
        let wanted = format!(" 0100007F:{:04X} 02 ", address.port());
        std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted)
    };
    let mut agent = stage.agent();
    stage.plug("a");
    agent.began();
    while !is_asking() {
        std::thread::yield_now();
    }
    stage.pull("a");
    agent.ended("interrupted");
    assert!(is_asking(), "the system goes on asking for minutes, and nobody waits for that");
    assert_eq!(agent.end(), 0);
}
