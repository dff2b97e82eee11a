//! A tar archive in POSIX's pax form: a ustar header for each entry, and before it, where that cannot say it all, a pax
//! header with what it cannot: long names, times with nanoseconds or before 1970, long owners, extended attributes. Those are
//! records under `SCHILY.xattr.NAME`, as GNU tar, bsdtar and star read and write them; in a name `%` and `=` are `%25` and
//! `%3D`, as GNU tar has it.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

use super::{Archive, Fused};
use crate::base::RelPath;
use crate::format::FormatError;
use crate::format::attributes::{ATTRIBUTES_TAG, Attribute, decode_attributes, extension};
use crate::format::tree::{Entry, Meta, Node};

/// Tar pads each file to whole blocks.
const BLOCK_BYTES: u64 = 512;
/// What the fields of a ustar header hold.
const NAME_BYTES: usize = 100;
const OWNER_BYTES: usize = 31;
/// Largest numbers in a ustar header: 11 and 7 octal digits.
const SIZE_MAX: u64 = (1 << 33) - 1;
const ID_MAX: u32 = (1 << 21) - 1;

/// Writes a tar archive.
pub struct TarArchive<'a> {
    builder: Builder<Fused<'a>>,
    /// Bytes of the file that is being written.
    file_bytes: u64,
}

impl<'a> TarArchive<'a> {
    /// Begins an archive.
    pub fn new(sink: Fused<'a>) -> Self {
        Self { builder: Builder::new(sink), file_bytes: 0 }
    }
}

impl Archive for TarArchive<'_> {
    fn refuses(&self, _: &RelPath, entry: &Entry) -> Option<&'static str> {
        match &entry.node {
            Node::Socket => Some("a tar archive holds no sockets"),
            // The pax record of a target ends at its length, but readers hand it on as a C string.
            Node::Symlink { target } if target.contains(&0) => Some("the target of the link is no path"),
            _ => None,
        }
    }

    fn omits(&self, entry: &Entry) -> Option<String> {
        attributes(entry).err().map(|error| format!("its extended attributes are left out: {error}"))
    }

    fn begin(&mut self, path: &RelPath, entry: &Entry, same_as: Option<&RelPath>) -> io::Result<()> {
        self.file_bytes = 0;
        let (mut header, mut pax) = (Header::new_ustar(), Pax::default());
        let mut name = path.as_bytes().to_vec();
        if let Node::Dir { .. } = entry.node {
            name.push(b'/');
        }
        let ustar = header.as_ustar_mut();
        match ustar {
            Some(fields) => {
                pax.text("path", &name, &mut fields.name);
                pax.owner("uname", &entry.meta.user, &mut fields.uname[..OWNER_BYTES]);
                pax.owner("gname", &entry.meta.group, &mut fields.gname[..OWNER_BYTES]);
                match (&entry.node, same_as) {
                    (_, Some(first)) => pax.text("linkpath", first.as_bytes(), &mut fields.linkname),
                    (Node::Symlink { target }, None) => pax.text("linkpath", target, &mut fields.linkname),
                    _ => {}
                }
            }
            None => return Err(io::Error::other("the header is no ustar header")),
        }
        set_node(&mut header, &mut pax, entry, same_as.is_some())?;
        set_meta(&mut header, &mut pax, &entry.meta);
        // One more name of a file has what the first has.
        if same_as.is_none() {
            attributes(entry).unwrap_or_default().iter().for_each(|attribute| pax.attribute(attribute));
        }
        header.set_cksum();
        pax.append_to(&mut self.builder)?;
        self.builder.append(&header, io::empty())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file_bytes += bytes.len() as u64;
        self.builder.get_mut().write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        let over = self.file_bytes % BLOCK_BYTES;
        let padding = if over == 0 { 0 } else { BLOCK_BYTES - over };
        self.builder.get_mut().write_all(&[0; BLOCK_BYTES as usize][..padding as usize])
    }

    fn has_hard_links(&self) -> bool {
        true
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.builder.finish()?;
        self.builder.get_mut().flush()
    }
}

/// Returns the extended attributes of an entry.
fn attributes(entry: &Entry) -> Result<Vec<Attribute>, FormatError> {
    let read = extension(&entry.extensions, ATTRIBUTES_TAG).map(decode_attributes).transpose()?;
    Ok(read.unwrap_or_default())
}

/// The records of a pax header, as they stand in it.
#[derive(Default)]
struct Pax(Vec<u8>);

impl Pax {
    /// Adds a record: its own length in decimal, a space, `key=value`, a newline (POSIX, `pax`, "pax Extended Header").
    fn record(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut len = rest;
        // The length counts its own digits, of which one more may come by that.
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        self.0.extend_from_slice(format!("{len} ").as_bytes());
        self.0.extend([key, b"=", value, b"\n"].concat());
    }

    fn attribute(&mut self, (name, value): &Attribute) {
        let mut key = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            match byte {
                b'%' => key.extend_from_slice(b"%25"),
                b'=' => key.extend_from_slice(b"%3D"),
                _ => key.push(byte),
            }
        }
        self.record(&key, value);
    }

    /// Writes the header, if there is anything in it.
    fn append_to(&self, builder: &mut Builder<Fused<'_>>) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(self.0.len() as u64);
        header.set_cksum();
        builder.append(&header, &self.0[..])
    }

    /// Puts a text into its field, cut to fit; a record says the whole where that is not enough.
    fn text(&mut self, key: &str, text: &[u8], field: &mut [u8; NAME_BYTES]) {
        let fits = text.len().min(NAME_BYTES);
        field[..fits].copy_from_slice(&text[..fits]);
        // Readers take a header without a record for their own character set.
        if fits < text.len() || !text.is_ascii() {
            self.record(key.as_bytes(), text);
        }
    }

    fn owner(&mut self, key: &str, name: &str, field: &mut [u8]) {
        let fits = name.len().min(field.len());
        if name.is_ascii() {
            field[..fits].copy_from_slice(&name.as_bytes()[..fits]);
        }
        if fits < name.len() || !name.is_ascii() {
            self.record(key.as_bytes(), name.as_bytes());
        }
    }

    fn number(&mut self, key: &str, number: &dyn ToString) {
        self.record(key.as_bytes(), number.to_string().as_bytes());
    }
}

fn set_node(header: &mut Header, pax: &mut Pax, entry: &Entry, is_link: bool) -> io::Result<()> {
    header.set_size(0);
    let entry_type = match &entry.node {
        _ if is_link => EntryType::Link,
        Node::File { len_bytes, .. } => {
            header.set_size(*len_bytes);
            if *len_bytes > SIZE_MAX {
                pax.number("size", len_bytes);
            }
            EntryType::Regular
        }
        Node::Dir { .. } => EntryType::Directory,
        Node::Symlink { .. } => EntryType::Symlink,
        Node::Fifo | Node::Socket => EntryType::Fifo,
        Node::CharDevice(rdev) => device(header, *rdev, EntryType::Char)?,
        Node::BlockDevice(rdev) => device(header, *rdev, EntryType::Block)?,
    };
    header.set_entry_type(entry_type);
    Ok(())
}

/// Sets the two numbers of a device, which lie in one as Linux joins them.
fn device(header: &mut Header, rdev: u64, entry_type: EntryType) -> io::Result<EntryType> {
    let major = (rdev >> 32 & 0xffff_f000) | (rdev >> 8 & 0xfff);
    let minor = (rdev >> 12 & 0xffff_ff00) | (rdev & 0xff);
    header.set_device_major(major as u32)?;
    header.set_device_minor(minor as u32)?;
    Ok(entry_type)
}

fn set_meta(header: &mut Header, pax: &mut Pax, meta: &Meta) {
    header.set_mode(meta.mode);
    header.set_uid(u64::from(meta.uid.min(ID_MAX)));
    header.set_gid(u64::from(meta.gid.min(ID_MAX)));
    for (key, id) in [("uid", meta.uid), ("gid", meta.gid)] {
        if id > ID_MAX {
            pax.number(key, &id);
        }
    }
    let secs = u64::try_from(meta.mtime_secs).unwrap_or(0);
    header.set_mtime(secs.min(SIZE_MAX));
    if meta.mtime_nanos != 0 || meta.mtime_secs < 0 || secs > SIZE_MAX {
        pax.number("mtime", &decimal_time(meta.mtime_secs, meta.mtime_nanos));
    }
}

/// Writes seconds with a fraction. Nanoseconds count up from the whole second, before 1970 too, where a decimal counts away
/// from zero.
fn decimal_time(secs: i64, nanos: u32) -> String {
    let total = i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    let (sign, size) = (if total < 0 { "-" } else { "" }, total.unsigned_abs());
    let (whole, fraction) = (size / 1_000_000_000, size % 1_000_000_000);
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
