//! The readers of the leaderboard's files, on hand-made lines.

use std::fs;
use std::path::Path;

use tooltune_chat::{Hermes, Value};
use tooltune_eval::ast::{Category, ModelOutput, Profile, ast_match};
use tooltune_eval::bfcl::{BfclExample, BfclFile, BfclFolder};
use tooltune_eval::{Error, Response};

const QUESTION: &str = r#"{"id": "simple_0", "question": [[{"role": "system", "content": "Be brief."},
 {"role": "user", "content": "Water the two ferns."}]], "function": [{"name": "garden.water", "description": "Waters plants.",
 "parameters": {"type": "dict", "properties": {"plant": {"type": "string", "description": "What."},
 "litres": {"type": "float", "description": "How much.", "default": 0.5}}, "required": ["plant"]}}]}"#;
const ANSWER: &str = r#"{"id": "simple_0", "ground_truth": [{"garden.water": {"plant": ["fern", "ferns"], "litres": ["", 0.5]}}]}"#;

fn line(text: &str) -> String {
    text.replace('\n', "") + "\n"
}

fn write(folder: &Path, set: &str, questions: &[&str], answers: Option<&[&str]>) -> BfclFile {
    let join = |lines: &[&str]| lines.iter().map(|text| line(text)).collect::<String>();
    let path = folder.join(format!("BFCL_v4_{set}.json"));
    fs::write(&path, join(questions)).expect("a file");
    if let Some(answers) = answers {
        fs::create_dir_all(folder.join("possible_answer")).expect("a folder");
        fs::write(folder.join(format!("possible_answer/BFCL_v4_{set}.json")), join(answers)).expect("a file");
    }
    BfclFile::from_path(&path).expect("a known category")
}

fn read(questions: &[&str], answers: Option<&[&str]>) -> Result<Vec<BfclExample>, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "live_simple", questions, answers).read()
}

#[test]
fn an_example_is_put_together() {
    let examples = read(&[QUESTION], Some(&[ANSWER])).expect("good lines");
    let example = &examples[0];
    assert_eq!((example.id.as_str(), example.set.as_str()), ("simple_0", "live_simple"));
    assert_eq!(example.category, Category::Simple);
    assert_eq!(example.turns[0].len(), 2);
    assert_eq!(example.gold[0].accepted("plant").expect("a parameter").values().len(), 2);

    let kind = |schema: &Value| schema.get("type").and_then(Value::as_str).map(str::to_owned);
    let litres = |schema: &Value| kind(schema.get("properties")?.get("litres")?);
    assert_eq!(kind(&example.functions[0].parameters).as_deref(), Some("dict"));
    let conversation = example.conversation();
    assert_eq!(conversation.messages[1].content, "Water the two ferns.");
    assert_eq!(kind(&conversation.tools[0].parameters).as_deref(), Some("object"));
    assert_eq!(litres(&conversation.tools[0].parameters).as_deref(), Some("number"));

    let text = r#"<tool_call>{"name": "garden.water", "arguments": {"plant": "Ferns"}}</tool_call>"#;
    let record = example.record(Response::parse(text, true, &Hermes::json()));
    assert_eq!((record.group.as_str(), record.gold.len(), record.gold_calls().len()), ("live_simple", 1, 1));
    let output = ModelOutput::from_parsed(&record.response.parsed, &record.tools);
    for profile in [Profile::Bfcl, Profile::Strict, Profile::Lenient] {
        let verdict = ast_match(&example.functions, &example.gold, output, &example.options(profile));
        assert!(verdict.valid(), "{profile:?}: {:?}", verdict.error);
    }
}

#[test]
fn a_folder_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    for set in ["simple_python", "live_parallel_multiple", "multiple", "parallel"] {
        write(folder.path(), set, &[QUESTION], Some(&[ANSWER]));
    }
    for set in ["irrelevance", "live_relevance"] {
        write(folder.path(), set, &[QUESTION], None);
    }
    for other in ["BFCL_v4_multi_turn_base.json", "BFCL_v4_simple_java.json", "README.md"] {
        fs::write(folder.path().join(other), "").expect("a file");
    }
    let found = BfclFolder::open(folder.path()).expect("a folder");
    let sets: Vec<_> = found.files.iter().map(|f| (f.set.as_str(), f.answers.is_some())).collect();
    assert_eq!(
        sets,
        [
            ("irrelevance", false),
            ("live_parallel_multiple", true),
            ("live_relevance", false),
            ("multiple", true),
            ("parallel", true),
            ("simple_python", true),
        ]
    );
    assert!(found.files.iter().all(|file| file.version == "4" && file.read().is_ok_and(|e| e.len() == 1)));
    assert_eq!(found.skipped.len(), 2);
    assert!(matches!(BfclFolder::open(&folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn errors_name_file_and_line() {
    let other = QUESTION.replace("simple_0", "simple_1");
    let no_text = QUESTION.replace("\"content\": \"Be brief.\"", "\"content\": 1");
    let role = QUESTION.replace("\"system\"", "\"king\"");
    let gold = ANSWER.replace("[\"fern\", \"ferns\"]", "\"fern\"");
    for (questions, answers, place, message) in [
        (vec![QUESTION, "{"], vec![ANSWER], "BFCL_v4_live_simple.json:2:", "not JSON"),
        (vec![QUESTION, QUESTION], vec![ANSWER], "BFCL_v4_live_simple.json:2:", "stands in line 1 too"),
        (vec![QUESTION, &other], vec![ANSWER], "BFCL_v4_live_simple.json:2:", "no accepted answer"),
        (vec![&no_text], vec![ANSWER], "BFCL_v4_live_simple.json:1:", "content"),
        (vec![&role], vec![ANSWER], "BFCL_v4_live_simple.json:1:", "unknown role \"king\""),
        (vec!["{\"id\": \"a\"}"], vec![], "BFCL_v4_live_simple.json:1:", "\"question\" should be a list"),
        (vec![QUESTION], vec![&gold], "possible_answer/BFCL_v4_live_simple.json:1:", "a list of accepted"),
        (vec![QUESTION], vec![ANSWER, ANSWER], "possible_answer/BFCL_v4_live_simple.json:2:", "line 1 too"),
        (
            vec![&other],
            vec![ANSWER, &ANSWER.replace("simple_0", "simple_1")],
            "possible_answer/BFCL_v4_live_simple.json:1:",
            "belongs to no question",
        ),
    ] {
        let error = read(&questions, Some(&answers)).expect_err(message).to_string();
        assert!(error.contains(place) && error.contains(message), "{error}\nagainst {place} {message}");
    }
    assert!(matches!(
        BfclFile::from_path(Path::new("BFCL_v4_simple_java.json")),
        Err(Error::UnknownCategory { .. })
    ));
}
