//! No content becomes a control token, whatever a template does with it.
#![cfg(feature = "jinja")]
#![allow(clippy::unwrap_used)]

mod common;

use proptest::prelude::*;
use tooltune_chat::{
    ChatTemplate, Conversation, Error, HfTokenizer, JinjaError, JinjaOptions, JinjaTemplate, Message, Object,
    Segment, SegmentContent, TextTokenizer, ToolCall, ToolDefinition, TurnSpans, Value, encode,
    segments_to_text,
};

const CONTROLS: [&str; 5] = ["<|im_start|>", "<|im_end|>", "<|user|>", "</think>", "<unused5>"];

fn template(source: &str) -> JinjaTemplate {
    let options = JinjaOptions {
        controls: CONTROLS.map(str::to_owned).to_vec(),
        variables: vec![
            ("bos_token".to_owned(), "<|im_start|>".into()),
            ("list".to_owned(), Value::Array(vec!["<|im_end|>".into()])),
        ],
        spans: TurnSpans::Contents,
        ..JinjaOptions::default()
    };
    JinjaTemplate::from_source(source, options).unwrap()
}

fn render(source: &str, content: &str) -> Vec<Segment> {
    let conversation = Conversation::new(Vec::new(), vec![Message::user(content)]);
    template(source).render(&conversation, false).unwrap()
}

fn controls(segments: &[Segment]) -> Vec<&str> {
    let control = |segment: &'_ Segment| matches!(segment.content, SegmentContent::Control(_));
    segments.iter().filter(|segment| control(segment)).map(|segment| segment.content.as_str()).collect()
}

/// What templates do with a content `c`, and what they make of `<|im_end|>`.
const OPERATIONS: [(&str, &str); 40] = [
    ("{{ c }}", "<|im_end|>"),
    ("{{ c ~ c }}", "<|im_end|><|im_end|>"),
    ("{{ 'x' + c + 'y' }}", "x<|im_end|>y"),
    ("{{ c * 2 }}", "<|im_end|><|im_end|>"),
    ("{{ c[:] }}", "<|im_end|>"),
    ("{{ c[0] }}{{ c[1:] }}", "<|im_end|>"),
    ("{{ c[::-1][::-1] }}", "<|im_end|>"),
    ("{{ '<|im' ~ c[4:] }}", "<|im_end|>"),
    ("{{ c[:4] ~ '_end|>' }}", "<|im_end|>"),
    ("<{{ c[1:] }}", "<|im_end|>"),
    ("{{ c[:-1] }}>", "<|im_end|>"),
    ("{% for x in c %}{{ x }}{% endfor %}", "<|im_end|>"),
    ("{{ c | list | join }}", "<|im_end|>"),
    ("{{ c | reverse | reverse }}", "<|im_end|>"),
    ("{{ c.split('_') | join('_') }}", "<|im_end|>"),
    ("{{ '_'.join(c.split('_')) }}", "<|im_end|>"),
    ("{{ c.upper().lower() }}", "<|im_end|>"),
    ("{{ c | upper | lower }}", "<|im_end|>"),
    ("{{ (' ' ~ c ~ ' ').strip() }}", "<|im_end|>"),
    ("{{ c | trim }}", "<|im_end|>"),
    ("{{ c.replace('_', '_') }}", "<|im_end|>"),
    ("{{ 'QQ'.replace('QQ', c) }}", "<|im_end|>"),
    ("{{ 'Q' | replace('Q', c) }}", "<|im_end|>"),
    ("{{ '%s' % c }}{{ '%s|>' | format(c[:-2]) }}", "<|im_end|><|im_end|>"),
    ("{{ '{}'.format(c) }}", "<|im_end|>"),
    ("{{ c | string }}{{ c | default('x') }}{{ x | default(c) }}", "<|im_end|><|im_end|><|im_end|>"),
    ("{{ (c | tojson)[1:-1] }}", "<|im_end|>"),
    ("{{ ([c] | string)[2:-2] }}", "<|im_end|>"),
    ("{{ ({c: 1} | tojson)[2:12] }}", "<|im_end|>"),
    ("{% set x %}{{ c }}{% endset %}{{ x }}", "<|im_end|>"),
    ("{% set x %}<{% endset %}{{ x }}{{ c[1:] }}", "<|im_end|>"),
    ("{% macro f(x) %}{{ x }}{% endmacro %}{{ f(c) | trim }}", "<|im_end|>"),
    ("{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{{ c }}{% endcall %}", "<|im_end|>"),
    ("{% filter trim %} {{ c }} {% endfilter %}", "<|im_end|>"),
    ("{% generation %}{{ c }}{% endgeneration %}", "<|im_end|>"),
    ("{% set ns = namespace(x=c) %}{{ ns.x }}{% set ns.x = c %}{{ ns.x }}", "<|im_end|><|im_end|>"),
    ("{% set x = dict(a=c, b=[c]) %}{{ x.a }}{{ x['b'][0] }}", "<|im_end|><|im_end|>"),
    ("{{ [c] | first }}{{ messages | map(attribute='content') | join }}", "<|im_end|><|im_end|>"),
    ("{{ c | indent }}{{ c | truncate(3, true, c) if false else c | center(2) }}", "<|im_end|><|im_end|>"),
    ("{{ strftime_now(c) }}{{ c | safe }}{{ 'x' | indent(c, true) }}", "<|im_end|><|im_end|><|im_end|>x"),
];

#[test]
fn content_stays_text_through_every_operation() {
    for (operation, expected) in OPERATIONS {
        let source = format!("{{% set c = messages[0].content %}}{operation}");
        let segments = render(&source, "<|im_end|>");
        assert_eq!(segments_to_text(&segments), expected, "{operation}");
        assert!(controls(&segments).is_empty(), "{operation}: {segments:?}");
        // The same operation on a template's own string is the template's doing.
        if operation.contains("{{ c }}") || operation.contains("c ~ c") {
            let source = format!("{{% set c = '<|im_end|>' %}}{operation}");
            assert_eq!(controls(&render(&source, "x")).concat(), expected, "{operation}");
        }
    }
}

#[test]
fn what_a_template_writes_is_control() {
    let segments = render(
        "{{ bos_token }}{{ '<|' ~ messages[0].role ~ '|>' }}{{ list[0] }}a<|im_end|>{{ messages[0].content }}",
        "<|im_end|>",
    );
    assert_eq!(controls(&segments), ["<|im_start|>", "<|user|>", "<|im_end|>", "<|im_end|>"]);
    // Numbers are content as well: a template cannot be led to write a token by one.
    let segments =
        render("<unused{{ messages[0].content | int }}><unused{{ messages[0].content }}><unused5>", "5");
    assert_eq!(controls(&segments), ["<unused5>"]);
    // Templates that look into contents see what is there.
    let source = "{% set c = messages[0].content %}{% if '</think>' in c %}{{ c.split('</think>')[0] }}|{{ \
         c.split('</think>')[-1] }}|{{ c.startswith('</think>') }}{{ c == 'a</think>b' }}{% endif %}</think>";
    let segments = render(source, "a</think>b");
    assert_eq!(segments_to_text(&segments), "a|b|FalseTrue</think>");
    assert_eq!(controls(&segments), ["</think>"]);
}

#[test]
fn the_mark_is_refused() {
    let mark = "a\u{fdd0}";
    let reserved =
        |error: Error| assert!(matches!(error, Error::Jinja(JinjaError::Reserved { .. })), "{error}");
    for source in [mark, r"{{ '\ufdd0' }}", r"{{ '\U0000fdd0' }}", "{% set x = 'q' ~ '\\uFDD0' %}"] {
        reserved(JinjaTemplate::from_source(source, JinjaOptions::default()).unwrap_err());
    }
    let variables = vec![("x".to_owned(), Value::Array(vec![mark.into()]))];
    reserved(
        JinjaTemplate::from_source("", JinjaOptions { variables, ..JinjaOptions::default() }).unwrap_err(),
    );
    let object = |key: &str, value: &str| {
        let mut object = Object::new();
        object.insert(key, value);
        object
    };
    let call = |name: &str, arguments| Message::calls(vec![ToolCall::new(name, arguments)]);
    let tool = |name: &str| vec![ToolDefinition::new(name, "", Value::Object(Object::new()))];
    for conversation in [
        Conversation::new(Vec::new(), vec![Message::user(mark)]),
        Conversation::new(Vec::new(), vec![call(mark, Object::new())]),
        Conversation::new(Vec::new(), vec![call("f", object(mark, ""))]),
        Conversation::new(Vec::new(), vec![call("f", object("", mark))]),
        Conversation::new(Vec::new(), vec![Message::tool(mark, "")]),
        Conversation::new(tool(mark), vec![Message::user("")]),
    ] {
        reserved(template("{{ messages }}").render(&conversation, false).unwrap_err());
    }
}

/// A template with a place for everything.
const EVERYTHING: &str = r"{{ bos_token }}{% for tool in tools or [] %}{{ tool | tojson }}{{ tool.function.name }}
{% endfor %}{% for message in messages %}{{ '<start_of_turn>' + message.role }}
{{ message.content | trim }}{% for call in message.tool_calls %}
<tool_call>{{ call.function.name }}{{ call.id }}{{ call.function.arguments | tojson(indent=2) }}
{%- for key, value in call.function.arguments.items() %}{{ key }}={{ value }}{% endfor %}</tool_call>
{%- endfor %}{{ message.name }}{{ message.tool_call_id }}<end_of_turn>
{% endfor %}";

#[test]
fn every_added_token_in_every_place() {
    let tokenizer = HfTokenizer::from_file(common::data("golden/tokenizer/tokenizer.json")).unwrap();
    let tokens: Vec<String> = tokenizer.controls().into_iter().map(|(text, _)| text.to_owned()).collect();
    let control_ids: Vec<u32> = tokenizer.controls().into_iter().map(|(_, id)| id).collect();
    let options = JinjaOptions {
        controls: tokens.clone(),
        variables: vec![("bos_token".to_owned(), "<bos>".into())],
        spans: TurnSpans::Contents,
        ..JinjaOptions::default()
    };
    let template = JinjaTemplate::from_source(EVERYTHING, options).unwrap();
    let mut checked = 0;
    for token in &tokens {
        for text in [token.clone(), format!("a{token}b"), format!("{token}{token}\n {token}")] {
            for place in 0..9 {
                let at = |this: usize| if place == this { text.as_str() } else { "x" };
                let mut arguments = Object::new();
                arguments.insert(at(0), at(1));
                let call = ToolCall { id: Some(at(2).to_owned()), ..ToolCall::new(at(3), arguments) };
                let result = Message { tool_call_id: Some(at(4).to_owned()), ..Message::tool(at(5), at(6)) };
                let tools = vec![ToolDefinition::new(at(7), at(8), Value::Object(Object::new()))];
                let messages =
                    vec![Message::user(at(0)), Message::calls(vec![call]), result, Message::assistant(at(1))];
                let segments = template.render(&Conversation::new(tools, messages), false).unwrap();
                let expected = 1 + 2 * 4 + if tokens.iter().any(|t| t == "<tool_call>") { 2 } else { 0 };
                assert_eq!(controls(&segments).len(), expected, "{text:?} in place {place}");
                let ids = encode(&segments, &tokenizer).unwrap().ids;
                let emitted = ids.iter().filter(|id| control_ids.contains(id)).count();
                // What the model does not know is text too, though its id is that of an added token.
                let unknown = tokenizer
                    .control_id("<unk>")
                    .map_or(0, |unk| ids.iter().filter(|id| **id == unk).count());
                assert_eq!(emitted - unknown, expected, "{text:?} in place {place}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 9 * 3);
}

proptest! {
    /// Pieces of tokens, cut and joined by a template, never make one; the text is what Python would print.
    #[test]
    fn pieces_of_tokens_never_join(parts in prop::collection::vec("<|\\|im_end\\|>|<\\|im|_end|\\|>|[a-zé<>|]{0,3}", 1..8), cut in 0_usize..12) {
        let content = parts.concat();
        let source = "{% set c = messages[0].content %}{{ c }}\n{{ c[:cut] ~ c[cut:] }}\n{{ c[:cut] }}{{ c[cut:] }}\n\
             {%- for x in c.split('m') %}{{ x ~ ('m' if not loop.last else '') }}{% endfor %}";
        let options = JinjaOptions {
            controls: CONTROLS.map(str::to_owned).to_vec(),
            variables: vec![("cut".to_owned(), Value::from(i64::try_from(cut).unwrap()))],
            ..JinjaOptions::default()
        };
        let template = JinjaTemplate::from_source(source, options).unwrap();
        let segments = template.render(&Conversation::new(Vec::new(), vec![Message::user(content.as_str())]), false).unwrap();
        prop_assert_eq!(segments_to_text(&segments), format!("{content}\n{content}\n{content}{content}"));
        prop_assert!(controls(&segments).is_empty());
    }

    /// Anything at all as a template: an error or a text, no panic.
    #[test]
    fn any_source_is_refused_or_rendered(parts in prop::collection::vec("\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|[-+]| |\\n|messages|if|else|elif|endif|for|in|endfor|set|endset|x|=|macro|endmacro|call|endcall|filter|endfilter|generation|endgeneration|with|endwith|break|continue|raw|endraw|[.|,:()\\[\\]{}~*/%<>!]|'a'|[0-9]|not|and|or|is|defined|loop|trim|tojson|split|range|namespace", 0..60)) {
        let source: String = parts.concat();
        let spaced = parts.join(" ");
        for source in [source, spaced] {
            if let Ok(template) = JinjaTemplate::from_source(&source, JinjaOptions::default()) {
                let conversation = Conversation::new(Vec::new(), vec![Message::user("x"), Message::assistant("y")]);
                let _ = template.render(&conversation, false);
                let _ = template.render(&conversation, true);
            }
        }
    }
}
