//! The chain of trust: every file of `trust/`, whether it follows from the one before, and how far the chain holds.

use std::io;

use chunkstore::base::StoreId;
use chunkstore::base::limits::TRUST_MAX_BYTES;
use chunkstore::disk::{Disk, read_all};
use chunkstore::format::trust::SignedTrust;
use chunkstore::store::layout;
use chunkstore::store::trust::{CHAIN_MAX, TrustChain};

use crate::shown::{Screen, Shown};
use crate::why;

/// Shows every trust file by its version.
///
/// # Errors
/// Those of the sink.
pub fn show(disk: &dyn Disk, store: Option<StoreId>, screen: &mut Screen<'_>) -> io::Result<()> {
    let versions = match versions(disk) {
        Ok(versions) => versions,
        Err(problem) => return screen.show(&Shown::new("trust").with("version", 1).but(problem)),
    };
    if versions.first() != Some(&1) {
        screen.show(&Shown::new("trust").with("version", 1).but("it is missing: nothing vouches for this store"))?;
    }
    let mut chain: Option<TrustChain> = None;
    let mut expected = 1;
    for version in versions {
        let mut shown = Shown::new("trust").with("version", version);
        if version > expected {
            shown = shown.but(format!("the chain has a gap: version {expected} is missing"));
            chain = None;
        }
        expected = version + 1;
        screen.show(&show_file(disk, store, version, &mut chain, shown))?;
    }
    Ok(())
}

/// Returns the versions that names promise, ascending, of those that a chain may have.
fn versions(disk: &dyn Disk) -> Result<Vec<u32>, String> {
    let listed = disk.list(&layout::trust_dir()).map_err(why)?;
    let number = |name: &str| {
        name.parse().ok().filter(|version: &u32| version.to_string() == name && (1..=CHAIN_MAX).contains(version))
    };
    let mut versions: Vec<u32> = listed.iter().filter_map(|(name, _)| number(name)).collect();
    versions.sort_unstable();
    Ok(versions)
}

fn show_file(
    disk: &dyn Disk,
    store: Option<StoreId>,
    version: u32,
    chain: &mut Option<TrustChain>,
    mut shown: Shown,
) -> Shown {
    let bytes = match read_all(disk, &layout::trust(version), TRUST_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return shown.but("it is missing"),
        Err(error) => return shown.but(why(error)),
    };
    shown = shown.with("len_bytes", bytes.len());
    let follows = match chain {
        Some(chain) => chain.add(&bytes),
        None => TrustChain::start(&bytes).map(|started| *chain = Some(started)),
    };
    match SignedTrust::decode(&bytes) {
        Ok(signed) => shown = describe(&signed, store, shown),
        Err(error) => {
            *chain = None;
            return shown.but(error.to_string());
        }
    }
    match follows {
        Ok(()) => shown,
        Err(error) => shown.but(why(error)),
    }
}

fn describe(signed: &SignedTrust, store: Option<StoreId>, shown: Shown) -> Shown {
    let trust = &signed.trust;
    let roots: Vec<String> = trust.roots.iter().map(ToString::to_string).collect();
    let writers: Vec<String> = trust.writers.iter().map(|writer| writer.key.to_string()).collect();
    let recipients: Vec<String> = trust.writers.iter().map(|writer| writer.recipient.clone()).collect();
    let signed_by: Vec<String> = signed.signatures.iter().map(|(root, _)| root.to_string()).collect();
    let mut shown = shown
        .with_text("hash", signed.hash())
        .with_text("store", trust.store)
        .with("previous", trust.previous.map(|hash| hash.to_string()))
        .with_text("time", trust.time)
        .with_text("expires", trust.expires)
        .with("floor", trust.floor.0)
        .with("threshold", trust.threshold)
        .with("roots", roots)
        .with("writers", writers)
        .with("recipients", recipients)
        .with("signed_by", signed_by);
    if trust.version == 1 {
        shown = shown.with("fingerprint", hex::encode(&signed.hash().0[..16]));
    }
    match store {
        Some(store) if store != trust.store => shown.but("it is of another store"),
        _ => shown,
    }
}
