//! Tools made by grammar: a known verb and a known noun, or words made up for the occasion.

use super::kind::{KINDS, Kind, Shape};
use super::rng::Rng;
use super::tool::{Asking, Param, Tool};
use super::words::{HELD_OBJECTS, HELD_VERBS, OBJECTS, Side, capitalized, made_up, on_side, with_article};

/// Verbs with the words that mean the same.
pub const VERBS: &[(&str, &[&str])] = &[
    ("get", &["get", "show me", "give me", "fetch"]),
    ("find", &["find", "look for", "search for", "locate"]),
    ("book", &["book", "reserve", "arrange"]),
    ("cancel", &["cancel", "call off", "drop"]),
    ("send", &["send", "deliver", "forward"]),
    ("create", &["create", "make", "set up"]),
    ("delete", &["delete", "remove", "erase"]),
    ("update", &["update", "change", "edit"]),
    ("list", &["list", "enumerate", "show all"]),
    ("check", &["check", "verify", "inspect"]),
    ("order", &["order", "buy", "purchase"]),
    ("play", &["play", "run"]),
    ("track", &["track", "follow", "monitor"]),
    ("schedule", &["schedule", "plan", "organize"]),
    ("share", &["share", "post", "publish"]),
    ("rate", &["rate", "review"]),
    ("open", &["open", "unlock"]),
    ("close", &["close", "shut"]),
    ("rent", &["rent", "hire", "lease"]),
    ("print", &["print"]),
    ("save", &["save", "download", "store"]),
    ("compare", &["compare"]),
    ("pay", &["pay", "settle"]),
    ("stop", &["stop", "halt", "pause"]),
];

/// Nouns with the words that mean the same. The first is the subject.
pub const NOUNS: &[(&str, &[&str])] = &[
    ("weather", &["weather", "forecast", "temperature"]),
    ("hotel", &["hotel", "room", "lodging"]),
    ("flight", &["flight", "plane seat", "airfare"]),
    ("train", &["train", "rail seat"]),
    ("message", &["message", "letter"]),
    ("invoice", &["invoice", "bill"]),
    ("song", &["song", "tune", "melody"]),
    ("movie", &["movie", "film"]),
    ("recipe", &["recipe", "dish"]),
    ("meeting", &["meeting", "appointment"]),
    ("reminder", &["reminder", "alarm"]),
    ("package", &["package", "parcel", "shipment"]),
    ("car", &["car", "vehicle"]),
    ("restaurant", &["restaurant", "diner"]),
    ("stock", &["stock", "share price"]),
    ("task", &["task", "todo"]),
    ("event", &["event", "concert"]),
    ("photo", &["photo", "picture", "image"]),
    ("account", &["account", "profile"]),
    ("report", &["report", "summary"]),
    ("pizza", &["pizza", "meal"]),
    ("novel", &["novel", "book"]),
    ("ticket", &["ticket", "support case"]),
    ("lamp", &["lamp", "light"]),
    ("course", &["course", "class", "lesson"]),
    ("taxi", &["taxi", "cab"]),
    ("apartment", &["apartment", "flat"]),
    ("job", &["job", "position"]),
    ("game", &["game", "match"]),
    ("video", &["video", "clip"]),
    ("order", &["order"]),
    ("booking", &["booking", "reservation"]),
    ("document", &["document", "file"]),
    ("gift", &["gift", "present"]),
    ("flower", &["flower", "bouquet"]),
    ("phone", &["phone", "mobile"]),
];

/// Which side a verb and noun fall on: names of held combinations are in no training text.
pub fn combination_side(verb: &str, noun: &str) -> Side {
    Side::of(&format!("{verb}_{noun}"))
}

/// A tool of a known verb and a known noun.
pub fn composed(rng: &mut Rng, side: Side) -> Tool {
    let ((verb, verbs), (noun, nouns)) = loop {
        let (v, n) = (rng.one(VERBS), rng.one(NOUNS));
        if combination_side(v.0, n.0) == side && v.0 != n.0 {
            break (*v, *n);
        }
    };
    let name = if rng.chance(0.85) { format!("{verb}_{noun}") } else { format!("{noun}_{verb}") };
    let description = match rng.below(3) {
        0 => format!("{} {}", capitalized(verb), with_article(noun)),
        1 => format!("{} service: {verb}", capitalized(noun)),
        _ => format!("{} {}", capitalized(rng.pick(verbs)), with_article(rng.pick(nouns))),
    };
    let mut subjects: Vec<String> = nouns.iter().flat_map(|n| n.split(' ')).map(str::to_owned).collect();
    subjects.push(noun.to_owned());
    Tool {
        name,
        description,
        params: params(rng, Side::Train, 0.0),
        asking: Asking::Words {
            verbs: verbs.iter().map(|&v| v.to_owned()).collect(),
            nouns: nouns.iter().map(|&n| n.to_owned()).collect(),
        },
        subject: noun.to_owned(),
        subjects,
    }
}

/// A tool of made-up or unrelated words; on the held side no word of its name is in any training text.
pub fn invented(rng: &mut Rng, side: Side) -> Tool {
    let object = |rng: &mut Rng| match side {
        Side::Train if rng.chance(0.4) => rng.pick(OBJECTS).to_owned(),
        Side::Held if rng.chance(0.5) => rng.pick(HELD_OBJECTS).to_owned(),
        _ => made_up(rng, side),
    };
    let noun = if rng.chance(0.88) { object(rng) } else { format!("{} {}", object(rng), object(rng)) };
    let (verb, verbs) = match side {
        Side::Train if rng.chance(0.5) => {
            let (verb, verbs) = rng.one(VERBS);
            ((*verb).to_owned(), verbs.iter().map(|&v| v.to_owned()).collect())
        }
        Side::Held if rng.chance(0.5) => {
            let verb = rng.pick(HELD_VERBS).to_owned();
            (verb.clone(), vec![verb])
        }
        _ => {
            let verb = made_up(rng, side);
            (verb.clone(), vec![verb])
        }
    };
    let snake = noun.replace(' ', "_");
    let name = match rng.weighted(&[55, 15, 12, 18]) {
        0 => format!("{verb}_{snake}"),
        1 => format!("{snake}_{verb}"),
        2 => snake,
        // The description alone says what such a tool does.
        _ => match rng.chance(0.5) {
            true => format!("{}_{}", object(rng), object(rng)),
            false => object(rng),
        },
    };
    let description = match rng.below(4) {
        0 => format!("{} {}", capitalized(&verb), with_article(&noun)),
        1 => format!("{} the {noun}", capitalized(&verb)),
        2 => format!("{} service: {verb}", capitalized(&noun)),
        _ => format!("Can {verb} any {noun}"),
    };
    let mut subjects: Vec<String> = name.split('_').chain(noun.split(' ')).map(str::to_owned).collect();
    if !subjects.contains(&verb) && verbs.len() == 1 {
        subjects.push(verb);
    }
    Tool {
        name,
        description,
        params: params(rng, side, 0.3),
        subject: noun.clone(),
        asking: Asking::Words { verbs, nouns: vec![noun] },
        subjects,
    }
}

/// One to three parameters, no two of which one wording fits; `invented` is the share of made-up parameter names.
fn params(rng: &mut Rng, side: Side, invented: f64) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::new();
    let wanted = 1 + rng.weighted(&[48, 40, 12]);
    while params.len() < wanted {
        let kind: &'static Kind = rng.one(KINDS);
        if params.iter().any(|p| p.kind.clashes(kind)) {
            continue;
        }
        let by_name = rng.chance(invented) && !matches!(kind.shape, Shape::List(_));
        let name = if by_name { made_up(rng, side) } else { rng.pick(kind.names).to_owned() };
        if params.iter().all(|p| p.name != name) {
            params.push(Param { name, kind, required: rng.chance(0.6), by_name });
        }
    }
    if let Some(first) = params.first_mut() {
        first.required = true;
    }
    params
}

/// A made-up identifier of one or two words, for tags and names that mean nothing.
pub(crate) fn identifier(rng: &mut Rng, words: &[&str]) -> String {
    let part = |rng: &mut Rng| match rng.chance(0.5) {
        true => rng.pick(words).to_owned(),
        false => made_up(rng, Side::Train),
    };
    on_side(Side::Train, || match rng.weighted(&[4, 5, 1]) {
        0 => part(rng),
        1 => format!("{}_{}", part(rng), part(rng)),
        _ => format!("{}_{}_{}", part(rng), part(rng), part(rng)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_are_disjoint() {
        for table in [VERBS, NOUNS] {
            let mut all: Vec<&str> = table.iter().flat_map(|(_, words)| words.iter().copied()).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
            assert!(table.iter().all(|(word, words)| words.contains(word)));
        }
    }

    #[test]
    fn objects_are_no_other_words() {
        let others: Vec<&str> =
            NOUNS.iter().chain(VERBS).flat_map(|(_, words)| words.iter().copied()).collect();
        let kinds: Vec<&str> = KINDS.iter().flat_map(|kind| kind.names.iter().copied()).collect();
        for word in OBJECTS.iter().chain(HELD_OBJECTS).chain(HELD_VERBS) {
            assert!(!others.contains(word) && !kinds.contains(word), "{word}");
            assert!(!super::super::words::THINGS.contains(word), "{word}");
        }
        assert!(HELD_OBJECTS.iter().all(|word| !OBJECTS.contains(word)));
    }

    #[test]
    fn every_wording_in_a_tool_is_its_own() {
        let mut rng = Rng::keyed(9, "tools", 0);
        for _ in 0..500 {
            for tool in [composed(&mut rng, Side::Train), invented(&mut rng, Side::Train)] {
                for (i, a) in tool.params.iter().enumerate() {
                    assert!(tool.params[..i].iter().all(|b| !a.kind.clashes(b.kind) && a.name != b.name));
                }
            }
        }
    }
}
