//! Character classes as Python defines them.

/// `str.isspace` of one character: Unicode white space, and the separators U+001C to U+001F.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.strip()`, which Jinja's `trim` filter calls.
pub(crate) fn python_strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

/// `str.isprintable` of one character, which decides whether `repr` escapes it: neither a control, format,
/// surrogate, private-use or unassigned character, nor a separator other than the space.
pub(crate) fn is_python_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The standard library keeps this table (by the same categories) but shows it only through `Debug`. A
    // leading letter keeps it from escaping combining marks, which it does at the start of a string.
    let mut buffer = String::from("a");
    buffer.push(c);
    buffer.escape_debug().nth(1) != Some('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_python_strips() {
        assert_eq!(python_strip("\u{1c}\u{1d} a\u{a0}b \u{3000}\u{85}\u{1f}\u{2028}"), "a\u{a0}b");
        // Zero-width space and BOM are not white space to Python.
        assert_eq!(python_strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
    }

    #[test]
    fn knows_printable_characters() {
        for c in ['a', ' ', 'é', '日', '😀', '\u{301}', '\''] {
            assert!(is_python_printable(c), "{c:?}");
        }
        for c in ['\n', '\u{7f}', '\u{a0}', '\u{ad}', '\u{200d}', '\u{2028}', '\u{e000}', '\u{3000}'] {
            assert!(!is_python_printable(c), "{c:?}");
        }
    }
}
