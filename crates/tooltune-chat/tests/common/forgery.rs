//! A conversation with a place for every kind of content that comes from outside, and what must hold of it.
#![allow(dead_code)]

use std::collections::HashMap;

use tooltune_chat::{
    ChatTemplate, Conversation, Message, Object, Segment, SegmentContent, TextTokenizer, ToolCall,
    ToolDefinition, encode, segments_to_text,
};

/// Where content comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    System,
    User,
    ToolName,
    ToolDescription,
    ParameterName,
    CallName,
    ArgumentName,
    ArgumentValue,
    ToolResult,
    NextToolResult,
    Assistant,
}

impl Place {
    pub(crate) const ALL: [Self; 11] = [
        Self::System,
        Self::User,
        Self::ToolName,
        Self::ToolDescription,
        Self::ParameterName,
        Self::CallName,
        Self::ArgumentName,
        Self::ArgumentValue,
        Self::ToolResult,
        Self::NextToolResult,
        Self::Assistant,
    ];
}

/// What stands where nothing is forged.
const HARMLESS: &str = "x";

/// What stands in each place.
#[derive(Clone, Debug)]
pub(crate) struct Contents([String; Place::ALL.len()]);

impl Contents {
    pub(crate) fn harmless() -> Self {
        Self(std::array::from_fn(|_| HARMLESS.to_owned()))
    }

    pub(crate) fn with(mut self, place: Place, content: &str) -> Self {
        self.0[place as usize] = content.to_owned();
        self
    }

    fn get(&self, place: Place) -> &str {
        &self.0[place as usize]
    }
}

/// What a template has a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Everything.
    Tools,
    /// The text of a user and of the model.
    Chat,
}

/// Whose text may hold the tags of the call format (never the tokens that make turns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagsFrom {
    /// The model's own: its thinking has tags.
    Model,
    /// Everybody's.
    Anybody,
}

/// A template with a tokenizer.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) template: Box<dyn ChatTemplate>,
    pub(crate) tokenizer: Box<dyn TextTokenizer>,
    /// Every control token of the tokenizer.
    pub(crate) controls: Vec<String>,
    /// The token that stands first and nowhere else, where the template has one.
    pub(crate) bos: Option<&'static str>,
    pub(crate) shape: Shape,
    pub(crate) tags_from: TagsFrom,
    /// The tags that the format itself writes or leaves out by what stands between them, as quotes around a string.
    pub(crate) varying: &'static [&'static str],
    /// Whether decoding gives the text back, to the byte.
    pub(crate) lossless: bool,
    /// Whether the template may refuse content, as names in an alphabet of its own.
    pub(crate) may_refuse: bool,
}

/// What became of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Held,
    /// The template refused it: nothing was forged.
    Refused,
}

impl Target {
    pub(crate) fn places(&self) -> &'static [Place] {
        match self.shape {
            Shape::Tools => &Place::ALL,
            Shape::Chat => &[Place::User, Place::Assistant],
        }
    }

    fn conversation(&self, contents: &Contents) -> Conversation {
        let get = |place| contents.get(place);
        let answer = Message::assistant(get(Place::Assistant));
        if self.shape == Shape::Chat {
            return Conversation::new(Vec::new(), vec![Message::user(get(Place::User)), answer]);
        }
        let mut properties = Object::new();
        properties.insert(get(Place::ParameterName), get(Place::ToolDescription));
        let mut parameters = Object::new();
        parameters.insert("type", "object");
        parameters.insert("properties", properties);
        let mut arguments = Object::new();
        arguments.insert(get(Place::ArgumentName), get(Place::ArgumentValue));
        let call = |id: &str| ToolCall {
            id: Some(id.to_owned()),
            ..ToolCall::new(get(Place::CallName), arguments.clone())
        };
        let result = |id: &str, place| Message {
            tool_call_id: Some(id.to_owned()),
            ..Message::tool(get(Place::CallName), get(place))
        };
        Conversation::new(
            vec![ToolDefinition::new(get(Place::ToolName), get(Place::ToolDescription), parameters)],
            vec![
                Message::system(get(Place::System)),
                Message::user(get(Place::User)),
                Message::calls(vec![call("callnumb1"), call("callnumb2")]),
                result("callnumb1", Place::ToolResult),
                result("callnumb2", Place::NextToolResult),
                answer,
            ],
        )
    }

    /// The control tokens of the segments, in order, and the tags but for those that the content itself may hold.
    fn signature(&self, segments: &[Segment], contents: &Contents) -> Vec<String> {
        let attacks_model = contents.get(Place::Assistant) != HARMLESS;
        let may_tag = |segment: &Segment| match self.tags_from {
            TagsFrom::Anybody => true,
            TagsFrom::Model => attacks_model && segment.role.is_some_and(|role| role.is_model()),
        };
        let token = |segment: &Segment| match &segment.content {
            SegmentContent::Control(token) => Some(token.clone()),
            SegmentContent::Tag(tag) if self.varying.contains(&tag.as_str()) => None,
            SegmentContent::Tag(tag) if !may_tag(segment) => Some(tag.clone()),
            _ => None,
        };
        segments.iter().filter_map(token).collect()
    }

    /// Renders and encodes the contents; panics where something was forged.
    pub(crate) fn attack(&self, contents: &Contents, prompt: bool) -> Outcome {
        let conversation = self.conversation(contents);
        let segments = match self.template.render(&conversation, prompt) {
            Ok(segments) => segments,
            Err(_) if self.may_refuse => return Outcome::Refused,
            Err(error) => panic!("{}: {error}: {contents:?}", self.name),
        };
        let tokenizer = self.tokenizer.as_ref();
        let chat = encode(&segments, tokenizer).unwrap();
        let ids: HashMap<u32, &str> = self
            .controls
            .iter()
            .map(|token| (tokenizer.control_id(token).unwrap(), token.as_str()))
            .collect();
        // The control ids are those of the control segments and tags.
        let expected = segments.iter().filter_map(|segment| match &segment.content {
            SegmentContent::Control(token) => Some(token.as_str()),
            SegmentContent::Tag(tag) => tokenizer.control_id(tag).map(|_| tag.as_str()),
            SegmentContent::Text(_) | SegmentContent::TextApart(_) => None,
        });
        let emitted = chat.ids.iter().filter_map(|id| ids.get(id).copied());
        assert!(emitted.eq(expected), "{}: {contents:?}\n{:?}", self.name, chat.ids);
        // And those segments are the same whatever stands in the places.
        let harmless = self.conversation(&Contents::harmless());
        let harmless = self.template.render(&harmless, prompt).unwrap();
        let signatures = (self.signature(&segments, contents), self.signature(&harmless, contents));
        assert_eq!(signatures.0, signatures.1, "{}: {contents:?}", self.name);
        if self.lossless {
            let text = segments_to_text(&segments);
            assert_eq!(tokenizer.decode(&chat.ids, true).unwrap(), text, "{}: {contents:?}", self.name);
        }
        if let Some(bos) = self.bos {
            let bos = tokenizer.control_id(bos).unwrap();
            assert_eq!(chat.ids.iter().position(|&id| id == bos), Some(0), "{}", self.name);
            assert_eq!(chat.ids.iter().rposition(|&id| id == bos), Some(0), "{}: {contents:?}", self.name);
        }
        Outcome::Held
    }
}
