//! Forms: a sentence becomes JSON, or one of its facts is asked for.

use tooltune_chat::{Object, Value};

use super::Turns;
use crate::synthetic::composed::{composed, invented};
use crate::synthetic::kind::{Shape, spoken};
use crate::synthetic::request::ask;
use crate::synthetic::rng::Rng;
use crate::synthetic::tool::Tool;
use crate::synthetic::words::Side;

/// A tool that training may hold; six in ten are of made-up words.
pub(super) fn any_tool(rng: &mut Rng, hand_written: &[Tool]) -> Tool {
    match rng.weighted(&[17, 23, 60]) {
        0 => rng.one(hand_written).clone(),
        1 => composed(rng, Side::Train),
        _ => invented(rng, Side::Train),
    }
}

/// Fills a form from sentences and reads single fields.
pub(super) fn form(rng: &mut Rng, hand_written: &[Tool]) -> Turns {
    let tool = any_tool(rng, hand_written);
    let fields = tool.form().to_json();
    let mut turns = Turns::new();
    for round in 0..rng.count(1..=3) {
        let request = ask(rng, &tool, Side::Train);
        let filled = Value::from(request.arguments.clone()).to_json();
        let prompt = match round {
            0 => match rng.below(3) {
                0 => format!("Fields: {fields}\n{}\nFill the form.", request.text),
                1 => format!("{fields}\n\n{}\nFill it.", request.text),
                _ => format!("Fill this form: {fields}\n\n{}", request.text),
            },
            _ => format!("{}\nFill the form.", request.text),
        };
        turns.push((prompt, filled));
        if rng.chance(0.5) {
            turns.extend(field(rng, &tool, &request.arguments));
        }
    }
    turns
}

/// A question for one field of the form just filled.
fn field(rng: &mut Rng, tool: &Tool, arguments: &Object) -> Option<(String, String)> {
    let param = rng.one(&tool.params);
    let value = arguments.get(&param.name);
    let question = format!("What is the {}?", param.name);
    match (value, &param.kind.shape) {
        (_, Shape::Flag) => None,
        (Some(value), _) => Some((question, spoken(value))),
        (None, _) => Some((question, "not given".to_owned())),
    }
}
