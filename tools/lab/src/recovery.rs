//! What has to hold on a mounted key after an interrupted sync: it opens, and the next sync finishes without starting over.

use serde_json::Value;

use crate::bench::{Bench, Ended};
use crate::error::{LabError, Result};
use crate::weeks::{GENERATIONS, STORE, SUMS, Weeks, parse_sums};

/// What a key showed on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The generation that opened.
    pub opened: u64,
    /// The program called it degraded: `HEAD` was lost, or a newer record does not open; the sync mends it.
    pub degraded: bool,
    /// It was mounted only after a repair of its file system.
    pub was_repaired: bool,
    /// Packs that were whole before the sync.
    pub whole: u64,
    /// Packs that the sync fetched.
    pub fetched: u64,
    /// The next run found something to do.
    pub left: bool,
}

/// Opens, verifies and syncs the key, and checks what has to hold.
///
/// # Errors
/// Says which demand was not met.
pub fn recover(bench: &mut Bench, weeks: &Weeks) -> Result<Recovered> {
    open_and_sync(bench, weeks).map_err(|error| {
        let said = bench.guest("dmesg | grep -iE 'fat-fs|exfat-fs|ext4-fs|ntfs3' | tail -4").unwrap_or_default();
        let unread =
            format!("cd {STORE} && find . -type f | while read f; do cat $f >/tmp/read 2>&1 || ls -l $f; done");
        let unread = bench.guest(&unread).unwrap_or_default();
        LabError::new(format!("{error}\n  the guest's kernel: {said}\n  files that do not read: {unread}"))
    })
}

fn open_and_sync(bench: &mut Bench, weeks: &Weeks) -> Result<Recovered> {
    let here = parse_sums(&bench.guest(&format!("cd {STORE} && {SUMS}"))?);
    let whole = weeks.packs().iter().filter(|(path, hash)| here.get(*path) == Some(hash)).count() as u64;
    let status = must(bench.program(&format!("status --store {STORE} --json"))?, "status")?.json();
    let opened = status["generation"].as_u64().unwrap_or_default();
    let degraded = status["degraded"] == true;
    demand(GENERATIONS.contains(&opened), || format!("generation {opened} opened"))?;
    let found = bench.program(&format!("verify --store {STORE} --json"))?;
    demand(is_sound(&found, degraded), || {
        format!("verify ended with {}: {}{}", found.code, found.stdout, found.stderr)
    })?;
    let done = must(bench.program(&sync(weeks, ""))?, "the next sync")?.json();
    let fetched = done["packs_fetched"].as_u64().unwrap_or(u64::MAX);
    let missing = weeks.packs().len() as u64 - whole;
    // An up-to-date store is not gone through again, so it reports nothing fetched and nothing missing alike.
    demand(fetched == missing, || format!("{missing} packs were not whole, and {fetched} were fetched"))?;
    let after = must(bench.program(&format!("status --store {STORE} --json"))?, "status after the sync")?.json();
    demand(is_finished(&after), || format!("the sync left {after}"))?;
    must(bench.program(&format!("verify --store {STORE} --json"))?, "verify after the sync")?;
    let left = opened != GENERATIONS[1];
    Ok(Recovered { opened, degraded, was_repaired: bench.was_repaired(), whole, fetched, left })
}

/// Returns the arguments that sync the key to week 2.
#[must_use]
pub fn sync(weeks: &Weeks, more: &str) -> String {
    format!("sync {} --store {STORE} --json --progress never {more}", weeks.url(2)).trim_end().to_owned()
}

/// Returns an error unless a demand is met.
///
/// # Errors
/// Says what was found instead.
pub fn demand(met: bool, found: impl FnOnce() -> String) -> Result<()> {
    if met { Ok(()) } else { Err(LabError::new(found())) }
}

/// Returns a run that ended well.
///
/// # Errors
/// When it did not.
pub fn must(ended: Ended, what: &str) -> Result<Ended> {
    let text = || format!("{what} ended with {}: {}", ended.code, ended.sentences().join("; "));
    demand(ended.code == 0, text)?;
    Ok(ended)
}

/// Returns whether verify found nothing, or only the `HEAD` of a store that status called degraded.
fn is_sound(found: &Ended, degraded: bool) -> bool {
    let problems = found.json()["problems"].as_array().cloned().unwrap_or_default();
    let only_head = problems.iter().all(|problem| problem["kind"] == "head" && problem["file"] == "HEAD");
    match found.code {
        0 => problems.is_empty(),
        13 => degraded && !problems.is_empty() && only_head,
        _ => false,
    }
}

fn is_finished(status: &Value) -> bool {
    status["generation"] == GENERATIONS[1] && status["degraded"] == false && status["unfinished"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, stdout: &str) -> Ended {
        Ended { code, stdout: stdout.to_owned(), stderr: String::new() }
    }

    #[test]
    fn a_lost_head_is_no_damage_and_anything_else_is() {
        let head = r#"{"ok":false,"problems":[{"kind":"head","file":"HEAD"}]}"#;
        let pack =
            r#"{"ok":false,"problems":[{"kind":"head","file":"HEAD"},{"kind":"damaged-pack","file":"packs/a"}]}"#;
        assert!(is_sound(&ended(0, r#"{"ok":true,"problems":[]}"#), false));
        assert!(is_sound(&ended(13, head), true) && !is_sound(&ended(13, head), false));
        assert!(!is_sound(&ended(13, pack), true));
        assert!(!is_sound(&ended(16, ""), true) && !is_sound(&ended(13, ""), true));
    }

    #[test]
    fn a_sync_is_finished_when_the_new_generation_stands_alone() {
        let status = |generation: u64, degraded: bool, unfinished: Value| serde_json::json!({"generation": generation, "degraded": degraded, "unfinished": unfinished});
        assert!(is_finished(&status(3, false, Value::Null)));
        assert!(!is_finished(&status(2, false, Value::Null)) && !is_finished(&status(3, true, Value::Null)));
        assert!(!is_finished(&status(3, false, serde_json::json!({"percent": 63}))));
    }
}
