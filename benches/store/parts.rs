//! The two parts that see every byte of a commit: the chunker and the sealer.

use chunkstore::base::random::SeededRandom;
use chunkstore::base::{DedupGeneration, StoreId};
use chunkstore::chunker::Chunker;
use chunkstore::format::Kind;
use chunkstore::format::sealed::ChunkerParameters;
use chunkstore::store::keyring::WriterKeys;
use chunkstore::store::object::{Sealer, pointer_to};
use criterion::{Criterion, Throughput};

use crate::scene::{MIB, noise, prose};

/// Makes content of a length from a seed.
type Content = fn(u64, usize) -> Vec<u8>;
/// Contents by name: what zstd can do much with, and nothing.
const CONTENTS: [(&str, Content); 2] = [("prose", prose), ("noise", noise)];
/// The level of `commit`.
const ZSTD_LEVEL: i32 = 3;

fn keys() -> WriterKeys {
    WriterKeys::generate(StoreId([1; 16]), &SeededRandom::new(1))
}

/// Cuts 8 MiB into chunks, with the parameters of a new store.
pub fn cut(criterion: &mut Criterion) {
    let ChunkerParameters { level, min_bytes, avg_bytes, max_bytes } = ChunkerParameters::DEFAULT;
    let chunker = Chunker::new(min_bytes, avg_bytes, max_bytes, level, &keys().reader.gear_table()).unwrap();
    let mut group = criterion.benchmark_group("cut");
    for (name, content) in CONTENTS {
        let content = content(2, 8 * MIB);
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let (mut at, mut chunks) = (0, 0);
                while at < content.len() {
                    let window = &content[at..content.len().min(at + chunker.max_bytes())];
                    at += chunker.cut(window);
                    chunks += 1;
                }
                chunks
            });
        });
    }
    group.finish();
}

/// Names, compresses and seals one chunk of the average length.
pub fn seal(criterion: &mut Criterion) {
    let keys = keys();
    let maker = keys.key_maker(DedupGeneration(1)).unwrap();
    let mut sealer = Sealer::new(keys.reader.store(), ZSTD_LEVEL).unwrap();
    let mut group = criterion.benchmark_group("seal");
    for (name, content) in CONTENTS {
        let content = content(3, ChunkerParameters::DEFAULT.avg_bytes as usize);
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, &content);
                sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &content).unwrap()
            });
        });
    }
    group.finish();
}
