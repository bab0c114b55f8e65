//! A model folder's own template as a [`ChatTemplate`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use minijinja::Value as Item;

use super::convert::Converter;
use super::engine::Engine;
use super::folder::Folder;
use super::segments::{Segmenter, Span, Spans, Tokens};
use super::text::{Origin, Text};
use super::{JinjaError, JinjaOptions, TurnSpans};
use crate::{ChatTemplate, Conversation, Error, Message, Segment, SegmentContent};

/// The chat template of a model's own folder, rendered as transformers renders it.
///
/// **Control tokens.** Every character of the rendered text carries where it came from through all that a template
/// does with it: joining, slicing, splitting, replacing, changing case, JSON. A control token of
/// [`JinjaOptions::controls`] becomes a control segment where *all* its characters were written by the template
/// itself: by its source, by a role's name, or by a variable of the options. What comes from a conversation (texts,
/// names, ids, arguments, declarations of tools, numbers and their digits) is text, whatever it spells, also where a
/// template joins it with pieces of its own. What is not promised: a template may itself write a control token
/// because of what a content says.
///
/// **Loss.** Where a template marks what the model writes with `{% generation %}`, these spans are the mask.
/// Otherwise [`JinjaOptions::spans`] says how turns are found; a prompt (`add_generation_prompt`) then has no turn
/// with a loss. White space after a turn's stop token has a loss only between the template's own marks.
///
/// **Limits.** A template is a program of somebody else's. What it may use is limited by
/// [`JinjaLimits`](crate::JinjaLimits); beyond that it ends with [`JinjaError::Limit`]. It reaches nothing but its
/// variables.
///
/// What differs from transformers: `include`, `import`, `extends`, `block`, `autoescape` and names beyond ASCII are
/// refused when the template is read. Filters and tests that no chat template needs (`random`, `xmlattr`) are
/// errors where they are reached.
/// Filters that give generators in Jinja give lists. Integers are exact to 128 bits, and refused where a
/// calculation goes beyond. `continue` and `break` leave nothing but `if` blocks.
pub struct JinjaTemplate {
    default: Engine,
    /// For conversations with tools, where the folder has a template of its own for them.
    tool_use: Option<Engine>,
    options: JinjaOptions,
    controls: Tokens,
    stops: Tokens,
    model_tags: Tokens,
    required: Vec<&'static str>,
    stop_controls: Vec<&'static str>,
}

impl JinjaTemplate {
    /// Reads the template of a model folder: `chat_template.jinja`, else `chat_template.json`, else the
    /// `chat_template` of `tokenizer_config.json` (a string, or a list of named templates of which `default` and
    /// `tool_use` are taken). Its special tokens become variables, and the added tokens of `tokenizer.json` the
    /// control tokens.
    ///
    /// # Errors
    /// Where there is no template, a file cannot be read, or the template uses what is not supported.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_folder_with(folder, JinjaOptions::default())
    }

    /// As [`JinjaTemplate::from_folder`] with options, which go before what the folder says: `controls` that are
    /// not empty replace the tokenizer's, and `variables` those of the same name.
    ///
    /// # Errors
    /// As [`JinjaTemplate::from_folder`].
    pub fn from_folder_with(folder: impl AsRef<Path>, mut options: JinjaOptions) -> Result<Self, Error> {
        let folder = Folder::read(folder.as_ref(), options.controls.is_empty())?;
        if options.controls.is_empty() {
            options.controls = folder.controls;
        }
        let given: HashSet<String> = options.variables.iter().map(|(name, _)| name.clone()).collect();
        options.variables.extend(folder.variables.into_iter().filter(|(name, _)| !given.contains(name)));
        Self::new(&folder.default, folder.tool_use.as_deref(), options)
    }

    /// Reads a template's source.
    ///
    /// # Errors
    /// Where it is no Jinja or uses what is not supported.
    pub fn from_source(source: &str, options: JinjaOptions) -> Result<Self, Error> {
        Self::new(source, None, options)
    }

    fn new(default: &str, tool_use: Option<&str>, options: JinjaOptions) -> Result<Self, Error> {
        let mut template = Self {
            default: Engine::new(default, &options)?,
            tool_use: tool_use.map(|source| Engine::new(source, &options)).transpose()?,
            controls: Tokens::new(options.controls.iter().map(String::as_str)),
            model_tags: Tokens::new(options.model_tags.iter().map(String::as_str)),
            stops: Tokens::default(),
            required: Vec::new(),
            stop_controls: options.stop_controls.iter().map(|token| intern(token)).collect(),
            options,
        };
        // The conversation is checked for what templates may not be given; the options must be as well.
        template.variables()?;
        template.probe();
        template.stops = Tokens::new(template.stop_controls.iter().copied());
        Ok(template)
    }

    /// Finds out, by rendering two turns, which control tokens the template writes and which one ends a model turn.
    /// A template that refuses them needs the options to say so.
    fn probe(&mut self) {
        let conversation =
            Conversation::new(Vec::new(), vec![Message::user("question"), Message::assistant("answer")]);
        let mut stops: Vec<&'static str> = Vec::new();
        if let Ok(text) = self.text(&conversation, 2, false) {
            let segments = self.segmenter(&conversation).segments(&text, Spans::Known(Vec::new()));
            let mut answered = false;
            for segment in &segments {
                match &segment.content {
                    SegmentContent::Control(token) => {
                        let token = intern(token);
                        if answered && stops.is_empty() {
                            stops.push(token);
                        }
                        if !self.required.contains(&token) {
                            self.required.push(token);
                        }
                    }
                    content => {
                        answered = answered
                            || segment.role.is_some_and(crate::Role::is_model) && !content.as_str().is_empty()
                    }
                }
            }
        }
        if self.stop_controls.is_empty() {
            let eos = self.options.variables.iter().find(|(name, _)| name == "eos_token");
            if let Some(eos) =
                eos.and_then(|(_, value)| value.as_str()).filter(|eos| self.controls.contains(eos))
                && !stops.contains(&eos)
            {
                stops.push(intern(eos));
            }
            self.stop_controls = stops;
        }
    }

    /// The variables of the options.
    fn variables(&self) -> Result<Vec<(&str, Item)>, Error> {
        let converter = Converter { place: "a variable of the options" };
        let variables = self.options.variables.iter();
        variables
            .map(|(name, value)| Ok((name.as_str(), converter.value(value, Origin::TEMPLATE)?)))
            .collect()
    }

    /// Renders messages `0..end` of the conversation, as text with origins.
    fn text(&self, conversation: &Conversation, end: usize, prompt: bool) -> Result<Text<'static>, Error> {
        let converter = Converter { place: "the conversation" };
        let mut variables = self.variables()?;
        variables.push(("messages", converter.messages(conversation, end)?));
        variables.push(("tools", converter.tools(conversation)?));
        variables.push(("documents", Item::from(())));
        variables.push(("add_generation_prompt", Item::from(prompt)));
        Ok(self.engine(conversation).render(variables)?)
    }

    fn engine(&self, conversation: &Conversation) -> &Engine {
        match &self.tool_use {
            Some(engine) if !conversation.tools.is_empty() => engine,
            _ => &self.default,
        }
    }

    fn segmenter<'a>(&'a self, conversation: &'a Conversation) -> Segmenter<'a> {
        Segmenter {
            conversation,
            controls: &self.controls,
            stops: &self.stops,
            model_tags: &self.model_tags,
            loss: self.options.loss,
        }
    }

    /// The turns of the model, by rendering prefixes of the conversation.
    fn prefix_spans(&self, conversation: &Conversation, whole: &str) -> Result<Vec<Span>, Error> {
        let mut spans = Vec::new();
        for (index, message) in conversation.messages.iter().enumerate() {
            if !message.role.is_model() {
                continue;
            }
            let prompt = self.text(conversation, index, true)?;
            let turn = self.text(conversation, index + 1, false)?;
            let range = prompt.len()..turn.len();
            let prefixes = whole.starts_with(prompt.as_str()) && whole.starts_with(turn.as_str());
            if !prefixes || range.start > range.end {
                return Err(JinjaError::NotAPrefix { index }.into());
            }
            spans.push(Span { range, message: Some(index) });
        }
        Ok(spans)
    }
}

impl ChatTemplate for JinjaTemplate {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn render(
        &self,
        conversation: &Conversation,
        add_generation_prompt: bool,
    ) -> Result<Vec<Segment>, Error> {
        let text = self.text(conversation, conversation.messages.len(), add_generation_prompt)?;
        let spans = if self.engine(conversation).has_generation {
            Spans::Generation
        } else if add_generation_prompt {
            Spans::Known(Vec::new())
        } else if self.options.spans == TurnSpans::Contents {
            Spans::Contents
        } else {
            Spans::Known(self.prefix_spans(conversation, text.as_str())?)
        };
        Ok(self.segmenter(conversation).segments(&text, spans))
    }

    fn required_controls(&self) -> &[&str] {
        &self.required
    }

    fn stop_controls(&self) -> &[&str] {
        &self.stop_controls
    }
}

impl std::fmt::Debug for JinjaTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JinjaTemplate")
            .field("options", &self.options)
            .field("required_controls", &self.required)
            .field("stop_controls", &self.stop_controls)
            .finish_non_exhaustive()
    }
}

/// The token as a string that lives as long as the program: the trait hands out slices of `&str`. Each token is kept
/// once, however many templates are read.
fn intern(token: &str) -> &'static str {
    static TOKENS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
    let tokens = tokens.get_or_insert_default();
    if let Some(kept) = tokens.get(token) {
        return kept;
    }
    let kept: &'static str = token.to_owned().leak();
    tokens.insert(kept);
    kept
}
