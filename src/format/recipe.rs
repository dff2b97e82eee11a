//! A recipe: how a key rebuilds a repacked pack from packs that it holds, fetching only what it lacks.

use super::codec::{Decoder, Encoder, FormatError};
use super::outer::{FileMagic, get_header, put_header};
use crate::base::limits::{PACK_MAX_BYTES, RECIPE_MAX_BYTES};
use crate::base::{PackHash, StoreId};

const WHOLE: &str = "a recipe";

/// Most older packs of one recipe.
pub const SOURCES_MAX: usize = 1 << 16;
/// Most steps of one recipe.
pub const STEPS_MAX: usize = 1 << 18;

/// One stretch of the pack, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipeStep {
    /// Bytes of an older pack.
    Copy {
        /// Place in [`Recipe::sources`].
        source: u32,
        /// Where they start there.
        offset: u64,
        /// How many.
        len_bytes: u64,
    },
    /// Bytes that stand in no older pack, to be fetched from the pack itself.
    Fetch {
        /// How many.
        len_bytes: u64,
    },
}

impl RecipeStep {
    /// Returns how many bytes of the pack it gives.
    #[must_use]
    pub fn len_bytes(self) -> u64 {
        match self {
            Self::Copy { len_bytes, .. } | Self::Fetch { len_bytes } => len_bytes,
        }
    }
}

/// The decoded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// The pack that it rebuilds.
    pub pack: PackHash,
    /// That pack's length in bytes.
    pub pack_len_bytes: u64,
    /// Older packs by hash.
    pub sources: Vec<PackHash>,
    /// Steps whose lengths add up to the pack's.
    pub steps: Vec<RecipeStep>,
}

impl Recipe {
    /// Writes the file.
    #[must_use]
    pub fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::new();
        put_header(&mut out, FileMagic::Recipe, store, self.clash_counter);
        out.raw(&self.pack.0);
        out.u64(self.pack_len_bytes);
        out.count(self.sources.len());
        self.sources.iter().for_each(|source| out.raw(&source.0));
        out.count(self.steps.len());
        for step in &self.steps {
            match step {
                RecipeStep::Copy { source, offset, len_bytes } => {
                    out.u8(1);
                    out.number(*len_bytes);
                    out.number(u64::from(*source));
                    out.number(*offset);
                }
                RecipeStep::Fetch { len_bytes } => {
                    out.u8(2);
                    out.number(*len_bytes);
                }
            }
        }
        out.finish()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<Self, FormatError> {
        if bytes.len() as u64 > RECIPE_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::Recipe, store)?;
        let (pack, pack_len_bytes) = (PackHash(input.array()?), input.u64()?);
        let sources = (0..most(&mut input, 32, SOURCES_MAX)?)
            .map(|_| Ok(PackHash(input.array()?)))
            .collect::<Result<Vec<_>, _>>()?;
        let steps = (0..most(&mut input, 2, STEPS_MAX)?)
            .map(|_| get_step(&mut input, sources.len()))
            .collect::<Result<Vec<_>, _>>()?;
        input.end()?;
        let mut total = 0u64;
        for step in &steps {
            total = total.saturating_add(step.len_bytes());
        }
        if total != pack_len_bytes || pack_len_bytes > PACK_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        Ok(Self { clash_counter, pack, pack_len_bytes, sources, steps })
    }
}

fn most(input: &mut Decoder<'_>, item_min_bytes: usize, max: usize) -> Result<usize, FormatError> {
    let count = input.count(item_min_bytes)?;
    if count <= max { Ok(count) } else { Err(FormatError::Limit(WHOLE)) }
}

fn get_step(input: &mut Decoder<'_>, sources: usize) -> Result<RecipeStep, FormatError> {
    let kind = input.u8()?;
    let len_bytes = input.number_to(PACK_MAX_BYTES)?;
    match kind {
        1 => {
            let source = input.number_u32()?;
            let offset = input.number_to(PACK_MAX_BYTES)?;
            if source as usize >= sources || len_bytes == 0 || offset + len_bytes > PACK_MAX_BYTES {
                return Err(FormatError::Limit(WHOLE));
            }
            Ok(RecipeStep::Copy { source, offset, len_bytes })
        }
        2 if len_bytes > 0 => Ok(RecipeStep::Fetch { len_bytes }),
        2 => Err(FormatError::Limit(WHOLE)),
        _ => Err(FormatError::TooNew(WHOLE)),
    }
}
