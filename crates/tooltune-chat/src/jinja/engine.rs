//! A checked template in minijinja.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::budget::{Budget, Fault, fault};
use super::print::to_text;
use super::statement::check;
use super::text::Text;
use super::{JinjaError, JinjaOptions, call, function};

/// How deep macros may call each other, in the units of minijinja (a macro costs four, and one for each block).
const RECURSION: usize = 400;
const NAME: &str = "chat_template";

/// A template, ready to render.
pub(super) struct Engine {
    env: Environment<'static>,
    max_bytes: u64,
    fuel: u64,
    pub(super) has_generation: bool,
}

impl Engine {
    pub(super) fn new(source: &str, options: &JinjaOptions) -> Result<Self, JinjaError> {
        let limit = options.limits.max_source_bytes;
        if source.len() > limit {
            return Err(JinjaError::Limit { unit: "bytes of source", limit: limit as u64 });
        }
        let checked = check(source)?;
        let mut env = Environment::empty();
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_recursion_limit(RECURSION);
        env.set_fuel(Some(options.limits.fuel));
        env.set_formatter(print);
        call::register(&mut env);
        function::register(&mut env, options.now);
        env.add_template_owned(NAME, checked.source).map_err(|error| {
            let line = error.line().unwrap_or(0);
            JinjaError::Syntax { line, problem: detail(&error) }
        })?;
        Ok(Self {
            env,
            max_bytes: options.limits.max_bytes,
            fuel: options.limits.fuel,
            has_generation: checked.has_generation,
        })
    }

    /// Renders with these variables.
    pub(super) fn render(&self, variables: Vec<(&str, Value)>) -> Result<Text<'static>, JinjaError> {
        let mut root: BTreeMap<Box<str>, Value> =
            variables.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let (name, budget) = Budget::new(self.max_bytes).into_variable();
        root.insert(name.into(), budget);
        let rendered =
            self.env.get_template(NAME).and_then(|template| template.render(Value::from_object(Root(root))));
        // What is read back has been paid for while it was written.
        let budget = Budget::new(u64::MAX);
        let text = rendered.and_then(|rendered| {
            let text = Text::decode(&budget, &rendered)?;
            Ok(Text::into_owned(text))
        });
        text.map_err(|error| self.error(&error))
    }

    /// Our own error, if it is one.
    fn error(&self, error: &Fault) -> JinjaError {
        if error.kind() == ErrorKind::OutOfFuel {
            return JinjaError::Limit { unit: "instructions", limit: self.fuel };
        }
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(own) = inner.downcast_ref::<JinjaError>() {
                return own.clone();
            }
            if let Some(inner) = inner.downcast_ref::<Fault>()
                && inner.kind() == ErrorKind::OutOfFuel
            {
                return JinjaError::Limit { unit: "instructions", limit: self.fuel };
            }
            source = inner.source();
        }
        JinjaError::Render { line: error.line().unwrap_or(0), problem: detail(error) }
    }
}

fn detail(error: &Fault) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// Prints a value: to the output, or into what a macro or a block catches.
fn print(out: &mut Output, state: &State, value: &Value) -> Result<(), Fault> {
    let budget = Budget::of(state)?;
    if let Some(text) = value.as_str() {
        // The template's own, or caught before and encoded.
        budget.make(text.len())?;
        return out.write_str(text).map_err(|_| fault("the output cannot be written"));
    }
    let text = to_text(&budget, value)?;
    budget.make(text.encoded_len())?;
    let mut encoded = String::new();
    text.encode(&mut encoded);
    out.write_str(&encoded).map_err(|_| fault("the output cannot be written"))
}

/// The variables of a rendering.
#[derive(Debug)]
struct Root(BTreeMap<Box<str>, Value>);

impl Object for Root {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }
}
