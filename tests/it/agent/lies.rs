//! Volumes that are not what they seem: each is looked at, told of once, and left as it is.

use super::*;

// U1
#[test]
fn what_is_no_known_key_gets_a_line_and_not_one_write() {
    let stage = Stage::new();
    stage.key("real");
    let marker = std::fs::read(stage.cli.path("shelf/real/STORE")).unwrap();
    let shelf = |name: &str| {
        let dir = stage.cli.path("shelf").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    };
    shelf("empty");
    std::fs::write(shelf("photos").join("a.jpg"), b"x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", shelf("link").join("STORE")).unwrap();
    std::fs::create_dir(shelf("directory").join("STORE")).unwrap();
    std::fs::File::create(shelf("giant").join("STORE")).unwrap().set_len(1 << 36).unwrap();
    std::fs::write(shelf("garbage").join("STORE"), [0xff; 200]).unwrap();
    // The marker of a store, and nothing of it.
    std::fs::write(shelf("bare").join("STORE"), &marker).unwrap();
    let newer = String::from_utf8(marker.clone()).unwrap().replace("outer 1", "outer 9");
    assert_ne!(newer.as_bytes(), marker);
    std::fs::write(shelf("newer").join("STORE"), newer).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        shelf("pipe").join("STORE"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let expected = [
        ("empty", "no-store"),
        ("photos", "no-store"),
        ("link", "no-store"),
        ("directory", "no-store"),
        ("giant", "no-store"),
        ("garbage", "no-store"),
        ("pipe", "no-store"),
        ("bare", "not-ours"),
        ("newer", "newer"),
    ];
    let mut agent = stage.agent();
    for (name, notice) in expected {
        let before: Vec<_> =
            contents(&stage.cli.path("shelf").join(name)).into_iter().map(|it| (it.1, it.2, it.3)).collect();
        stage.plug(name);
        let event = agent.wait_for("notice", |event| event["event"] == "notice");
        assert_eq!((&event["volume"], &event["notice"]), (&name.into(), &notice.into()), "{}", agent.errors());
        let after: Vec<_> = contents(&stage.volume(name)).into_iter().map(|it| (it.1, it.2, it.3)).collect();
        assert_eq!(after, before, "{name}");
    }
    assert!(agent.heard.iter().all(|event| event["event"] != "began"), "{:?}", agent.heard);
    let lines = agent.errors().lines().filter(|line| line.contains("left alone")).count();
    assert_eq!(lines, expected.len(), "a line each: {}", agent.errors());
}

#[test]
fn a_store_that_is_not_listed_is_left_as_it_is() {
    let stage = Stage::new();
    stage.key("a");
    stage.publish(1, 1000);
    let other = "ab".repeat(16);
    let mut agent = stage.agent_with(&[&other]);
    let before = contents(&stage.cli.path("shelf/a"));
    stage.plug("a");
    agent.notice("not-ours");
    let strip =
        |list: Vec<(PathBuf, SystemTime, u64, Vec<u8>)>| list.into_iter().map(|it| (it.1, it.3)).collect::<Vec<_>>();
    assert_eq!(strip(contents(&stage.volume("a"))), strip(before));
    let connections = stage.server.counts().connections;
    assert_eq!(agent.end(), 0);
    assert_eq!(stage.server.counts().connections, connections);
}

#[test]
fn a_store_leads_to_no_folder_of_this_host() {
    let stage = Stage::new();
    stage.cli.ok(&["clone", "./server", "shelf/a", "--trust", &stage.fingerprint]);
    stage.cli.configure(QUICK);
    let mut agent = stage.agent();
    stage.plug("a");
    agent.ended("refused");
}

// U18
#[test]
fn a_server_that_went_back_is_told_of_and_nothing_is_lost() {
    let stage = Stage::new();
    stage.key("a");
    stage.key("fresh");
    let old = contents(&stage.cli.path("server"));
    let newest = stage.publish(1, 1000);
    let mut agent = stage.agent();
    stage.plug("a");
    agent.ended("updated");
    stage.pull("a");
    let head = old.iter().find(|(path, ..)| path.ends_with("HEAD")).unwrap();
    std::fs::write(&head.0, &head.3).unwrap();
    stage.plug("a");
    agent.ended("not-trusted");
    agent.notice("not-trusted");
    assert_eq!(stage.generation("volumes/a"), newest);
    // This host remembers by another key what the server showed.
    stage.plug("fresh");
    agent.ended("not-trusted");
}
