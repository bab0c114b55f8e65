//! Python's operators, which the checked source calls in place of minijinja's.

use indexmap::IndexMap;
use minijinja::Value;

use super::budget::{Budget, Fault, fault};
use super::call::{Args, Context, Op};
use super::object::{Dict, List, ListKind, Namespace};
use super::print::to_text;
use super::text::{Builder, Text, slice_value, text_value};
use super::view::{Num, View, compare, equal, int_value, iterate, key_of, undefined};
use super::{method, percent, strings};

/// The operators by the names that the checked source calls them by, with the arguments they take at most.
pub(super) const OPERATORS: &[(&str, usize, Op)] = &[
    ("add", 2, |c, a| add(&c.budget, &a.values[0], &a.values[1])),
    ("sub", 2, |c, a| arithmetic(c, a, "-", i128::checked_sub, |a, b| Ok(a - b))),
    ("mul", 2, |c, a| multiply(c, a)),
    ("div", 2, |c, a| divide(c, a)),
    ("floordiv", 2, |c, a| arithmetic(c, a, "//", floor_div, |a, b| nonzero(b).map(|b| (a / b).floor()))),
    ("mod", 2, |c, a| modulo(c, a)),
    ("pow", 2, |c, a| power(c, a)),
    ("neg", 1, |c, a| negate(c, &a.values[0])),
    ("cat", usize::MAX, |c, a| concatenate(c, a)),
    ("eq", 2, |c, a| Ok(equal(&c.budget, &a.values[0], &a.values[1])?.into())),
    ("ne", 2, |c, a| Ok((!equal(&c.budget, &a.values[0], &a.values[1])?).into())),
    ("lt", 2, |c, a| order(c, a, std::cmp::Ordering::is_lt)),
    ("le", 2, |c, a| order(c, a, std::cmp::Ordering::is_le)),
    ("gt", 2, |c, a| order(c, a, std::cmp::Ordering::is_gt)),
    ("ge", 2, |c, a| order(c, a, std::cmp::Ordering::is_ge)),
    ("in", 2, |c, a| Ok(contains(&c.budget, &a.values[1], &a.values[0])?.into())),
    ("item", 2, |c, a| item(&c.budget, &a.values[0], &a.values[1])),
    ("attr", 2, |c, a| a.values[0].get_attr(to_text(&c.budget, &a.values[1])?.as_str())),
    ("slice", 4, |c, a| slice(c, a)),
    ("list", usize::MAX, |c, a| List::make(&c.budget, a.values[1..].to_vec(), ListKind::List)),
    ("tuple", usize::MAX, |c, a| List::make(&c.budget, a.values[1..].to_vec(), ListKind::Tuple)),
    ("dict", usize::MAX, |c, a| dict(c, &a.values[1..])),
    ("missing", usize::MAX, |c, a| missing(c, a)),
    ("same", 1, |_, a| Ok(a.values[0].clone())),
    ("iter", 1, |c, a| each(c, &a.values[0])),
    ("method", usize::MAX, |c, a| method::call(c, a)),
    ("setattr", 3, |c, a| set_attribute(c, a)),
    ("generation", 1, |c, a| generation(c, &a.values[0])),
];

fn mismatch(operator: &str, a: &View, b: &View) -> Fault {
    if matches!(a, View::Undefined) || matches!(b, View::Undefined) {
        return undefined();
    }
    let (a, b) = (a.type_name(), b.type_name());
    fault(format!("unsupported operand types for {operator}: '{a}' and '{b}'"))
}

fn overflow() -> Fault {
    fault("an integer goes beyond 128 bits")
}

/// `a + b`.
pub(super) fn add(budget: &Budget, a: &Value, b: &Value) -> Result<Value, Fault> {
    match (View::of(budget, a)?, View::of(budget, b)?) {
        (View::Str(a), View::Str(b)) => {
            let markup = a.is_markup() || b.is_markup();
            let mut out = Builder::new(budget);
            for text in [a, b] {
                out.push_text(&if markup { strings::escape(budget, &text)? } else { text })?;
            }
            Ok(text_value(out.finish().with_markup(markup)))
        }
        (View::List(a), View::List(b)) if a.kind == b.kind => {
            budget.make_items(a.items.len().saturating_add(b.items.len()))?;
            List::paid([&a.items[..], &b.items[..]].concat(), a.kind)
        }
        (a, b) => calculate(&a, &b, "+", i128::checked_add, |a, b| Ok(a + b)),
    }
}

fn calculate(
    a: &View,
    b: &View,
    operator: &str,
    int: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> Result<f64, Fault>,
) -> Result<Value, Fault> {
    match (a.number(), b.number()) {
        (Some(Num::Int(_)), Some(Num::Int(0))) if matches!(operator, "//" | "%") => Err(zero()),
        (Some(Num::Int(a)), Some(Num::Int(b))) => int(a, b).map(int_value).ok_or_else(overflow),
        (Some(a), Some(b)) => float(a.to_f64(), b.to_f64()).map(Value::from),
        _ => Err(mismatch(operator, a, b)),
    }
}

fn arithmetic(
    context: &Context,
    args: &Args,
    operator: &str,
    int: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> Result<f64, Fault>,
) -> Result<Value, Fault> {
    let (a, b) = context.views(args)?;
    calculate(&a, &b, operator, int, float)
}

fn zero() -> Fault {
    fault("division by zero")
}

fn nonzero(b: f64) -> Result<f64, Fault> {
    if b == 0.0 { Err(zero()) } else { Ok(b) }
}

/// Python rounds down, whatever the signs.
fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// Python's remainder has the sign of the divisor.
fn remainder(a: i128, b: i128) -> Option<i128> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

fn modulo(context: &Context, args: &Args) -> Result<Value, Fault> {
    let (a, b) = context.views(args)?;
    if let View::Str(format) = &a {
        return percent::format(&context.budget, format, &args.values[1]);
    }
    calculate(&a, &b, "%", remainder, |a, b| {
        let rest = a % nonzero(b)?;
        Ok(if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest })
    })
}

fn divide(context: &Context, args: &Args) -> Result<Value, Fault> {
    let (a, b) = context.views(args)?;
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => Ok(Value::from(a.to_f64() / nonzero(b.to_f64())?)),
        _ => Err(mismatch("/", &a, &b)),
    }
}

fn power(context: &Context, args: &Args) -> Result<Value, Fault> {
    let (a, b) = context.views(args)?;
    match (a.number(), b.number()) {
        (Some(Num::Int(a)), Some(Num::Int(b))) if b >= 0 => {
            let exponent = u32::try_from(b).map_err(|_| overflow())?;
            a.checked_pow(exponent).map(int_value).ok_or_else(overflow)
        }
        (Some(a), Some(b)) => {
            let power = a.to_f64().powf(b.to_f64());
            if power.is_nan() { Err(fault("a power that is no real number")) } else { Ok(Value::from(power)) }
        }
        _ => Err(mismatch("**", &a, &b)),
    }
}

fn negate(context: &Context, value: &Value) -> Result<Value, Fault> {
    let view = View::of(&context.budget, value)?;
    match view.number() {
        Some(Num::Int(i)) => i.checked_neg().map(int_value).ok_or_else(overflow),
        Some(Num::Float(f)) => Ok(Value::from(-f)),
        None if matches!(view, View::Undefined) => Err(undefined()),
        None => Err(fault(format!("bad operand type for unary -: '{}'", view.type_name()))),
    }
}

fn multiply(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let (a, b) = context.views(args)?;
    let (sequence, count) = match (&a, &b) {
        (View::Str(_) | View::List(_), View::Int(_) | View::Bool(_)) => (&a, b.number()),
        (View::Int(_) | View::Bool(_), View::Str(_) | View::List(_)) => (&b, a.number()),
        _ => return calculate(&a, &b, "*", i128::checked_mul, |a, b| Ok(a * b)),
    };
    let count = match count {
        Some(Num::Int(count)) => usize::try_from(count.max(0)).unwrap_or(usize::MAX),
        _ => 0,
    };
    match sequence {
        View::List(list) => {
            budget.make_items(list.items.len().saturating_mul(count))?;
            let items = list.items.iter().cycle().take(list.items.len().saturating_mul(count));
            List::paid(items.cloned().collect(), list.kind)
        }
        View::Str(text) if !text.is_empty() => {
            budget.read(count)?;
            let mut out = Builder::new(budget);
            for _ in 0..count {
                out.push_text(text)?;
            }
            Ok(out.into_value())
        }
        _ => Ok(Value::from("")),
    }
}

/// `a ~ b ~ …`.
fn concatenate(context: &Context, args: &Args) -> Result<Value, Fault> {
    let mut out = Builder::new(&context.budget);
    for value in &args.values {
        out.push_text(&to_text(&context.budget, value)?)?;
    }
    Ok(out.into_value())
}

fn order(context: &Context, args: &Args, test: fn(std::cmp::Ordering) -> bool) -> Result<Value, Fault> {
    Ok(compare(&context.budget, &args.values[0], &args.values[1])?.is_some_and(test).into())
}

/// `item in container`.
pub(super) fn contains(budget: &Budget, container: &Value, item: &Value) -> Result<bool, Fault> {
    match View::of(budget, container)? {
        View::Undefined => Ok(false),
        View::Str(text) => match View::of(budget, item)? {
            View::Str(part) => {
                budget.read(text.len() + part.len())?;
                Ok(text.as_str().contains(part.as_str()))
            }
            View::Undefined => Err(undefined()),
            other => Err(fault(format!("'in <string>' requires a string, not {}", other.type_name()))),
        },
        View::List(list) => {
            for candidate in &list.items {
                if equal(budget, candidate, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        View::Dict(dict) => Ok(dict.get(&key_of(budget, item)?).is_some()),
        other => Err(fault(format!("argument of type '{}' is not iterable", other.type_name()))),
    }
}

/// `value[key]`: undefined where there is no such item.
pub(super) fn item(budget: &Budget, value: &Value, key: &Value) -> Result<Value, Fault> {
    match View::of(budget, value)? {
        View::Undefined => Err(undefined()),
        View::Dict(dict) => {
            let key = key_of(budget, key).ok();
            Ok(key.and_then(|key| dict.get(&key).cloned()).unwrap_or_default())
        }
        View::List(list) => Ok(index(budget, key, list.items.len())?
            .and_then(|at| list.items.get(at).cloned())
            .unwrap_or_default()),
        View::Str(text) => {
            budget.read(text.len())?;
            let s = text.as_str();
            let Some(at) = index(budget, key, s.chars().count())? else { return Ok(Value::UNDEFINED) };
            match s.char_indices().nth(at) {
                Some((start, c)) => slice_value(budget, &text, start..start + c.len_utf8()),
                None => Ok(Value::UNDEFINED),
            }
        }
        View::Other => match View::of(budget, key)? {
            View::Str(name) => value.get_attr(name.as_str()),
            _ => Ok(Value::UNDEFINED),
        },
        _ => Ok(Value::UNDEFINED),
    }
}

/// An index into `len` items, negative ones from the end.
fn index(budget: &Budget, key: &Value, len: usize) -> Result<Option<usize>, Fault> {
    Ok(match View::of(budget, key)? {
        View::Int(i) if i < 0 => usize::try_from(i128::try_from(len).unwrap_or(0) + i).ok(),
        View::Int(i) => usize::try_from(i).ok(),
        View::Bool(b) => Some(usize::from(b)),
        _ => None,
    })
}

/// What `[start:stop:step]` takes out of `len` items, as Python counts them: the first index, how many, the step.
fn slice_bounds(budget: &Budget, bounds: &[Value], len: usize) -> Result<(i128, usize, i128), Fault> {
    let bound = |value: &Value| match View::of(budget, value)? {
        View::None => Ok(None),
        View::Int(i) => Ok(Some(i)),
        View::Bool(b) => Ok(Some(i128::from(b))),
        _ => Err(fault("slice indices must be integers or None")),
    };
    let (start, stop, step) = (bound(&bounds[0])?, bound(&bounds[1])?, bound(&bounds[2])?.unwrap_or(1));
    if step == 0 {
        return Err(fault("slice step cannot be zero"));
    }
    let len = i128::try_from(len).unwrap_or(i128::MAX);
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let place = |bound: Option<i128>, default: i128| {
        bound.map_or(default, |i| if i < 0 { i.saturating_add(len) } else { i }.clamp(lowest, highest))
    };
    let (start, distance) = if step > 0 {
        let start = place(start, lowest);
        (start, place(stop, highest) - start)
    } else {
        let start = place(start, highest);
        (start, start - place(stop, lowest))
    };
    // At most `len`, which is a usize; none where the distance is negative.
    let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
    Ok((start, usize::try_from(count).unwrap_or(0), step))
}

/// The indexes themselves.
fn indexes((start, count, step): (i128, usize, i128)) -> impl Iterator<Item = usize> {
    let mut next = start;
    (0..count).map(move |_| {
        let index = next;
        next = next.saturating_add(step);
        usize::try_from(index).unwrap_or(0)
    })
}

fn slice(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let bounds = &args.values[1..];
    match View::of(budget, &args.values[0])? {
        View::List(list) => {
            let bounds = slice_bounds(budget, bounds, list.items.len())?;
            budget.make_items(bounds.1)?;
            let items: Vec<Value> = indexes(bounds).map(|at| list.items[at].clone()).collect();
            List::paid(items, list.kind)
        }
        View::Str(text) => slice_text(budget, &text, bounds),
        View::Undefined => Err(undefined()),
        other => Err(fault(format!("'{}' object cannot be sliced", other.type_name()))),
    }
}

fn slice_text(budget: &Budget, text: &Text, bounds: &[Value]) -> Result<Value, Fault> {
    let s = text.as_str();
    budget.read(s.len())?;
    let bounds = slice_bounds(budget, bounds, s.chars().count())?;
    if bounds.1 == 0 {
        return Ok(Value::from(""));
    }
    if let (start, count, 1) = bounds {
        let mut places = s.char_indices().map(|(at, _)| at).skip(usize::try_from(start).unwrap_or(0));
        let first = places.next().unwrap_or(s.len());
        return slice_value(budget, text, first..places.nth(count - 1).unwrap_or(s.len()));
    }
    // Where each character begins, and the end.
    budget.make(s.len().saturating_add(1).saturating_mul(size_of::<usize>()))?;
    let mut places: Vec<usize> = s.char_indices().map(|(at, _)| at).collect();
    places.push(s.len());
    let mut out = Builder::new(budget);
    for at in indexes(bounds) {
        out.push_slice(text, places[at]..places[at + 1])?;
    }
    Ok(out.into_value())
}

fn dict(context: &Context, pairs: &[Value]) -> Result<Value, Fault> {
    let mut entries = IndexMap::new();
    for pair in pairs.chunks_exact(2) {
        let key = key_of(&context.budget, &pair[0])?;
        insert(&mut entries, key, &pair[0], pair[1].clone());
    }
    Dict::make(&context.budget, entries)
}

/// A repeated key keeps its first form and takes the last value, as in Python.
pub(super) fn insert(
    entries: &mut IndexMap<super::object::Key, (Value, Value)>,
    key: super::object::Key,
    shown: &Value,
    value: Value,
) {
    entries.entry(key).or_insert_with(|| (shown.clone(), Value::UNDEFINED)).1 = value;
}

/// What a loop runs over: a list stays as it is, for the sake of `loop.length`.
fn each(context: &Context, value: &Value) -> Result<Value, Fault> {
    if let View::List(_) = View::of(&context.budget, value)? {
        return Ok(value.clone());
    }
    List::paid(iterate(&context.budget, value)?, ListKind::List)
}

/// `{% set namespace.name = value %}`; false, because it stands in an `if` without a body.
fn set_attribute(context: &Context, args: &Args) -> Result<Value, Fault> {
    let namespace = args.values[0].downcast_object_ref::<Namespace>();
    let namespace = namespace.ok_or_else(|| fault("cannot assign attribute on non-namespace object"))?;
    let name = to_text(&context.budget, &args.values[1])?;
    namespace.set(&context.budget, name.as_str(), args.values[2].clone())?;
    Ok(Value::from(false))
}

/// A filter or test that is not known. As in Jinja, a template may name it where it is never reached.
fn missing(context: &Context, args: &Args) -> Result<Value, Fault> {
    Err(fault(to_text(&context.budget, &args.require(1, "message")?)?.as_str()))
}

/// What stands between `{% generation %}` and `{% endgeneration %}`.
fn generation(context: &Context, value: &Value) -> Result<Value, Fault> {
    let text = to_text(&context.budget, value)?;
    let mut out = Builder::new(&context.budget);
    for (part, origin) in text.parts(0..text.len()) {
        out.push(&text.as_str()[part], origin.generated())?;
    }
    Ok(out.into_value())
}
