//! Does the answer rest on the tool results? By numbers and by facts, without another model.

use std::collections::{BTreeSet, HashSet};

use tooltune_chat::{Message, Value};

use crate::judge::{ResponseJudge, Share};
use crate::metric::Goal;
use crate::number::{Decimal, Found, numbers};
use crate::record::Record;

/// Texts in a tool result that are longer are passages, which an answer sums up, and no facts that it repeats.
const FACT_CHARS: usize = 80;

/// Judges an answer by the facts and numbers of the tool results that it follows.
///
/// Numbers are compared as numbers, however they are written: 420.5, 420.50 and $420.5; 1000 and 1,000; 0.12 and 12 %.
/// Texts are compared without case, on word boundaries: `Paris` is mentioned in "in Paris." and not in "Parisian".
/// A number that the model worked out (a sum, a rounded value, a number in words) is not found in the results, so the two
/// figures are to be compared between models, not read as truth.
///
/// ```
/// use tooltune_chat::{Hermes, Message};
/// use tooltune_eval::{GroundingJudge, Record, Response};
///
/// let asked = vec![
///     Message::user("What is the weather in Paris?"),
///     Message::tool("get_weather", r#"{"city": "Paris", "temperature": 21.50, "sky": "clear"}"#),
/// ];
/// let response = Response::parse("It is 21.5 °C in Paris, with 30 km/h of wind.", true, &Hermes::json());
/// let record = Record::new("1", "seen", vec![], vec![], response).with_conversation(asked);
/// assert_eq!(GroundingJudge::response_coverage().missing_facts(&record), ["clear"]);
/// assert_eq!(GroundingJudge::unsupported_numbers().made_up_numbers(&record), ["30"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GroundingJudge {
    aspect: Aspect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    Coverage,
    UnsupportedNumbers,
}

impl GroundingJudge {
    /// `response_coverage`: of the facts that the answer should mention, those that it does.
    ///
    /// They are the record's [`facts`](Record::facts) where it has some; otherwise the numbers and short texts in the tool
    /// results, and where the record has a [`reference`](Record::reference) answer, those of them that it mentions.
    /// About answers to tool results where no call is wanted.
    #[must_use]
    pub fn response_coverage() -> Self {
        Self { aspect: Aspect::Coverage }
    }

    /// `unsupported_number_rate`: of the numbers in the answer, those that are nowhere in the conversation: not in a
    /// tool result, not in what the user said, and not the length of a list in a result.
    /// About answers to tool results where no call is wanted. The numbers of a numbered list don't count.
    #[must_use]
    pub fn unsupported_numbers() -> Self {
        Self { aspect: Aspect::UnsupportedNumbers }
    }

    /// The facts that the answer should mention and does not.
    #[must_use]
    pub fn missing_facts(&self, record: &Record) -> Vec<String> {
        let answer = Text::new(record.answer());
        let missing = facts(record).into_iter().filter(|fact| !answer.mentions(fact));
        missing.map(|fact| fact.as_str().map_or_else(|| fact.to_json(), str::to_owned)).collect()
    }

    /// The numbers in the answer that are nowhere in the conversation.
    #[must_use]
    pub fn made_up_numbers(&self, record: &Record) -> Vec<String> {
        let known = known_numbers(&record.conversation);
        let made_up = stated_numbers(record).into_iter().filter(|number| !is_known(number, &known));
        made_up.map(|number| number.decimal.as_str().to_owned()).collect()
    }
}

impl ResponseJudge for GroundingJudge {
    fn name(&self) -> &str {
        match self.aspect {
            Aspect::Coverage => "response_coverage",
            Aspect::UnsupportedNumbers => "unsupported_number_rate",
        }
    }

    fn judge(&self, record: &Record) -> Option<Share> {
        if record.wants_call() || record.tool_results().is_empty() {
            return None;
        }
        let (of, misses) = match self.aspect {
            Aspect::Coverage => (facts(record).len(), self.missing_facts(record).len()),
            Aspect::UnsupportedNumbers => (stated_numbers(record).len(), self.made_up_numbers(record).len()),
        };
        let hits = if self.aspect == Aspect::Coverage { of - misses } else { misses };
        (of > 0).then_some(Share { hits: hits as u64, of: of as u64 })
    }

    fn goal(&self) -> Goal {
        match self.aspect {
            Aspect::Coverage => Goal::Higher,
            Aspect::UnsupportedNumbers => Goal::Lower,
        }
    }
}

/// A text prepared for looking things up in it.
pub(crate) struct Text {
    /// Lower case, with single spaces and straight apostrophes.
    normal: String,
    numbers: HashSet<Decimal>,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut found = HashSet::new();
        for number in numbers(text) {
            found.extend(number.percent.then(|| number.decimal.hundredth()).flatten());
            found.insert(number.decimal);
        }
        Self { normal: normal(text), numbers: found }
    }

    /// The value is mentioned: a number as a number, a text on word boundaries, whatever else as JSON.
    pub(crate) fn mentions(&self, value: &Value) -> bool {
        match value {
            Value::Number(_) => {
                numbers(&value.to_json()).first().is_some_and(|n| self.numbers.contains(&n.decimal))
            }
            Value::String(text) => self.mentions_text(text),
            _ => self.has_words(&value.to_json()),
        }
    }

    fn mentions_text(&self, text: &str) -> bool {
        if self.has_words(text) {
            return true;
        }
        // `$420.50` for 420.5: the same numbers, and no word missing.
        let found = numbers(text);
        let is_word = |word: &&str| word.chars().any(char::is_alphabetic);
        !found.is_empty()
            && found.iter().all(|n| {
                let alike = n.percent.then(|| n.decimal.hundredth()).flatten();
                self.numbers.contains(&n.decimal) || alike.is_some_and(|n| self.numbers.contains(&n))
            })
            && normal(text)
                .split(|c: char| !c.is_alphanumeric())
                .filter(is_word)
                .all(|word| self.has_words(word))
    }

    /// `words` stand in the text, between word boundaries.
    pub(crate) fn has_words(&self, words: &str) -> bool {
        let words = normal(words);
        let words = words.as_str();
        if words.is_empty() {
            return false;
        }
        let is_part = |c: char| c.is_alphanumeric();
        self.normal.match_indices(words).any(|(at, _)| {
            let before = self.normal[..at].chars().next_back();
            let after = self.normal[at + words.len()..].chars().next();
            let (first, last) = (words.chars().next(), words.chars().next_back());
            // Where the words themselves end in a sign, as in `C++`, anything may follow.
            let joined = |inner: Option<char>, outer: Option<char>| {
                inner.is_some_and(is_part) && outer.is_some_and(is_part)
            };
            !joined(first, before) && !joined(last, after)
        })
    }
}

/// The facts that an answer should mention, each once.
fn facts(record: &Record) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    let mut keep = |value: &Value| seen.insert(value.to_json());
    if !record.facts.is_empty() {
        return record.facts.iter().filter(|fact| keep(fact)).cloned().collect();
    }
    let reference = record.reference.as_deref().map(Text::new);
    let mut found = Vec::new();
    for result in record.tool_results() {
        match Value::parse_json(&result.content) {
            Ok(value) => leaves(&value, &mut |leaf| found.push(leaf.clone())),
            // Free text: its numbers are what can be checked.
            Err(_) => found.extend(numbers(&result.content).iter().map(|n| Value::from(n.decimal.as_str()))),
        }
    }
    found.retain(|fact| reference.as_ref().is_none_or(|reference| reference.mentions(fact)) && keep(fact));
    found
}

/// The numbers and short texts in a value.
fn leaves(value: &Value, found: &mut impl FnMut(&Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(object) => object.iter().for_each(|(_, item)| leaves(item, found)),
        Value::Number(_) => found(value),
        Value::String(text) if !text.trim().is_empty() && text.chars().count() <= FACT_CHARS => found(value),
        _ => {}
    }
}

/// The numbers that the answer states.
fn stated_numbers(record: &Record) -> Vec<Found> {
    numbers(record.answer()).into_iter().filter(|number| !number.marker).collect()
}

fn is_known(number: &Found, known: &HashSet<Decimal>) -> bool {
    known.contains(&number.decimal)
        || (number.percent && number.decimal.hundredth().is_some_and(|part| known.contains(&part)))
}

/// All numbers in the conversation, calls and lengths of lists in results included.
fn known_numbers(conversation: &[Message]) -> HashSet<Decimal> {
    let mut known = HashSet::new();
    let mut add = |text: &str| {
        for number in numbers(text) {
            known.extend(number.percent.then(|| number.decimal.hundredth()).flatten());
            known.insert(number.decimal);
        }
    };
    for message in conversation {
        add(&message.content);
        message.tool_calls.iter().for_each(|call| add(&call.to_value().to_json()));
        if let Ok(value) = Value::parse_json(&message.content) {
            lengths(&value, &mut |length| add(&length.to_string()));
        }
    }
    known
}

fn lengths(value: &Value, found: &mut impl FnMut(usize)) {
    match value {
        Value::Array(items) => {
            found(items.len());
            items.iter().for_each(|item| lengths(item, found));
        }
        Value::Object(object) => object.iter().for_each(|(_, item)| lengths(item, found)),
        _ => {}
    }
}

/// Lower case, with single spaces and straight apostrophes.
fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }));
    }
    out
}

#[cfg(test)]
mod tests {
    use tooltune_chat::Hermes;

    use super::*;
    use crate::record::Response;

    fn answered(result: &str, answer: &str) -> Record {
        let conversation = vec![Message::user("Flights for 2, please."), Message::tool("search", result)];
        Record::new("1", "a", vec![], vec![], Response::parse(answer, true, &Hermes::json()))
            .with_conversation(conversation)
    }

    fn coverage(record: &Record) -> Option<(u64, u64)> {
        GroundingJudge::response_coverage().judge(record).map(|share| (share.hits, share.of))
    }

    #[test]
    fn numbers_and_texts_are_mentioned_in_other_spellings() {
        for (fact, answer, mentioned) in [
            ("420.50", "It costs $420.5.", true),
            ("420.5", "It costs 420.50 euros.", true),
            ("1000", "There are 1,000 of them.", true),
            ("0.12", "That is 12 %.", true),
            ("12", "That is 12%.", true),
            ("42", "It costs 420.", false),
            ("5", "It is -5 degrees.", false),
            (r#""Paris""#, "in PARIS.", true),
            (r#""Paris""#, "a Parisian", false),
            (r#""New York""#, "New\n  York", true),
            (r#""C++""#, "C++17", true),
            (r#""€420.50""#, "EUR 420.5", true),
            (r#""21 °C""#, "21 degrees", false),
            (r#""12%""#, "0.12", true),
            (r#""it’s open""#, "It's open.", true),
            (r#""2024-05-01""#, "on 2024-05-01", true),
        ] {
            let record = answered(&format!(r#"{{"value": {fact}}}"#), answer);
            assert_eq!(coverage(&record), Some((u64::from(mentioned), 1)), "{fact} in {answer}");
        }
    }

    #[test]
    fn facts_come_from_the_record_the_reference_or_the_results() {
        let result =
            r#"{"flight": "QX7", "price": 420.5, "seats": [3, 3], "ok": true, "note": null, "text": ""}"#;
        let record = answered(result, "Flight QX7 costs 420.50.");
        assert_eq!(coverage(&record), Some((2, 3)));
        assert_eq!(GroundingJudge::response_coverage().missing_facts(&record), ["3"]);
        assert_eq!(coverage(&record.clone().with_reference("QX7, at 420.50")), Some((2, 2)));
        assert_eq!(coverage(&record.clone().with_facts(vec!["QX8".into()])), Some((0, 1)));
        assert_eq!(coverage(&answered("Sunny, 21 degrees.", "It is 21.")), Some((1, 1)));
        // A passage is no fact.
        assert_eq!(coverage(&answered(&format!("{:?}", "long ".repeat(40)), "Long.")), None);
        // Not about records without a result, or where a call is wanted.
        assert_eq!(coverage(&Record { conversation: vec![Message::user("Hi")], ..record.clone() }), None);
        let gold = vec![crate::testing::call("f", "{}")];
        assert_eq!(coverage(&Record { gold, ..record }), None);
    }

    #[test]
    fn unsupported_numbers() {
        let judge = GroundingJudge::unsupported_numbers();
        let of = |answer: &str| {
            let record = answered(r#"{"flights": [{"price": 1420.5}, {"price": 99}, {"price": 7}]}"#, answer);
            (judge.made_up_numbers(&record), judge.judge(&record).map(|share| (share.hits, share.of)))
        };
        // The three flights, the two travellers, and a price in another spelling.
        assert_eq!(of("3 flights for 2, from 1,420.50."), (vec![], Some((0, 3))));
        assert_eq!(of("1. It costs 99.\n2. It costs 100."), (vec!["100".to_owned()], Some((1, 2))));
        assert_eq!(of("None."), (vec![], None));
    }
}
