//! Looking up: what a JSON object or a result says.

use tooltune_chat::{Object, Value};

use super::Turns;
use super::markup::object;
use crate::synthetic::calling::result_and_answer;
use crate::synthetic::kind::spoken;
use crate::synthetic::rng::Rng;
use crate::synthetic::words::Side;

/// Questions about the keys and values of an object, or a result put into a sentence.
pub(super) fn lookup(rng: &mut Rng) -> Turns {
    if rng.chance(0.15) {
        return (0..rng.count(1..=2))
            .map(|_| {
                let (result, answer) = result_and_answer(rng, Side::Train);
                (format!("Result: {result}\nPut it in words."), answer)
            })
            .collect();
    }
    let fields = rng.count(2..=5);
    let object = object(rng, fields);
    let entries: Vec<(&str, &Value)> = object.iter().collect();
    let mut turns: Turns = (0..rng.count(1..=4))
        .map(|_| {
            let (key, value) = rng.one(&entries);
            let alone = entries.iter().filter(|(_, other)| other == value).count() == 1;
            match rng.weighted(&[50, 20, 15, 15]) {
                1 if alone => (format!("Which key holds {}?", spoken(value)), (*key).to_owned()),
                2 => {
                    let only: Object = [((*key).to_owned(), (*value).clone())].into_iter().collect();
                    (format!("Only {key}, as JSON."), Value::from(only).to_json())
                }
                3 => (
                    "List the keys.".to_owned(),
                    entries.iter().map(|(k, _)| *k).collect::<Vec<_>>().join(", "),
                ),
                _ => {
                    let question = rng.pick(&["What is the {}?", "Read the {}.", "Give the value of {}."]);
                    (question.replace("{}", key), spoken(value))
                }
            }
        })
        .collect();
    turns[0].0 = format!("{}\n{}", Value::from(object.clone()).to_json(), turns[0].0);
    turns
}
