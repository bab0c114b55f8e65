//! Conversations and tools to tokens with provenance; generated text to tool calls.
//!
//! A language model that calls functions is trained on one long text for each conversation: instructions, tools,
//! turns, calls, results. This crate makes that text from data, and knows of each token where it came from. A
//! [`ChatTemplate`] turns a [`Conversation`] into [`Segment`]s (a control token, a tag or text, each with its role,
//! its kind and its weight in the loss) and [`encode`] turns those into ids, labels and a mask. So the loss mask
//! is exact, there is one BOS, and **no content can forge a control token**: text is encoded past the tokenizer's
//! added vocabulary, and control ids come from segments alone.
//!
//! In the other direction a [`ToolCallFormat`] reads the calls out of what a model wrote. It never fails and never
//! evaluates anything: it reports what it repaired and what it gave up.
//!
//! What it is not: no tensors, no model, no network. The templates are Rust, checked against the originals; the
//! Jinja template of a model's own folder is read with the feature `jinja` only.
//!
//! ```
//! use tooltune_chat::{
//!     ByteTokenizer, ChatTemplate, Conversation, Gemma2Tools, Hermes, Message, Object, TextTokenizer, ToolCall,
//!     ToolCallFormat, ToolDefinition, Value, encode, segments_to_text,
//! };
//!
//! # fn main() -> Result<(), tooltune_chat::Error> {
//! let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#;
//! let weather = ToolDefinition::new("get_weather", "The weather in a city.", Value::parse_json(schema)?);
//! let mut arguments = Object::new();
//! arguments.insert("city", "Paris");
//! let call = ToolCall::new("get_weather", arguments);
//! let conversation = Conversation::new(
//!     vec![weather],
//!     vec![Message::user("Is it raining in Paris?"), Message::calls(vec![call.clone()])],
//! );
//!
//! let segments = Gemma2Tools::default().render(&conversation, false)?;
//! assert!(segments_to_text(&segments).ends_with(
//!     "<start_of_turn>model\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n\
//!      </tool_call><end_of_turn>\n"
//! ));
//!
//! let tokenizer = ByteTokenizer::default();
//! let chat = encode(&segments, &tokenizer)?;
//! let trained: Vec<u32> = chat.labels().into_iter().filter_map(|label| label.try_into().ok()).collect();
//! let written = tokenizer.decode_for(&trained, &Hermes::json())?;
//! assert_eq!(Hermes::json().parse(&written).calls, [call]);
//! # Ok(())
//! # }
//! ```
//!
//! # Dependencies
//!
//! `cargo tree -e normal` counts 76 crates on Linux, this one included, most of them those of `tokenizers`; 78 with
//! `jinja`, 83 with `schemars`, 112 with `jsonschema`, 118 with all three. None of them is a tensor library.
//!
//! # Modules
//!
//! | module | what is in it |
//! |---|---|
//! | `value` | [`Value`], [`Number`], [`Object`]: JSON with key order, `5` ≠ `5.0`, big integers; JSON and Python texts |
//! | `role`, `message`, `conversation`, `tool` | [`Role`], [`Message`], [`Conversation`], [`ToolDefinition`], [`ToolCall`], [`ToolResult`] |
//! | `segment`, `encode`, `token_counts` | [`Segment`], [`SegmentKind`], [`encode`], [`EncodedChat`], [`TokensByKind`] |
//! | `template` | [`ChatTemplate`]: [`Gemma2`], [`Gemma2Tools`], [`Course`], [`MistralInstruct`], [`ChatMl`], [`Llama31Template`], [`FunctionGemmaTemplate`]; [`template_by_name`]; [`LossWeights`] |
//! | `format` | [`ToolCallFormat`]: [`Hermes`] in two dialects, [`Mistral`] in two generations, [`Llama31`], [`Pythonic`], [`FunctionGemma`], [`OpenAi`]; [`format_by_name`]; [`Parsed`], [`Diagnostic`], [`StreamParser`] |
//! | `jinja` (feature) | `JinjaTemplate`: a model folder's own chat template |
//! | `tokenizer` | [`TextTokenizer`]: [`HfTokenizer`], [`ByteTokenizer`] |
//! | `tokens` | [`ToolTokenStrategy`]: [`PlainText`], [`Reserved`], [`Added`]; [`TokenizerFiles`], [`RowInit`] |
//! | `typed` | [`ToolCall::arguments_as`]; `ToolDefinition::from_type` (feature `schemars`) |
//! | `validate` | `ArgumentValidator` (feature `jsonschema`) |
//! | `read` | [`read_jsonl`]: the course's and OpenAI's layouts |

mod conversation;
mod encode;
mod error;
mod format;
#[cfg(feature = "jinja")]
mod jinja;
mod message;
mod read;
mod role;
mod segment;
mod template;
mod token_counts;
mod tokenizer;
mod tokens;
mod tool;
mod typed;
#[cfg(feature = "jsonschema")]
mod validate;
mod value;

pub use conversation::Conversation;
pub use encode::{EncodedChat, IGNORE_INDEX, check_pad_token, encode};
pub use error::Error;
pub use format::{
    Diagnostic, DiagnosticKind, FORMAT_NAMES, FunctionGemma, Hermes, HermesDialect, Llama31, Mistral,
    MistralGeneration, OpenAi, ParseEvent, ParseStatus, Parsed, Pythonic, Severity, StreamParser,
    ToolCallFormat, format_by_name,
};
#[cfg(feature = "jinja")]
pub use jinja::{JinjaDate, JinjaError, JinjaLimits, JinjaOptions, JinjaTemplate, TurnSpans};
pub use message::Message;
pub use read::{
    LineProblem, MessageProblem, ReadMode, ReadOptions, ReadReport, read_jsonl, read_jsonl_with_report,
};
pub use role::Role;
pub use segment::{CallPiece, Segment, SegmentContent, SegmentKind, segments_to_text};
pub use template::{
    BOS, COURSE_THINK_SENTENCE, ChatMl, ChatTemplate, Course, END_OF_TURN, EOS, FunctionGemmaTemplate,
    Gemma2, Gemma2Tools, Llama31Template, LossWeights, MistralInstruct, MistralProblem, MistralVersion,
    START_OF_TURN, TEMPLATE_NAMES, course_messages, template_by_name,
};
pub use token_counts::{TokenCount, TokensByKind};
pub use tokenizer::{ByteTokenizer, HfTokenizer, MAX_TOKENIZER_BYTES, TextToken, TextTokenizer};
pub use tokens::{
    Added, PlainText, Reserved, RowInit, TokenPlacement, TokenProblem, TokenizerFiles, ToolToken,
    ToolTokenStrategy, ToolTokenizer, Vocabulary,
};
pub use tool::{ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle};
#[cfg(feature = "jsonschema")]
pub use validate::{
    ArgumentProblem, ArgumentProblemKind, ArgumentValidator, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH,
    SchemaProblem,
};
pub use value::{JsonError, JsonErrorKind, JsonOptions, MAX_DEPTH, Number, Object, Value};
