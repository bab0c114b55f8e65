//! Trains the tokenizer of the embedded base.
//!
//! Text is split into runs of letters, single digits, line breaks, tag punctuation and runs of anything else, so that
//! a value has the same tokens after a quote and after a space, a tag has the same tokens everywhere, and `": "` is
//! one token. The vocabulary is the bytes of UTF-8, the most frequent whole words and punctuation, and pieces learned
//! by byte-pair encoding for all other words. Whole words need no merges (`ignore_merges`): with merges alone, the
//! steps that lead to a word would be rows that no text uses, and such rows all stay one and the same vector.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::{Tokenizer, Trainer};

use super::words::PLAIN;

/// Control tokens, by id from 0.
pub const CONTROL_TOKENS: [&str; 6] =
    ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"];

/// The rule by which text is split before anything else.
pub const SPLIT: &str = r"[A-Za-z]+|[0-9]|\n|</|<|>|_|[^A-Za-z0-9\n<>_]+";

/// What may go wrong while a tokenizer is trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The tokenizers library refused something.
    #[error("cannot build the tokenizer: {0}")]
    Tokenizers(#[from] tokenizers::Error),
    /// The trained model has no merges where they are expected.
    #[error("the trained model cannot be read back: {0}")]
    Model(#[from] serde_json::Error),
}

/// Sizes of a vocabulary.
#[derive(Debug, Clone)]
pub struct TokenizerConfig {
    /// All rows, control tokens and bytes included.
    pub vocab_size: usize,
    /// Rows for whole words and punctuation.
    pub whole_words: usize,
    /// Words that are whole whatever their number.
    pub always: Vec<String>,
}

impl Default for TokenizerConfig {
    /// The vocabulary of the embedded base.
    fn default() -> Self {
        Self {
            vocab_size: 1024,
            whole_words: 480,
            always: PLAIN.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

/// Trains on `texts` and returns the content of a `tokenizer.json`.
///
/// # Errors
/// When the tokenizers library cannot train or load the result.
pub fn train_tokenizer(
    texts: impl Iterator<Item = String>,
    config: &TokenizerConfig,
) -> Result<String, TokenizerError> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for text in texts {
        for part in split(&text) {
            *counts.entry(part.bytes().map(byte_char).collect()).or_default() += 1;
        }
    }
    // Most frequent first, ties by spelling: the same texts give the same file.
    let mut counted: Vec<(String, u64)> = counts.into_iter().collect();
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));

    let bytes: Vec<String> =
        (0..=255).filter(|b| in_alphabet(*b)).map(|b| byte_char(b).to_string()).collect();
    let mut whole: Vec<String> = config.always.clone();
    for (word, _) in &counted {
        if whole.len() >= config.whole_words {
            break;
        }
        if !bytes.contains(word) && !whole.contains(word) && !is_foreign(word) {
            whole.push(word.clone());
        }
    }

    let rest: Vec<(String, u64)> = counted.into_iter().filter(|(word, _)| !whole.contains(word)).collect();
    let pieces = learn_pieces(&rest, &bytes, config.vocab_size)?;

    let mut vocab = serde_json::Map::new();
    let mut add = |token: String| {
        let id = vocab.len();
        vocab.entry(token).or_insert_with(|| json!(id));
        vocab.len()
    };
    let mut rows = 0;
    for token in CONTROL_TOKENS.iter().map(|t| (*t).to_owned()).chain(bytes).chain(whole) {
        rows = add(token);
    }
    let mut merges = Vec::new();
    for (left, right) in pieces {
        if rows >= config.vocab_size {
            break;
        }
        rows = add(format!("{left}{right}"));
        merges.push(json!([left, right]));
    }
    let text = format!("{:#}\n", tokenizer_json(vocab, merges));
    text.parse::<Tokenizer>()?;
    Ok(text)
}

/// At most `rows` merges for words that have no row of their own, in order.
fn learn_pieces(
    words: &[(String, u64)],
    bytes: &[String],
    rows: usize,
) -> Result<Vec<(String, String)>, TokenizerError> {
    let mut trainer = BpeTrainer::builder()
        .vocab_size(rows + bytes.len())
        .show_progress(false)
        .initial_alphabet(bytes.iter().flat_map(|b| b.chars()).collect())
        .limit_alphabet(bytes.len())
        .max_token_length(Some(4))
        .build();
    // Made-up words are each rare: what counts is in how many words a piece stands, not how often one word does.
    let letters = words.iter().filter(|(word, _)| word.bytes().all(|b| b.is_ascii_alphabetic()));
    trainer.feed(letters.map(|(word, _)| word.as_str()), |word| Ok(vec![word.to_owned()]))?;
    let mut model = BPE::default();
    trainer.train(&mut model)?;
    Ok(serde_json::from_value(serde_json::to_value(&model)?["merges"].take())?)
}

fn tokenizer_json(vocab: serde_json::Map<String, Json>, merges: Vec<Json>) -> Json {
    let control = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": CONTROL_TOKENS.iter().enumerate().map(control).collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        ]},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
            "vocab": vocab, "merges": merges},
    })
}

/// Splits as [`SPLIT`] does.
fn split(text: &str) -> Vec<&str> {
    #[derive(PartialEq)]
    enum Class {
        Letters,
        Alone,
        Other,
    }
    let class = |c: char| match c {
        'a'..='z' | 'A'..='Z' => Class::Letters,
        '0'..='9' | '\n' | '<' | '>' | '_' => Class::Alone,
        _ => Class::Other,
    };
    let mut parts = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, c)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        if c == '<' && next == Some('/') {
            letters.next();
            parts.push(&text[at..at + 2]);
            start = at + 2;
            continue;
        }
        let joined = next.is_some_and(|next| class(c) != Class::Alone && class(c) == class(next));
        if !joined {
            let end = at + c.len_utf8();
            parts.push(&text[start..end]);
            start = end;
        }
    }
    parts
}

/// Bytes that have a row: printable ASCII, tab and line break, and what valid UTF-8 is made of up to U+3FFFF.
fn in_alphabet(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x20..=0x7e | 0x80..=0xbf | 0xc2..=0xf0)
}

fn is_foreign(word: &str) -> bool {
    // Byte-level spelling: a space is the only byte outside printable ASCII that ordinary text here holds.
    word.chars().any(|c| !c.is_ascii() && c != byte_char(b' '))
}

/// The character by which byte-level models spell a byte: itself where it prints, else one from U+0100 on.
fn byte_char(byte: u8) -> char {
    let prints = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if prints(byte) {
        return byte as char;
    }
    let before = (0..byte).filter(|b| !prints(*b)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Tokenizer {
        let texts = ["{\"name\": \"kel_tor\"}", "what is kel?", "zor kelzor torkel"].map(str::to_owned);
        let config = TokenizerConfig { vocab_size: 240, whole_words: 8, always: vec!["tool".to_owned()] };
        train_tokenizer(texts.into_iter(), &config).unwrap().parse().unwrap()
    }

    #[test]
    fn any_text_comes_back() {
        let tokenizer = tiny();
        for text in ["<kel_tor>\n{\"a\": \"b, c\"}\n</kel_tor>", "né 北京 😀 12.50\tx", "  <</>>__"] {
            let ids = tokenizer.encode_fast(text, false).unwrap();
            assert_eq!(tokenizer.decode(ids.get_ids(), false).unwrap(), text);
        }
    }

    #[test]
    fn tags_and_values_have_the_same_tokens_everywhere() {
        let tokenizer = tiny();
        let tokens = |text: &str| tokenizer.encode(text, false).unwrap().get_tokens().to_vec();
        assert_eq!(tokens("<tool_call>")[..4], ["<", "tool", "_", "c"]);
        let tag = tokens("</kel>");
        assert!(tokens("\"</kel>\"").windows(tag.len()).any(|w| w == tag));
        let value = tokens("kelzor");
        assert_eq!(tokens("a kelzor")[2..], value);
    }

    #[test]
    fn splits_as_the_rule_does() {
        let tokenizer = tiny();
        for text in ["a</b>_1\n\n x, \"y\": <z>", "<</", "12ab é,é"] {
            let whole: Vec<String> = split(text).iter().map(|p| p.bytes().map(byte_char).collect()).collect();
            let mut pre = tokenizers::PreTokenizedString::from(text);
            let splitter = tokenizer.get_pre_tokenizer().unwrap();
            tokenizers::PreTokenizer::pre_tokenize(splitter, &mut pre).unwrap();
            let parts = pre.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte);
            assert_eq!(parts.iter().map(|(part, ..)| (*part).to_owned()).collect::<Vec<_>>(), whole);
        }
    }
}
