//! Examples of a report: what was asked, wanted and written, with the difference marked.

use super::escape::{escape, shortened};
use crate::scorecard::Verdict;

/// Longer texts are cut, and say so.
const MAX_CHARS: usize = 2000;
/// Longer calls are shown without marks: the comparison takes time and memory by the square.
const MAX_TOKENS: usize = 400;

/// One example, folded up; `before` where there is another run to show.
pub(crate) fn example(verdict: &Verdict, before: Option<(&str, &Verdict)>, name: &str) -> String {
    let mut out = format!(
        "<details><summary><b>{}</b> <span class=\"note\">{}</span></summary><div class=\"example\">",
        escape(&verdict.id),
        escape(&verdict.group)
    );
    if !verdict.request.is_empty() {
        row(&mut out, "asked", &shortened(&verdict.request, MAX_CHARS));
    }
    let wanted = match (verdict.gold.is_empty(), verdict.any_call) {
        (false, _) => verdict.gold.join("\n"),
        (true, true) => "a call, whichever".to_owned(),
        (true, false) => "no call".to_owned(),
    };
    let (marked_wanted, marked_made) = marked(&wanted, &made(verdict));
    let plain = verdict.gold.is_empty() || verdict.calls.is_empty();
    row(&mut out, "wanted", if plain { escape(&wanted) } else { marked_wanted }.as_str());
    if let Some((before_name, before)) = before {
        let (_, marked_before) = marked(&wanted, &made(before));
        let plain = before.gold.is_empty() || before.calls.is_empty();
        let text = if plain { shortened(&made(before), MAX_CHARS) } else { marked_before };
        row(&mut out, &label(before_name, before), &text);
    }
    let text = if plain { shortened(&made(verdict), MAX_CHARS) } else { marked_made };
    row(&mut out, &label(name, verdict), &text);
    out + "</div></details>\n"
}

/// The calls made; where there are none, what was written instead.
fn made(verdict: &Verdict) -> String {
    if !verdict.calls.is_empty() {
        verdict.calls.join("\n")
    } else if verdict.text.trim().is_empty() {
        "(nothing)".to_owned()
    } else {
        verdict.text.trim().to_owned()
    }
}

fn label(name: &str, verdict: &Verdict) -> String {
    let (class, word) = if verdict.right { ("good", "right") } else { ("bad", "wrong") };
    let mark = if verdict.right { "✓" } else { "✗" };
    format!("{} <span class=\"{class}\">{mark} {word}</span>", escape(name))
}

fn row(out: &mut String, label: &str, text: &str) {
    out.push_str(&format!("<span>{label}</span><pre dir=\"auto\">{text}</pre>"));
}

/// Both texts as markup, with what only one of them has marked.
fn marked(wanted: &str, made: &str) -> (String, String) {
    let (a, b) = (tokens(wanted), tokens(made));
    if a.len() > MAX_TOKENS || b.len() > MAX_TOKENS {
        return (shortened(wanted, MAX_CHARS), shortened(made, MAX_CHARS));
    }
    let (only_a, only_b) = differences(&a, &b);
    (markup(&a, &only_a, "missing"), markup(&b, &only_b, "wrong"))
}

/// Words, numbers, single signs, runs of white space.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' || c == '.' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut previous = None;
    for (at, c) in text.char_indices() {
        let this = kind(c);
        if previous.is_some_and(|before| before != this || this == 2) {
            tokens.push(&text[start..at]);
            start = at;
        }
        previous = Some(this);
    }
    if start < text.len() {
        tokens.push(&text[start..]);
    }
    tokens
}

/// Which tokens are not part of a longest common subsequence.
fn differences(a: &[&str], b: &[&str]) -> (Vec<bool>, Vec<bool>) {
    let width = b.len() + 1;
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut only_a, mut only_b) = (vec![true; a.len()], vec![true; b.len()]);
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            (only_a[i], only_b[j]) = (false, false);
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (only_a, only_b)
}

fn markup(tokens: &[&str], only: &[bool], class: &str) -> String {
    let mut out = String::new();
    let mut open = false;
    for (token, &only) in tokens.iter().zip(only) {
        if only != open {
            out.push_str(&if only { format!("<mark class=\"{class}\">") } else { "</mark>".to_owned() });
            open = only;
        }
        out.push_str(&escape(token));
    }
    if open { out + "</mark>" } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked() {
        let (wanted, made) = marked(r#"f({"city": "Paris", "n": 5})"#, r#"f({"city": "Rome", "n": 5.0})"#);
        let plain = |text: &str| text.replace("&quot;", "\"");
        assert_eq!(
            plain(&wanted),
            r#"f({"city": "<mark class="missing">Paris</mark>", "n": <mark class="missing">5</mark>})"#
        );
        assert_eq!(
            plain(&made),
            r#"f({"city": "<mark class="wrong">Rome</mark>", "n": <mark class="wrong">5.0</mark>})"#
        );
        assert_eq!(marked("same", "same"), ("same".to_owned(), "same".to_owned()));
        assert_eq!(marked("<b>", "").0, "<mark class=\"missing\">&lt;b&gt;</mark>");
    }

    #[test]
    fn what_is_wanted_is_said() {
        let shown = |any_call| example(&Verdict { any_call, ..Verdict::default() }, None, "model");
        assert!(shown(true).contains(">a call, whichever<") && !shown(true).contains("no call"));
        assert!(shown(false).contains(">no call<"));
    }

    #[test]
    fn tokens_are_the_text() {
        for text in ["", "a", "f({\"x\": -1.5})", "天気 はいい。", "  \n\t "] {
            assert_eq!(tokens(text).concat(), text);
        }
        assert_eq!(tokens("ab1.5, {{"), ["ab1.5", ",", " ", "{", "{"]);
    }

    #[test]
    fn long_calls_are_cut_and_say_so() {
        let long = "x ".repeat(5000);
        let (wanted, made) = marked(&long, "x");
        assert!(wanted.ends_with("(8000 more characters)</i>") && made == "x");
    }
}
