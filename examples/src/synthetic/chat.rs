//! Small talk, with tools declared or without.

use super::rng::Rng;
use super::words::{ADJECTIVES, Side, TOPICS, made_up, on_side};

const TALK: &[(&str, &str)] = &[
    ("Hello!", "Hello! How can I help you?"),
    ("Hi there", "Hello! How can I help you?"),
    ("Good morning.", "Good morning! What can I do for you?"),
    ("Good evening", "Good evening! What can I do for you?"),
    ("Thank you very much.", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Who are you?", "I am a small assistant."),
    ("What is your name?", "I am a small assistant."),
    ("How are you?", "I am fine, thank you."),
    ("Goodbye.", "Goodbye! Have a nice day."),
    ("See you tomorrow", "Goodbye! Have a nice day."),
    ("Tell me a joke.", "Why did the robot smile? It found a new battery."),
    ("What can you do?", "I can answer short questions."),
    ("You are great", "That is kind of you."),
    ("I am tired today", "Then take some rest."),
    ("I am so happy", "That is good to hear."),
];

const QUESTIONS: &[&str] = &[
    "What do you think about {}?",
    "Do you like {}?",
    "Is {} interesting?",
    "Write a line about {}.",
    "Explain {} to me.",
    "Why do people enjoy {}?",
    "Tell me something nice about {}",
    "I read a lot about {}",
];

/// A question that needs no tool, and its answer.
pub fn small_talk(rng: &mut Rng, side: Side) -> (String, String) {
    if rng.chance(0.4) {
        let (question, answer) = rng.one(TALK);
        return ((*question).to_owned(), (*answer).to_owned());
    }
    let topic = on_side(side, || match rng.weighted(&[4, 3, 3]) {
        0 => rng.pick(TOPICS).to_owned(),
        1 => format!("{} {}", rng.pick(ADJECTIVES), rng.pick(TOPICS)),
        _ => made_up(rng, side),
    });
    (rng.pick(QUESTIONS).replace("{}", &topic), format!("I think {topic} is interesting."))
}
