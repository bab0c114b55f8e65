//! Reading a model turn once, from left to right, whole or while it is written.
//!
//! A [`Grammar`] takes a text in steps. A step is taken only when nothing that may follow can change it, so the
//! steps over a whole turn and over its pieces are the same; a step that needs more text waits. What has to be tried
//! again when more text has come is tried when its end is in sight, or when the text has doubled: so the work stays
//! linear however small the pieces.

use super::brackets::Until;
use super::parsed::Outside;
use super::retry::Retry;
use super::{Diagnostic, DiagnosticKind, ParseEvent, Parsed, StreamParser};
use crate::ToolCall;

pub(super) const THINK_START: &str = "<think>";
pub(super) const THINK_END: &str = "</think>";

/// Tokens that end a turn or begin one, of all models that the formats are used with.
pub(super) const TURN_TOKENS: [&str; 12] = [
    "<end_of_turn>",
    "<start_of_turn>",
    "<eos>",
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|eot|>",
    "<|header_start|>",
    "<turn|>",
];

/// The longest tag of any format, with room: where an error stands farther from the end of the text, no tag that has
/// not arrived wholly can explain it.
pub(super) const LONGEST_TAG_BYTES: usize = 40;

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It was; [`Scan::pos`] has moved or the state has changed.
    On,
    /// It needs more text. At the end of the turn no step may wait.
    Wait,
}

/// Where the format has no place for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextBeside {
    /// Neither before nor after the calls.
    Repair,
    /// Not after them.
    RepairAfter,
}

/// A grammar of calls.
pub(super) trait Grammar: Send + 'static {
    /// What the grammar keeps in mind between steps.
    type State: Default + Send;

    /// Where text is a repair.
    const TEXT_BESIDE: TextBeside;

    /// Takes the next step; the position is before the end of the text, unless [`Grammar::unfinished`].
    fn step(&self, text: &str, scan: &mut Scan, state: &mut Self::State) -> Step;

    /// Whether the end of the text itself is still to be noticed.
    fn unfinished(&self, _state: &Self::State) -> bool {
        false
    }
}

/// Reads a whole turn.
pub(super) fn parse<G: Grammar>(grammar: &G, text: &str) -> Parsed {
    let mut scan = Scan::new(true);
    scan.run(grammar, &mut G::State::default(), text, true);
    scan.finish::<G>(text)
}

/// The stream parser of a grammar.
pub(super) struct Reader<G: Grammar> {
    grammar: G,
    state: G::State,
    scan: Scan,
    text: String,
}

impl<G: Grammar> Reader<G> {
    pub(super) fn new(grammar: G) -> Self {
        Self { grammar, state: G::State::default(), scan: Scan::new(true), text: String::new() }
    }
}

impl<G: Grammar> StreamParser for Reader<G> {
    fn push(&mut self, chunk: &str) -> Vec<ParseEvent> {
        if chunk.is_empty() {
            return Vec::new();
        }
        self.text.push_str(chunk);
        self.scan.run(&self.grammar, &mut self.state, &self.text, false);
        std::mem::take(&mut self.scan.events)
    }

    fn finish(mut self: Box<Self>) -> Parsed {
        self.scan.run(&self.grammar, &mut self.state, &self.text, true);
        self.scan.finish::<G>(&self.text)
    }
}

/// Thinking that has begun.
struct Thinking {
    start: usize,
    /// Up to where there is no end.
    seen: usize,
}

/// How far the text has been read, and what was found.
pub(super) struct Scan {
    /// All before this byte is read.
    pub(super) pos: usize,
    /// Whether the turn is over.
    pub(super) eof: bool,
    pub(super) calls: Vec<ToolCall>,
    /// Whether the text outside calls is blank so far.
    pub(super) blank: bool,
    /// Whether a Markdown fence around calls was opened.
    pub(super) in_fence: bool,
    outside: Outside,
    diagnostics: Vec<Diagnostic>,
    events: Vec<ParseEvent>,
    /// Where text stands that the format has no place for, if there are calls.
    text_before: Option<usize>,
    text_after: Option<usize>,
    /// Whether `<think>` begins thinking; inside thinking it does not.
    thinks: bool,
    thinking: Option<Thinking>,
    retry: Option<Retry>,
    /// Where the model's turn ended by a token.
    ended: Option<usize>,
    /// Bytes read, counted as often as they were read.
    work: usize,
    /// Those of the step under way, which do not count if it waits.
    step_work: usize,
}

impl Scan {
    fn new(thinks: bool) -> Self {
        Self {
            pos: 0,
            eof: false,
            calls: Vec::new(),
            blank: true,
            in_fence: false,
            outside: Outside::default(),
            diagnostics: Vec::new(),
            events: Vec::new(),
            text_before: None,
            text_after: None,
            thinks,
            thinking: None,
            retry: None,
            ended: None,
            work: 0,
            step_work: 0,
        }
    }

    fn run<G: Grammar>(&mut self, grammar: &G, state: &mut G::State, text: &str, eof: bool) {
        self.eof = eof;
        while self.ended.is_none() {
            let unfinished = eof && (self.thinking.is_some() || grammar.unfinished(state));
            if self.pos == text.len() && !unfinished {
                return;
            }
            if self.work > 16 * text.len() + 65_536 {
                // More text allows more work.
                if eof {
                    self.note(self.pos, DiagnosticKind::WorkLimit);
                    self.keep(text, text.len() - self.pos);
                }
                return;
            }
            let step = match self.thinking.take() {
                Some(thinking) => self.think(grammar, text, thinking),
                None => grammar.step(text, self, state),
            };
            let step_work = std::mem::take(&mut self.step_work);
            if step == Step::Wait {
                return;
            }
            self.work += step_work;
        }
    }

    fn finish<G: Grammar>(mut self, text: &str) -> Parsed {
        if let Some(end) = self.ended {
            let mut after = &text[end..];
            while let Some(next) = TURN_TOKENS.iter().find_map(|token| after.strip_prefix(token)) {
                after = next.trim_start();
            }
            if !after.is_empty() {
                self.note(end, DiagnosticKind::Overrun);
            }
        }
        let before = self.text_before.filter(|_| G::TEXT_BESIDE == TextBeside::Repair);
        if let Some(at) = before.or(self.text_after).filter(|_| !self.calls.is_empty()) {
            self.note(at, DiagnosticKind::TextBeside);
        }
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.offset);
        Parsed::new(self.calls, self.outside, self.diagnostics)
    }

    pub(super) fn note(&mut self, offset: usize, kind: DiagnosticKind) {
        self.diagnostics.push(Diagnostic { kind, offset });
    }

    pub(super) fn note_all(&mut self, offset: usize, kinds: Vec<DiagnosticKind>) {
        for kind in kinds {
            self.note(offset, kind);
        }
    }

    /// Makes a call.
    pub(super) fn call(&mut self, call: ToolCall) {
        self.events.push(ParseEvent::Call(call.clone()));
        self.calls.push(call);
    }

    /// Moves on, keeping the bytes as text outside calls.
    pub(super) fn keep(&mut self, text: &str, bytes: usize) {
        let kept = &text[self.pos..self.pos + bytes];
        let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
        if let Some(ink) = kept.find(|c| !blank(c)) {
            self.blank = false;
            let place = if self.calls.is_empty() { &mut self.text_before } else { &mut self.text_after };
            place.get_or_insert(self.pos + ink);
        }
        self.say(kept);
        self.pos += bytes;
    }

    /// Text outside calls that does not stand in the turn as it is.
    pub(super) fn say(&mut self, said: &str) {
        if said.is_empty() {
            return;
        }
        self.outside.keep(said);
        if let Some(ParseEvent::Text(last)) = self.events.last_mut() {
            last.push_str(said);
        } else {
            self.events.push(ParseEvent::Text(said.to_owned()));
        }
    }

    /// Counts work; beyond a limit the rest of the text is not read. A step that waits will be taken again and does not
    /// count: so a stream counts as one shot does.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.step_work += bytes + 32;
    }

    /// Whether the text that begins at byte `start` is worth reading now: its end has come in sight, or it has doubled
    /// since it was last read, or the turn is over.
    pub(super) fn due(&mut self, text: &str, start: usize, until: Until) -> bool {
        self.eof || self.retry_at(start).due(text, |retry| retry.reaches(text, until))
    }

    /// As [`Scan::due`], where a tag ends what begins at `start`.
    pub(super) fn due_at_tag(&mut self, text: &str, start: usize, tag: &str) -> bool {
        self.eof || self.retry_at(start).due(text, |retry| retry.reaches_tag(text, tag))
    }

    fn retry_at(&mut self, start: usize) -> &mut Retry {
        match self.retry.take() {
            Some(retry) if retry.start() == start => self.retry.insert(retry),
            _ => self.retry.insert(Retry::new(start)),
        }
    }

    /// Whether the rest is the beginning of a tag of which more may come.
    pub(super) fn cut_tag(&self, text: &str, tags: &[&str]) -> bool {
        let rest = &text[self.pos..];
        !self.eof && tags.iter().any(|tag| rest.len() < tag.len() && tag.starts_with(rest))
    }

    /// At a `<`: takes what is no matter of the format, thinking and the end of the turn.
    pub(super) fn common_tag(&mut self, text: &str) -> Option<Step> {
        let rest = &text[self.pos..];
        if TURN_TOKENS.iter().any(|token| rest.starts_with(token)) {
            self.ended = Some(self.pos);
        } else if self.thinks && rest.starts_with(THINK_START) {
            self.thinking = Some(Thinking { start: self.pos, seen: self.pos + THINK_START.len() });
            self.pos += THINK_START.len();
        } else if self.thinks && rest.starts_with(THINK_END) {
            self.note(self.pos, DiagnosticKind::StrayThinkEnd);
            // What a prompt began is thinking: it is no text beside calls.
            (self.text_before, self.blank) = (None, true);
            self.say(THINK_END);
            self.pos += THINK_END.len();
        } else if self.cut_tag(text, &TURN_TOKENS) || self.cut_tag(text, &[THINK_START, THINK_END]) {
            return Some(Step::Wait);
        } else {
            return None;
        }
        Some(Step::On)
    }

    /// Whether thinking or the end of the turn is marked here.
    pub(super) fn is_common_tag(&self, rest: &str) -> bool {
        TURN_TOKENS.iter().any(|token| rest.starts_with(token))
            || (self.thinks && (rest.starts_with(THINK_START) || rest.starts_with(THINK_END)))
    }

    /// At a back-quote: takes the fence that opens here, if `begins` says of the byte behind it that calls begin there
    /// (`None`: that is not certain yet), or the fence that closes here, if one is open.
    pub(super) fn fence(
        &mut self,
        text: &str,
        begins: impl FnOnce(&mut Self, usize) -> Option<bool>,
    ) -> Step {
        const LOOK_AHEAD_BYTES: usize = 256;
        let start = self.pos;
        let rest = &text[start..];
        let ticks = rest.bytes().take_while(|&b| b == b'`').take(3).count();
        if ticks < 3 {
            if ticks == rest.len() && !self.eof {
                return Step::Wait;
            }
            self.keep(text, ticks);
            return Step::On;
        }
        if self.in_fence {
            self.in_fence = false;
            self.pos += ticks;
            return Step::On;
        }
        let near = &rest[..rest.floor_char_boundary(LOOK_AHEAD_BYTES)];
        let body =
            near[ticks..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
        if body.is_empty() && near.len() == rest.len() && !self.eof {
            return Step::Wait;
        }
        let body_at = start + near.len() - body.len();
        let fenced = if body.is_empty() { Some(false) } else { begins(self, body_at) };
        match fenced {
            None => return Step::Wait,
            Some(true) => {
                self.note(start, DiagnosticKind::Fence);
                self.in_fence = true;
                self.pos = body_at;
            }
            Some(false) => self.keep(text, ticks),
        }
        Step::On
    }

    /// Goes on thinking. The position moves with the thinking, so that a `<` is looked at once.
    fn think<G: Grammar>(&mut self, grammar: &G, text: &str, thinking: Thinking) -> Step {
        let Thinking { start, mut seen } = thinking;
        let (mut end, mut closed) = (None, false);
        while let Some(at) = text[seen..].find('<').map(|at| seen + at) {
            self.reveal(text, at);
            let rest = &text[at..];
            closed = rest.starts_with(THINK_END);
            if closed || TURN_TOKENS.iter().any(|token| rest.starts_with(token)) {
                end = Some(at);
                break;
            }
            if self.cut_tag(text, &TURN_TOKENS) || self.cut_tag(text, &[THINK_END]) {
                self.thinking = Some(Thinking { start, seen: at });
                return Step::Wait;
            }
            seen = at + 1;
        }
        if end.is_none() && !self.eof {
            self.reveal(text, text.len());
            self.thinking = Some(Thinking { start, seen: text.len() });
            return Step::Wait;
        }
        let end = end.unwrap_or(text.len());
        self.reveal(text, end);
        let inside = &text[start + THINK_START.len()..end];
        let mut nested = Self::new(false);
        nested.run(grammar, &mut G::State::default(), inside, true);
        let calls = !nested.calls.is_empty();
        match (calls, closed) {
            (true, true) => self.note(start, DiagnosticKind::CallInThink),
            (true, false) => self.note(start, DiagnosticKind::CallInUnterminatedThink),
            (false, _) => {}
        }
        if closed {
            self.pos += THINK_END.len();
        } else {
            self.note(start, DiagnosticKind::UnterminatedThink);
        }
        self.outside.think(&text[start..self.pos], inside);
        Step::On
    }

    /// Thinking up to byte `end` is certain.
    fn reveal(&mut self, text: &str, end: usize) {
        if end > self.pos {
            self.events.push(ParseEvent::Thinking(text[self.pos..end].to_owned()));
            self.pos = end;
        }
    }
}
