//! Jinja's tests: what stands after `is`.

use minijinja::Value;

use super::budget::{Fault, fault};
use super::call::{Args, Context, Op, find};
use super::method::cased;
use super::object::Namespace;
use super::operator::contains;
use super::print::to_text;
use super::text::Text;
use super::view::{Num, View, compare, equal};

/// The tests, with the arguments they take at most.
pub(super) const TESTS: &[(&str, usize, Op)] = &[
    ("defined", 1, |c, a| is(c, a, |v| !matches!(v, View::Undefined))),
    ("undefined", 1, |c, a| is(c, a, |v| matches!(v, View::Undefined))),
    ("none", 1, |c, a| is(c, a, |v| matches!(v, View::None))),
    ("boolean", 1, |c, a| is(c, a, |v| matches!(v, View::Bool(_)))),
    ("true", 1, |c, a| is(c, a, |v| matches!(v, View::Bool(true)))),
    ("false", 1, |c, a| is(c, a, |v| matches!(v, View::Bool(false)))),
    ("integer", 1, |c, a| is(c, a, |v| matches!(v, View::Int(_) | View::Big(_)))),
    ("float", 1, |c, a| is(c, a, |v| matches!(v, View::Float(_)))),
    ("number", 1, |c, a| {
        is(c, a, |v| matches!(v, View::Int(_) | View::Big(_) | View::Float(_) | View::Bool(_)))
    }),
    ("string", 1, |c, a| is(c, a, |v| matches!(v, View::Str(_)))),
    ("mapping", 1, |c, a| is(c, a, |v| matches!(v, View::Dict(_)))),
    ("sequence", 1, |c, a| {
        is(c, a, |v| matches!(v, View::Str(_) | View::List(_) | View::Dict(_) | View::Undefined))
    }),
    ("iterable", 1, |c, a| {
        is(c, a, |v| matches!(v, View::Str(_) | View::List(_) | View::Dict(_) | View::Undefined))
    }),
    ("callable", 1, |_, a| callable(&a.values[0])),
    ("sameas", 2, |c, a| same(c, a)),
    ("eq", 2, |c, a| Ok(equal(&c.budget, &a.values[0], &a.require(1, "other")?)?.into())),
    ("equalto", 2, |c, a| Ok(equal(&c.budget, &a.values[0], &a.require(1, "other")?)?.into())),
    ("==", 2, |c, a| Ok(equal(&c.budget, &a.values[0], &a.require(1, "other")?)?.into())),
    ("!=", 2, |c, a| Ok((!equal(&c.budget, &a.values[0], &a.require(1, "other")?)?).into())),
    ("<", 2, |c, a| order(c, a, std::cmp::Ordering::is_lt)),
    ("<=", 2, |c, a| order(c, a, std::cmp::Ordering::is_le)),
    (">", 2, |c, a| order(c, a, std::cmp::Ordering::is_gt)),
    (">=", 2, |c, a| order(c, a, std::cmp::Ordering::is_ge)),
    ("ne", 2, |c, a| Ok((!equal(&c.budget, &a.values[0], &a.require(1, "other")?)?).into())),
    ("lt", 2, |c, a| order(c, a, std::cmp::Ordering::is_lt)),
    ("lessthan", 2, |c, a| order(c, a, std::cmp::Ordering::is_lt)),
    ("le", 2, |c, a| order(c, a, std::cmp::Ordering::is_le)),
    ("gt", 2, |c, a| order(c, a, std::cmp::Ordering::is_gt)),
    ("greaterthan", 2, |c, a| order(c, a, std::cmp::Ordering::is_gt)),
    ("ge", 2, |c, a| order(c, a, std::cmp::Ordering::is_ge)),
    ("in", 2, |c, a| Ok(contains(&c.budget, &a.require(1, "seq")?, &a.values[0])?.into())),
    ("odd", 1, |c, a| remainder(c, &a.values[0], 2, 1)),
    ("even", 1, |c, a| remainder(c, &a.values[0], 2, 0)),
    ("divisibleby", 2, |c, a| match View::of(&c.budget, &a.require(1, "num")?)? {
        View::Int(divisor) if divisor != 0 => remainder(c, &a.values[0], divisor, 0),
        _ => Err(fault("divisibleby takes an integer other than 0")),
    }),
    ("lower", 1, |c, a| cased(c, text(c, a)?.as_str(), char::is_lowercase, char::is_uppercase)),
    ("upper", 1, |c, a| cased(c, text(c, a)?.as_str(), char::is_uppercase, char::is_lowercase)),
];

fn text<'a>(context: &Context, args: &'a Args) -> Result<Text<'a>, Fault> {
    to_text(&context.budget, &args.values[0])
}

fn is(context: &Context, args: &Args, test: fn(&View) -> bool) -> Result<Value, Fault> {
    Ok(test(&View::of(&context.budget, &args.values[0])?).into())
}

fn callable(value: &Value) -> Result<Value, Fault> {
    let object = value.kind() == minijinja::value::ValueKind::Map
        || value.kind() == minijinja::value::ValueKind::Plain;
    let data = super::object::is_data(value) || value.downcast_object_ref::<Namespace>().is_some();
    // A loop is an object too, but only macros and functions are left to ask about.
    Ok((object && !data && value.get_attr("index0").is_ok_and(|index| index.is_undefined())).into())
}

/// Identity, where it can be told: the constants, and numbers and strings by type and value.
fn same(context: &Context, args: &Args) -> Result<Value, Fault> {
    let other = args.require(1, "other")?;
    let budget = &context.budget;
    Ok(match (View::of(budget, &args.values[0])?, View::of(budget, &other)?) {
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::None, View::None) => true,
        (View::Int(_), View::Int(_)) | (View::Str(_), View::Str(_)) => {
            equal(budget, &args.values[0], &other)?
        }
        (View::List(a), View::List(b)) => std::ptr::eq(a, b),
        (View::Dict(a), View::Dict(b)) => std::ptr::eq(a, b),
        _ => false,
    }
    .into())
}

fn order(context: &Context, args: &Args, test: fn(std::cmp::Ordering) -> bool) -> Result<Value, Fault> {
    let other = args.require(1, "other")?;
    Ok(compare(&context.budget, &args.values[0], &other)?.is_some_and(test).into())
}

fn remainder(context: &Context, value: &Value, divisor: i128, rest: i128) -> Result<Value, Fault> {
    match View::of(&context.budget, value)?.number() {
        Some(Num::Int(i)) => Ok((i.checked_rem_euclid(divisor) == Some(rest)).into()),
        _ => Err(fault("the test takes an integer")),
    }
}

/// Whether `value` passes the test called `name`.
pub(super) fn passes(
    context: &Context,
    name: &str,
    value: Value,
    arguments: &[Value],
) -> Result<bool, Fault> {
    let (most, op) = find(TESTS, name).ok_or_else(|| fault(format!("no test named '{name}'")))?;
    let values = std::iter::once(value).chain(arguments.iter().cloned()).collect();
    Ok(super::call::apply(op, most, context, &Args::positional(values))?.is_true())
}
