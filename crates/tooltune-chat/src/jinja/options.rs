//! What a template needs to know beside its source.

use super::JinjaDate;
use crate::{LossWeights, Value};

/// How a [`JinjaTemplate`](crate::JinjaTemplate) renders.
#[derive(Clone, Debug, PartialEq)]
pub struct JinjaOptions {
    /// The name of the template, for reports.
    pub name: String,
    /// The tokenizer's control tokens. Where the template itself writes one of them, it becomes a control segment;
    /// where content spells one, it stays text.
    pub controls: Vec<String>,
    /// The control tokens at which generation stops. Left empty, they are found out: the `eos_token` variable, and
    /// the token that the template writes after a model turn.
    pub stop_controls: Vec<String>,
    /// Variables beside `messages`, `tools`, `documents` and `add_generation_prompt`: `bos_token`, `eos_token`, and
    /// what else the template asks for (`enable_thinking`). What they hold counts as written by the template.
    pub variables: Vec<(String, Value)>,
    /// What `strftime_now` prints.
    pub now: JinjaDate,
    /// What has a loss.
    pub loss: LossWeights,
    /// How the turns of the model are found in templates that do not mark them with `{% generation %}`.
    pub spans: TurnSpans,
    /// Tags that the text of model turns may spell as tokens, as `<think>` and `</think>`; in all other places they
    /// are text. Without them, a model's own text is text throughout.
    pub model_tags: Vec<String>,
    /// What rendering may use.
    pub limits: JinjaLimits,
}

impl Default for JinjaOptions {
    fn default() -> Self {
        Self {
            name: "jinja".to_owned(),
            controls: Vec::new(),
            stop_controls: Vec::new(),
            variables: Vec::new(),
            now: JinjaDate::default(),
            loss: LossWeights::assistant(),
            spans: TurnSpans::default(),
            model_tags: Vec::new(),
            limits: JinjaLimits::default(),
        }
    }
}

/// How the turns of the model are found where the template does not mark them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TurnSpans {
    /// By rendering prefixes: a turn is what comes after the prompt for it, up to the end of what the conversation
    /// renders to when it ends with the turn. This is exact, takes two renderings for each turn, and fails
    /// ([`JinjaError::NotAPrefix`](crate::JinjaError::NotAPrefix)) with templates that write earlier turns otherwise
    /// than the last one, as those do that leave out earlier thinking.
    #[default]
    Prefixes,
    /// By content: a turn is what comes from its text and calls, with what the template writes between, up to the
    /// stop token after it. Works with every template; what the template writes before the text (an empty
    /// `<think></think>`) has no loss.
    Contents,
}

/// What rendering a conversation once may use.
///
/// Time and memory are bounded by these together: each instruction costs fuel, and everything that a template
/// makes is paid for, in bytes, before it is allocated. Text, lists and dicts are never paid back: `max_bytes` is
/// about the sum of all that is made, so that no more than twice as much is ever held (a string is copied once when
/// it becomes a value) beside the conversation itself. Four times as much may be read (compared, searched).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JinjaLimits {
    /// Instructions of minijinja.
    pub fuel: u64,
    /// Bytes of text, lists and dicts made, output included.
    pub max_bytes: u64,
    /// Bytes of the template's source.
    pub max_source_bytes: usize,
}

impl Default for JinjaLimits {
    fn default() -> Self {
        Self { fuel: 2_000_000, max_bytes: 64 << 20, max_source_bytes: 256 << 10 }
    }
}
