//! Every legal state of a medium after a power cut, as a product of independent slots.
//!
//! A slot is a directory change (or, on a journal, how far the journal got) or the unsynced bytes of one file; each has
//! a few outcomes: lost, whole, and the torn ones that the medium allows. Few slots are enumerated in full, many are
//! sampled from a seed. Sectors of 512 bytes are atomic, as on every medium that we know of.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::content::{Content, Fill, next_random};
use super::state::{Body, Change, Ino, Inode, Medium, Names, Node, parent};
use super::{Profile, SECTOR_BYTES};

/// Products of slots up to this size are enumerated in full.
const ALL_UP_TO: usize = 64;

/// How many images one power cut may give, and the seed of those that are sampled.
#[derive(Debug, Clone, Copy)]
pub struct ImageBudget {
    /// Most images.
    pub max_images: usize,
    /// Seed of the random ones.
    pub seed: u64,
    /// How often the unsynced bytes of each file are also torn at places that follow from the seed.
    pub tears: u32,
}

/// Which image of which cut: enough to get it again, and what became of each unsynced effect.
#[derive(Debug, Clone)]
pub struct ImageLabel {
    /// The operation that the power cut hit.
    pub at_op: usize,
    /// The image's number among those of this cut.
    pub number: usize,
    slots: Arc<[Slot]>,
    choice: Box<[u32]>,
}

impl fmt::Display for ImageLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut at operation {}, image {}:", self.at_op, self.number)?;
        for (slot, &outcome) in self.slots.iter().zip(&self.choice) {
            match &slot.kind {
                SlotKind::Journal { ends } => write!(f, " journal={outcome}/{}", ends.len())?,
                SlotKind::Name { key, outcomes, .. } => write!(f, " {key}={:?}", outcomes[outcome as usize])?,
                SlotKind::Data { ino, shapes } => write!(f, " file#{ino}={:?}", shapes[outcome as usize])?,
            }
        }
        Ok(())
    }
}

/// What became of one directory change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// As if it had not been.
    Lost,
    /// As it was meant.
    Whole,
    /// The name came back in its short form.
    Short,
    /// The name is gone.
    Missing,
    /// An empty file stands under the name.
    Empty,
    /// A file of the right length with other bytes stands under the name.
    Corrupt,
}

/// What became of a file's unsynced bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The file is as it was when last synced.
    Lost,
    /// All bytes are there.
    Whole,
    /// The file ends early.
    Cut(u64),
    /// The length is right, and from here on nothing was written.
    FillFrom(u64, Fill),
    /// The length is right, and some sectors were not written.
    Sectors(u64, Fill),
    /// The old length with the new bytes in it.
    Overlaid,
}

/// One thing that may or may not have reached the medium.
#[derive(Debug, Clone)]
struct Slot {
    op: usize,
    kind: SlotKind,
}

#[derive(Debug, Clone)]
enum SlotKind {
    /// How many of the journal's transactions were committed; each ends before an index into the effects.
    Journal { ends: Vec<usize> },
    /// One directory change.
    Name { effect: usize, key: Arc<str>, outcomes: Vec<Outcome> },
    /// The bytes of one file.
    Data { ino: Ino, shapes: Vec<Shape> },
}

impl Slot {
    /// Returns the number of outcomes.
    fn radix(&self) -> u32 {
        let count = match &self.kind {
            SlotKind::Journal { ends } => ends.len() + 1,
            SlotKind::Name { outcomes, .. } => outcomes.len(),
            SlotKind::Data { shapes, .. } => shapes.len(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns the outcome in which everything persisted; outcome 0 is always the least.
    fn whole(&self) -> u32 {
        if matches!(self.kind, SlotKind::Journal { .. }) { self.radix() - 1 } else { 1 }
    }
}

/// All images of one power cut, made one at a time.
pub(super) struct Images {
    medium: Medium,
    at_op: usize,
    slots: Arc<[Slot]>,
    choices: std::iter::Enumerate<std::vec::IntoIter<Box<[u32]>>>,
    contents: Contents,
}

/// Bytes of outcomes, by slot and outcome: images share them.
type Contents = HashMap<(usize, u32), Arc<Content>>;

impl Images {
    /// Plans the images of a medium in which nothing more is durable than `medium` says.
    pub(super) fn new(medium: Medium, at_op: usize, budget: ImageBudget) -> Self {
        let seed = budget.seed ^ (at_op as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slots = slots_of(&medium, &mut Tears { each: budget.tears, random: seed });
        let choices = choose(&slots, budget.max_images, seed);
        Self { medium, at_op, slots: slots.into(), choices: choices.into_iter().enumerate(), contents: Contents::new() }
    }

    /// Returns the image in which nothing unsynced persisted.
    pub(super) fn least(medium: &Medium) -> Medium {
        let slots = slots_of(medium, &mut Tears { each: 0, random: 0 });
        build(medium, &slots, &vec![0; slots.len()], &mut Contents::new())
    }
}

impl Iterator for Images {
    type Item = (ImageLabel, Medium);

    fn next(&mut self) -> Option<Self::Item> {
        let (number, choice) = self.choices.next()?;
        let medium = build(&self.medium, &self.slots, &choice, &mut self.contents);
        Some((ImageLabel { at_op: self.at_op, number, slots: Arc::clone(&self.slots), choice }, medium))
    }
}

/// Lists what may or may not have reached the medium, in the order of the operations.
fn slots_of(medium: &Medium, tears: &mut Tears) -> Vec<Slot> {
    let mut slots = Vec::new();
    if medium.profile.journaled() {
        let effects = &medium.effects;
        let ends: Vec<usize> = (1..=effects.len())
            .filter(|&end| effects.get(end).is_none_or(|next| next.op != effects[end - 1].op))
            .collect();
        if !ends.is_empty() {
            slots.push(Slot { op: effects[0].op, kind: SlotKind::Journal { ends } });
        }
    } else {
        for (effect, entry) in medium.effects.iter().enumerate() {
            let outcomes = name_outcomes(&entry.change, medium.profile);
            let key = Arc::clone(entry.change.key());
            slots.push(Slot { op: entry.op, kind: SlotKind::Name { effect, key, outcomes } });
        }
    }
    for &ino in medium.dirty.iter().filter(|&&ino| has_name(medium, ino)) {
        if let Some(inode) = medium.inodes.get(&ino) {
            let mut shapes = shapes(inode, medium.profile);
            tears.add_to(&mut shapes, inode, medium.profile);
            slots.push(Slot { op: inode.dirty_since, kind: SlotKind::Data { ino, shapes } });
        }
    }
    slots.sort_by_key(|slot| slot.op);
    slots
}

/// Returns whether some image can hold a name of this file.
fn has_name(medium: &Medium, ino: Ino) -> bool {
    let pending = medium.effects.iter().any(|effect| match &effect.change {
        Change::Add { node, .. } | Change::Replace { node, .. } => node.body == Body::File(ino),
        Change::Del { .. } => false,
    });
    pending || medium.durable.values().any(|node| node.body == Body::File(ino))
}

/// Lists what may become of a directory change on FAT32 and exFAT.
fn name_outcomes(change: &Change, profile: Profile) -> Vec<Outcome> {
    use Outcome::{Corrupt, Empty, Lost, Missing, Short, Whole};
    match change {
        Change::Add { node, fresh, file_synced, .. } => {
            let has_short = short_name(&node.name) != *node.name && may_shorten(node);
            // A synced file's short entry is durable. exFAT keeps one set of entries with one checksum, so
            // there a lost sector of it may still take the whole name.
            let mut outcomes = match (*file_synced, has_short) {
                (true, true) => vec![Short, Whole],
                (true, false) => vec![Whole, Whole],
                (false, true) => vec![Lost, Whole, Short],
                (false, false) => vec![Lost, Whole],
            };
            if *file_synced && profile == Profile::ExFat {
                outcomes.push(Missing);
            }
            if !fresh {
                outcomes.push(Empty);
            }
            outcomes
        }
        Change::Replace { .. } => vec![Lost, Whole, Missing, Empty, Corrupt],
        Change::Del { .. } => vec![Lost, Whole],
    }
}

/// Returns whether a name's short form is simulated: for directories only one that is still found by lookup.
fn may_shorten(node: &Node) -> bool {
    node.body != Body::Dir || short_name(&node.name).eq_ignore_ascii_case(&node.name)
}

/// Lists what may become of a file's unsynced bytes.
fn shapes(inode: &Inode, profile: Profile) -> Vec<Shape> {
    let (keep, len) = (inode.keep, inode.live.len());
    let mut shapes = vec![Shape::Lost, Shape::Whole];
    let sector = |at: u64| at / SECTOR_BYTES * SECTOR_BYTES;
    let middle = sector(keep + (len - keep) / 2);
    let cuts = [keep, sector(keep + SECTOR_BYTES), middle, sector(len.saturating_sub(1)), inode.last_append];
    for cut in cuts {
        // A cut where the file ended before is the same as a lost append.
        let new = cut > keep || (cut == keep && keep < inode.synced.len());
        if new && cut < len && !shapes.contains(&Shape::Cut(cut)) {
            shapes.push(Shape::Cut(cut));
        }
    }
    if profile == Profile::Ext4 {
        return shapes;
    }
    if keep < inode.synced.len() {
        shapes.push(Shape::Overlaid);
    }
    if keep == len {
        return shapes;
    }
    shapes.push(Shape::FillFrom(keep, Fill::Zeros));
    if middle > keep {
        shapes.push(Shape::FillFrom(middle, Fill::Zeros));
    }
    if !profile.journaled() {
        shapes.push(Shape::FillFrom(keep, Fill::Garbage));
        if sector(len - 1) > keep {
            shapes.extend([Shape::Sectors(0, Fill::Zeros), Shape::Sectors(1, Fill::Garbage)]);
            shapes.extend([Shape::Sectors(2, Fill::Garbage)]);
        }
    }
    shapes
}

/// Tears at places that are drawn, beside the fixed ones of [`shapes`].
struct Tears {
    /// How many for each file.
    each: u32,
    /// State of the stream that they are drawn from.
    random: u64,
}

impl Tears {
    /// Adds outcomes of a file's unsynced bytes: an early end, a tail or a selection of sectors that was not written.
    fn add_to(&mut self, shapes: &mut Vec<Shape>, inode: &Inode, profile: Profile) {
        let first = inode.keep / SECTOR_BYTES + 1;
        let count = (inode.live.len().saturating_sub(1) / SECTOR_BYTES + 1).saturating_sub(first);
        if count == 0 {
            return;
        }
        for _ in 0..self.each {
            let at = (first + next_random(&mut self.random) % count) * SECTOR_BYTES;
            let drawn: &[Shape] = match profile {
                Profile::Ext4 => &[Shape::Cut(at)],
                Profile::Ntfs => &[Shape::Cut(at), Shape::FillFrom(at, Fill::Zeros)],
                Profile::ExFat | Profile::Fat32 => &[
                    Shape::Cut(at),
                    Shape::FillFrom(at, Fill::Garbage),
                    Shape::Sectors(next_random(&mut self.random) | 1, Fill::Zeros),
                    Shape::Sectors(next_random(&mut self.random) | 1, Fill::Garbage),
                ],
            };
            for shape in drawn {
                if !shapes.contains(shape) {
                    shapes.push(*shape);
                }
            }
        }
    }
}

/// Makes the bytes of an outcome.
fn shape_content(inode: &Inode, shape: Shape) -> Arc<Content> {
    let (keep, live) = (inode.keep, &inode.live);
    let mut content;
    match shape {
        Shape::Lost => return Arc::clone(&inode.synced),
        Shape::Whole => return Arc::clone(live),
        Shape::Cut(len) => content = live.prefix(len),
        Shape::FillFrom(from, fill) => {
            content = live.prefix(from);
            content.push_fill(fill, live.len() - from);
        }
        Shape::Sectors(seed, fill) => {
            content = live.prefix(keep);
            // Seed 0 loses the first sector alone, so a later one surely arrived before an earlier one.
            let mut random = seed;
            let mut at = keep;
            while at < live.len() {
                let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(live.len());
                let lost = if seed == 0 { at == keep } else { next_random(&mut random).is_multiple_of(2) };
                if lost {
                    content.push_fill(fill, end - at);
                } else {
                    content.push_range(live, at, end);
                }
                at = end;
            }
        }
        Shape::Overlaid => {
            let len = inode.synced.len();
            content = live.prefix(len);
            content.push_range(&inode.synced, content.len(), len);
        }
    }
    Arc::new(content)
}

/// Chooses the images: all where they are few, else the telling ones and random ones.
fn choose(slots: &[Slot], max_images: usize, seed: u64) -> Vec<Box<[u32]>> {
    let total = slots.iter().try_fold(1_usize, |total, slot| total.checked_mul(slot.radix() as usize));
    if let Some(total) = total.filter(|&total| total <= ALL_UP_TO && total <= max_images) {
        return (0..total).map(|number| digits(slots, number)).collect();
    }
    let mut seen = HashSet::new();
    let mut choices = telling(slots);
    choices.retain(|choice| seen.insert(choice.clone()));
    let mut random = seed;
    if choices.len() > max_images {
        // The first two, nothing and everything, always stay.
        for at in 2..choices.len() {
            let rest = (choices.len() - at) as u64;
            choices.swap(at, at + usize::try_from(next_random(&mut random) % rest).unwrap_or(0));
        }
        choices.truncate(max_images);
    }
    for _ in 0..max_images.saturating_mul(2) {
        if choices.len() >= max_images || total.is_some_and(|total| choices.len() >= total) {
            break;
        }
        let draw = |slot: &Slot| u32::try_from(next_random(&mut random) % u64::from(slot.radix())).unwrap_or(0);
        let choice: Box<[u32]> = slots.iter().map(draw).collect();
        if seen.insert(choice.clone()) {
            choices.push(choice);
        }
    }
    choices
}

/// Returns the outcomes that a number stands for.
fn digits(slots: &[Slot], mut number: usize) -> Box<[u32]> {
    let digit = |slot: &Slot| {
        let radix = slot.radix() as usize;
        let digit = number % radix;
        number /= radix;
        u32::try_from(digit).unwrap_or(0)
    };
    slots.iter().map(digit).collect()
}

/// Lists nothing, everything, every prefix, and each slot in each outcome among all others lost and all others whole.
fn telling(slots: &[Slot]) -> Vec<Box<[u32]>> {
    let none: Box<[u32]> = slots.iter().map(|_| 0).collect();
    let all: Box<[u32]> = slots.iter().map(Slot::whole).collect();
    let mut choices = vec![none.clone(), all.clone()];
    for end in 1..slots.len() {
        choices.push(all[..end].iter().chain(&none[end..]).copied().collect());
    }
    for (at, slot) in slots.iter().enumerate() {
        for outcome in 0..slot.radix() {
            for rest in [&all, &none] {
                let mut choice = rest.clone();
                choice[at] = outcome;
                choices.push(choice);
            }
        }
    }
    choices
}

/// Builds the image of one choice: everything in it is durable.
fn build(medium: &Medium, slots: &[Slot], choice: &[u32], contents: &mut Contents) -> Medium {
    let mut image = Medium { effects: Vec::new(), dirty: Default::default(), ..medium.clone() };
    let mut names = Arc::clone(&medium.durable);
    let mut aliases = Vec::new();
    let mut lost_dir = false;
    for (at, (slot, &outcome)) in slots.iter().zip(choice).enumerate() {
        match &slot.kind {
            SlotKind::Journal { ends } => {
                let end = if outcome == 0 { 0 } else { ends[outcome as usize - 1] };
                medium.effects[..end].iter().for_each(|effect| effect.change.apply(Arc::make_mut(&mut names)));
            }
            SlotKind::Name { effect, outcomes, .. } => {
                let (change, outcome) = (&medium.effects[*effect].change, outcomes[outcome as usize]);
                lost_dir |=
                    outcome == Outcome::Lost && matches!(change, Change::Add { node, .. } if node.body == Body::Dir);
                if outcome != Outcome::Lost {
                    apply_outcome(&mut image, Arc::make_mut(&mut names), &mut aliases, change, outcome);
                }
            }
            SlotKind::Data { ino, shapes } => {
                if let Some(inode) = medium.inodes.get(ino) {
                    let content = contents.entry((at, outcome));
                    let content = content.or_insert_with(|| shape_content(inode, shapes[outcome as usize]));
                    Arc::make_mut(&mut image.inodes).insert(*ino, Arc::new(Inode::clean(Arc::clone(content))));
                }
            }
        }
    }
    if lost_dir {
        drop_orphans(Arc::make_mut(&mut names));
    }
    image.live = Arc::clone(&names);
    image.durable = names;
    image
}

/// Applies a directory change as far as it got; `aliases` remembers which name came back in which short form.
fn apply_outcome(
    image: &mut Medium,
    names: &mut Names,
    aliases: &mut Vec<(Arc<str>, Arc<str>)>,
    change: &Change,
    outcome: Outcome,
) {
    let (key, node) = match change {
        Change::Add { key, node, .. } | Change::Replace { key, node } => (key, node),
        Change::Del { key } => {
            names.remove(key);
            aliases.retain(|(long, short)| long != key || names.remove(short).is_none());
            return;
        }
    };
    match outcome {
        Outcome::Lost => {}
        Outcome::Whole => {
            names.insert(Arc::clone(key), node.clone());
        }
        Outcome::Missing => {
            names.remove(key);
        }
        Outcome::Short => {
            let short = free_short_name(names, key, &node.name);
            let short_key = join(parent(key), &short);
            aliases.push((Arc::clone(key), Arc::clone(&short_key)));
            names.insert(short_key, Node { name: short, body: node.body });
        }
        Outcome::Empty | Outcome::Corrupt => {
            let mut content = Content::default();
            if let (Outcome::Corrupt, Body::File(ino)) = (outcome, node.body) {
                let len = image.inodes.get(&ino).map_or(0, |inode| inode.live.len());
                content.push_fill(Fill::Garbage, len.max(SECTOR_BYTES));
            }
            let inodes = Arc::make_mut(&mut image.inodes);
            // Odd numbers are given to files of images, even ones by the disk itself.
            let ino = inodes.keys().next_back().map_or(1, |last| (last + 1) | 1);
            inodes.insert(ino, Arc::new(Inode::clean(Arc::new(content))));
            names.insert(Arc::clone(key), Node { name: Arc::clone(&node.name), body: Body::File(ino) });
        }
    }
}

/// Drops what lies in directories that did not survive.
fn drop_orphans(names: &mut Names) {
    loop {
        let is_orphan = |key: &&Arc<str>| key.contains('/') && !names.contains_key(parent(key));
        let orphans: Vec<_> = names.keys().filter(is_orphan).cloned().collect();
        if orphans.is_empty() {
            return;
        }
        orphans.iter().for_each(|key| drop(names.remove(key)));
    }
}

/// Returns a short form that no other name in the directory has.
fn free_short_name(names: &Names, key: &str, name: &str) -> Arc<str> {
    let first = short_name(name);
    if first.eq_ignore_ascii_case(name) {
        return first.into();
    }
    let (base, ext) = first.split_once("~1").unwrap_or((&first, ""));
    let candidates = (1..10).map(|number| format!("{base}~{number}{ext}"));
    let free = candidates.into_iter().find(|short| !names.contains_key(&join(parent(key), short)));
    free.unwrap_or(first).into()
}

/// Returns a name's short form on FAT: itself in upper case if it has eight and three letters, else `NAMEXX~1.EXT`.
fn short_name(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let (base, ext) = upper.rsplit_once('.').filter(|(base, _)| !base.is_empty()).unwrap_or((&upper, ""));
    let fits = base.len() <= 8 && ext.len() <= 3 && !base.contains('.') && (ext.is_empty() != name.contains('.'));
    if fits {
        return upper;
    }
    let base: String = base.chars().filter(|&c| c != '.').take(6).collect();
    let dot = if ext.is_empty() { "" } else { "." };
    format!("{base}~1{dot}{}", &ext[..ext.len().min(3)])
}

/// Joins a directory and a name.
fn join(dir: &str, name: &str) -> Arc<str> {
    if dir.is_empty() { name.into() } else { format!("{dir}/{name}").into() }
}
