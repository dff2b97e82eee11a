//! The text of the unit.

use super::*;

#[test]
fn words_are_quoted_as_systemd_reads_them() {
    let cases = [("/usr/bin/chunkstore", "/usr/bin/chunkstore"), ("", "\"\""), ("a b", "\"a b\"")];
    for (word, expected) in cases.into_iter().chain([("50%", "\"50%%\""), ("$a\"", "\"$$a\\\"\""), ("a;b", "\"a;b\"")])
    {
        assert_eq!(quoted(word), expected);
    }
}

#[test]
fn both_units_are_of_the_notify_type_and_without_new_privileges() {
    for whose in [Whose::System, Whose::User] {
        let text = unit_text(whose, Path::new("/usr/bin/chunkstore"), &["agent".into(), "run".into(), "--any".into()]);
        for line in [
            "Type=notify",
            "WatchdogSec=120",
            "NoNewPrivileges=yes",
            "ExecStart=/usr/bin/chunkstore agent run --any",
            "RestartPreventExitStatus=2 11",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(text.contains("ProtectSystem=strict"), whose == Whose::System);
        assert_eq!(text.contains("default.target"), whose == Whose::User);
    }
}

#[test]
fn a_systems_service_may_write_to_keys() {
    let text = unit_text(Whose::System, Path::new("/usr/bin/chunkstore"), &[]);
    assert!(text.contains("ReadWritePaths=-/media -/run/media -/mnt\n"), "{text}");
    assert!(text.contains("AF_NETLINK"), "volumes are told of by it");
}
