//! How minijinja calls our operators, filters, tests and functions.

use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, from_args};
use minijinja::{Environment, State, Value};

use super::budget::{Budget, Fault, fault};
use super::filter::FILTERS;
use super::operator::OPERATORS;
use super::predicate::TESTS;
use super::view::View;

/// What an operation needs to know of the rendering.
pub(super) struct Context {
    pub(super) budget: Arc<Budget>,
}

impl Context {
    /// The first two arguments, opened.
    pub(super) fn views<'a>(&self, args: &'a Args) -> Result<(View<'a>, View<'a>), Fault> {
        Ok((View::of(&self.budget, &args.values[0])?, View::of(&self.budget, &args.values[1])?))
    }
}

/// The arguments of a call: the value that it is about, the positional and the named ones.
pub(super) struct Args {
    pub(super) values: Vec<Value>,
    pub(super) named: Kwargs,
}

impl Args {
    /// Arguments by position only.
    pub(super) fn positional(values: Vec<Value>) -> Self {
        Self { values, named: std::iter::empty::<(String, Value)>().collect() }
    }

    /// The argument at `position` (the value itself is 0) or with this name.
    pub(super) fn get(&self, position: usize, name: &str) -> Result<Option<Value>, Fault> {
        let named: Option<Value> = if self.named.has(name) { Some(self.named.get(name)?) } else { None };
        match (self.values.get(position), named) {
            (Some(_), Some(_)) => Err(fault(format!("got multiple values for argument '{name}'"))),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, named) => Ok(named),
        }
    }

    /// As [`Args::get`]; an error where it is missing.
    pub(super) fn require(&self, position: usize, name: &str) -> Result<Value, Fault> {
        self.get(position, name)?.ok_or_else(|| fault(format!("missing argument '{name}'")))
    }

    /// The truth of an argument, false where it is missing.
    pub(super) fn flag(&self, context: &Context, position: usize, name: &str) -> Result<bool, Fault> {
        let value = self.get(position, name)?.unwrap_or_default();
        Ok(View::of(&context.budget, &value)?.is_true())
    }
}

/// An operation on values.
pub(super) type Op = fn(&Context, &Args) -> Result<Value, Fault>;

/// Calls an operation that takes at most `most` arguments.
pub(super) fn apply(op: Op, most: usize, context: &Context, args: &Args) -> Result<Value, Fault> {
    if args.values.is_empty() || args.values.len() > most {
        return Err(fault(format!("{} arguments where at most {most} are taken", args.values.len())));
    }
    let value = op(context, args)?;
    args.named.assert_all_used()?;
    Ok(value)
}

/// Looks an operation up in a table sorted for reading, not for searching.
pub(super) fn find(table: &[(&str, usize, Op)], name: &str) -> Option<(usize, Op)> {
    table.iter().find(|entry| entry.0 == name).map(|&(_, most, op)| (most, op))
}

/// The prefixes under which the checked source calls them.
pub(super) const OPERATOR: &str = "op_";
pub(super) const FILTER: &str = "f_";
pub(super) const TEST: &str = "t_";

/// Makes all operations known to minijinja.
pub(super) fn register(env: &mut Environment<'static>) {
    for (prefix, table) in [(OPERATOR, OPERATORS), (FILTER, FILTERS), (TEST, TESTS)] {
        for &(name, most, op) in table {
            env.add_filter(format!("{prefix}{name}"), move |state: &State, values: Rest<Value>| {
                let context = Context { budget: Budget::of(state)? };
                let (positional, named): (&[Value], Kwargs) = from_args(&values)?;
                apply(op, most, &context, &Args { values: positional.to_vec(), named })
            });
        }
    }
}
