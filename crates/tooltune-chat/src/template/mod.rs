//! Templates: a conversation becomes segments.

mod builder;
mod by_name;
mod chatml;
mod course;
mod function_gemma;
mod gemma2;
mod gemma2_tools;
mod llama31;
mod loss;
mod mistral;
mod mistral_problem;
mod mistral_turns;
mod turns;

pub use by_name::{TEMPLATE_NAMES, template_by_name};
pub use chatml::ChatMl;
pub use course::{COURSE_THINK_SENTENCE, Course, course_messages};
pub use function_gemma::FunctionGemmaTemplate;
pub use gemma2::Gemma2;
pub use gemma2_tools::Gemma2Tools;
pub use llama31::Llama31Template;
pub use loss::LossWeights;
pub use mistral::{MistralInstruct, MistralVersion};
pub use mistral_problem::MistralProblem;

use crate::{Conversation, Error, Segment};

/// The control token that begins every Gemma sequence.
pub const BOS: &str = "<bos>";
/// The control token that begins a Gemma turn.
pub const START_OF_TURN: &str = "<start_of_turn>";
/// The control token that ends a Gemma turn, and at which generation stops.
pub const END_OF_TURN: &str = "<end_of_turn>";
/// The control token that ends a Gemma sequence.
pub const EOS: &str = "<eos>";

/// A chat template: conversations to segments.
pub trait ChatTemplate: Send + Sync {
    /// The name of the template, as options and reports show it.
    fn name(&self) -> &str;

    /// Renders `conversation`; with `add_generation_prompt` the header of a model turn follows, for the model
    /// to go on from.
    ///
    /// # Errors
    /// Where the template cannot express the conversation.
    fn render(&self, conversation: &Conversation, add_generation_prompt: bool)
    -> Result<Vec<Segment>, Error>;

    /// The control tokens that a tokenizer must have for this template.
    fn required_controls(&self) -> &[&str];

    /// The control tokens at which generation stops.
    fn stop_controls(&self) -> &[&str] {
        &[END_OF_TURN, EOS]
    }
}
