//! A synthetic tool: its declaration, and what a request for it needs to know.

use tooltune_chat::{Object, ToolDefinition, Value};

use super::kind::{Kind, Shape};

/// One parameter of a tool.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its kind: type, values, wordings.
    pub kind: &'static Kind,
    /// Whether every request states it.
    pub required: bool,
    /// Whether requests word it by its name (`with <name> <value>`), as they must for a made-up name.
    pub by_name: bool,
}

/// How requests for a tool are worded.
#[derive(Debug, Clone)]
pub enum Asking {
    /// Whole sentences with `{param}` for the values.
    Sentences(&'static [&'static str]),
    /// A verb, a noun and the wordings of the parameters' kinds.
    Words {
        /// Verbs that mean what the tool does.
        verbs: Vec<String>,
        /// Nouns that mean what the tool is about.
        nouns: Vec<String>,
    },
}

/// A tool of the synthetic world.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Name, as declared.
    pub name: String,
    /// Description, as declared.
    pub description: String,
    /// Parameters, in the order of the declaration.
    pub params: Vec<Param>,
    /// How requests are worded.
    pub asking: Asking,
    /// What it is about, in the word that its own texts use.
    pub subject: String,
    /// Subjects and words; tools that share one are never declared together, so that one request has one answer.
    pub subjects: Vec<String>,
}

impl Tool {
    /// Whether a request for one could be meant for the other.
    pub fn clashes(&self, other: &Tool) -> bool {
        self.name == other.name || self.subjects.iter().any(|s| other.subjects.contains(s))
    }

    /// What somebody who looks for an entry notes down: what is asked for, and the name of the entry if it is there.
    pub fn note(&self, found: bool) -> String {
        format!("{}: {}", self.subject, if found { &self.name } else { "none" })
    }

    /// The declaration with its JSON schema.
    pub fn definition(&self) -> ToolDefinition {
        let properties: Object =
            self.params.iter().map(|p| (p.name.clone(), schema(&p.kind.shape))).collect();
        let required =
            self.params.iter().filter(|p| p.required).map(|p| Value::from(p.name.as_str())).collect();
        let parameters: Object = [
            ("type".to_owned(), Value::from("object")),
            ("properties".to_owned(), Value::from(properties)),
            ("required".to_owned(), Value::Array(required)),
        ]
        .into_iter()
        .collect();
        ToolDefinition {
            name: self.name.clone(),
            description: self.description.clone(),
            parameters: Value::from(parameters),
        }
    }

    /// The parameters as a form: `{"city": "string", "unit?": ["c", "f"]}`.
    pub fn form(&self) -> Value {
        let fields = self.params.iter().map(|p| {
            let key = if p.required { p.name.clone() } else { format!("{}?", p.name) };
            (key, short_type(&p.kind.shape))
        });
        Value::from(fields.collect::<Object>())
    }

    /// The declaration as a catalog entry, with or without its description.
    pub fn entry(&self, described: bool) -> Value {
        let mut entry = Object::default();
        entry.insert("name".to_owned(), Value::from(self.name.as_str()));
        if described {
            entry.insert("description".to_owned(), Value::from(self.description.as_str()));
        }
        entry.insert("parameters".to_owned(), self.form());
        Value::from(entry)
    }
}

fn strings(options: &[&str]) -> Value {
    Value::Array(options.iter().map(|option| Value::from(*option)).collect())
}

fn schema(shape: &Shape) -> Value {
    let mut fields = vec![("type".to_owned(), Value::from(shape.type_name()))];
    match shape {
        Shape::Choice(options) => fields.push(("enum".to_owned(), strings(options))),
        Shape::List(_) => {
            let items: Object = [("type".to_owned(), Value::from("string"))].into_iter().collect();
            fields.push(("items".to_owned(), Value::from(items)));
        }
        _ => {}
    }
    Value::from(fields.into_iter().collect::<Object>())
}

/// The type in a form's short notation.
pub(crate) fn short_type(shape: &Shape) -> Value {
    match shape {
        Shape::Choice(options) => strings(options),
        Shape::List(_) => Value::from("string[]"),
        other => Value::from(other.type_name()),
    }
}
