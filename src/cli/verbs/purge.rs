//! `purge`: shows the plan, asks, carries it out; and tells where what was purged still stands.

use std::io::{BufRead, Write};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::RelPath;
use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::cli::args::purge::{PurgeArgs, PurgeVerb};
use crate::cli::context::{Context, Shape, short_time};
use crate::cli::outcome::Outcome;
use crate::cli::output::{put_path, shown};
use crate::cli::progress::Progress;
use crate::cli::remotes::Need;
use crate::cli::report::hint;
use crate::crypto::sign::SignKey;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::local_keys::KeyDir;
use crate::ops::purge::obey::Obeyed;
use crate::ops::purge::plan::{Mention, Plan};
use crate::ops::purge::rotate::{OwnKeys, Rotated};
use crate::ops::purge::status::{KeysStanding, PendingKey, PurgeStatus, RemoteStanding, Standing, keys, status};
use crate::ops::purge::{Prepared, PurgeRequest, Purged, plan, prepare, purge};
use crate::remote::Remote;
use crate::store::replica;

/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 1024;
/// Most paths of a kind that people are shown.
const SHOWN_MAX: usize = 20;
/// Most keys that a document lists.
const LISTED_MAX: usize = 1000;

/// Purges, or tells of purges.
///
/// # Errors
/// Those of the op; [`ErrorKind::Usage`] when somebody should say yes and nobody can be asked.
pub fn run(args: &PurgeArgs, context: &Context) -> Result<Outcome> {
    if let Some(PurgeVerb::Status { remotes }) = &args.verb {
        return run_status(remotes, context);
    }
    let paths = args.paths.iter().map(|text| path(text.as_encoded_bytes())).collect::<Result<Vec<_>>>()?;
    let (disk, store) = context.marked_disk()?;
    let no_key = |why: String| Error::new(ErrorKind::NoIdentity, why);
    let writer = context.publisher_key(disk.as_ref(), store, args.as_publisher)?.map_err(no_key)?;
    let keys = context.settings.keys_dir()?;
    let ask = |purpose: &str| context.passphrases.for_existing(purpose);
    let roots: Vec<SignKey> = match args.dry_run {
        true => Vec::new(),
        false => {
            let dir = context.settings.root_keys.as_deref().unwrap_or(keys);
            KeyDir::new(dir, store).load_roots(&ask)?
        }
    };
    let own = OwnKeys { dir: KeyDir::new(keys, store), ask: &ask, roots: &roots };
    let cache = context.settings.cache.as_deref();
    let request = PurgeRequest { paths: &paths, writer: &writer, cache, own: Some(&own) };
    let approved = match &args.approve {
        Some(hash) => hash.trim().to_ascii_lowercase(),
        None if args.dry_run => return show_only(&disk, &request, context),
        None => match agree(&disk, &request, args.yes, context)? {
            Ok(hash) => hash,
            Err(outcome) => return Ok(outcome),
        },
    };
    let progress = context.start(Shape::Document)?;
    let done = purge(&disk, &request, &approved, context.run(&progress));
    progress.finish();
    show_done(&done.map_err(failed)?, &paths, context)
}

fn failed(error: Error) -> Error {
    error.within("cannot purge")
}

/// Shows the plan, and how to approve it.
fn show_only(disk: &Arc<dyn Disk>, request: &PurgeRequest<'_>, context: &Context) -> Result<Outcome> {
    let progress = context.start(Shape::Document)?;
    let planned = plan(disk, request, context.run(&progress));
    progress.finish();
    let planned = planned.map_err(failed)?;
    show_plan(&planned, context)?;
    context.output.text(format!("carry it out with --approve {}", planned.hash))?;
    context.output.json(&document(&planned, None))?;
    Ok(Outcome::Done)
}

/// Shows the plan and asks; returns what approves it, or how the run ends where there is nothing to approve.
fn agree(
    disk: &Arc<dyn Disk>,
    request: &PurgeRequest<'_>,
    yes: bool,
    context: &Context,
) -> Result<std::result::Result<String, Outcome>> {
    let progress = context.start(Shape::Document)?;
    let prepared = prepare(disk, request, context.run(&progress));
    progress.finish();
    let Prepared { ended, plan } = prepared.map_err(failed)?;
    let planned = match plan {
        Ok(plan) => plan,
        Err(generation) => {
            let obeyed = ended.unwrap_or_default();
            let done = Purged { generation, plan: None, made_bytes: 0, obeyed, rotated: None };
            return show_done(&done, request.paths, context).map(Err);
        }
    };
    if let Some(ended) = &ended {
        tell_ended(ended, context);
    }
    show_plan(&planned, context)?;
    if !yes && !confirm(context)? {
        context.output.text("nothing was purged")?;
        return Ok(Err(Outcome::Done));
    }
    Ok(Ok(planned.hash))
}

/// Tells of an earlier purge that was ended before this one is planned.
fn tell_ended(ended: &Obeyed, context: &Context) {
    let text = match ended.readers {
        true => {
            "a purge had been cut off, and somebody reads the store, so what it took away still stands here".to_owned()
        }
        false => format!("ended a purge that had been cut off: {} removed", removed(ended)),
    };
    context.notices.line(&format!("chunkstore: {text}"));
}

fn removed(obeyed: &Obeyed) -> String {
    format!("{} files, {}", obeyed.files, show_size(obeyed.bytes))
}

/// Shows what was done, and what has to wait for readers.
fn show_done(done: &Purged, paths: &[RelPath], context: &Context) -> Result<Outcome> {
    show(done, paths, context)?;
    if done.obeyed.readers {
        let line = "somebody reads the store, so what was purged stands here until the next sync, commit or gc";
        context.notices.line(&format!("chunkstore: {line}"));
        hint(ErrorKind::Locked).into_iter().for_each(|hint| context.notices.line(&format!("hint: {hint}")));
        return Ok(Outcome::Found(ErrorKind::Locked));
    }
    Ok(Outcome::Done)
}

fn path(text: &[u8]) -> Result<RelPath> {
    let usage = |error| Error::new(ErrorKind::Usage, format!("{} is no path in a snapshot: {error}", show_bytes(text)));
    RelPath::new(text).map_err(usage)
}

fn confirm(context: &Context) -> Result<bool> {
    if !context.settings.can_ask {
        let text = "nobody can say yes to this plan without a terminal: --approve HASH answers it, or --yes";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let cannot_ask = |error| Error::with_source(ErrorKind::Usage, "cannot ask: use --approve HASH", error);
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "this cannot be undone: purge? [y/N] ").map_err(cannot_ask)?;
    stderr.flush().map_err(cannot_ask)?;
    let mut answer = String::new();
    let mut stdin = std::io::Read::take(std::io::stdin().lock(), ANSWER_MAX_BYTES);
    stdin.read_line(&mut answer).map_err(cannot_ask)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn show_plan(plan: &Plan, context: &Context) -> Result<()> {
    let output = &context.output;
    output.text(format!("goes: {} files, {} that no other file names", plan.gone_count, show_size(plan.gone_bytes)))?;
    list(plan.gone.iter().map(ToString::to_string), plan.gone_count, context)?;
    output.text(format!("from {} of {} kept snapshots", plan.snapshots.len(), plan.kept_snapshots))?;
    for (named, gone) in plan.snapshots.iter().rev() {
        let time = short_time(named.time.to_string());
        output.text(format!("    {}  {time}  {} files", super::short_id(&named.id), gone.files))?;
    }
    if !plan.elsewhere.is_empty() {
        output.text("stays, since these paths hold the same and were not named:")?;
        let said = plan.elsewhere.iter().map(|(path, found)| {
            let what = if found.is_same_file { "the same file" } else { "the same bytes" };
            format!("{path}  {what}, {}, in {} snapshots", show_size(found.bytes), found.snapshots)
        });
        let more = u64::from(plan.has_more_elsewhere);
        list(said, plan.elsewhere.len() as u64 + more, context)?;
    }
    if !plan.mentions.is_empty() {
        output.text("stays, since messages and tags stay: these snapshots name it there; forget them first if that is too much:")?;
        let said = plan.mentions.iter().map(|(named, mention)| {
            let (id, time) = (super::short_id(&named.id), short_time(named.time.to_string()));
            format!("{id}  {time}  in {}", place(*mention))
        });
        list(said, plan.mentions.len() as u64, context)?;
    }
    output.field("made anew", format!("{} chunks, {}", plan.recut_chunks, show_size(plan.recut_bytes)))?;
    output.field("packs", format!("{} with content, {} at most are copied", plan.packs.0, show_size(plan.packs.1)))?;
    output.field("plan", &plan.hash)
}

fn place(mention: Mention) -> &'static str {
    match mention {
        Mention::Message => "its message",
        Mention::Tag => "a tag",
    }
}

fn list(lines: impl Iterator<Item = String>, count: u64, context: &Context) -> Result<()> {
    let mut listed = 0;
    for line in lines.take(SHOWN_MAX) {
        context.output.text(format!("    {line}"))?;
        listed += 1;
    }
    if count > listed { context.output.text(format!("    and {} more", count - listed)) } else { Ok(()) }
}

fn show(done: &Purged, paths: &[RelPath], context: &Context) -> Result<()> {
    let output = &context.output;
    match &done.plan {
        Some(_) => output.text(format!("purged, now at generation {}", done.generation))?,
        None => {
            let is_ended = if done.obeyed.readers { "is not ended yet" } else { "was ended" };
            output.text(format!("a purge that had been cut off {is_ended}; no kept snapshot has any of this now:"))?;
            list(paths.iter().map(ToString::to_string), paths.len() as u64, context)?;
        }
    }
    output.field("removed", removed(&done.obeyed))?;
    if let Some((reader, writer)) = done.rotated {
        output.field("reader.key", words(reader))?;
        output.field("writer.key", words(writer))?;
    }
    output.text("push to have it purged from a server; keys follow with their next sync")?;
    output.json(&document_of(done))
}

fn words(rotated: Rotated) -> &'static str {
    match rotated {
        Rotated::Yes => {
            "has a new identity; destroy copies of the old one, and print anew what is on paper (key export --paper)"
        }
        Rotated::Absent => "is not here",
        Rotated::Unknown => "is of nobody whom the store knows, and stays as it is",
        Rotated::LacksRoots => {
            "keeps its identity: trust names it, and the root key is not at hand (run a purge with --root-keys DIR)"
        }
        Rotated::ChainFull => "keeps its identity: trust names it, and the chain of trust is as long as one may be",
    }
}

fn word(rotated: Rotated) -> &'static str {
    match rotated {
        Rotated::Yes => "rotated",
        Rotated::Absent => "absent",
        Rotated::Unknown => "unknown",
        Rotated::LacksRoots => "lacks-roots",
        Rotated::ChainFull => "chain-full",
    }
}

fn document_of(done: &Purged) -> Value {
    match &done.plan {
        Some(plan) => document(plan, Some(done)),
        None => Value::Object(outcome(done)),
    }
}

fn document(plan: &Plan, done: Option<&Purged>) -> Value {
    let snapshot = |(named, gone): &(crate::format::sealed::SnapshotRef, crate::format::snapshot::Totals)| {
        json!({
            "snapshot": named.id.to_string(),
            "time": named.time.to_string(),
            "gone_files": gone.files,
            "gone_bytes": gone.bytes,
        })
    };
    let mut object = done.map(outcome).unwrap_or_default();
    object.insert("plan".into(), json!(plan.hash));
    object.insert("dry_run".into(), json!(done.is_none()));
    object.entry("generation").or_insert(json!(plan.generation.0));
    super::insert_paths(&mut object, "paths", &plan.paths);
    super::insert_paths(&mut object, "gone", &plan.gone);
    object.insert("gone_files".into(), json!(plan.gone_count));
    object.insert("gone_bytes".into(), json!(plan.gone_bytes));
    object.insert("snapshots".into(), plan.snapshots.iter().map(snapshot).collect());
    object.insert("kept_snapshots".into(), json!(plan.kept_snapshots));
    let mentions = plan.mentions.iter().map(|(named, mention)| {
        let place = if *mention == Mention::Message { "message" } else { "tag" };
        json!({"snapshot": named.id.to_string(), "in": place})
    });
    object.insert("mentions".into(), mentions.collect());
    let elsewhere = plan.elsewhere.iter().map(|(path, found)| {
        let mut object = Map::new();
        put_path(&mut object, &[b"/", path.as_bytes()].concat());
        object.insert("snapshots".into(), json!(found.snapshots));
        object.insert("same_file".into(), json!(found.is_same_file));
        object.insert("bytes".into(), json!(found.bytes));
        Value::Object(object)
    });
    object.insert("elsewhere".into(), elsewhere.collect());
    object.insert("more_elsewhere".into(), json!(plan.has_more_elsewhere));
    object.insert("recut_chunks".into(), json!(plan.recut_chunks));
    object.insert("recut_bytes".into(), json!(plan.recut_bytes));
    object.insert("packs".into(), json!(plan.packs.0));
    object.insert("pack_bytes".into(), json!(plan.packs.1));
    Value::Object(object)
}

fn outcome(done: &Purged) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("generation".into(), json!(done.generation.0));
    object.insert("ended".into(), json!(done.plan.is_none()));
    object.insert("made_bytes".into(), json!(done.made_bytes));
    object.insert("removed_files".into(), json!(done.obeyed.files));
    object.insert("removed_bytes".into(), json!(done.obeyed.bytes));
    object.insert("readers".into(), json!(done.obeyed.readers));
    object.insert("reader_key".into(), json!(done.rotated.map(|(reader, _)| word(reader))));
    object.insert("writer_key".into(), json!(done.rotated.map(|(_, writer)| word(writer))));
    object
}

/// Remotes that cannot be asked, with the reasons.
type Absent = Vec<(String, RemoteStanding)>;

/// Returns the remotes to ask: the named ones; without a name the configured or recorded one and all that this host remembers.
fn to_ask(words: &[String], context: &Context) -> Result<(Vec<Arc<dyn Remote>>, Absent)> {
    let (disk, store) = context.marked_disk()?;
    let found = context.remotes();
    let (mut remotes, mut absent) = (Vec::new(), Vec::new());
    for word in words {
        remotes.push(found.find(word, Need::Read)?);
    }
    if !words.is_empty() {
        return Ok((remotes, absent));
    }
    let mut addresses: Vec<String> = context.host_state(store).remotes().map(str::to_owned).collect();
    match context.settings.push_remote(None) {
        Some(word) => remotes.push(found.find(word, Need::Read)?),
        None => addresses.extend(replica::read_remote(disk.as_ref())?),
    }
    for address in addresses {
        match found.find_recorded(&address, Need::Read) {
            Ok(remote) if remotes.iter().any(|other| other.address() == remote.address()) => {}
            Ok(remote) => remotes.push(remote),
            Err(error) => absent.push((address, RemoteStanding::Unknown(error.in_full()))),
        }
    }
    Ok((remotes, absent))
}

fn run_status(words: &[String], context: &Context) -> Result<Outcome> {
    let (remotes, absent) = to_ask(words, context)?;
    let progress = context.start(Shape::Document)?;
    let disk = context.disk()?;
    let asked = status(&disk, &remotes, context.run(&progress)).and_then(|status| {
        let keys = ask_keys(&disk, &remotes, &status, context, &progress)?;
        Ok((status, keys))
    });
    progress.finish();
    let (mut status, keys) = asked.map_err(|error| error.within("cannot tell where what was purged stands"))?;
    if status.purged.is_some() {
        status.remotes.extend(absent);
    }
    show_status(&status, keys.as_ref(), context)?;
    context.output.json(&json!({
        "purged": status.purged.map(|generation| generation.0),
        "packs": status.packs,
        "lacks": status.lacks,
        "here": {"packs": status.here.packs, "records": status.here.records},
        "remotes": status.remotes.iter().map(remote_object).collect::<Vec<_>>(),
        "keys": keys.as_ref().map(keys_object),
        "clear": status.is_clear(),
    }))?;
    let unknown = status.remotes.iter().any(|(_, remote)| matches!(remote, RemoteStanding::Unknown(_)));
    Ok(match (status.is_clear(), unknown) {
        (Some(true), _) => Outcome::Done,
        (_, true) => Outcome::Found(ErrorKind::Remote),
        (_, false) => Outcome::Partial,
    })
}

/// Asks the remotes that answered what keys say in their receipts; nothing where there was no purge, and without a writer's key that
/// opens unasked.
fn ask_keys(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    status: &PurgeStatus,
    context: &Context,
    progress: &Progress,
) -> Result<Option<KeysStanding>> {
    let (_, store) = context.marked_disk()?;
    let Some(writer) = status.purged.and_then(|_| context.writer_key_at_hand(store)) else { return Ok(None) };
    let answered = remotes.iter().zip(&status.remotes);
    let answered = answered.filter(|(_, (_, remote))| matches!(remote, RemoteStanding::Asked(..)));
    let answered: Vec<_> = answered.map(|(remote, _)| Arc::clone(remote)).collect();
    keys(disk, store, &answered, &writer, context.settings.cache.as_deref(), context.run(progress))
}

fn show_status(status: &PurgeStatus, keys: Option<&KeysStanding>, context: &Context) -> Result<()> {
    let output = &context.output;
    let Some(generation) = status.purged else { return output.text("nothing was ever purged from this store") };
    output.text(format!("generation {generation} purged {} packs", status.packs))?;
    if let Some(lacks) = &status.lacks {
        output.text(format!("not all of what was ordered is known: {lacks}"))?;
    }
    output.field("this store", standing(&status.here))?;
    for (address, remote) in &status.remotes {
        output.field(&shown(std::path::Path::new(address)), remote_standing(remote))?;
    }
    match keys {
        None => output.field("keys", "not known: each carries it out with its next sync")?,
        Some(keys) if keys.known == 0 => output.field("keys", "not known: none has given a receipt")?,
        Some(keys) => {
            let pending = keys.pending.len() as u64;
            let done = keys.known - pending;
            output.field("keys", format!("{done} of {} say that they carried it out", keys.known))?;
            list(keys.pending.iter().map(pending_key), pending, context)?;
        }
    }
    if status.is_clear().is_none() {
        let text = "no server was asked, and this host remembers none: name each that the store was ever pushed to";
        context.notices.line(&format!("chunkstore: {text}"));
    }
    Ok(())
}

fn pending_key(key: &PendingKey) -> String {
    let name = key.name.as_deref().map(|name| format!("  {}", show_bytes(name.as_bytes()))).unwrap_or_default();
    let generation = key.generation.map(|generation| format!("  generation {generation}")).unwrap_or_default();
    let seen = key.seen.map(|time| format!("  seen {}", short_time(time.to_string()))).unwrap_or_default();
    format!("not yet  {}{name}{generation}{seen}", key.replica)
}

fn remote_object((address, remote): &(String, RemoteStanding)) -> Value {
    match remote {
        RemoteStanding::Asked(shows, found) => json!({
            "remote": address, "generation": shows.0, "packs": found.packs, "records": found.records, "reason": null,
        }),
        RemoteStanding::Unknown(why) => json!({
            "remote": address, "generation": null, "packs": null, "records": null, "reason": why,
        }),
    }
}

fn keys_object(keys: &KeysStanding) -> Value {
    let pending = keys.pending.iter().take(LISTED_MAX).map(|key| {
        json!({
            "replica_id": key.replica.to_string(),
            "name": key.name,
            "generation": key.generation.map(|generation| generation.0),
            "seen": key.seen.map(|time| time.to_string()),
        })
    });
    json!({"known": keys.known, "pending": pending.collect::<Vec<_>>(), "pending_total": keys.pending.len()})
}

fn standing(found: &Standing) -> String {
    if found.is_clear() {
        return "holds none of it".to_owned();
    }
    format!("holds {} packs and {} records of before", found.packs, found.records)
}

fn remote_standing(remote: &RemoteStanding) -> String {
    match remote {
        RemoteStanding::Asked(shows, found) => format!("generation {shows}, {}", standing(found)),
        RemoteStanding::Unknown(why) => format!("not known: {why}"),
    }
}
