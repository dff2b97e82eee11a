//! What is written of a fleet, with names that were chosen to break it.

use std::collections::BTreeSet;

use super::*;
use crate::base::{Epoch, Generation, Timestamp};
use crate::format::codec::Extensions;
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::roster::Holder;
use crate::ops::fleet::Spread;
use crate::ops::fleet::remembered::Day;
use crate::store::roster::Roster;

/// 2026-01-01.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);

const HOSTILE: [&str; 9] = [
    "\"><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "  @SUM(1+1)",
    "line\nbreak\r\nand, comma",
    "quote \" and ' and \\",
    "\x1b[31mred\x07",
    "\u{202e}desrever",
    "--><!-- &amp; </style></title>",
    "-1+1",
];

fn holder(tag: KeyTag, name: &str) -> Holder {
    Holder {
        tag,
        role: KeyRole::Reader,
        recipient: "age1".into(),
        identity: Vec::new(),
        name: name.into(),
        note: name.into(),
        added: NOW,
        since: Epoch(1),
        until: None,
        extensions: Extensions::default(),
    }
}

fn row(number: u8, flags: &[Flag]) -> Row {
    Row {
        replica: ReplicaId([number; 16]),
        tag: Some(KeyTag([0, 0, 0, 2 * number])),
        standing: Standing::Behind,
        generation: Some(Generation(3)),
        behind: Some(2),
        behind_secs: Some(7200),
        is_behind_longer: true,
        seen: Some(NOW),
        reached: Some(NOW),
        outcome: Some("done".into()),
        problems: Some(1),
        free_bytes: Some(1 << 30),
        program: Some("=program \"1\"".into()),
        purge: Some(Generation(0)),
        flags: flags.iter().copied().collect::<BTreeSet<_>>(),
        reason: Some("<b>\"why\",\nnot".into()),
    }
}

/// A fleet whose holders have all the hostile names.
fn hostile() -> Fleet {
    let mut roster = Roster::default();
    let mut rows = Vec::new();
    for (number, name) in (1..).zip(HOSTILE) {
        roster.put(holder(KeyTag([0, 0, 0, 2 * number]), name));
        rows.push(row(number, &[Flag::StartsOver, Flag::AnotherKey]));
    }
    let wave = |generation, keys| Wave {
        generation: Generation(generation),
        made: Some(NOW.plus_secs(-86_400 * 9)),
        reached: vec![(Day(Day::of(NOW).0 - 7), keys), (Day::of(NOW), keys + 1)],
    };
    Fleet {
        store: StoreId([7; 16]),
        remote: "ftp://<host>/\x1b".into(),
        time: NOW,
        newest: Generation(5),
        purged: Generation(0),
        stage: Some(("pilot".parse().unwrap(), Generation(4))),
        rows,
        roster,
        spread: Spread { keys: 9, waves: vec![wave(4, 8), wave(5, 2)] },
        left_out: 0,
        forgotten: 0,
    }
}

fn written(write: impl FnOnce(&Fleet, &Summary, &mut dyn Write) -> io::Result<()>) -> String {
    let (fleet, mut sink) = (hostile(), Vec::new());
    write(&fleet, &Summary::of(&fleet.rows), &mut sink).unwrap();
    String::from_utf8(sink).unwrap()
}

/// Reads values as RFC 4180 has them.
fn fields(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut is_quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut field)),
            '\r' if !is_quoted => assert_eq!(chars.peek(), Some(&'\n')),
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    assert!(record.is_empty() && field.is_empty() && !is_quoted);
    records
}

fn drives(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && c != '\r' && crate::base::paths::drives_a_terminal(c))
}

#[test]
fn values_are_whole_and_no_formulas() {
    let text = written(|fleet, _, sink| csv::write(fleet, sink));
    let records = fields(&text);
    assert_eq!(records.len(), HOSTILE.len() + 1);
    assert!(records.iter().all(|record| record.len() == 18), "{records:?}");
    for field in records.iter().skip(1).flatten() {
        assert!(!field.trim_start().starts_with(['=', '+', '-', '@']), "{field}");
    }
    assert_eq!((&*records[1][1], &*records[2][1]), (HOSTILE[0], "'=cmd|' /C calc'!A0"));
    assert_eq!((&*records[4][2], &*records[5][1]), ("line break\\r and, comma", HOSTILE[4]));
    assert_eq!((&*records[1][14], &*records[1][16]), ("'=program \"1\"", "another-key starts-over"));
    assert!(!drives(&text) && text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\n', '\r']));
    assert_eq!(csv::text(None), "");
    assert_eq!(
        (&*csv::text(Some("a,b")), &*csv::text(Some("plain")), &*csv::text(Some(" x"))),
        ("\"a,b\"", "plain", "\" x\"")
    );
}

#[test]
fn metrics_are_a_line_each_with_escaped_labels() {
    let text = written(prometheus::write);
    let mut announced = BTreeSet::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            last = rest.strip_suffix(" gauge").unwrap().to_owned();
            assert!(announced.insert(last.clone()), "{last} twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<u64>().unwrap_or_else(|error| panic!("{error}: {line}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert_eq!(name, last, "{line}");
            // Without what is escaped, quotes come in pairs around each label.
            let bare = labels.strip_suffix('}').unwrap().replace("\\\\", "").replace("\\\"", "");
            assert!(bare.is_empty() || bare.matches('"').count() == 2 * bare.matches("=\"").count(), "{line}");
        }
    }
    assert!(!drives(&text) && text.ends_with('\n'));
    assert!(text.contains("name=\"quote \\\" and ' and \\\\\""), "{text}");
    assert!(text.contains("name=\"\\\\u{1b}[31mred\\\\u{7}\""), "{text}");
    let each = text.lines().filter(|line| line.starts_with("chunkstore_key_generation{")).count();
    assert_eq!(each, HOSTILE.len());
    assert!(text.contains("chunkstore_fleet_flagged_keys{flag=\"another-key\"} 9"));
    assert_eq!((&*prometheus::label(Some("a\\b\"c")), &*prometheus::label(None)), ("a\\\\b\\\"c", ""));
}

#[test]
fn a_page_holds_what_others_wrote_as_text_alone() {
    let text = written(|fleet, summary, sink| page::write(fleet, summary, "00ff", sink));
    assert_eq!((text.matches("<script").count(), text.matches("</script>").count()), (1, 1));
    assert_eq!((text.matches("<style").count(), text.matches("</style>").count()), (1, 1));
    assert_eq!((text.matches("<title>").count(), text.matches("<tr class=").count()), (3, HOSTILE.len()));
    for forbidden in
        ["<script>", "<b>", "<!--", "<host>", "style=\"", "javascript:", "http:", "https:", "@import", "url("]
    {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    assert!(text.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(text.contains("<p>generation 5 is for the group pilot so far: others may stay at 4.</p>"));
    assert!(text.contains("default-src 'none'; style-src 'nonce-00ff'; script-src 'nonce-00ff'"));
    for wanted in ["prefers-color-scheme: dark", "scope=\"col\"", "scope=\"row\"", "<desc", "lang=\"en\"", "<caption>"]
    {
        assert!(text.contains(wanted), "{wanted}");
    }
    assert!(text.contains("generation 5, made 2025-12-23: reached by 33 % of the keys"), "{text}");
    assert!(!drives(&text));
    assert_eq!(page::html("<a href='x'>&\"\n"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot; ");
}

#[test]
fn a_page_of_nothing_is_a_page() {
    let mut sink = Vec::new();
    let fleet = Fleet { rows: Vec::new(), spread: Spread::default(), ..hostile() };
    page::write(&fleet, &Summary::default(), "00", &mut sink).unwrap();
    let text = String::from_utf8(sink).unwrap();
    assert!(text.contains("no key has given a receipt") && !text.contains("<svg") && !text.contains("<dl>"));
    let mut sink = Vec::new();
    let odd =
        Wave { generation: Generation(u64::MAX), made: Some(Timestamp(i64::MAX)), reached: vec![(Day(i64::MIN), 5)] };
    chart::write(&Fleet { spread: Spread { keys: 1, waves: vec![odd] }, ..fleet }, &mut sink).unwrap();
    assert!(!String::from_utf8(sink).unwrap().contains("NaN"));
}

#[test]
fn documents_have_the_names_as_they_are_and_orders_hold() {
    let mut fleet = hostile();
    assert_eq!(object_of(&fleet, &fleet.rows[5])["name"], HOSTILE[5]);
    fleet.rows[2].standing = Standing::Current;
    fleet.rows[3].behind = Some(9);
    fleet.rows[4].standing = Standing::Unknown;
    fleet.rows[5].seen = None;
    let order = |sort, behind| {
        let mut fleet = fleet.clone();
        let args = FleetStatusArgs { remote: None, csv: false, prometheus: false, html: None, sort, behind };
        arrange(&mut fleet, &args);
        fleet.rows.iter().map(|row| row.replica.0[0]).collect::<Vec<_>>()
    };
    let behind = order(FleetOrder::Behind, false);
    assert_eq!((&behind[..2], behind.last()), (&[5, 4][..], Some(&3)));
    assert_eq!(order(FleetOrder::Behind, true).len(), HOSTILE.len() - 1);
    assert_eq!(order(FleetOrder::Seen, false)[0], 6);
    assert_eq!(order(FleetOrder::Replica, false), (1..=9).collect::<Vec<u8>>());
    assert_eq!(order(FleetOrder::Name, false)[0], 6);
    let summary = Summary::of(&fleet.rows);
    assert_eq!((summary.keys, summary.current, summary.behind, summary.unknown), (9, 1, 7, 1));
    let done = document(&fleet, &summary);
    assert_eq!((&done["keys"], &done["flags"]["starts-over"]), (&9.into(), &9.into()));
    assert_eq!(done["spread"]["generations"][1]["reached"][1], json!({"day": "2026-01-01", "keys": 3}));
}

#[test]
fn every_flag_is_explained() {
    for flag in Flag::ALL {
        assert!(include_str!("../../json.md").contains(flag.word()) && !table::meaning(flag).is_empty(), "{flag:?}");
    }
}

#[test]
fn a_table_names_who_would_start_over() {
    let counts = table::counts(&hostile(), &Summary::of(&hostile().rows));
    assert!(counts.contains("9 keys at ftp://<host>/\\u{1b}"), "{counts}");
    assert!(counts.contains("0 current, 9 behind, 9 would have to start over"), "{counts}");
    assert_eq!(table::behind(&row(1, &[])), "2, over 2 hours");
    assert_eq!(table::behind(&Row { behind: Some(0), ..row(1, &[]) }), "");
}
