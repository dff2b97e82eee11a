//! [`Archive`]: a cpio archive in the `newc` form, as the kernel unpacks it
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

/// An archive that grows.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: usize,
}

impl Archive {
    /// Adds a directory; what lies in it comes after it.
    pub fn dir(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, executable: bool, content: &[u8]) {
        self.entry(name, if executable { 0o100_755 } else { 0o100_644 }, content);
    }

    /// Returns the whole archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, checksum.
        let (inode, size, name_size) = (self.entries, content.len(), name.len() + 1);
        let fields = [inode, mode as usize, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.dir("bin");
        archive.file("bin/a", true, b"12345");
        let bytes = archive.finish();
        let header = |at: usize, field: usize| {
            let digits = std::str::from_utf8(&bytes[at + 6 + 8 * field..at + 14 + 8 * field]).unwrap();
            usize::from_str_radix(digits, 16).unwrap()
        };
        // 110 bytes of header and "bin\0" make 114, padded to 116.
        assert_eq!((&bytes[..6], header(0, 1), header(0, 11)), (b"070701".as_slice(), 0o040_755, 4));
        assert_eq!((&bytes[116..122], header(116, 1), header(116, 6)), (b"070701".as_slice(), 0o100_755, 5));
        assert_eq!(&bytes[226..240], b"bin/a\x0012345\0\0\0".as_slice());
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
