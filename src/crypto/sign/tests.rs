//! A signature holds for its key, purpose and message only.

use super::*;

#[test]
fn a_signature_serves_one_purpose() {
    let key = SignKey::from_seed(&Secret::from_bytes([3; 32]));
    let other = SignKey::from_seed(&Secret::from_bytes([4; 32]));
    let signature = key.sign(Purpose::Head, b"message");
    assert!(verify(&key.public(), Purpose::Head, b"message", &signature));
    assert!(!verify(&key.public(), Purpose::Trust, b"message", &signature));
    assert!(!verify(&key.public(), Purpose::Head, b"massage", &signature));
    assert!(!verify(&other.public(), Purpose::Head, b"message", &signature));
    assert!(!verify(&PublicKey([0; 32]), Purpose::Head, b"message", &[0; 64]));
}

#[test]
fn a_signature_is_ed25519_over_context_and_message() {
    let key = SignKey::from_seed(&Secret::from_bytes([3; 32]));
    let plain = SigningKey::from_bytes(&[3; 32]);
    assert_eq!(key.public().0, plain.verifying_key().to_bytes());
    let contexts: [(Purpose, &[u8]); 4] = [
        (Purpose::Head, b"chunkstore 1 head\0"),
        (Purpose::Trust, b"chunkstore 1 trust\0"),
        (Purpose::Order, b"chunkstore 1 order\0"),
        (Purpose::Receipt, b"chunkstore 1 receipt\0"),
    ];
    for (purpose, context) in contexts {
        assert_eq!(key.sign(purpose, b"message"), plain.sign(&[context, b"message"].concat()).to_bytes());
        let others = contexts.iter().filter(|(other, _)| *other != purpose);
        others
            .for_each(|(other, _)| assert!(!verify(&key.public(), *other, b"message", &key.sign(purpose, b"message"))));
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // With the neutral element as key and as R, and 0 as s, the equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let lax = VerifyingKey::from_bytes(&neutral).unwrap();
    let message = with_context(Purpose::Head, b"anything");
    assert!(ed25519_dalek::Verifier::verify(&lax, &message, &Signature::from_bytes(&signature)).is_ok());
    assert!(!verify(&PublicKey(neutral), Purpose::Head, b"anything", &signature));
}
