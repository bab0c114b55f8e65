//! What can be wrong with a JSON text or a Python literal, and where.

/// A JSON text or Python literal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Bytes before the error.
    pub offset: usize,
    /// Line of the error, from 1.
    pub line: usize,
    /// Column of the error in characters, from 1.
    pub column: usize,
}

impl JsonError {
    /// Locates `kind` at byte `offset` of `text`.
    pub(crate) fn at(text: &str, offset: usize, kind: JsonErrorKind) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Self {
            kind,
            offset,
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The kinds of [`JsonError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text stops inside a value.
    #[error("the text ends before the value does")]
    UnexpectedEnd,
    /// Something else should stand here.
    #[error("found {found:?} where {expected} should stand")]
    Unexpected {
        /// What the grammar asks for.
        expected: &'static str,
        /// What stands there.
        found: char,
    },
    /// More text after the value.
    #[error("more text after the value, beginning with {found:?}")]
    Trailing {
        /// The first character after the value.
        found: char,
    },
    /// A bare word that is no literal, as `nil` or `foo(1)`.
    #[error("`{word}` is not a literal")]
    UnknownWord {
        /// The word, cut to 32 characters.
        word: String,
    },
    /// `NaN`, `Infinity`, or a number beyond the range of a double.
    #[error("numbers must be finite")]
    NotFinite,
    /// Digits that are no number, as `01` or `1.`.
    #[error("a number that is not well formed")]
    BadNumber,
    /// A back-slash sequence that the grammar lacks.
    #[error("an escape sequence that is not well formed")]
    BadEscape,
    /// Half of a surrogate pair.
    #[error("half a surrogate pair")]
    LoneSurrogate,
    /// A control character (a line break, a tab) that a string must escape.
    #[error("a control character inside a string, which must be escaped")]
    RawControl,
    /// A key that is not a string.
    #[error("an object key that is not a string")]
    KeyNotString,
    /// The same key twice in one object.
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey {
        /// The repeated key.
        key: String,
    },
    /// Nesting beyond the limit.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Legal nowhere in the language asked for, though a lenient reader could repair it.
    #[error("{what}")]
    NotAllowed {
        /// What was found.
        what: &'static str,
    },
}
