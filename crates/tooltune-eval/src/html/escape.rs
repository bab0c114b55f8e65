//! Text into markup. Every text of a report comes from a model or a data set, and is hostile until escaped.

/// `text` for element content and quoted attributes.
///
/// Beside the five characters of markup, what XML forbids and what turns the direction of text around is shown as U+FFFD:
/// it must not hide what a model wrote.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                out.push('\u{fffd}');
            }
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// At most `max_chars` characters of `text`, escaped, and how many more there are.
pub(crate) fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => escape(text),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!("{}… <i>({more} more characters)</i>", escape(&text[..end]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_through() {
        assert_eq!(escape("<a href=\"x\" on='y'>&"), "&lt;a href=&quot;x&quot; on=&#39;y&#39;&gt;&amp;");
        assert_eq!(
            escape("a\u{0}b\u{1b}[31mc\r\n\td\u{202e}e\u{85}"),
            "a\u{fffd}b\u{fffd}[31mc\u{fffd}\n\td\u{fffd}e\u{fffd}"
        );
        assert_eq!(escape("Zürich 東京 😀"), "Zürich 東京 😀");
    }

    #[test]
    fn long_texts_say_that_they_go_on() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("ä<öü", 2), "ä&lt;… <i>(2 more characters)</i>");
    }
}
