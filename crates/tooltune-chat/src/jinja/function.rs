//! The functions that transformers gives to a template.

use minijinja::value::{Kwargs, Rest, from_args};
use minijinja::{Environment, State, Value};

use super::budget::{Budget, Fault, fault, refuse};
use super::call::Args;
use super::date::JinjaDate;
use super::object::{Dict, Namespace};
use super::operator::insert;
use super::print::to_text;
use super::text::Origin;
use super::view::{View, iterate, key_of, string_value};
use super::{JinjaError, sequence};

/// Makes `range`, `dict`, `namespace`, `raise_exception` and `strftime_now` known to minijinja.
pub(super) fn register(env: &mut Environment<'static>, now: JinjaDate) {
    add(env, "range", sequence::range);
    add(env, "dict", dict);
    add(env, "namespace", namespace);
    add(env, "raise_exception", |budget, args| {
        let message = args.require(0, "message")?;
        let message = to_text(budget, &message)?.as_str().to_owned();
        Err(refuse(JinjaError::Raised { message }))
    });
    add(env, "strftime_now", move |budget, args| {
        let format = args.require(0, "format")?;
        let format = to_text(budget, &format)?;
        string_value(budget, now.format(format.as_str())?, Origin::COMPUTED)
    });
}

fn add<F>(env: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Fn(&Budget, &Args) -> Result<Value, Fault> + Send + Sync + 'static,
{
    env.add_function(name, move |state: &State, values: Rest<Value>| {
        let (positional, named): (&[Value], Kwargs) = from_args(&values)?;
        let args = Args { values: positional.to_vec(), named };
        let budget = Budget::of(state)?;
        let value = function(&budget, &args)?;
        args.named.assert_all_used()?;
        Ok::<Value, Fault>(value)
    });
}

/// The names and values of a dict, or of pairs, and of named arguments.
fn pairs(budget: &Budget, args: &Args) -> Result<Vec<(Value, Value)>, Fault> {
    let mut pairs = Vec::new();
    match &args.values[..] {
        [] => {}
        [value] => {
            if let View::Dict(dict) = View::of(budget, value)? {
                pairs.extend(dict.entries.values().cloned());
            } else {
                for pair in iterate(budget, value)? {
                    match &iterate(budget, &pair)?[..] {
                        [key, value] => pairs.push((key.clone(), value.clone())),
                        _ => return Err(fault("a dict is made from pairs")),
                    }
                }
            }
        }
        _ => return Err(fault("at most one argument by position is taken")),
    }
    for name in args.named.args().map(str::to_owned).collect::<Vec<_>>() {
        pairs.push((Value::from(name.as_str()), args.named.get(&name)?));
    }
    Ok(pairs)
}

fn dict(budget: &Budget, args: &Args) -> Result<Value, Fault> {
    let mut entries = indexmap::IndexMap::new();
    for (name, value) in pairs(budget, args)? {
        insert(&mut entries, key_of(budget, &name)?, &name, value);
    }
    Dict::make(budget, entries)
}

fn namespace(budget: &Budget, args: &Args) -> Result<Value, Fault> {
    let namespace = Namespace::new();
    for (name, value) in pairs(budget, args)? {
        namespace.set(budget, to_text(budget, &name)?.as_str(), value)?;
    }
    budget.make_items(0)?;
    Ok(Value::from_object(namespace))
}
