//! What is trained: 10,000 conversations, and the errors of weights that make no sense.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tooltune_chat::{
    ByteTokenizer, CallPiece, ChatTemplate, Conversation, EncodedChat, Error, Gemma2Tools, Hermes,
    HfTokenizer, LossWeights, Message, Object, Segment, SegmentContent, SegmentKind, TextToken,
    TextTokenizer, TokenCount, TokensByKind, ToolCall, ToolCallFormat, check_pad_token, encode,
    segments_to_text,
};

#[path = "common/random.rs"]
mod random;

use random::Random;

const CONVERSATIONS: usize = 10_000;
const SEED: u64 = 20_240_611;

/// The presets, and one that weighs every kind differently.
fn losses() -> [(&'static str, LossWeights); 5] {
    let graded = LossWeights {
        control: 0.0,
        system: 0.5,
        tools: 0.25,
        user: 0.0,
        tool_result: 0.125,
        think: 0.75,
        call: 1.5,
        call_name: 3.0,
        call_arguments: 2.0,
        answer: 1.0,
        end_of_turn: 4.0,
    };
    [
        ("assistant", LossWeights::assistant()),
        ("calls_only", LossWeights::calls_only()),
        ("all", LossWeights::all()),
        ("course", LossWeights::course()),
        ("graded", graded),
    ]
}

/// A token, and the segments that it has bytes of.
struct Owned {
    id: u32,
    segments: Vec<usize>,
}

/// The tokens of the segments as the rules say them, without [`encode`]: the text between control tokens at once.
fn tokens(segments: &[Segment], tokenizer: &dyn TextTokenizer) -> Vec<Owned> {
    let control = |segment: &Segment| match &segment.content {
        SegmentContent::Control(token) => Some(tokenizer.control_id(token).unwrap()),
        SegmentContent::Tag(tag) => tokenizer.control_id(tag),
        SegmentContent::Text(_) | SegmentContent::TextApart(_) => None,
    };
    let mut out = Vec::new();
    let mut at = 0;
    while at < segments.len() {
        if let Some(id) = control(&segments[at]) {
            out.push(Owned { id, segments: vec![at] });
            at += 1;
            continue;
        }
        let bytes = segments[at..].iter().take_while(|segment| control(segment).is_none()).enumerate();
        let bytes: Vec<usize> =
            bytes.flat_map(|(i, s)| std::iter::repeat_n(at + i, s.content.as_str().len())).collect();
        let end = bytes[bytes.len() - 1] + 1;
        for token in tokenizer.encode_with_spans(&segments_to_text(&segments[at..end])).unwrap() {
            let mut segments = bytes[token.span].to_vec();
            segments.dedup();
            out.push(Owned { id: token.id, segments });
        }
        at = end;
    }
    out
}

/// Ids, weights and kinds: a token that belongs to several segments is the first of the heaviest.
fn expected(tokens: &[Owned], segments: &[Segment]) -> EncodedChat {
    let owner = |token: &Owned| {
        let owners = token.segments.iter().map(|&at| &segments[at]);
        let heaviest = owners.clone().map(|segment| segment.weight).fold(0.0, f32::max);
        owners.clone().find(|segment| segment.weight == heaviest).unwrap().clone()
    };
    let owners: Vec<Segment> = tokens.iter().map(owner).collect();
    EncodedChat {
        ids: tokens.iter().map(|token| token.id).collect(),
        weights: owners.iter().map(|segment| segment.weight).collect(),
        kinds: owners.iter().map(|segment| segment.kind).collect(),
    }
}

/// The weight of a segment by its kind and its role alone.
fn check_weight(segment: &Segment, loss: &LossWeights) {
    let model = segment.role.is_some_and(|role| role.is_model());
    // The line break after the end of a turn is written by nobody.
    let break_after = segment.kind == SegmentKind::EndOfTurn && segment.content.as_str() == "\n";
    let weight = match segment.kind {
        SegmentKind::Control => loss.control,
        SegmentKind::System => loss.system,
        SegmentKind::Tools => loss.tools,
        SegmentKind::User => loss.user,
        SegmentKind::ToolResult => loss.tool_result,
        SegmentKind::Think => loss.think,
        SegmentKind::Call => loss.call,
        SegmentKind::CallName => loss.call_name,
        SegmentKind::CallArguments => loss.call_arguments,
        SegmentKind::Answer => loss.answer,
        SegmentKind::EndOfTurn if model && !break_after => loss.end_of_turn,
        SegmentKind::EndOfTurn => loss.control,
        kind => panic!("a kind without a rule: {kind:?}"),
    };
    assert_eq!(segment.weight, weight, "{segment:?}");
    assert_eq!(
        segment.kind.is_written_by_model(),
        model && segment.kind != SegmentKind::Control && segment.kind != SegmentKind::EndOfTurn,
        "{segment:?}"
    );
}

/// What the model writes in its turns, from the messages and not from the segments.
fn written_by_model(conversation: &Conversation, format: &dyn ToolCallFormat, answers: bool) -> String {
    let mut out = String::new();
    for message in conversation.messages.iter().filter(|message| message.role.is_model()) {
        let content = message.content.trim();
        if answers {
            out.push_str(content);
        }
        if !message.tool_calls.is_empty() {
            if !content.is_empty() {
                out.push('\n');
            }
            let piece = |piece: CallPiece| piece.content.as_str().to_owned();
            out.extend(format.write_calls(&message.tool_calls).into_iter().map(piece));
        }
        out.push_str("<end_of_turn>");
    }
    out
}

fn trained_text(chat: &EncodedChat, tokenizer: &dyn TextTokenizer) -> String {
    let ids: Vec<u32> = chat.labels().into_iter().filter_map(|label| label.try_into().ok()).collect();
    tokenizer.decode(&ids, true).unwrap()
}

/// A tokenizer that encodes no text twice, because the losses differ and the texts do not.
struct Remembers<'t> {
    inner: &'t dyn TextTokenizer,
    texts: Mutex<HashMap<String, Vec<TextToken>>>,
}

impl TextTokenizer for Remembers<'_> {
    fn encode_with_spans(&self, text: &str) -> Result<Vec<TextToken>, Error> {
        if let Some(tokens) = self.texts.lock().unwrap().get(text) {
            return Ok(tokens.clone());
        }
        let tokens = self.inner.encode_with_spans(text)?;
        self.texts.lock().unwrap().insert(text.to_owned(), tokens.clone());
        Ok(tokens)
    }

    fn control_id(&self, token: &str) -> Option<u32> {
        self.inner.control_id(token)
    }

    fn decode_filtered(&self, ids: &[u32], keep: &dyn Fn(&str) -> bool) -> Result<String, Error> {
        self.inner.decode_filtered(ids, keep)
    }

    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }
}

struct Tokenizers {
    golden: HfTokenizer,
    /// The whole text at once, added tokens found in it.
    whole: tokenizers::Tokenizer,
    byte: ByteTokenizer,
    plain: ByteTokenizer,
}

/// Checks one conversation in one dialect, and counts its bytes by kind for each of the losses.
fn check(conversation: &Conversation, format: Hermes, tokenizers: &Tokenizers) -> Vec<TokensByKind> {
    let render = |loss: LossWeights| {
        let template = Gemma2Tools::new(Arc::new(format)).with_loss(loss);
        template.render(conversation, false).unwrap()
    };
    let by_loss = losses().map(|(name, loss)| (name, loss, render(loss)));
    let segments = &by_loss[0].2;
    let text = segments_to_text(segments);
    // No text here spells a control token but the tags of thinking, which are tags indeed.
    let whole = tokenizers.whole.encode(text.as_str(), false).unwrap();
    let mut counts = vec![TokensByKind::default(); by_loss.len()];
    let all: [&dyn TextTokenizer; 3] = [&tokenizers.golden, &tokenizers.byte, &tokenizers.plain];
    for (index, inner) in all.into_iter().enumerate() {
        let tokenizer = &Remembers { inner, texts: Mutex::default() };
        let tokens = tokens(segments, tokenizer);
        let bos = tokenizer.control_id("<bos>").unwrap();
        for ((_, loss, segments), counts) in by_loss.iter().zip(&mut counts) {
            segments.iter().for_each(|segment| check_weight(segment, loss));
            let chat = encode(segments, tokenizer).unwrap();
            assert_eq!(chat, expected(&tokens, segments), "{text}");
            assert_eq!(chat.ids.iter().position(|&id| id == bos), Some(0));
            assert_eq!(chat.ids.iter().rposition(|&id| id == bos), Some(0));
            chat.validate().unwrap();
            *counts = chat.tokens_by_kind();
            assert_eq!(counts.total(), TokenCount { tokens: chat.len(), trained: chat.trained_tokens() });
        }
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        if index == 0 {
            assert_eq!(ids, whole.get_ids(), "{text}");
        }
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    }
    for (name, _, segments) in &by_loss {
        let trained = trained_text(&encode(segments, &tokenizers.plain).unwrap(), &tokenizers.plain);
        match *name {
            "assistant" => assert_eq!(trained, written_by_model(conversation, &format, true)),
            "calls_only" => assert_eq!(trained, written_by_model(conversation, &format, false)),
            "all" | "course" => assert_eq!(trained, text),
            _ => {}
        }
    }
    counts
}

#[test]
fn ten_thousand_conversations_are_trained_as_their_weights_say() {
    let path = common::data("golden/tokenizer/tokenizer.json");
    let tokenizers = Tokenizers {
        golden: HfTokenizer::from_file(&path).unwrap(),
        whole: tokenizers::Tokenizer::from_file(&path).unwrap(),
        byte: ByteTokenizer::default(),
        plain: ByteTokenizer::without_tags(),
    };
    let mut random = Random::new(SEED);
    let mut totals = losses().map(|(name, _)| (name, TokensByKind::default()));
    let (mut turns, mut calls) = (0, 0);
    for _ in 0..CONVERSATIONS {
        let conversation = random::conversation(&mut random);
        turns += conversation.messages.len();
        calls += conversation.messages.iter().map(|message| message.tool_calls.len()).sum::<usize>();
        for format in [Hermes::json(), Hermes::python()] {
            for (counts, (_, total)) in check(&conversation, format, &tokenizers).iter().zip(&mut totals) {
                *total += counts;
            }
        }
    }
    println!("{CONVERSATIONS} conversations, {turns} messages, {calls} calls, in two dialects");
    for (name, total) in totals {
        println!("\n{name}, bytes as tokens\n{total}");
        assert!(total.iter().all(|(_, count)| count.tokens > 0), "a kind that no conversation has");
    }
}

fn simple(loss: LossWeights) -> EncodedChat {
    let calls = vec![ToolCall::new("f", Object::new())];
    let messages = vec![
        Message::user("Hi"),
        Message::assistant("Hello"),
        Message::user("Call f."),
        Message::calls(calls),
        Message::tool("f", "1"),
        Message::assistant("Done"),
    ];
    let template = Gemma2Tools::default().with_loss(loss);
    let segments = template.render(&Conversation::new(Vec::new(), messages), false).unwrap();
    encode(&segments, &ByteTokenizer::default()).unwrap()
}

#[test]
fn a_turn_that_never_ends_is_an_error() {
    let never = |loss: LossWeights| LossWeights { end_of_turn: 0.0, ..loss };
    for (name, loss) in losses() {
        simple(loss).validate().unwrap();
        let error = simple(never(loss)).validate().unwrap_err();
        let Error::EndOfTurnNotTrained { token } = error else { panic!("{name}: {error}") };
        let chat = simple(never(loss));
        assert!(chat.weights[token] > 0.0);
        assert_eq!(chat.kinds[token + 1], SegmentKind::EndOfTurn, "{name}");
    }
    // A part of the turn is enough: here the brackets are not trained.
    let name_only = LossWeights { call_name: 1.0, ..nothing() };
    assert!(matches!(simple(name_only).validate(), Err(Error::EndOfTurnNotTrained { .. })));
    // The ends of other turns are not the model's.
    let users = LossWeights { user: 1.0, tool_result: 1.0, ..LossWeights::assistant() };
    simple(users).validate().unwrap();
}

fn nothing() -> LossWeights {
    LossWeights {
        think: 0.0,
        call: 0.0,
        call_name: 0.0,
        call_arguments: 0.0,
        answer: 0.0,
        end_of_turn: 0.0,
        ..LossWeights::assistant()
    }
}

#[test]
fn a_sample_without_anything_trained_is_an_error() {
    assert!(matches!(simple(nothing()).validate(), Err(Error::NothingTrained { tokens }) if tokens > 0));
    assert!(EncodedChat::default().validate().is_err());
    // The first token is never predicted.
    let mut chat = simple(nothing());
    chat.weights[0] = 1.0;
    assert!(chat.validate().is_err());
    chat.weights[1] = 1.0;
    chat.validate().unwrap();
}

#[test]
fn padding_that_stops_is_an_error() {
    let (template, tokenizer) = (Gemma2Tools::default(), ByteTokenizer::default());
    let id = |token| tokenizer.control_id(token).unwrap();
    check_pad_token(id("<pad>"), &template, &tokenizer).unwrap();
    for stop in template.stop_controls() {
        let error = check_pad_token(id(stop), &template, &tokenizer).unwrap_err();
        assert!(error.to_string().contains(stop), "{error}");
    }
}
