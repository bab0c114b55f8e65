//! Jinja's filters on lists and dicts. Where Jinja makes a generator, these make a list.

use std::cmp::Ordering;

use minijinja::Value;

use super::budget::{Budget, Fault, fault};
use super::call::{Args, Context, apply, find};
use super::filter::{FILTERS, size};
use super::object::{List, ListKind};
use super::operator::{add, item};
use super::print::to_text;
use super::text::Text;
use super::view::{View, compare, equal, iterate, undefined};
use super::{method, predicate, strings};

/// A list of items that are paid for.
fn make_list(items: Vec<Value>) -> Result<Value, Fault> {
    List::paid(items, ListKind::List)
}

/// An attribute as filters name it: parts between dots, numbers are indexes.
fn attribute(budget: &Budget, value: &Value, path: &Value) -> Result<Value, Fault> {
    let View::Str(path) = View::of(budget, path)? else { return item(budget, value, path) };
    let mut value = value.clone();
    for part in path.as_str().split('.') {
        let number = part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok()).flatten();
        value = item(budget, &value, &number.map_or_else(|| Value::from(part), Value::from))?;
    }
    Ok(value)
}

/// What items are sorted and compared by: an attribute, and without regard to case where that is asked for.
struct SortKey {
    attribute: Option<Value>,
    ignore_case: bool,
}

impl SortKey {
    fn of(&self, budget: &Budget, value: &Value) -> Result<Value, Fault> {
        let key = match &self.attribute {
            Some(path) => attribute(budget, value, path)?,
            None => value.clone(),
        };
        match View::of(budget, &key)? {
            View::Str(text) if self.ignore_case => strings::lower(budget, &text),
            _ => Ok(key),
        }
    }

    fn pairs(&self, budget: &Budget, items: Vec<Value>) -> Result<Vec<(Value, Value)>, Fault> {
        budget.make_items(items.len())?;
        items.into_iter().map(|value| Ok((self.of(budget, &value)?, value))).collect()
    }
}

/// Sorts by Python's order; equal items keep their order. A merge sort of our own: comparisons can fail, and the
/// order of floats that are not numbers is none, which the standard library's sort answers with a panic.
pub(super) fn sort_by<T: Clone>(
    budget: &Budget,
    items: &mut [T],
    key: impl Fn(&T) -> &Value,
) -> Result<(), Fault> {
    budget.make_items(items.len())?;
    let mut width = 1;
    while width < items.len() {
        for chunk in items.chunks_mut(width * 2) {
            let (left, right) = chunk.split_at(width.min(chunk.len()));
            let mut merged = Vec::with_capacity(chunk.len());
            let (mut l, mut r) = (0, 0);
            while l < left.len() && r < right.len() {
                if compare(budget, key(&right[r]), key(&left[l]))? == Some(Ordering::Less) {
                    merged.push(right[r].clone());
                    r += 1;
                } else {
                    merged.push(left[l].clone());
                    l += 1;
                }
            }
            merged.extend_from_slice(&left[l..]);
            merged.extend_from_slice(&right[r..]);
            chunk.clone_from_slice(&merged);
        }
        width *= 2;
    }
    Ok(())
}

fn optional(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_none())
}

pub(super) fn sort(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let reverse = args.flag(context, 1, "reverse")?;
    let ignore_case = !args.flag(context, 2, "case_sensitive")?;
    let key = SortKey { attribute: optional(args.get(3, "attribute")?), ignore_case };
    let mut pairs = key.pairs(budget, iterate(budget, &args.values[0])?)?;
    // Python's reverse sort keeps the order of equal items too.
    if reverse {
        pairs.reverse();
    }
    sort_by(budget, &mut pairs, |pair| &pair.0)?;
    if reverse {
        pairs.reverse();
    }
    make_list(pairs.into_iter().map(|(_, value)| value).collect())
}

pub(super) fn dict_sort(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let View::Dict(dict) = View::of(budget, &args.values[0])? else {
        return Err(fault("dictsort takes a dict"));
    };
    let ignore_case = !args.flag(context, 1, "case_sensitive")?;
    let by = args.get(2, "by")?.unwrap_or_else(|| Value::from("key"));
    let position = match to_text(budget, &by)?.as_str() {
        "key" => 0,
        "value" => 1,
        _ => return Err(fault("You can only sort by either \"key\" or \"value\"")),
    };
    let key = SortKey { attribute: Some(Value::from(position)), ignore_case };
    let items = method::items(context, dict)?;
    let mut pairs = key.pairs(budget, iterate(budget, &items)?)?;
    let reverse = args.flag(context, 3, "reverse")?;
    if reverse {
        pairs.reverse();
    }
    sort_by(budget, &mut pairs, |pair| &pair.0)?;
    if reverse {
        pairs.reverse();
    }
    make_list(pairs.into_iter().map(|(_, value)| value).collect())
}

pub(super) fn unique(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let ignore_case = !args.flag(context, 1, "case_sensitive")?;
    let key = SortKey { attribute: optional(args.get(2, "attribute")?), ignore_case };
    let mut kept: Vec<(Value, Value)> = Vec::new();
    for pair in key.pairs(budget, iterate(budget, &args.values[0])?)? {
        let mut seen = false;
        for (key, _) in &kept {
            seen = seen || equal(budget, key, &pair.0)?;
        }
        if !seen {
            kept.push(pair);
        }
    }
    make_list(kept.into_iter().map(|(_, value)| value).collect())
}

pub(super) fn extreme(context: &Context, args: &Args, wanted: Ordering) -> Result<Value, Fault> {
    let budget = &context.budget;
    let ignore_case = !args.flag(context, 1, "case_sensitive")?;
    let key = SortKey { attribute: optional(args.get(2, "attribute")?), ignore_case };
    let mut pairs = key.pairs(budget, iterate(budget, &args.values[0])?)?.into_iter();
    let Some(mut best) = pairs.next() else { return Ok(Value::UNDEFINED) };
    for pair in pairs {
        if compare(budget, &pair.0, &best.0)? == Some(wanted) {
            best = pair;
        }
    }
    Ok(best.1)
}

pub(super) fn sum(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let path = optional(args.get(1, "attribute")?);
    let mut total = args.get(2, "start")?.unwrap_or_else(|| Value::from(0));
    for value in iterate(budget, &args.values[0])? {
        let value = match &path {
            Some(path) => attribute(budget, &value, path)?,
            None => value,
        };
        total = add(budget, &total, &value)?;
    }
    Ok(total)
}

pub(super) fn first(context: &Context, args: &Args) -> Result<Value, Fault> {
    item(&context.budget, &list(context, args)?, &Value::from(0))
}

pub(super) fn last(context: &Context, args: &Args) -> Result<Value, Fault> {
    item(&context.budget, &list(context, args)?, &Value::from(-1))
}

pub(super) fn list(context: &Context, args: &Args) -> Result<Value, Fault> {
    make_list(iterate(&context.budget, &args.values[0])?)
}

pub(super) fn items(context: &Context, args: &Args) -> Result<Value, Fault> {
    match View::of(&context.budget, &args.values[0])? {
        View::Undefined => make_list(Vec::new()),
        View::Dict(dict) => method::items(context, dict),
        _ => Err(fault("Can only get item pairs from a mapping.")),
    }
}

pub(super) fn reverse(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    if let View::Str(text) = View::of(budget, &args.values[0])? {
        let s = text.as_str();
        let mut out = super::text::Builder::new(budget);
        for (at, c) in s.char_indices().rev() {
            out.push_slice(&text, at..at + c.len_utf8())?;
        }
        return Ok(out.into_value());
    }
    let mut items = iterate(budget, &args.values[0])?;
    items.reverse();
    make_list(items)
}

pub(super) fn join(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let separator = args.get(1, "d")?.unwrap_or_else(|| Value::from(""));
    let path = optional(args.get(2, "attribute")?);
    let mut items = iterate(budget, &args.values[0])?;
    if let Some(path) = path {
        for value in &mut items {
            *value = attribute(budget, value, &path)?;
        }
    }
    let texts: Result<Vec<Text>, Fault> = items.iter().map(|value| to_text(budget, value)).collect();
    strings::join(budget, &to_text(budget, &separator)?, &texts?)
}

pub(super) fn batch(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let count = size(context, Some(args.require(1, "linecount")?), 1)?.max(1);
    let fill = optional(args.get(2, "fill_with")?);
    let items = iterate(budget, &args.values[0])?;
    let batches: Result<Vec<Value>, Fault> = items
        .chunks(count)
        .map(|chunk| {
            budget.make_items(if fill.is_some() { count } else { chunk.len() })?;
            let mut batch = chunk.to_vec();
            if let Some(fill) = &fill {
                batch.resize(count, fill.clone());
            }
            make_list(batch)
        })
        .collect();
    make_list(batches?)
}

/// The items; none of what is false, `none` included.
fn some(context: &Context, value: &Value) -> Result<Vec<Value>, Fault> {
    let is_true = View::of(&context.budget, value)?.is_true();
    if is_true { iterate(&context.budget, value) } else { Ok(Vec::new()) }
}

/// `map(attribute=…, default=…)` and `map('filter', …)`.
pub(super) fn map(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let mut items = some(context, &args.values[0])?;
    if let Some(path) = args.get(usize::MAX, "attribute")? {
        let default = args.get(usize::MAX, "default")?;
        for value in &mut items {
            *value = attribute(budget, value, &path)?;
            if let Some(default) = default.as_ref().filter(|_| value.is_undefined()) {
                *value = default.clone();
            }
        }
        return make_list(items);
    }
    let name = args.require(1, "filter")?;
    let name = to_text(budget, &name)?;
    let (most, op) =
        find(FILTERS, name.as_str()).ok_or_else(|| fault(format!("no filter named '{}'", name.as_str())))?;
    if name.as_str() == "map" {
        return Err(fault("map cannot map itself"));
    }
    for value in &mut items {
        let values = std::iter::once(value.clone()).chain(args.values[2..].iter().cloned()).collect();
        *value = apply(op, most, context, &Args { values, named: args.named.clone() })?;
        // The named arguments belong to the filter; it has checked them.
    }
    for name in args.named.args().map(str::to_owned).collect::<Vec<_>>() {
        args.get(usize::MAX, &name)?;
    }
    make_list(items)
}

/// `select`, `reject`, `selectattr` and `rejectattr`: the items that pass a test, or that are true.
pub(super) fn select(context: &Context, args: &Args, by_attribute: bool, keep: bool) -> Result<Value, Fault> {
    let budget = &context.budget;
    let first = 1 + usize::from(by_attribute);
    let path = if by_attribute { Some(args.require(1, "attribute")?) } else { None };
    let test = args.values.get(first).map(|name| to_text(budget, name)).transpose()?;
    let mut kept = Vec::new();
    for value in some(context, &args.values[0])? {
        let judged = match &path {
            Some(path) => attribute(budget, &value, path)?,
            None => value.clone(),
        };
        let passes = match &test {
            Some(test) => predicate::passes(context, test.as_str(), judged, &args.values[first + 1..])?,
            None => View::of(budget, &judged)?.is_true(),
        };
        if passes == keep {
            kept.push(value);
        }
    }
    make_list(kept)
}

/// `range(…)`, of at most as many numbers as Jinja's sandbox allows.
pub(super) fn range(budget: &Budget, args: &Args) -> Result<Value, Fault> {
    const MAX_RANGE: i128 = 100_000;
    let numbers: Result<Vec<i128>, Fault> = args
        .values
        .iter()
        .map(|value| match View::of(budget, value)? {
            View::Int(i) => Ok(i),
            View::Bool(b) => Ok(i128::from(b)),
            View::Undefined => Err(undefined()),
            other => {
                Err(fault(format!("'{}' object cannot be interpreted as an integer", other.type_name())))
            }
        })
        .collect();
    let (start, stop, step) = match numbers?[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] if step != 0 => (start, stop, step),
        _ => return Err(fault("range takes one to three integers, the third not 0")),
    };
    let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
    if count > MAX_RANGE.unsigned_abs() {
        return Err(fault(format!("Range too big. The sandbox blocks ranges larger than {MAX_RANGE}.")));
    }
    budget.make_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    let items = (0..count.cast_signed()).map(|i| super::view::int_value(start + i * step)).collect();
    List::paid(items, ListKind::List)
}
