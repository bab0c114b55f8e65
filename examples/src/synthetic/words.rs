//! Words: lists of ordinary ones, a generator of made-up ones, and the line between training and held-out words.

use super::rng::{Rng, fnv1a};
pub use super::word_lists::{
    ADJECTIVES, CITIES, DAYS, HELD_OBJECTS, HELD_VERBS, LANGUAGES, MONTHS, OBJECTS, PEOPLE, PLAIN, THINGS,
    TOPICS,
};
use super::word_lists::{CODAS, ONSETS, SYLLABLES, VOWELS};

/// Which side of the line between training and held-out text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Text that pre-training and fine-tuning may hold.
    Train,
    /// Text that only held-out sets hold.
    Held,
}

impl Side {
    /// The side on which `text` falls: a sixth of all texts, chosen by a hash, is held out.
    pub fn of(text: &str) -> Self {
        // FNV's low bits follow the last letters; a multiplication and the high bits mix them.
        let mixed = fnv1a(&text.to_lowercase()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        if mixed.is_multiple_of(6) { Self::Held } else { Self::Train }
    }
}

/// Draws until a text falls on `side`. The lists here all have texts on both sides; were one to have none, the last
/// draw is returned.
pub(crate) fn on_side(side: Side, mut draw: impl FnMut() -> String) -> String {
    let mut text = draw();
    for _ in 0..400 {
        if Side::of(&text) == side {
            break;
        }
        text = draw();
    }
    text
}

/// A made-up word in lower case, on the given side.
pub fn made_up(rng: &mut Rng, side: Side) -> String {
    on_side(side, || {
        let mut word = String::new();
        match rng.weighted(&[55, 37, 8]) {
            0 => {
                for _ in 0..rng.count(2..=3) {
                    word.push_str(rng.pick(SYLLABLES));
                }
            }
            1 => {
                for _ in 0..rng.count(1..=2) {
                    for part in [ONSETS, VOWELS, CODAS] {
                        word.push_str(rng.pick(part));
                    }
                }
            }
            // Letters in any order: copying must not depend on a word looking like one.
            _ => {
                for _ in 0..rng.count(3..=6) {
                    word.push((b'a' + rng.below(26) as u8) as char);
                }
            }
        }
        if word.len() < 3 {
            word.push_str(rng.pick(SYLLABLES));
        }
        word
    })
}

/// The noun after `a` or `an`.
pub fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The word with its first letter in upper case.
pub fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const SYMBOLS: &str = "!#$%&'()*+,-./:;=?@[\\]^`{|}~\t";

/// A word with symbols or with letters from outside ASCII: copying must work on any bytes.
pub fn foreign(rng: &mut Rng) -> String {
    on_side(Side::Train, || {
        let mut word = String::new();
        let mixed = rng.chance(0.4);
        for _ in 0..rng.count(2..=5) {
            // Lead bytes C2–DF, E0–EF and F0 about equally often.
            let code = match rng.weighted(&[30, 16, 2]) {
                0 => rng.range(0xa1..=0x7ff),
                1 => rng.range(0x800..=0xffff),
                _ => rng.range(0x1_0000..=0x3_ffff),
            };
            word.extend(char::from_u32(code as u32).filter(|c| !c.is_control() && !c.is_whitespace()));
            if mixed {
                word.push((b'a' + rng.below(26) as u8) as char);
            }
            if rng.chance(0.5) {
                word.extend(SYMBOLS.chars().nth(rng.below(SYMBOLS.len())));
            }
        }
        if word.is_empty() { "é".to_owned() } else { word }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_words_keep_to_their_side() {
        let mut rng = Rng::keyed(3, "words", 0);
        for _ in 0..500 {
            assert_eq!(Side::of(&made_up(&mut rng, Side::Train)), Side::Train);
            assert_eq!(Side::of(&made_up(&mut rng, Side::Held)), Side::Held);
        }
    }

    #[test]
    fn about_a_sixth_of_each_list_is_held_out() {
        for list in [CITIES, PEOPLE, THINGS, TOPICS] {
            let held = list.iter().filter(|w| Side::of(w) == Side::Held).count();
            assert!(held * 20 >= list.len() && held * 3 <= list.len(), "{held} of {}", list.len());
        }
    }
}
