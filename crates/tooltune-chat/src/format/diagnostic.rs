//! What a parser noticed in a model turn.

use crate::JsonErrorKind;

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; the text is well formed.
    Note,
    /// Something was repaired to read a call.
    Repair,
    /// An attempt to call was given up.
    Lost,
}

/// Something noticed at a place in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset})")]
pub struct Diagnostic {
    /// What was noticed.
    pub kind: DiagnosticKind,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

impl Diagnostic {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

/// The kinds of [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiagnosticKind {
    // Notes.
    /// The call is a Python literal where the format writes JSON, or the other way round.
    #[error("the call is written in the other dialect (Python literal or JSON)")]
    OtherDialect,
    /// A call inside finished thinking, which is not made.
    #[error("a call inside <think> is not made")]
    CallInThink,
    /// Thinking ends that did not begin in this text, as where the prompt ended with `<think>`.
    #[error("</think> without <think>")]
    StrayThinkEnd,
    /// Thinking that does not end.
    #[error("<think> without </think>")]
    UnterminatedThink,
    /// A key beside the name and the arguments.
    #[error("the call has a key `{key}` that the format does not know")]
    ExtraKey {
        /// The key.
        key: String,
    },

    /// An array of calls with nothing in it.
    #[error("an empty list of calls")]
    NoCalls,

    // Repairs.
    /// A tuple read as an array.
    #[error("a tuple was read as an array")]
    Tuple,
    /// `1_000` read as `1000`.
    #[error("digit separators in a number")]
    DigitSeparator,
    /// A number in a notation that JSON lacks: `+4`, `.5`, `5.`, `0x1f`.
    #[error("a number in a notation that JSON lacks")]
    NumberNotation,
    /// A comma before a closing bracket.
    #[error("a comma before a closing bracket")]
    TrailingComma,
    /// No comma between items.
    #[error("a missing comma")]
    MissingComma,
    /// A key without quotes.
    #[error("a key without quotes")]
    UnquotedKey,
    /// Typographic quotes.
    #[error("typographic quotes")]
    SmartQuotes,
    /// A control character inside a string, not escaped.
    #[error("a control character inside a string, not escaped")]
    RawControl,
    /// An escape sequence that the language lacks; its characters were kept.
    #[error("an unknown escape sequence")]
    BadEscape,
    /// Half a surrogate pair, replaced by U+FFFD.
    #[error("half a surrogate pair was replaced by U+FFFD")]
    LoneSurrogate,
    /// JSON and Python words in one value, as `{'a': true}`.
    #[error("JSON and Python syntax in one value")]
    MixedSyntax,
    /// A key stands twice; the last value counts.
    #[error("the key `{key}` stands twice; the last value counts")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// Closing brackets that are missing were added.
    #[error("missing closing brackets were added")]
    MissingBracket,
    /// The text ends inside a call, after a complete value.
    #[error("the text ends inside a call")]
    Truncated,
    /// A block without its end tag.
    #[error("a call without its end tag")]
    MissingEndTag,
    /// Text between a call and its end tag.
    #[error("text between a call and its end tag")]
    JunkInBlock,
    /// A Markdown fence around a call.
    #[error("a Markdown fence around a call")]
    Fence,
    /// A call that stands outside tags.
    #[error("a call outside tags")]
    MissingTags,
    /// Several calls inside one pair of tags.
    #[error("several calls inside one pair of tags")]
    SeveralInBlock,
    /// An array of calls inside one pair of tags.
    #[error("an array inside the tags")]
    ArrayInBlock,
    /// The arguments were a string that holds JSON.
    #[error("the arguments were a JSON string")]
    ArgumentsAsString,
    /// The arguments were null.
    #[error("the arguments were null")]
    ArgumentsNull,
    /// There were no arguments.
    #[error("the call has no arguments")]
    ArgumentsMissing,
    /// The arguments stand under another key, as `parameters`.
    #[error("the arguments stand under `{key}`")]
    ArgumentsKey {
        /// The key.
        key: &'static str,
    },
    /// The name stands under `function`.
    #[error("the name stands under `function`")]
    NameKey,
    /// The call is wrapped as OpenAI's API does.
    #[error("the call is wrapped in a `function` object")]
    FunctionWrapper,
    /// The model went on after the end of its turn; that text was cut.
    #[error("text after the end of the turn was cut")]
    Overrun,

    /// A Python literal where the format writes JSON.
    #[error("a Python literal where the format writes JSON")]
    PythonLiteral,
    /// Text beside the calls, where the format has no place for it.
    #[error("text beside the calls")]
    TextBeside,
    /// Several lists of calls in one turn.
    #[error("several lists of calls in one turn")]
    SeveralLists,
    /// The id of a call is announced and left out.
    #[error("the tag of a call's id without an id")]
    EmptyCallId,
    /// A string without what delimits strings.
    #[error("a string without quotes")]
    UnquotedString,
    /// A string in quotes that the format does not use.
    #[error("a string in quotes of another format")]
    WrongQuotes,
    /// Adjacent strings, read as one.
    #[error("adjacent strings were joined")]
    JoinedStrings,
    /// White space inside a call, where the format has none.
    #[error("white space inside a call")]
    StrayWhiteSpace,
    /// The word that begins a call is missing.
    #[error("a call without its first word")]
    MissingPrefix,
    /// Calls that should be items of a list.
    #[error("calls outside a list")]
    MissingList,
    /// Quotes around all calls.
    #[error("quotes around the calls")]
    QuotedCalls,
    /// A call as an argument of another, kept as its text.
    #[error("a call as an argument was kept as text")]
    NestedCall,
    /// The arguments were an object where the format writes a string that holds JSON.
    #[error("the arguments were an object, not a JSON string")]
    ArgumentsAsObject,
    /// The call lacks the `function` object around it.
    #[error("the call is not wrapped in a `function` object")]
    MissingWrapper,

    // Losses.
    /// A block that cannot be read.
    #[error("a call that cannot be read: {error}")]
    BadBlock {
        /// Why not.
        error: JsonErrorKind,
    },
    /// Tags with nothing between them.
    #[error("an empty call")]
    EmptyBlock,
    /// An end tag without its start tag.
    #[error("an end tag without a start tag")]
    StrayEndTag,
    /// A tag that belongs inside a call stands outside of one.
    #[error("a tag of a call outside a call")]
    StrayTag,
    /// A value inside the tags that is not a call.
    #[error("not a call: {problem}")]
    NotACall {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The text ends inside a call, where nothing usable was complete.
    #[error("the text ends inside an incomplete call")]
    TruncatedCall,
    /// A call inside thinking that does not end.
    #[error("a call inside thinking that does not end")]
    CallInUnterminatedThink,
    /// A call between tags of another kind.
    #[error("a call inside tags that the format does not know")]
    WrongTags,
    /// The model wrote a tool's answer itself.
    #[error("the model wrote a tool response itself")]
    InventedResult,
    /// Blocks that were not read, because reading all of them would take more than linear time.
    #[error("too many overlapping broken calls; the rest was not read")]
    WorkLimit,
}

impl DiagnosticKind {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::OtherDialect
            | Self::CallInThink
            | Self::StrayThinkEnd
            | Self::UnterminatedThink
            | Self::ExtraKey { .. }
            | Self::NoCalls => Severity::Note,
            Self::BadBlock { .. }
            | Self::EmptyBlock
            | Self::StrayEndTag
            | Self::StrayTag
            | Self::NotACall { .. }
            | Self::TruncatedCall
            | Self::CallInUnterminatedThink
            | Self::WrongTags
            | Self::InventedResult
            | Self::WorkLimit => Severity::Lost,
            _ => Severity::Repair,
        }
    }
}
