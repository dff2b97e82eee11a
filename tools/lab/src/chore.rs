//! [`Chore`]: what a pull or a kill interrupts: a sync, or what keeps a key in order; and what has to hold of the latter after
//! an interruption.

use crate::bench::Bench;
use crate::error::Result;
use crate::recovery::{Recovered, demand, must, recover, sync};
use crate::trials::RATE;
use crate::weeks::{GENERATIONS, STORE, SUMS, Weeks, parse_sums};

/// A verb that is interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Chore {
    /// A sync of a key that holds week 1.
    #[default]
    Sync,
    /// A collection on a key that holds week 2 and the packs of syncs that were cut off.
    Gc,
    /// A heal of a key that holds week 2 and damaged packs.
    Heal,
}

/// Makes packs that nothing names, in directories of their own, as syncs leave them that were cut off.
const ORPHANS: &str = "for dir in 0 1 2 3 4 5 6 7 8 9 A B C D E F; do mkdir -p packs/E$dir packs/F$dir && for file in 1 2 3; do \
                       head -c 40000 /dev/urandom >packs/E$dir/A0000000.00$file && \
                       head -c 9000 /dev/urandom >packs/F$dir/B0000000.00$file; done; done";
/// Of the packs by length, the longest first: one rots, one is too short and one is gone.
const HARM: &str = "cd packs && set -- $(find . -type f -exec ls -S {} +) && \
                    printf 'rotten bytes' | dd of=$1 bs=1 seek=5000 conv=notrunc && \
                    dd of=$2 bs=1 seek=3000 count=0 && rm $3";
/// So many packs are not whole then.
const HARMED: u64 = 3;

impl Chore {
    /// Returns the option that names it; nothing for what is done without one.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Sync => "",
            Self::Gc => " --chore gc",
            Self::Heal => " --chore heal",
        }
    }

    /// Brings a key that holds week 1 to where the verb begins.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn prepare(self, bench: &mut Bench, weeks: &Weeks) -> Result<()> {
        let harm = match self {
            Self::Sync => return Ok(()),
            Self::Gc => ORPHANS,
            Self::Heal => HARM,
        };
        must(bench.program(&sync(weeks, ""))?, "the sync before it")?;
        bench.guest(&format!("(cd {STORE} && {harm}) && sync")).map(drop)
    }

    /// Returns the program's arguments, slow enough to be met in all its parts.
    #[must_use]
    pub fn args(self, weeks: &Weeks) -> String {
        match self {
            Self::Sync => sync(weeks, RATE),
            Self::Gc => format!("gc --store {STORE} --json --progress never"),
            Self::Heal => format!("{} {RATE}", heal(weeks)),
        }
    }

    /// Returns the operations and bytes a second of the key that it runs on, where it would be too short on a fast one.
    #[must_use]
    pub fn limit(self) -> Option<(u64, u64)> {
        (self == Self::Gc).then_some((250, 20_000_000))
    }

    /// Opens the key after an interruption, ends what was begun, and checks what has to hold.
    ///
    /// # Errors
    /// Says which demand was not met.
    pub fn recover(self, bench: &mut Bench, weeks: &Weeks) -> Result<Recovered> {
        match self {
            Self::Sync => recover(bench, weeks),
            Self::Gc | Self::Heal => self.end(bench, weeks),
        }
    }

    fn end(self, bench: &mut Bench, weeks: &Weeks) -> Result<Recovered> {
        let before = parse_sums(&bench.guest(&format!("cd {STORE} && {SUMS}"))?);
        let is_whole = |path: &String, hash: &String| before.get(path) == Some(hash);
        let whole = weeks.packs().iter().filter(|(path, hash)| is_whole(path, hash)).count() as u64;
        let all = weeks.packs().len() as u64;
        let status = must(bench.program(&format!("status --store {STORE} --json"))?, "status")?.json();
        let opened = status["generation"].as_u64().unwrap_or_default();
        demand(opened == GENERATIONS[1], || format!("generation {opened} opened"))?;
        let degraded = status["degraded"] == true;
        let args = match self {
            Self::Heal => {
                demand(whole >= all - HARMED, || format!("{whole} of {all} packs are whole: one more was lost"))?;
                heal(weeks)
            }
            _ => {
                demand(whole == all, || format!("{whole} of {all} packs are whole"))?;
                must(bench.program(&format!("verify --store {STORE} --json"))?, "verify")?;
                self.args(weeks)
            }
        };
        must(bench.program(&args)?, "the next run")?;
        must(bench.program(&format!("verify --store {STORE} --json"))?, "verify after the next run")?;
        let after = parse_sums(&bench.guest(&format!("cd {STORE} && {SUMS}"))?);
        let strays = after.keys().filter(|path| !weeks.packs().contains_key(*path)).count();
        demand(after == *weeks.packs(), || format!("after the next run {strays} packs stand that nothing names"))?;
        let fetched = all - whole;
        Ok(Recovered { opened, degraded, was_repaired: bench.was_repaired(), whole, fetched, left: before != after })
    }
}

fn heal(weeks: &Weeks) -> String {
    format!("verify --store {STORE} --heal {} --json --progress never", weeks.url(2))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_chore_is_named_by_its_option() {
        for chore in Chore::value_variants() {
            let named = chore.option().trim_start_matches(" --chore ");
            let found = Chore::from_str(if named.is_empty() { "sync" } else { named }, false);
            assert_eq!(found, Ok(*chore));
        }
        assert_eq!(Chore::default().limit(), None);
    }
}
