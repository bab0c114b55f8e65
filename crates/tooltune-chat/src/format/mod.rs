//! Call formats: how tools, calls and results are written, and how calls are read back.

mod bare;
mod brackets;
mod by_name;
mod diagnostic;
mod function_gemma;
mod function_gemma_parse;
mod function_gemma_value;
mod function_gemma_write;
mod hermes;
mod hermes_block;
mod hermes_parse;
mod hermes_stream;
mod json_indent;
mod json_read;
mod llama31;
mod llama31_parse;
pub(crate) mod mistral;
mod mistral_calls;
mod mistral_parse;
mod mistral_stream;
mod mistral_value;
mod object_call;
mod openai;
mod openai_parse;
mod parsed;
mod pythonic;
mod pythonic_parse;
mod pythonic_value;
mod reader;
mod retry;
mod scan;
mod stream;

pub use by_name::{FORMAT_NAMES, format_by_name};
pub use diagnostic::{Diagnostic, DiagnosticKind, Severity};
pub use function_gemma::FunctionGemma;
pub use hermes::{Hermes, HermesDialect};
pub use llama31::Llama31;
pub use mistral::{Mistral, MistralGeneration};
pub use openai::OpenAi;
pub use parsed::{ParseStatus, Parsed};
pub use pythonic::Pythonic;
pub use stream::{ParseEvent, StreamParser};

use crate::{CallPiece, SegmentContent, ToolCall, ToolDefinition, ToolResult, ToolSchemaStyle};

/// A grammar of tool calls in model text.
///
/// Law: writing calls and parsing the text gives the same calls, in order, without diagnostics above
/// [`Severity::Note`] (ids aside, where the format has none).
///
/// Writers return pieces, so that the format's own tags can become single tokens while nothing inside a name, an
/// argument or a result can. Parsers take a whole model turn; parsing never fails, it reports.
pub trait ToolCallFormat: Send + Sync {
    /// The name of the format, as options and reports show it.
    fn name(&self) -> &str;

    /// The tags that a tokenizer may hold as single tokens.
    fn special_tokens(&self) -> &[&str];

    /// The declaration of the tools on offer.
    fn write_tools(&self, tools: &[ToolDefinition], style: ToolSchemaStyle) -> Vec<SegmentContent>;

    /// One call.
    fn write_call(&self, call: &ToolCall) -> Vec<CallPiece>;

    /// The calls of one turn, at least one; by default one under the other.
    fn write_calls(&self, calls: &[ToolCall]) -> Vec<CallPiece> {
        let mut pieces = Vec::new();
        for call in calls {
            if !pieces.is_empty() {
                pieces.push(CallPiece::frame("\n"));
            }
            pieces.extend(self.write_call(call));
        }
        pieces
    }

    /// One result.
    fn write_result(&self, result: &ToolResult) -> Vec<SegmentContent>;

    /// Reads the calls out of the text of one model turn.
    fn parse(&self, text: &str) -> Parsed;

    /// A parser for the text of one model turn as it arrives.
    fn stream(&self) -> Box<dyn StreamParser>;
}
