//! The section as rules.

use super::*;

fn section(text: &str) -> AgentSection {
    toml::from_str(text).unwrap()
}

#[test]
fn an_empty_section_knows_no_store() {
    let rules = section("").rules().unwrap();
    assert_eq!(rules, Rules::default());
    assert!(!rules.stores.contain(StoreId([1; 16])));
}

#[test]
fn every_key_is_understood() {
    let id = StoreId([0x2a; 16]);
    let text = format!(
        "stores = [\"{id}\"]\nwindows = [\"18:00-08:00\"]\nmetered = [\"wwan*\", \"usb0\"]\nspread = \"2h\"\nsettle = \"50ms\"\n\
         runs = 3\nrecheck = \"never\"\ncollect-below = \"1G\"\nverify-every = \"30d\"\nverify-sample = \"2%\"\n\
         limit-rate = \"2M\"\nconnections = 4\nnotify = false\nreceipts = true\n[remotes]\n{id} = [\"server\"]\n"
    );
    let section = section(&text);
    let rules = section.rules().unwrap();
    assert!(rules.stores.contain(id) && !rules.stores.contain(StoreId([1; 16])));
    assert!(section.costs("wwan0") && section.costs("usb0") && !section.costs("usb01") && !rules.on_metered);
    assert_eq!((rules.spread, rules.settle), (Some(Duration::from_secs(7200)), Duration::from_millis(50)));
    assert_eq!((rules.runs_max, rules.recheck, rules.collect_below_bytes), (3, None, Some(1 << 30)));
    assert_eq!(rules.sample_every, Some(Duration::from_secs(30 * 86_400)));
    let extras = Extras {
        sample_percent: 2.0,
        limit_rate: Some(2 << 20),
        connections: Some(4),
        notifies: false,
        leaves_receipts: true,
    };
    assert_eq!(section.extras().unwrap(), extras);
    for key in KEYS {
        assert!(text.contains(key), "{key} is tried");
    }
}

#[test]
fn a_value_that_makes_no_sense_names_its_key() {
    let cases = [
        ("stores = \"all\"", "store id"),
        ("stores = [\"12\"]", "store id"),
        ("windows = [\"at night\"]", "windows"),
        ("spread = \"soon\"", "spread"),
        ("runs = 0", "runs"),
        ("recheck = \"-1h\"", "recheck"),
        ("collect-below = \"much\"", "collect-below"),
    ];
    for (text, named) in cases {
        let error = section(text).rules().unwrap_err();
        assert!(error.kind() == ErrorKind::Usage && error.to_string().contains(named), "{text}: {error}");
    }
    assert!(section("verify-sample = \"0%\"").extras().is_err());
    assert!(section("connections = 99").extras().is_err());
}
