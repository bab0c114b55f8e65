//! Methods of Python's strings, lists and dicts.

use minijinja::Value;

use super::budget::{Fault, fault};
use super::call::{Args, Context};
use super::object::{Dict, List, ListKind};
use super::operator::contains;
use super::percent;
use super::print::to_text;
use super::strings::{self, Ends};
use super::text::{Builder, Text};
use super::view::{View, equal, int_value, iterate, key_of, undefined};

/// How much slower than comparing bytes it is to look at characters one by one.
const CHARACTERS: usize = 4;

/// Calls a method: the arguments are the value, the name, and the method's own.
pub(super) fn call(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let name = args.require(1, "method")?;
    let name = to_text(budget, &name)?;
    let method = name.as_str();
    // The method's own arguments count from 1 on, after the value.
    let values = args.values[..1].iter().chain(&args.values[2..]).cloned().collect();
    let own = Args { values, named: args.named.clone() };
    let result = match View::of(budget, &args.values[0])? {
        View::Str(text) => string_method(context, &text, method, &own)?,
        View::List(list) => list_method(context, list, method, &own)?,
        View::Dict(dict) => dict_method(context, dict, method, &own)?,
        View::Undefined => return Err(undefined()),
        other => return Err(unknown(other.type_name(), method)),
    };
    own.named.assert_all_used()?;
    // The wrapper checks the arguments of the call as it stands; they were the method's.
    for name in args.named.args().map(str::to_owned).collect::<Vec<_>>() {
        args.get(usize::MAX, &name)?;
    }
    Ok(result)
}

fn unknown(type_name: &str, method: &str) -> Fault {
    fault(format!("'{type_name}' object has no method '{method}' that a template can call"))
}

/// The text of a string argument.
fn string(context: &Context, value: &Value) -> Result<Text<'static>, Fault> {
    match View::of(&context.budget, value)? {
        View::Str(text) => {
            let mut out = Builder::new(&context.budget);
            out.push_text(&text)?;
            Ok(out.finish())
        }
        View::Undefined => Err(undefined()),
        other => Err(fault(format!("a string is needed, not '{}'", other.type_name()))),
    }
}

fn optional_string(context: &Context, value: Option<Value>) -> Result<Option<Text<'static>>, Fault> {
    match value {
        Some(value) if !value.is_none() => string(context, &value).map(Some),
        _ => Ok(None),
    }
}

/// A number of times; none where it is missing or negative.
fn count(context: &Context, value: Option<Value>) -> Result<Option<usize>, Fault> {
    let Some(value) = value else { return Ok(None) };
    match View::of(&context.budget, &value)? {
        View::Int(i) => Ok(usize::try_from(i).ok()),
        _ => Err(fault("an integer is needed")),
    }
}

fn string_method(context: &Context, text: &Text, method: &str, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let s = text.as_str();
    let first = || args.require(1, "argument").and_then(|value| string(context, &value));
    let chars = || optional_string(context, args.get(1, "chars")?);
    match method {
        "strip" => strings::strip(budget, text, chars()?.as_ref().map(Text::as_str), Ends::Both),
        "lstrip" => strings::strip(budget, text, chars()?.as_ref().map(Text::as_str), Ends::Start),
        "rstrip" => strings::strip(budget, text, chars()?.as_ref().map(Text::as_str), Ends::End),
        "split" | "rsplit" => {
            let separator = optional_string(context, args.get(1, "sep")?)?;
            let most = count(context, args.get(2, "maxsplit")?)?;
            let separator = separator.as_ref().map(Text::as_str);
            strings::split(budget, text, separator, most, method == "rsplit")
        }
        "splitlines" => strings::split_lines(budget, text, args.flag(context, 1, "keepends")?),
        "partition" => strings::partition(budget, text, first()?.as_str(), false),
        "rpartition" => strings::partition(budget, text, first()?.as_str(), true),
        "replace" => {
            let new = string(context, &args.require(2, "new")?)?;
            let most = count(context, args.get(3, "count")?)?;
            strings::replace(budget, text, first()?.as_str(), &new, most)
        }
        "removeprefix" => {
            let start = if s.starts_with(first()?.as_str()) { first()?.len() } else { 0 };
            super::text::slice_value(budget, text, start..s.len())
        }
        "removesuffix" => {
            let end = if s.ends_with(first()?.as_str()) { s.len() - first()?.len() } else { s.len() };
            super::text::slice_value(budget, text, 0..end)
        }
        "startswith" => affix(context, args, s, |window, part| window.starts_with(part)),
        "endswith" => affix(context, args, s, |window, part| window.ends_with(part)),
        "upper" => strings::upper(budget, text),
        "lower" | "casefold" => strings::lower(budget, text),
        "title" => strings::title(budget, text),
        "capitalize" => strings::capitalize(budget, text),
        "join" => {
            let items = iterate(budget, &args.require(1, "iterable")?)?;
            let texts: Result<Vec<_>, Fault> = items.iter().map(|item| string(context, item)).collect();
            strings::join(budget, text, &texts?)
        }
        "find" | "rfind" | "index" | "rindex" => {
            let part = first()?;
            budget.read(s.len())?;
            let found = if method.starts_with('r') { s.rfind(part.as_str()) } else { s.find(part.as_str()) };
            match found {
                Some(at) => Ok(int_value(s[..at].chars().count() as i128)),
                None if method.ends_with("find") => Ok(Value::from(-1)),
                None => Err(fault("substring not found")),
            }
        }
        "count" => {
            let part = first()?;
            budget.read(s.len().saturating_mul(CHARACTERS))?;
            Ok(Value::from(s.matches(part.as_str()).count()))
        }
        "format" => percent::braces(budget, text, args),
        "isdigit" | "isdecimal" | "isnumeric" => all(context, s, char::is_numeric),
        "isalpha" => all(context, s, char::is_alphabetic),
        "isalnum" => all(context, s, char::is_alphanumeric),
        "isspace" => all(context, s, crate::value::is_python_space),
        "isupper" => cased(context, s, char::is_uppercase, char::is_lowercase),
        "islower" => cased(context, s, char::is_lowercase, char::is_uppercase),
        "center" | "ljust" | "rjust" | "zfill" => {
            let width = count(context, args.get(1, "width")?)?.unwrap_or(0);
            let missing = width.saturating_sub(s.chars().count());
            let fill = optional_string(context, args.get(2, "fillchar")?)?;
            let fill = fill.and_then(|fill| fill.as_str().chars().next());
            let (fill, left) = match method {
                "center" => (fill.unwrap_or(' '), missing / 2 + (missing & width & 1)),
                "ljust" => (fill.unwrap_or(' '), 0),
                "rjust" => (fill.unwrap_or(' '), missing),
                _ if s.starts_with(['+', '-']) => return Err(fault("zfill of a signed number")),
                _ => ('0', missing),
            };
            strings::pad(budget, text, fill, left, missing - left)
        }
        _ => Err(unknown("str", method)),
    }
}

/// `startswith` and `endswith` take one string or a tuple of them, and the place to begin and to end at.
fn affix(context: &Context, args: &Args, s: &str, test: fn(&str, &str) -> bool) -> Result<Value, Fault> {
    let given = args.require(1, "prefix")?;
    let candidates = match View::of(&context.budget, &given)? {
        View::List(list) if list.kind == ListKind::Tuple => list.items.clone(),
        _ => vec![given.clone()],
    };
    let window = window(context, args, s)?;
    for candidate in &candidates {
        let candidate = string(context, candidate)?;
        if window.is_some_and(|window| test(window, candidate.as_str())) {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

/// The part of a string between the second and the third argument; none where it would begin after its end.
fn window<'s>(context: &Context, args: &Args, s: &'s str) -> Result<Option<&'s str>, Fault> {
    if args.values.len() < 3 {
        return Ok(Some(s));
    }
    context.budget.read(s.len())?;
    let len = s.chars().count() as i128;
    let place = |position: usize, default: i128| match args.values.get(position) {
        None => Ok(default),
        Some(value) => match View::of(&context.budget, value)? {
            View::None => Ok(default),
            View::Int(i) => Ok(if i < 0 { (i + len).max(0) } else { i }),
            _ => Err(fault("an integer is needed")),
        },
    };
    let (start, end) = (place(2, 0)?, place(3, len)?.min(len));
    let byte = |at: i128| {
        let place = usize::try_from(at).ok().and_then(|at| s.char_indices().nth(at));
        place.map_or(s.len(), |(byte, _)| byte)
    };
    Ok(if start > end { None } else { Some(&s[byte(start)..byte(end)]) })
}

fn all(context: &Context, s: &str, test: fn(char) -> bool) -> Result<Value, Fault> {
    context.budget.read(s.len().saturating_mul(CHARACTERS))?;
    Ok((!s.is_empty() && s.chars().all(test)).into())
}

/// `isupper` and `islower`: a character of the wanted case, and none of the other.
pub(super) fn cased(
    context: &Context,
    s: &str,
    wanted: fn(char) -> bool,
    other: fn(char) -> bool,
) -> Result<Value, Fault> {
    context.budget.read(s.len().saturating_mul(CHARACTERS))?;
    Ok((s.chars().any(wanted) && !s.chars().any(other)).into())
}

fn list_method(context: &Context, list: &List, method: &str, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    match method {
        "index" | "count" => {
            let wanted = args.require(1, "value")?;
            let mut found = 0;
            for (at, item) in list.items.iter().enumerate() {
                if equal(budget, item, &wanted)? {
                    if method == "index" {
                        return Ok(Value::from(at));
                    }
                    found += 1;
                }
            }
            if method == "count" { Ok(Value::from(found)) } else { Err(fault("value is not in the list")) }
        }
        "copy" => List::make(budget, list.items.clone(), list.kind),
        "append" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort" | "clear" => {
            Err(fault(format!("a template cannot change a list: '{method}'")))
        }
        _ => Err(unknown("list", method)),
    }
}

fn dict_method(context: &Context, dict: &Dict, method: &str, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    match method {
        "get" => {
            let key = key_of(budget, &args.require(1, "key")?)?;
            let default = args.get(2, "default")?.unwrap_or(Value::from(()));
            Ok(dict.get(&key).cloned().unwrap_or(default))
        }
        "keys" => list_of(context, dict, |key, _| Ok(key.clone())),
        "values" => list_of(context, dict, |_, value| Ok(value.clone())),
        "items" => items(context, dict),
        "copy" => Dict::make(budget, dict.entries.clone()),
        "update" | "pop" | "popitem" | "setdefault" | "clear" => {
            Err(fault(format!("a template cannot change a dict: '{method}'")))
        }
        "__contains__" => Ok(contains(budget, &args.values[0], &args.require(1, "key")?)?.into()),
        _ => Err(unknown("dict", method)),
    }
}

/// `dict.items()`.
pub(super) fn items(context: &Context, dict: &Dict) -> Result<Value, Fault> {
    list_of(context, dict, |key, value| {
        List::make(&context.budget, vec![key.clone(), value.clone()], ListKind::Tuple)
    })
}

fn list_of(
    context: &Context,
    dict: &Dict,
    item: impl Fn(&Value, &Value) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    context.budget.make_items(dict.entries.len())?;
    let items: Result<Vec<Value>, Fault> =
        dict.entries.values().map(|(key, value)| item(key, value)).collect();
    List::paid(items?, ListKind::List)
}
