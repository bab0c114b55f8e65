//! JSON and Python texts.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tooltune_chat::{JsonErrorKind, Number, Value};

#[path = "common/strategies.rs"]
mod strategies;

fn json_error(text: &str) -> (JsonErrorKind, usize, usize) {
    let error = Value::parse_json(text).unwrap_err();
    (error.kind, error.line, error.column)
}

#[test]
fn json_errors_say_what_and_where() {
    use JsonErrorKind::{
        BadEscape, BadNumber, LoneSurrogate, NotFinite, RawControl, TooDeep, Trailing, Unexpected,
        UnexpectedEnd, UnknownWord,
    };
    let unexpected = |expected, found| Unexpected { expected, found };
    for (text, expected) in [
        ("{\"é\": 1,\n \"b\" 2}", (unexpected("`:`", '2'), 2, 6)),
        ("", (UnexpectedEnd, 1, 1)),
        ("[1,]", (unexpected("a value", ']'), 1, 4)),
        ("{\"a\":1,}", (unexpected("a key in double quotes", '}'), 1, 8)),
        ("[01]", (BadNumber, 1, 2)),
        ("[1.]", (BadNumber, 1, 2)),
        ("[-]", (BadNumber, 1, 2)),
        ("[NaN]", (NotFinite, 1, 2)),
        ("[-Infinity]", (BadNumber, 1, 2)),
        ("[1e999]", (NotFinite, 1, 2)),
        ("\"\\x41\"", (BadEscape, 1, 2)),
        ("\"\\ud800\"", (LoneSurrogate, 1, 2)),
        ("\"a\tb\"", (RawControl, 1, 3)),
        ("True", (UnknownWord { word: "True".to_owned() }, 1, 1)),
        ("1 2", (Trailing { found: '2' }, 1, 3)),
        ("{\"a\": {\"b\": 1, \"b\": 2}}", (JsonErrorKind::DuplicateKey { key: "b".to_owned() }, 1, 16)),
        (&"[".repeat(129), (TooDeep { limit: 128 }, 1, 129)),
    ] {
        assert_eq!(json_error(text), expected, "{text}");
    }
    let deep = "[".repeat(128) + &"]".repeat(128);
    assert!(Value::parse_json(&deep).is_ok());
    assert!(Value::parse_json(&"[".repeat(1_000_000)).is_err());
    assert!(Value::parse_python(&"{'a': (".repeat(1_000_000)).is_err());
}

#[test]
fn numbers_keep_what_they_are() {
    let big = "123456789012345678901234567890";
    let value = Value::parse_json(&format!("[5, 5.0, {big}, -0.0, 1e3]")).unwrap();
    let items = value.as_array().unwrap();
    assert_ne!(items[0], items[1]);
    assert_eq!(items[2], Value::Number(Number::BigInt(big.to_owned())));
    assert_eq!(value.to_json(), format!("[5, 5.0, {big}, -0.0, 1000.0]"));
}

#[test]
fn object_equality_ignores_order_and_writing_keeps_it() {
    let a = Value::parse_json(r#"{"x": 1, "y": [true, null]}"#).unwrap();
    let b = Value::parse_json(r#"{"y":[true,null],"x":1}"#).unwrap();
    assert_eq!(a, b);
    assert_eq!(a.to_json(), r#"{"x": 1, "y": [true, null]}"#);
    assert_eq!(b.to_python(), "{'y': [True, None], 'x': 1}");
}

#[test]
fn python_literals_are_read_and_nothing_is_evaluated() {
    let value = Value::parse_python(
        r#"{'a': (1, 2.5), 'b': "it's", 'c': [True, None], 'd': 'x\x41\u00e9\n', 'e': ()}"#,
    );
    assert_eq!(
        value.unwrap().to_json(),
        "{\"a\": [1, 2.5], \"b\": \"it's\", \"c\": [true, null], \"d\": \"xAé\\n\", \"e\": []}"
    );
    for bad in [
        "__import__('os')",
        "{'a': f(1)}",
        "{'a': 1, 'a': 2}",
        "{1: 'a'}",
        "{'a'}",
        "1 + 2",
        "'a' 'b'",
        "{'a': true}",
        "{'a': nan}",
        "{'a': 1",
        "b'x'",
        "[1 2]",
        "",
        "007",
    ] {
        assert!(Value::parse_python(bad).is_err(), "{bad}");
    }
}

#[test]
fn python_repr_chooses_quotes_and_escapes_as_python() {
    for (text, repr) in [
        ("it's", "\"it's\""),
        ("it's \"x\"", "'it\\'s \"x\"'"),
        ("\u{200d}\u{7f}\u{e000}\u{10ffff}", "'\\u200d\\x7f\\ue000\\U0010ffff'"),
        ("a\tb\\é😀", "'a\\tb\\\\é😀'"),
        ("\u{0}\u{1c}\u{a0}", "'\\x00\\x1c\\xa0'"),
    ] {
        assert_eq!(Value::from(text).to_python(), repr);
    }
}

proptest! {
    #[test]
    fn json_survives_a_round_trip(value in strategies::value()) {
        prop_assert_eq!(&Value::parse_json(&value.to_json()).unwrap(), &value);
    }

    #[test]
    fn python_survives_a_round_trip(value in strategies::value()) {
        prop_assert_eq!(&Value::parse_python(&value.to_python()).unwrap(), &value);
    }

    #[test]
    fn serde_agrees_where_it_can(value in strategies::value()) {
        let Ok(text) = serde_json::to_string(&value) else { return Ok(()) };
        prop_assert_eq!(&Value::parse_json(&text).unwrap(), &value);
    }

    #[test]
    fn json_is_what_serde_json_calls_json(text in strategies::text()) {
        // serde_json keeps the last of two equal keys, we refuse them.
        match (Value::parse_json(&text), serde_json::from_str::<serde_json::Value>(&text)) {
            (Err(error), Ok(_)) => {
                let duplicate = matches!(error.kind, JsonErrorKind::DuplicateKey { .. });
                prop_assert!(duplicate, "{}", error);
            }
            (Ok(_), Err(error)) => prop_assert!(false, "{}", error),
            _ => {}
        }
    }

    #[test]
    fn parsers_do_not_panic(text in strategies::text()) {
        let _ = Value::parse_json(&text);
        let _ = Value::parse_python(&text);
    }
}
