//! A card is read back, and whatever else is refused.

use super::*;
use crate::crypto::wrap::Identity;

#[test]
fn a_card_is_read_back_and_no_mistyped_one_is() {
    let (store, key) = (StoreId([3; 16]), PublicKey([4; 32]));
    let recipient = Identity::generate().recipient();
    for card in [Card::Writer { store, key, recipient }, Card::Root { store, key }] {
        let text = card.to_string();
        assert_eq!((text.parse::<Card>(), card.store()), (Ok(card.clone()), store));
        assert_eq!(format!("  {}\n", text.replace(' ', "   ")).parse(), Ok(card));
        for at in 0..text.len() {
            assert_eq!(text[..at].parse::<Card>(), Err(ParseCardError), "{}", &text[..at]);
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(changed.parse::<Card>(), Err(ParseCardError), "{changed}");
        }
        assert_eq!(format!("{text} more").parse::<Card>(), Err(ParseCardError));
    }
}
