//! The page is well formed, holds nothing that a model wrote as markup, and shows what it should.

use tooltune_chat::{Hermes, Message, ToolDefinition, Value};

use super::*;
use crate::gate::Gate;
use crate::record::{Record, Response};
use crate::testing::call;

/// Markup, script, entities, control characters and text that turns around.
const HOSTILE: &str =
    "</pre></details><script>alert(1)</script><img src=x onerror='a'>\"&amp;\u{202e}\u{0}\u{1b}[0m]]>-->";

/// What two models do with `n` requests: hostile texts, wrong values, over-calls.
fn run(n: usize, right: impl Fn(usize) -> bool) -> Scorecard {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;
    let tools: Vec<ToolDefinition> = ["get_weather", "get_<time>"]
        .map(|name| ToolDefinition::new(name, "", Value::parse_json(schema).unwrap()))
        .to_vec();
    let called = |name: &str, city: &str| {
        format!(r#"<tool_call>{{"name": "{name}", "arguments": {{"city": "{city}"}}}}</tool_call>"#)
    };
    let record = |i: usize| {
        let wanted = i % 4 != 3;
        let written = match (wanted, right(i)) {
            _ if i == 2 => String::new(),
            (true, true) => called("get_weather", "Paris"),
            (true, false) if i.is_multiple_of(3) => called("get_weather", "<b>Rome</b>"),
            (true, false) if i.is_multiple_of(2) => called("get_<time>", "Paris"),
            (false, false) => called("no_such_function", "Paris"),
            _ => format!("It is sunny. {HOSTILE}"),
        };
        let gold = if wanted { vec![call("get_weather", r#"{"city":"Paris"}"#)] } else { vec![] };
        let group = if wanted { "seen" } else { "irrelevance <b>" };
        let response = Response::parse(written, true, &Hermes::json());
        Record::new(format!("example {i} {HOSTILE}"), group, tools.clone(), gold, response)
            .with_conversation(vec![Message::user(format!("Weather in Paris? {HOSTILE}"))])
    };
    Scorecard::score(&(0..n).map(record).collect::<Vec<_>>())
}

fn page() -> String {
    let (before, after) = (run(60, |i| i % 5 == 0 || i % 10 == 1), run(60, |i| i % 5 != 1));
    let comparison = Comparison::new(&before, &after).unwrap().named("base <i>", HOSTILE);
    let rules =
        r#"{"rules": [{"metric": "exact_calls", "at_least": 0.7}, {"metric": "<s>", "at_least": 0.9}]}"#;
    let gate = Gate::from_json(rules).unwrap().check(&after);
    let failure = FailureCount {
        mode: "wrong_value".to_owned(),
        place: format!("get_weather.city {HOSTILE}"),
        count: 7,
        ids: vec![HOSTILE.to_owned(); 5],
    };
    let html = HtmlReport::new(format!("Report {HOSTILE}"), &after)
        .with_comparison(&before, &comparison)
        .with_failures(vec![failure])
        .with_gate(&gate)
        .with_max_examples(8)
        .render();
    // To be looked at in a browser.
    if let Some(path) = std::env::var_os("TOOLTUNE_HTML") {
        std::fs::write(path, &html).unwrap();
    }
    html
}

/// The names of all elements, in order; panics where a tag is not closed, or something is not escaped.
fn elements(html: &str) -> Vec<String> {
    let body = html.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>') || open.last() == Some(&"style"), "a bare > in {text:?}");
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "a bare < in {tag:?}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed too early");
            continue;
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap();
        seen.push(name.to_owned());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "left open: {open:?}");
    seen
}

#[test]
fn the_page_is_well_formed_and_self_contained() {
    let html = page();
    let elements = elements(&html);
    let known = [
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "ul", "li", "b", "i",
        "span", "small", "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "line", "circle", "rect",
        "text", "details", "summary", "pre", "mark",
    ];
    let unknown: Vec<_> = elements.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for outside in ["http://", "https://", "src=\"", "href", "url(", "@import", "onerror=\"", "javascript:"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("default-src 'none'"));
    assert!(!html.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'));
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    let html = page();
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>Rome"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(html.contains("&lt;b&gt;Rome&lt;/b&gt;") || html.contains("Rome</mark>"));
}

#[test]
fn the_page_holds_its_parts() {
    let html = page();
    for part in [
        "Gate: failed",
        "FAIL: no such metric",
        "exact_calls, paired by example",
        "Is the function called?",
        "Which function is called in place of which",
        "How examples fail",
        "wrong_value",
        "(undeclared)",
        "Broken: right before, wrong now",
        "Fixed: wrong before, right now",
        "Still wrong",
        "more are not shown.",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // A ring and a dot for each defined figure.
    assert!(html.matches("class=\"dot before\"").count() > 15);
}

#[test]
fn an_empty_run_has_a_page() {
    let card = Scorecard::score(&[]);
    elements(&HtmlReport::new("Nothing", &card).render());
    let comparison = Comparison::new(&card, &card).unwrap();
    elements(&HtmlReport::new("Nothing", &card).with_comparison(&card, &comparison).render());
}

#[test]
fn a_matrix_of_many_functions_is_cut_to_the_errors() {
    let record = |i: usize| {
        let name = format!("function_{}", i % 60);
        let called = if i % 60 == 59 { "function_0".to_owned() } else { name.clone() };
        let text = format!(r#"<tool_call>{{"name": "{called}", "arguments": {{}}}}</tool_call>"#);
        let tools = (0..60).map(|i| ToolDefinition::new(format!("function_{i}"), "", Value::Null)).collect();
        let response = Response::parse(text, true, &Hermes::json());
        Record::new(i.to_string(), "a", tools, vec![call(&name, "{}")], response)
    };
    let card = Scorecard::score(&(0..120).map(record).collect::<Vec<_>>());
    let svg = chart::matrix(&card.tool_confusion);
    for name in ["function_59", "function_0<", "(other functions)"] {
        assert!(svg.contains(name), "{name}");
    }
    assert_eq!(svg.matches("class=\"cell\"").count() + svg.matches("class=\"right-cell\"").count(), 25 * 25);
}
