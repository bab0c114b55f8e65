//! Which parts of a schema a check visits, as a graph.

use std::collections::HashMap;

use super::limits::resolve;
use crate::{Object, Value};

/// The parts of a schema that can judge a value, reached from the root (which is part 0).
pub(super) struct Graph {
    pub(super) parts: Vec<Part>,
}

/// One schema within a schema.
#[derive(Default)]
pub(super) struct Part {
    /// The work of its own keywords, in steps.
    pub(super) weight: u64,
    /// How often its parts are gone through for one value.
    pub(super) passes: u64,
    /// Parts that judge the same value.
    pub(super) same: Vec<usize>,
    /// Parts that judge a child, at most one of each group for one child.
    pub(super) one_of: Vec<Vec<usize>>,
    /// Parts that may all judge the same child.
    pub(super) child: Vec<usize>,
}

/// A regular expression reads each byte of a text.
const PATTERN_WEIGHT: u64 = 256;

/// `unevaluatedProperties` asks all that judge the same value once more.
const UNEVALUATED_PASSES: u64 = 4;

impl Graph {
    /// The graph of a schema whose references have been checked.
    pub(super) fn new(root: &Value) -> Self {
        let mut builder = Builder { root, ids: HashMap::new(), queue: Vec::new() };
        builder.id(root);
        let mut parts = Vec::new();
        // The queue grows while it is read; ids are places in it.
        while let Some(&schema) = builder.queue.get(parts.len()) {
            parts.push(builder.part(schema));
        }
        Self { parts }
    }
}

struct Builder<'s> {
    root: &'s Value,
    ids: HashMap<*const Value, usize>,
    queue: Vec<&'s Value>,
}

impl<'s> Builder<'s> {
    fn id(&mut self, schema: &'s Value) -> usize {
        let next = self.queue.len();
        let id = *self.ids.entry(std::ptr::from_ref(schema)).or_insert(next);
        if id == next {
            self.queue.push(schema);
        }
        id
    }

    fn all(&mut self, schemas: impl IntoIterator<Item = &'s Value>) -> Vec<usize> {
        schemas.into_iter().map(|schema| self.id(schema)).collect()
    }

    fn part(&mut self, schema: &'s Value) -> Part {
        let mut part = Part { weight: 1, passes: 1, ..Part::default() };
        let Value::Object(keywords) = schema else { return part };
        for (keyword, value) in keywords.iter() {
            part.weight = part.weight.saturating_add(weight(keyword, value));
            match (keyword, value) {
                ("$ref", Value::String(reference)) => {
                    // A reference to nothing has been refused.
                    part.same.extend(resolve(self.root, reference).ok().map(|target| self.id(target)));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(items)) => part.same.extend(self.all(items)),
                ("not" | "if" | "then" | "else", schema) => part.same.push(self.id(schema)),
                ("dependentSchemas" | "dependencies", Value::Object(object)) => {
                    part.same.extend(self.all(values(object)));
                }
                ("properties", Value::Object(object)) => part.one_of.push(self.all(values(object))),
                ("prefixItems" | "items", Value::Array(items)) => part.one_of.push(self.all(items)),
                ("patternProperties", Value::Object(object)) => part.child.extend(self.all(values(object))),
                ("unevaluatedProperties" | "unevaluatedItems", schema) => {
                    part.passes = UNEVALUATED_PASSES;
                    part.child.push(self.id(schema));
                }
                (
                    "additionalProperties" | "additionalItems" | "items" | "contains" | "propertyNames",
                    schema,
                ) => {
                    part.child.push(self.id(schema));
                }
                _ => {}
            }
        }
        part
    }
}

fn values(object: &Object) -> impl Iterator<Item = &Value> {
    object.iter().map(|(_, value)| value)
}

fn weight(keyword: &str, value: &Value) -> u64 {
    match (keyword, value) {
        ("pattern", _) => PATTERN_WEIGHT,
        ("patternProperties", Value::Object(patterns)) => PATTERN_WEIGHT * patterns.len() as u64,
        ("enum" | "const", value) => count(value),
        (_, Value::Array(items)) => items.len() as u64,
        (_, Value::Object(object)) => object.len() as u64,
        _ => 1,
    }
}

fn count(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<u64>(),
        Value::Object(object) => 1 + values(object).map(count).sum::<u64>(),
        _ => 1,
    }
}
