//! Laws of the matcher, on random tools, answers and calls.

use proptest::prelude::*;
use tooltune_chat::{Number, Object, ToolCall, ToolDefinition, Value};
use tooltune_eval::ast::{Accepted, AstOptions, GoldCall, ModelOutput, Profile, ast_match};

const PROFILES: [Profile; 3] = [Profile::Bfcl, Profile::Strict, Profile::Lenient];

/// A parameter: its schema in the leaderboard's dialect, and values that it allows.
#[derive(Clone, Debug)]
struct Parameter {
    schema: &'static str,
    values: Vec<Value>,
}

fn text() -> impl Strategy<Value = Value> {
    prop::string::string_regex("[a-zA-ZäßΣ0-9 .,'/*_-]{1,12}").expect("a pattern").prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> {
    (-1_000_000_i64..1_000_000).prop_map(Value::from)
}

fn float() -> impl Strategy<Value = Value> {
    (-1e9_f64..1e9).prop_map(Value::from)
}

fn dict() -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(vec!["k", "l", "m"]), prop_oneof![text(), number()]), 1..4)
        .prop_map(|members| {
            let object: Object = members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            Value::Object(object)
        })
}

fn list(items: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(items, 1..4).prop_map(Value::Array)
}

fn parameter() -> impl Strategy<Value = Parameter> {
    fn several(
        schema: &'static str,
        values: impl Strategy<Value = Value>,
    ) -> impl Strategy<Value = Parameter> {
        prop::collection::vec(values, 1..4).prop_map(move |values| Parameter { schema, values })
    }
    prop_oneof![
        several(r#"{"type": "string"}"#, text()),
        several(r#"{"type": "integer"}"#, number()),
        several(r#"{"type": "float"}"#, float()),
        several(r#"{"type": "boolean"}"#, any::<bool>().prop_map(Value::from)),
        several(r#"{"type": "array", "items": {"type": "string"}}"#, list(text())),
        several(r#"{"type": "array", "items": {"type": "integer"}}"#, list(number())),
        several(r#"{"type": "dict"}"#, dict()),
        several(r#"{"type": "array", "items": {"type": "dict"}}"#, list(dict())),
    ]
}

/// The value in the notation of accepted values: the members of dicts become lists.
fn wrapped(value: &Value) -> Value {
    let wrap = |object: &Object| {
        let members = object.iter().map(|(key, value)| (key.to_owned(), Value::Array(vec![value.clone()])));
        Value::Object(members.collect())
    };
    match value {
        Value::Object(object) => wrap(object),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| item.as_object().map_or(item.clone(), wrap)).collect())
        }
        other => other.clone(),
    }
}

/// A tool, a wanted call and the call that takes of each parameter the accepted value `pick`.
fn example(
    name: &str,
    parameters: &[Parameter],
    exact: bool,
    pick: usize,
) -> (ToolDefinition, GoldCall, ToolCall) {
    let mut properties = Object::new();
    let mut gold = GoldCall::new(name);
    let mut arguments = Object::new();
    let mut required = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let key = format!("p{index}");
        let chosen = &parameter.values[pick % parameter.values.len()];
        properties.insert(key.clone(), Value::parse_json(parameter.schema).expect("a schema"));
        required.push(Value::from(key.as_str()));
        arguments.insert(key.clone(), chosen.clone());
        let accepted = if exact {
            Accepted::Exactly(chosen.clone())
        } else {
            Accepted::AnyOf(parameter.values.iter().map(wrapped).collect())
        };
        gold = gold.with(key, accepted);
    }
    let mut schema = Object::new();
    schema.insert("type", "dict");
    schema.insert("properties", properties);
    schema.insert("required", required);
    (ToolDefinition::new(name, "", schema), gold, ToolCall::new(name, arguments))
}

fn valid(tools: &[ToolDefinition], gold: &[GoldCall], calls: &[ToolCall], profile: Profile) -> bool {
    ast_match(tools, gold, ModelOutput::Calls(calls), &AstOptions::new(profile)).valid()
}

fn one_valid(tool: &ToolDefinition, gold: &GoldCall, call: &ToolCall, profile: Profile) -> bool {
    use std::slice::from_ref;
    valid(from_ref(tool), from_ref(gold), from_ref(call), profile)
}

/// Another value of the same type, that says something else.
fn other(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(format!("{text}x")),
        Value::Number(Number::Int(int)) => Value::from(int + 1),
        Value::Number(number) => Value::from(number.to_f64() * 1.5 + 1.0),
        Value::Bool(flag) => Value::from(!flag),
        Value::Array(items) => {
            let mut items = items.clone();
            let last = items.pop().map_or(Value::Null, |last| other(&last));
            items.push(last);
            Value::Array(items)
        }
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> = object.clone().into_iter().collect();
            if let Some((_, value)) = members.last_mut() {
                *value = other(value);
            }
            Value::Object(members.into_iter().collect())
        }
        Value::Null => Value::from(0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_call_matches_in_every_profile(
        parameters in prop::collection::vec(parameter(), 0..5), exact: bool, pick in 0_usize..4,
    ) {
        let (tool, gold, call) = example("f", &parameters, exact, pick);
        for profile in PROFILES {
            prop_assert!(one_valid(&tool, &gold, &call, profile), "{profile:?}");
        }
        // The call as the gold's author would write it.
        for profile in PROFILES {
            prop_assert!(one_valid(&tool, &gold, &gold.preferred(), profile), "{profile:?}");
        }
    }

    #[test]
    fn another_value_fails_strict(
        parameters in prop::collection::vec(parameter(), 1..5), at in 0_usize..5, pick in 0_usize..4,
    ) {
        let (tool, gold, mut call) = example("f", &parameters, true, pick);
        let key = format!("p{}", at % parameters.len());
        let changed = other(call.arguments.get(&key).expect("a parameter"));
        call.arguments.insert(key, changed);
        prop_assert!(!valid(&[tool], &[gold], &[call], Profile::Strict));
    }

    #[test]
    fn order_and_names_of_parallel_calls(
        sets in prop::collection::vec((prop::collection::vec(parameter(), 0..3), 0_usize..3), 2..6),
        turn in 0_usize..6,
    ) {
        let made: Vec<_> = sets.iter().enumerate()
            .map(|(index, (parameters, pick))| example(&format!("f{}", index % 3), parameters, false, *pick))
            .collect();
        // One declaration a name: the others' parameters are declared nowhere, which the gold overrules.
        let tools: Vec<_> = made.iter().take(3).map(|(tool, ..)| tool.clone()).collect();
        let gold: Vec<_> = made.iter().map(|(_, gold, _)| gold.clone()).collect();
        let mut calls: Vec<_> = made.iter().map(|(.., call)| call.clone()).collect();
        let before = valid(&tools, &gold, &calls, Profile::Strict);
        prop_assert!(before);
        let count = calls.len();
        calls.rotate_left(turn % count);
        prop_assert!(valid(&tools, &gold, &calls, Profile::Strict));
        calls.reverse();
        prop_assert!(valid(&tools, &gold, &calls, Profile::Strict));
        calls.pop();
        prop_assert!(!valid(&tools, &gold, &calls, Profile::Strict));
    }

    #[test]
    fn lenient_accepts_what_strict_accepts(
        parameters in prop::collection::vec(parameter(), 1..4), got in prop::collection::vec(parameter(), 1..4),
    ) {
        let (tool, gold, _) = example("f", &parameters, false, 0);
        let (.., call) = example("f", &got, false, 0);
        let judge = |profile| one_valid(&tool, &gold, &call, profile);
        prop_assert!(judge(Profile::Lenient) || !judge(Profile::Strict));
    }

    /// Whatever a model writes and whatever the data are, there is a verdict.
    #[test]
    fn nothing_panics(schema in ".{0,40}", texts in prop::collection::vec(".{0,20}", 1..4), kind in 0_usize..6) {
        let types = ["array", "tuple", "dict", "any", "string", "odd"];
        let property = format!(r#"{{"type": "{}", "items": {{"type": "dict"}}}}"#, types[kind]);
        let mut properties = Object::new();
        properties.insert("p", Value::parse_json(&property).expect("a schema"));
        let mut parameters = Object::new();
        parameters.insert("properties", properties);
        parameters.insert("required", Value::Array(vec![]));
        let tool = ToolDefinition::new("f", schema, parameters);
        let strings: Vec<Value> = texts.iter().map(|text| Value::from(text.as_str())).collect();
        let mut dict = Object::new();
        dict.insert("x", strings.clone());
        let values = [Value::Array(strings.clone()), dict.into(), strings[0].clone(), Value::Null, Value::from(1)];
        for accepted in &values {
            let gold = GoldCall::new("f").with("p", Accepted::AnyOf(vec![accepted.clone(), Value::from("")]));
            for got in &values {
                let arguments: Object = [("p".to_owned(), got.clone())].into_iter().collect();
                for profile in PROFILES {
                    let call = ToolCall::new("f", arguments.clone());
                    let _ = one_valid(&tool, &gold, &call, profile);
                }
            }
        }
    }
}

/// 64 parallel calls, all of one function and turned around; the limit allows for a slow machine and an unoptimised build.
#[test]
fn many_parallel_calls_take_polynomial_time() {
    let parameters: Vec<Parameter> = (0..3)
        .map(|_| Parameter { schema: r#"{"type": "integer"}"#, values: (0..64).map(Value::from).collect() })
        .collect();
    let made: Vec<_> = (0..64).map(|pick| example("f", &parameters, true, pick)).collect();
    let tools = [made[0].0.clone()];
    let gold: Vec<_> = made.iter().map(|(_, gold, _)| gold.clone()).collect();
    let mut calls: Vec<_> = made.iter().map(|(.., call)| call.clone()).collect();
    calls.reverse();
    let start = std::time::Instant::now();
    assert!(valid(&tools, &gold, &calls, Profile::Strict));
    let right = start.elapsed();
    calls[7].arguments.insert("p0", 99);
    let start = std::time::Instant::now();
    assert!(!valid(&tools, &gold, &calls, Profile::Strict));
    let wrong = start.elapsed();
    println!("64 parallel calls: {right:?} where all match, {wrong:?} where one does not");
    assert!(right.as_millis() < 500 && wrong.as_millis() < 500);
}
