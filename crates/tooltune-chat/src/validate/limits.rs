//! What a schema may be before it is compiled.

use super::cost::Costs;
use super::graph::Graph;
use super::problem::SchemaProblem;
use crate::Value;

/// The largest schema of a tool, as JSON: 64 KiB.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// How deep a schema may nest.
pub const MAX_SCHEMA_DEPTH: usize = 32;

/// Patterns take memory that their text does not show.
const MAX_PATTERNS: usize = 64;

/// References chain, and each link may be as deep as a schema: a thread's stack holds about twice that.
const MAX_REFERENCES: usize = 32;

/// Dialects in which this module's reading of keywords is right.
const DIALECTS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
];

/// Checks the limits and returns what checking arguments costs.
pub(super) fn check(schema: &Value) -> Result<Costs, SchemaProblem> {
    // Depth first: everything after it recurses.
    if !is_within(schema, MAX_SCHEMA_DEPTH) {
        return Err(SchemaProblem::TooDeep { limit: MAX_SCHEMA_DEPTH });
    }
    let bytes = schema.to_json().len();
    if bytes > MAX_SCHEMA_BYTES {
        return Err(SchemaProblem::TooLarge { bytes, limit: MAX_SCHEMA_BYTES });
    }
    let mut keywords = Keywords { root: schema, patterns: 0, references: Vec::new() };
    keywords.scan(schema)?;
    if keywords.patterns > MAX_PATTERNS {
        return Err(SchemaProblem::TooMany { what: "patterns", limit: MAX_PATTERNS });
    }
    if keywords.references.len() > MAX_REFERENCES {
        return Err(SchemaProblem::TooMany { what: "references", limit: MAX_REFERENCES });
    }
    let costs = Costs::new(&Graph::new(schema)).ok_or(SchemaProblem::Circular)?;
    // What an empty call costs already.
    if costs.at(0).is_some_and(|cost| cost.allows(1)) { Ok(costs) } else { Err(SchemaProblem::TooCostly) }
}

fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(object) => levels > 0 && object.iter().all(|(_, item)| is_within(item, levels - 1)),
        _ => true,
    }
}

/// Looks at every key, also within examples and constants: what merely looks like a reference is refused too.
struct Keywords<'s> {
    root: &'s Value,
    patterns: usize,
    references: Vec<&'s str>,
}

impl<'s> Keywords<'s> {
    fn scan(&mut self, value: &'s Value) -> Result<(), SchemaProblem> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.scan(item)),
            Value::Object(object) => object.iter().try_for_each(|(key, item)| {
                self.keyword(key, item, std::ptr::eq(value, self.root))?;
                self.scan(item)
            }),
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, key: &str, value: &'s Value, at_root: bool) -> Result<(), SchemaProblem> {
        match (key, value) {
            ("$ref", Value::String(reference)) => {
                resolve(self.root, reference)?;
                if !self.references.contains(&reference.as_str()) {
                    self.references.push(reference);
                }
            }
            ("$schema", Value::String(dialect)) if at_root => {
                let known = DIALECTS.contains(&dialect.trim_end_matches('#'));
                return if known { Ok(()) } else { Err(SchemaProblem::Dialect { dialect: dialect.clone() }) };
            }
            // These change what a reference means.
            ("$dynamicRef" | "$recursiveRef" | "$schema", Value::String(_)) => {
                return Err(SchemaProblem::Unsupported { keyword: key.to_owned() });
            }
            ("$id", Value::String(_)) if !at_root => {
                return Err(SchemaProblem::Unsupported { keyword: key.to_owned() });
            }
            ("pattern", Value::String(_)) => self.patterns += 1,
            ("patternProperties", Value::Object(patterns)) => self.patterns += patterns.len(),
            _ => {}
        }
        Ok(())
    }
}

/// The part of the schema that `#` or `#/a/b` names.
pub(super) fn resolve<'s>(root: &'s Value, reference: &str) -> Result<&'s Value, SchemaProblem> {
    let foreign = || SchemaProblem::Foreign { reference: reference.to_owned() };
    let dangling = || SchemaProblem::Dangling { reference: reference.to_owned() };
    let pointer = reference.strip_prefix('#').ok_or_else(foreign)?;
    let pointer = percent_decode(pointer).ok_or_else(dangling)?;
    if pointer.is_empty() {
        return Ok(root);
    }
    // An anchor, `#name`, is no pointer.
    let steps = pointer.strip_prefix('/').ok_or_else(foreign)?;
    steps.split('/').try_fold(root, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match value {
            Value::Object(object) => object.get(&step),
            Value::Array(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
            _ => None,
        };
        next.ok_or_else(dangling)
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}
