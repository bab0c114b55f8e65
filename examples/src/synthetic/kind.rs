//! Kinds of parameter: what values they take, how they are named and how a request words them.

use tooltune_chat::Value;

use super::rng::Rng;
use super::words::{self, Side, made_up, on_side};

/// The JSON type of a parameter, with the generator of its values.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A string.
    Text(fn(&mut Rng, Side) -> String),
    /// An integer of an inclusive range.
    Integer(i64, i64),
    /// A number with a fraction, of an inclusive range.
    Number(i64, i64),
    /// True or false.
    Flag,
    /// One of a few strings.
    Choice(&'static [&'static str]),
    /// A list of two or three strings.
    List(fn(&mut Rng, Side) -> String),
}

impl Shape {
    /// A value on the given side. Flags and choices are the same on both sides.
    pub fn draw(&self, rng: &mut Rng, side: Side) -> Value {
        match *self {
            Self::Text(draw) => Value::from(on_side(side, || draw(rng, side))),
            Self::Integer(low, high) => {
                let text = on_side(side, || {
                    let high = if rng.chance(0.5) { high.min(low + 20) } else { high };
                    rng.range(low..=high).to_string()
                });
                text.parse::<i64>().map_or(Value::from(low), Value::from)
            }
            Self::Number(low, high) => {
                let text = on_side(side, || {
                    format!("{}.{}", rng.range(low..=high), rng.pick(&["5", "5", "2", "4", "8", "25", "75"]))
                });
                text.parse::<f64>().map_or(Value::from(low), Value::from)
            }
            Self::Flag => Value::from(rng.chance(0.5)),
            Self::Choice(options) => Value::from(rng.pick(options)),
            Self::List(draw) => {
                let mut items: Vec<String> = Vec::new();
                let wanted = rng.count(2..=3);
                while items.len() < wanted {
                    let item = on_side(side, || draw(rng, side));
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
                Value::from(items.into_iter().map(Value::from).collect::<Vec<_>>())
            }
        }
    }

    /// The name of the JSON schema type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Choice(_) => "string",
            Self::Integer(..) => "integer",
            Self::Number(..) => "number",
            Self::Flag => "boolean",
            Self::List(_) => "array",
        }
    }
}

/// A kind of parameter.
#[derive(Debug)]
pub struct Kind {
    /// Its name in the tables of tools.
    pub id: &'static str,
    /// Type and values.
    pub shape: Shape,
    /// Names that a tool may give such a parameter.
    pub names: &'static [&'static str],
    /// Wordings with `{}` for the value; of a flag, `yes|no`.
    pub phrases: &'static [&'static str],
}

impl Kind {
    /// Whether one wording could be read as either kind, so that one tool must not have both.
    pub fn clashes(&self, other: &Kind) -> bool {
        let heads = |kind: &Kind| -> Vec<&'static str> {
            kind.phrases.iter().filter_map(|p| p.split('{').next()?.split_whitespace().last()).collect()
        };
        let ours = heads(self);
        std::ptr::eq(self, other) || heads(other).iter().any(|head| ours.contains(head))
    }
}

/// The kind of that id.
pub(crate) fn kind(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id)
}

/// The value as a request words it.
pub(crate) fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(spoken).collect();
            match words.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
                _ => words.concat(),
            }
        }
        other => other.to_json(),
    }
}

fn city(rng: &mut Rng, side: Side) -> String {
    if rng.chance(0.5) { rng.pick(words::CITIES).to_owned() } else { words::capitalized(&made_up(rng, side)) }
}

fn person(rng: &mut Rng, side: Side) -> String {
    if rng.chance(0.5) { rng.pick(words::PEOPLE).to_owned() } else { words::capitalized(&made_up(rng, side)) }
}

fn thing(rng: &mut Rng, side: Side) -> String {
    match rng.weighted(&[40, 25, 35]) {
        0 => format!("{} {}", rng.pick(words::ADJECTIVES), rng.pick(words::THINGS)),
        1 => rng.pick(words::THINGS).to_owned(),
        _ => made_up(rng, side),
    }
}

fn topic(rng: &mut Rng, side: Side) -> String {
    match rng.weighted(&[40, 30, 30]) {
        0 => rng.pick(words::TOPICS).to_owned(),
        1 => format!("{} {}", rng.pick(words::ADJECTIVES), rng.pick(words::TOPICS)),
        _ => made_up(rng, side),
    }
}

fn date(rng: &mut Rng, _: Side) -> String {
    match rng.weighted(&[25, 40, 35]) {
        0 => format!("2026-{:02}-{:02}", rng.range(1..=12), rng.range(1..=28)),
        1 => format!("{} {}", rng.pick(words::MONTHS), rng.range(1..=28)),
        _ => rng.pick(words::DAYS).to_owned(),
    }
}

fn time(rng: &mut Rng, _: Side) -> String {
    format!("{:02}:{}", rng.range(0..=23), rng.pick(&["00", "15", "30", "45", "05", "20", "50"]))
}

fn code(rng: &mut Rng, _: Side) -> String {
    let letters: String = (0..rng.count(1..=2)).map(|_| (b'A' + rng.below(26) as u8) as char).collect();
    format!("{letters}{}{}", rng.pick(&["-", "-", ""]), rng.range(10..=9999))
}

fn email(rng: &mut Rng, side: Side) -> String {
    let user = if rng.chance(0.5) { rng.pick(words::PEOPLE).to_lowercase() } else { made_up(rng, side) };
    format!("{user}@{}.{}", made_up(rng, side), rng.pick(&["com", "org", "net"]))
}

fn language(rng: &mut Rng, _: Side) -> String {
    rng.pick(words::LANGUAGES).to_owned()
}

fn tag(rng: &mut Rng, side: Side) -> String {
    if rng.chance(0.5) { rng.pick(words::ADJECTIVES).to_owned() } else { made_up(rng, side) }
}

/// All kinds. Names are disjoint; kinds whose wordings share their last word before the value never meet in a tool.
pub const KINDS: &[Kind] = &[
    Kind {
        id: "city",
        shape: Shape::Text(city),
        names: &["city", "location", "town", "place"],
        phrases: &["in {}", "near {}", "around {}"],
    },
    Kind {
        id: "origin",
        shape: Shape::Text(city),
        names: &["from", "origin", "start", "departure"],
        phrases: &["from {}", "leaving {}"],
    },
    Kind {
        id: "destination",
        shape: Shape::Text(city),
        names: &["to", "destination", "arrival", "target"],
        phrases: &["to {}", "heading to {}", "going to {}"],
    },
    Kind {
        id: "person",
        shape: Shape::Text(person),
        names: &["name", "person", "guest", "customer"],
        phrases: &["for {}", "on behalf of {}"],
    },
    Kind {
        id: "recipient",
        shape: Shape::Text(person),
        names: &["recipient", "receiver", "contact", "friend"],
        phrases: &["to {}", "addressed to {}"],
    },
    Kind {
        id: "thing",
        shape: Shape::Text(thing),
        names: &["item", "product", "object", "query", "title"],
        phrases: &["called {}", "named {}", "with the {}"],
    },
    Kind {
        id: "topic",
        shape: Shape::Text(topic),
        names: &["topic", "subject", "theme"],
        phrases: &["about {}", "on the topic of {}", "regarding {}"],
    },
    Kind {
        id: "date",
        shape: Shape::Text(date),
        names: &["date", "day", "when"],
        phrases: &["on {}", "dated {}"],
    },
    Kind {
        id: "time",
        shape: Shape::Text(time),
        names: &["time", "hour", "at"],
        phrases: &["at {}", "starting at {}"],
    },
    Kind {
        id: "code",
        shape: Shape::Text(code),
        names: &["id", "code", "reference", "order_id"],
        phrases: &["with code {}", "reference {}", "number {}"],
    },
    Kind {
        id: "email",
        shape: Shape::Text(email),
        names: &["email", "address", "mail"],
        phrases: &["using {}", "via {}"],
    },
    Kind {
        id: "count",
        shape: Shape::Integer(2, 99),
        names: &["count", "quantity", "amount", "limit"],
        phrases: &["{} of them", "limited to {}", "quantity {}"],
    },
    Kind {
        id: "days",
        shape: Shape::Integer(2, 60),
        names: &["days", "duration", "length"],
        phrases: &["over {} days", "lasting {} days"],
    },
    Kind {
        id: "minutes",
        shape: Shape::Integer(2, 90),
        names: &["minutes", "timeout", "wait"],
        phrases: &["after {} minutes", "taking {} minutes"],
    },
    Kind {
        id: "price",
        shape: Shape::Number(2, 400),
        names: &["price", "budget", "max_price", "cost"],
        phrases: &["under {} dollars", "below {} dollars", "costing {} dollars"],
    },
    Kind {
        id: "weight",
        shape: Shape::Number(1, 90),
        names: &["weight", "mass", "weight_kg"],
        phrases: &["weighing {} kilos", "of {} kilos"],
    },
    Kind {
        id: "language",
        shape: Shape::Text(language),
        names: &["language", "lang"],
        phrases: &["translated into {}", "written in {}"],
    },
    Kind {
        id: "color",
        shape: Shape::Choice(&["red", "blue", "green", "black"]),
        names: &["color", "shade"],
        phrases: &["colored {}", "painted {}"],
    },
    Kind {
        id: "size",
        shape: Shape::Choice(&["small", "medium", "large"]),
        names: &["size", "fit"],
        phrases: &["size {}", "sized {}"],
    },
    Kind {
        id: "unit",
        shape: Shape::Choice(&["metric", "imperial"]),
        names: &["unit", "units"],
        phrases: &["using {} units", "with {} units"],
    },
    Kind {
        id: "format",
        shape: Shape::Choice(&["pdf", "html", "text"]),
        names: &["format", "output"],
        phrases: &["as {}", "saved as {}"],
    },
    Kind {
        id: "level",
        shape: Shape::Choice(&["low", "normal", "high"]),
        names: &["level", "priority"],
        phrases: &["set to {}", "rated {}"],
    },
    Kind {
        id: "urgent",
        shape: Shape::Flag,
        names: &["urgent", "express"],
        phrases: &["and make it urgent|and it is not urgent", "and it is urgent|and do not hurry"],
    },
    Kind {
        id: "public",
        shape: Shape::Flag,
        names: &["public", "visible"],
        phrases: &["visible to everyone|kept private", "and make it public|and keep it private"],
    },
    Kind {
        id: "notify",
        shape: Shape::Flag,
        names: &["notify", "alerts"],
        phrases: &["with alerts on|with alerts off", "and notify me|and do not notify me"],
    },
    Kind {
        id: "guests",
        shape: Shape::List(person),
        names: &["guests", "people", "members"],
        phrases: &["together with {}", "inviting {}"],
    },
    Kind {
        id: "tags",
        shape: Shape::List(tag),
        names: &["tags", "labels", "keywords"],
        phrases: &["tagged {}", "labeled {}"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_disjoint_and_phrases_hold_the_value() {
        let mut names: Vec<&str> = KINDS.iter().flat_map(|kind| kind.names.iter().copied()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for kind in KINDS {
            let flag = matches!(kind.shape, Shape::Flag);
            assert!(
                kind.phrases.iter().all(|p| if flag { p.contains('|') } else { p.contains("{}") }),
                "{}",
                kind.id
            );
        }
    }

    #[test]
    fn values_keep_to_their_side() {
        let mut rng = Rng::keyed(5, "kinds", 0);
        for kind in KINDS.iter().filter(|kind| !matches!(kind.shape, Shape::Flag | Shape::Choice(_))) {
            for side in [Side::Train, Side::Held] {
                for _ in 0..50 {
                    let value = kind.shape.draw(&mut rng, side);
                    let parts = value.as_array().map_or(vec![value.clone()], <[Value]>::to_vec);
                    assert!(parts.iter().all(|v| Side::of(&spoken(v)) == side), "{} {value:?}", kind.id);
                }
            }
        }
    }
}
