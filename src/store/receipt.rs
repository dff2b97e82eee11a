//! A key's receipts: the key that signs them, and how they are sealed for the store's writers and opened by one.

use super::error::StoreError;
use super::pack::create_immutable;
use super::{layout, replica};
use crate::base::Random;
use crate::base::limits::{RECEIPT_MAX_BYTES, SEALED_RECEIPT_MAX_BYTES};
use crate::crypto::Secret;
use crate::crypto::sign::{Purpose, SignKey, verify};
use crate::crypto::wrap::{Identity, Recipient, WrapError, unwrap, wrap_for_all};
use crate::disk::Disk;
use crate::format::receipt::{Receipt, SignedReceipt};
use crate::format::trust::Trust;

const WHAT: &str = "the receipt";

/// Returns the key that signs this replica's receipts; nothing where none was drawn, or what stands there is torn.
///
/// # Errors
/// Those of the disk.
pub fn signing_key(disk: &dyn Disk) -> Result<Option<SignKey>, StoreError> {
    match replica::read_receipt_seed(disk) {
        Ok(seed) => Ok(seed.map(|seed| SignKey::from_seed(&seed))),
        Err(StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Draws the key that signs this replica's receipts from now on. The caller has the store's lock.
///
/// # Durability
/// Durable when this returns.
///
/// # Errors
/// Those of the disk.
pub fn draw_key(disk: &dyn Disk, random: &dyn Random) -> Result<SignKey, StoreError> {
    let seed = Secret::generate(random);
    create_immutable(disk, &layout::receipt_key(), &replica::receipt_seed_text(&seed))?;
    disk.sync_dir(&layout::receipt_key().parent())?;
    Ok(SignKey::from_seed(&seed))
}

/// Signs a receipt and seals it for every writer of a trust file. What is sealed has one length; age's header has a stanza of random
/// length besides.
///
/// # Errors
/// [`StoreError::TooMuch`] for one that is too long, [`StoreError::Corrupt`] for a writer that nothing can be sealed for.
pub fn seal(receipt: Receipt, key: &SignKey, trust: &Trust) -> Result<Vec<u8>, StoreError> {
    let signature = key.sign(Purpose::Receipt, &receipt.encode_body());
    let padded = SignedReceipt::new(receipt, signature).padded().map_err(|_| StoreError::TooMuch(WHAT))?;
    let recipients = trust.writers.iter().map(|writer| Recipient::parse(&writer.recipient));
    let sealed = recipients.collect::<Result<Vec<_>, _>>().and_then(|recipients| wrap_for_all(&recipients, &padded));
    let sealed = sealed.map_err(|error| StoreError::corrupt("the trust file", error))?;
    if sealed.len() as u64 > SEALED_RECEIPT_MAX_BYTES { Err(StoreError::TooMuch(WHAT)) } else { Ok(sealed) }
}

/// Opens a sealed receipt with a writer's identities. Its signature holds; whose key that is, the caller has to know.
///
/// # Errors
/// [`StoreError::NoIdentity`] for one that is sealed for others, as before a purge gave the writers new identities;
/// [`StoreError::Corrupt`] for what does not open or decode, [`StoreError::NotTrusted`] for a signature that does not hold.
pub fn open(sealed: &[u8], identities: &[Identity]) -> Result<Receipt, StoreError> {
    if sealed.len() as u64 > SEALED_RECEIPT_MAX_BYTES {
        return Err(StoreError::damaged(WHAT));
    }
    let padded = unwrap(identities, sealed, RECEIPT_MAX_BYTES).map_err(|error| match error {
        WrapError::NoMatch => StoreError::NoIdentity,
        error => StoreError::corrupt(WHAT, error),
    })?;
    let signed = SignedReceipt::decode_padded(&padded).map_err(|error| StoreError::format(WHAT, error))?;
    if !verify(&signed.receipt.key, Purpose::Receipt, signed.body(), &signed.signature) {
        return Err(StoreError::NotTrusted("the receipt's signature does not hold".into()));
    }
    Ok(signed.receipt)
}
