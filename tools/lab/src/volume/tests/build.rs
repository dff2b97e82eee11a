//! Small volumes made by hand: sectors and clusters of 512 bytes, links and entries as a test wants them.

/// Bytes of a sector and of a cluster.
pub(in super::super) const CLUSTER: usize = 512;

/// A volume under construction; cluster 2 is the root.
pub(in super::super) struct Build {
    pub bytes: Vec<u8>,
    table: usize,
    heap: usize,
}

impl Build {
    /// Makes an empty FAT32 volume of 1000 clusters.
    pub fn fat() -> Self {
        let mut build = Self { bytes: vec![0; 1009 * CLUSTER], table: CLUSTER, heap: 9 * CLUSTER };
        build.bytes[11..13].copy_from_slice(&512_u16.to_le_bytes());
        build.bytes[13] = 1;
        build.bytes[14] = 1;
        build.bytes[16] = 1;
        build.bytes[21] = 0xF8;
        build.bytes[32..36].copy_from_slice(&1009_u32.to_le_bytes());
        build.bytes[36] = 8;
        build.bytes[44] = 2;
        build.link(2, 0x0FFF_FFFF);
        build
    }

    /// Makes an empty exFAT volume of 1000 clusters; its bitmap is cluster 3.
    pub fn exfat() -> Self {
        let mut build = Self { bytes: vec![0; 1032 * CLUSTER], table: 24 * CLUSTER, heap: 32 * CLUSTER };
        build.bytes[3..11].copy_from_slice(b"EXFAT   ");
        for (at, number) in [(72, 1032), (80, 24), (84, 8), (88, 32), (92, 1000), (96, 2), (108, 9), (110, 1)] {
            build.bytes[at..at + 2].copy_from_slice(&u16::to_le_bytes(number));
        }
        build.bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
        build.seal();
        build.link(2, u32::MAX);
        let mut bitmap = [0; 32];
        (bitmap[0], bitmap[20], bitmap[24]) = (0x81, 3, 125);
        build.entry(2, 0, &bitmap);
        build
    }

    /// Writes the check sum of exFAT's boot sectors.
    pub fn seal(&mut self) {
        let counted = self.bytes[..11 * CLUSTER].iter().enumerate().filter(|(at, _)| !matches!(at, 106 | 107 | 112));
        let sum = counted.fold(0, |sum: u32, (_, byte)| sum.rotate_right(1).wrapping_add(u32::from(*byte)));
        for at in (11 * CLUSTER..12 * CLUSTER).step_by(4) {
            self.bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// Sets what follows a cluster.
    pub fn link(&mut self, cluster: usize, next: u32) {
        let at = self.table + cluster * 4;
        self.bytes[at..at + 4].copy_from_slice(&next.to_le_bytes());
    }

    /// Links clusters to a chain.
    pub fn chain(&mut self, clusters: &[u32]) {
        for pair in clusters.windows(2) {
            self.link(pair[0] as usize, pair[1]);
        }
        self.link(clusters[clusters.len() - 1] as usize, u32::MAX);
    }

    /// Fills a cluster with a byte.
    pub fn fill(&mut self, cluster: usize, byte: u8) {
        self.cluster(cluster).fill(byte);
    }

    /// Returns a cluster's bytes.
    pub fn cluster(&mut self, cluster: usize) -> &mut [u8] {
        let at = self.heap + (cluster - 2) * CLUSTER;
        &mut self.bytes[at..at + CLUSTER]
    }

    /// Puts an entry into a directory's cluster.
    pub fn entry(&mut self, cluster: usize, number: usize, entry: &[u8; 32]) {
        self.cluster(cluster)[number * 32..number * 32 + 32].copy_from_slice(entry);
    }

    /// Puts entries into a directory's cluster, one after the other.
    pub fn entries(&mut self, cluster: usize, first: usize, entries: &[[u8; 32]]) {
        for (number, entry) in entries.iter().enumerate() {
            self.entry(cluster, first + number, entry);
        }
    }
}

/// Makes a FAT entry of a file or directory.
pub(in super::super) fn fat_entry(name: &[u8; 11], attributes: u8, first: u16, len_bytes: u32) -> [u8; 32] {
    let mut entry = [0; 32];
    entry[..11].copy_from_slice(name);
    entry[11] = attributes;
    entry[26..28].copy_from_slice(&first.to_le_bytes());
    entry[28..].copy_from_slice(&len_bytes.to_le_bytes());
    entry
}

/// Makes the slots of a long name, for an entry with this check sum.
pub(in super::super) fn slots(name: &str, checksum: u8) -> Vec<[u8; 32]> {
    let mut units: Vec<u16> = name.encode_utf16().collect();
    units.push(0);
    let parts: Vec<Vec<u16>> = units.chunks(13).map(<[u16]>::to_vec).collect();
    let slot = |(number, part): (usize, &Vec<u16>)| {
        let mut slot = [0xFF; 32];
        slot[0] = u8::try_from(number + 1).unwrap() | if number + 1 == parts.len() { 0x40 } else { 0 };
        (slot[11], slot[12], slot[13], slot[26], slot[27]) = (0x0F, 0, checksum, 0, 0);
        for (unit, at) in part.iter().zip([1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]) {
            slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        slot
    };
    parts.iter().enumerate().map(slot).rev().collect()
}

/// Makes the set of exFAT entries of a file: its entry, its stream and its name. The check sum is left wrong.
pub(in super::super) fn exfat_set(name: &str, attributes: u8, flags: u8, first: u8, lens: [u64; 2]) -> Vec<[u8; 32]> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let parts = units.chunks(15);
    let (mut file, mut stream) = ([0; 32], [0; 32]);
    (file[0], file[1], file[4]) = (0x85, u8::try_from(1 + parts.len()).unwrap(), attributes);
    (stream[0], stream[1], stream[3], stream[20]) = (0xC0, flags, u8::try_from(units.len()).unwrap(), first);
    stream[4..6].copy_from_slice(&super::super::exfat::hash_of(name).to_le_bytes());
    stream[8..16].copy_from_slice(&lens[0].to_le_bytes());
    stream[24..].copy_from_slice(&lens[1].to_le_bytes());
    let part = |units: &[u16]| {
        let mut part = [0; 32];
        part[0] = 0xC1;
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        part[2..2 + bytes.len()].copy_from_slice(&bytes);
        part
    };
    [file, stream].into_iter().chain(parts.map(part)).collect()
}
