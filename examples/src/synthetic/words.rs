//! Words: lists of ordinary ones, a generator of made-up ones, and the line between training and held-out words.

use super::rng::{Rng, fnv1a};

/// Cities that stand in requests.
pub const CITIES: &[&str] = &[
    "Paris", "London", "Berlin", "Madrid", "Rome", "Oslo", "Lisbon", "Vienna", "Prague", "Dublin", "Athens",
    "Boston", "Chicago", "Denver", "Seattle", "Austin", "Tokyo", "Kyoto", "Seoul", "Delhi", "Mumbai",
    "Cairo", "Lagos", "Nairobi", "Sydney", "Lima", "Quito", "Toronto", "Munich", "Hamburg", "Milan",
    "Naples", "Porto", "Geneva", "Zurich", "Krakow", "Warsaw", "Helsinki", "Bergen", "Dallas", "Havana",
    "Jakarta", "Manila", "Malaga", "Antwerp", "Bristol", "Glasgow", "Lyon", "Turin", "Utrecht", "Valencia",
    "Tampa", "Perth",
];

/// First names.
pub const PEOPLE: &[&str] = &[
    "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate", "Leo",
    "Maria", "Noah", "Olga", "Paul", "Quinn", "Rosa", "Sam", "Tina", "Uma", "Victor", "Wendy", "Xavier",
    "Yara", "Zoe", "Omar", "Priya", "Chen", "Yuki", "Lars", "Ines", "Mateo", "Nora", "Oscar", "Petra",
    "Ravi", "Sofia", "Theo", "Vera", "Amir", "Bruno", "Clara", "Diego", "Elena", "Hugo", "Julia", "Karim",
    "Laura", "Marco",
];

/// Adjectives.
pub const ADJECTIVES: &[&str] = &[
    "red", "blue", "green", "old", "new", "quick", "silent", "golden", "hidden", "broken", "lucky", "cold",
    "warm", "sweet", "dark", "bright", "little", "wild", "happy", "lost", "heavy", "smooth", "early",
    "gentle", "ancient", "simple", "royal", "hungry", "purple", "wooden",
];

/// Things that stand in requests as values; none of them is what a tool is about.
pub const THINGS: &[&str] = &[
    "river", "garden", "mirror", "lantern", "engine", "forest", "market", "window", "bridge", "planet",
    "dragon", "coffee", "sandwich", "guitar", "jacket", "battery", "keyboard", "pillow", "bottle", "candle",
    "notebook", "basket", "feather", "harbor", "island", "kettle", "marble", "needle", "onion", "pepper",
    "rocket", "saddle", "spoon", "thunder", "valley", "whistle", "button", "castle", "desert", "fountain",
    "hammer", "meadow",
];

/// Subjects of conversations and searches.
pub const TOPICS: &[&str] = &[
    "history",
    "music",
    "football",
    "chess",
    "cooking",
    "physics",
    "gardening",
    "painting",
    "poetry",
    "robots",
    "dinosaurs",
    "volcanoes",
    "yoga",
    "sailing",
    "astronomy",
    "climate",
    "economics",
    "photography",
    "dancing",
    "fishing",
    "geology",
    "knitting",
    "medicine",
    "opera",
    "politics",
    "tennis",
    "travel",
    "whales",
    "yeast",
];

/// Languages.
pub const LANGUAGES: &[&str] = &[
    "French", "German", "Spanish", "Italian", "Japanese", "Korean", "Hindi", "Arabic", "Polish", "Dutch",
    "Swedish", "Greek", "Turkish", "Danish", "Finnish", "Czech",
];

/// Days of the week.
pub const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Months.
pub const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What open-vocabulary tools are about, beside made-up words.
pub const OBJECTS: &[&str] = &[
    "anchor",
    "apron",
    "arrow",
    "attic",
    "badge",
    "balloon",
    "banner",
    "barrel",
    "beacon",
    "bell",
    "bench",
    "blender",
    "boiler",
    "bonus",
    "border",
    "bracelet",
    "branch",
    "brush",
    "bucket",
    "bunker",
    "cabin",
    "cactus",
    "cargo",
    "carpet",
    "cellar",
    "chain",
    "chapter",
    "circuit",
    "clinic",
    "clock",
    "cloud",
    "cluster",
    "coin",
    "column",
    "compass",
    "contract",
    "corner",
    "coupon",
    "cousin",
    "crane",
    "credit",
    "cricket",
    "crystal",
    "curtain",
    "cushion",
    "debt",
    "deck",
    "dentist",
    "deposit",
    "diploma",
    "doctor",
    "donor",
    "drawer",
    "drill",
    "drone",
    "elevator",
    "envelope",
    "escort",
    "fabric",
    "factory",
    "falcon",
    "farm",
    "fence",
    "fever",
    "filter",
    "flag",
    "fleet",
    "folder",
    "fossil",
    "freezer",
    "furnace",
    "gadget",
    "galaxy",
    "garage",
    "gate",
    "glove",
    "grain",
    "grant",
    "gravel",
    "guard",
    "gym",
    "habit",
    "hangar",
    "harvest",
    "hazard",
    "heater",
    "hobby",
    "hose",
    "income",
    "insect",
    "jersey",
    "jewel",
    "journal",
    "jungle",
    "kernel",
    "kiosk",
    "knot",
    "lawn",
    "lawyer",
    "leaflet",
    "lecture",
    "legend",
    "lemon",
    "lens",
    "lever",
    "lobby",
    "locker",
    "loan",
    "lottery",
    "lumber",
    "lunch",
    "magnet",
    "manual",
    "mask",
    "mattress",
    "medal",
    "menu",
    "metal",
    "meter",
    "mill",
    "module",
    "monkey",
    "motor",
    "nest",
    "nurse",
    "oven",
    "paddle",
    "palace",
    "panel",
    "parade",
    "patent",
    "patrol",
    "pencil",
    "permit",
    "petal",
    "piano",
    "pilot",
    "pipe",
    "plugin",
    "pocket",
    "podcast",
    "poster",
    "printer",
    "puzzle",
    "quarry",
    "quota",
    "radar",
    "raft",
    "ranch",
    "reef",
    "refund",
    "ribbon",
    "rifle",
    "ritual",
    "robe",
    "roster",
    "router",
    "salad",
    "salary",
    "sample",
    "satellite",
    "scarf",
    "scooter",
    "screen",
    "script",
    "seed",
    "sensor",
    "server",
    "shelf",
    "shield",
    "shuttle",
    "signal",
    "silo",
    "sketch",
    "sled",
    "socket",
    "sofa",
    "solar",
    "spider",
    "stadium",
    "stamp",
    "statue",
    "storm",
    "subway",
    "survey",
    "sweater",
    "switch",
    "tablet",
    "tank",
    "tariff",
    "temple",
    "tenant",
    "tent",
    "theater",
    "timber",
    "token",
    "toll",
    "torch",
    "trail",
    "tunnel",
    "turbine",
    "tutor",
    "vacuum",
    "vault",
    "vendor",
    "vessel",
    "villa",
    "visa",
    "voucher",
    "wagon",
    "wallet",
    "warden",
    "warranty",
    "wheel",
    "widget",
    "wizard",
    "workshop",
    "yacht",
    "zone",
];

/// What held-out new tools are about; no training text holds one of these words.
pub const HELD_OBJECTS: &[&str] = &[
    "museum",
    "aquarium",
    "umbrella",
    "cottage",
    "ferry",
    "tractor",
    "saxophone",
    "blanket",
    "greenhouse",
    "passport",
    "violin",
    "helmet",
    "orchard",
    "lighthouse",
    "bakery",
    "canoe",
    "puppet",
    "vaccine",
    "tattoo",
    "quilt",
    "pottery",
    "chimney",
    "trumpet",
    "pension",
    "glacier",
    "monsoon",
    "dolphin",
    "turnip",
    "ambulance",
    "bicycle",
];

/// What held-out new tools do; no training text holds one of these words.
pub const HELD_VERBS: &[&str] = &[
    "borrow", "varnish", "repair", "decorate", "rescue", "donate", "recycle", "assemble", "inflate",
    "sharpen", "tow", "sweep", "stitch", "melt", "bake",
];

/// Ordinary words that calls are later made of; pre-training uses them as words like any other.
pub const PLAIN: &[&str] = &[
    "tool",
    "tools",
    "call",
    "response",
    "name",
    "arguments",
    "description",
    "parameters",
    "string",
    "integer",
    "number",
    "boolean",
    "result",
    "answer",
    "box",
    "list",
    "note",
    "item",
    "page",
    "user",
    "model",
    "entry",
];

const ONSETS: &[&str] = &[
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "cl",
    "dr", "fl", "gr", "kr", "pl", "sh", "st", "th", "tr", "qu", "ch", "sp", "", "y", "x",
];
const VOWELS: &[&str] =
    &["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea", "ee", "oo", "ou", "y"];
const CODAS: &[&str] = &[
    "", "", "", "", "n", "r", "l", "s", "t", "m", "k", "x", "nd", "rt", "st", "ck", "ng", "p", "b", "d", "th",
];
const SYLLABLES: &[&str] = &[
    "ba", "be", "bi", "bo", "da", "de", "di", "do", "fa", "fe", "fi", "ga", "go", "gu", "ha", "he", "ka",
    "ki", "ko", "la", "le", "li", "lo", "lu", "ma", "me", "mi", "mo", "na", "ne", "ni", "no", "pa", "pe",
    "po", "ra", "re", "ri", "ro", "sa", "se", "si", "so", "ta", "te", "ti", "to", "va", "ve", "vi", "wa",
    "za", "zo", "bra", "kel", "tor", "van", "mar", "lin", "son", "ber", "ton", "dal", "wick", "ford", "shi",
    "ren", "er", "al", "un", "is", "or", "en", "ing", "est", "ment", "age", "ster", "pol", "quar", "jun",
    "yel", "xan", "cu",
];

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
