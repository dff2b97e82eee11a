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
