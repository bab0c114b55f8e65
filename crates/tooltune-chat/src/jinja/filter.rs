//! Jinja's filters on text and numbers, and the table of all of them.

use minijinja::Value;

use super::budget::{Fault, fault};
use super::call::{Args, Context, Op};
use super::object::ListKind;
use super::print::{Json, to_text};
use super::strings::{self, Ends};
use super::text::{Builder, Origin, Text, text_value};
use super::view::{Num, View, int_value, string_value, undefined};
use super::{percent, sequence};

/// The filters, with the arguments they take at most (the value itself counts).
pub(super) const FILTERS: &[(&str, usize, Op)] = &[
    ("abs", 1, absolute),
    ("attr", 2, |c, a| a.values[0].get_attr(to_text(&c.budget, &a.require(1, "name")?)?.as_str())),
    ("batch", 3, sequence::batch),
    ("capitalize", 1, |c, a| strings::capitalize(&c.budget, &to_text(&c.budget, &a.values[0])?)),
    ("center", 2, center),
    ("count", 1, length),
    ("d", 3, default),
    ("default", 3, default),
    ("dictsort", 4, sequence::dict_sort),
    ("e", 1, escape),
    ("escape", 1, escape),
    ("first", 1, sequence::first),
    ("float", 2, float),
    ("format", usize::MAX, format),
    ("indent", 4, indent),
    ("int", 3, int),
    ("items", 1, sequence::items),
    ("join", 3, sequence::join),
    ("last", 1, sequence::last),
    ("length", 1, length),
    ("list", 1, sequence::list),
    ("lower", 1, |c, a| strings::lower(&c.budget, &to_text(&c.budget, &a.values[0])?)),
    ("map", usize::MAX, sequence::map),
    ("max", 3, |c, a| sequence::extreme(c, a, std::cmp::Ordering::Greater)),
    ("min", 3, |c, a| sequence::extreme(c, a, std::cmp::Ordering::Less)),
    ("reject", usize::MAX, |c, a| sequence::select(c, a, false, false)),
    ("rejectattr", usize::MAX, |c, a| sequence::select(c, a, true, false)),
    ("replace", 4, replace),
    ("reverse", 1, sequence::reverse),
    ("round", 3, round),
    ("safe", 1, safe),
    ("select", usize::MAX, |c, a| sequence::select(c, a, false, true)),
    ("selectattr", usize::MAX, |c, a| sequence::select(c, a, true, true)),
    ("sort", 4, sequence::sort),
    ("string", 1, |c, a| text_of(c, &a.values[0])),
    ("sum", 3, sequence::sum),
    ("title", 1, |c, a| strings::title_filter(&c.budget, &to_text(&c.budget, &a.values[0])?)),
    ("tojson", 5, to_json),
    ("trim", 2, trim),
    ("truncate", 5, truncate),
    ("unique", 3, sequence::unique),
    ("upper", 1, |c, a| strings::upper(&c.budget, &to_text(&c.budget, &a.values[0])?)),
    ("urlencode", 1, url_encode),
    ("wordcount", 1, word_count),
];

/// `str(value)` as a value.
fn text_of(context: &Context, value: &Value) -> Result<Value, Fault> {
    let text = to_text(&context.budget, value)?;
    super::text::slice_value(&context.budget, &text, 0..text.len())
}

fn absolute(context: &Context, args: &Args) -> Result<Value, Fault> {
    match View::of(&context.budget, &args.values[0])?.number() {
        Some(Num::Int(i)) => i.checked_abs().map(int_value).ok_or_else(|| fault("too large for abs")),
        Some(Num::Float(f)) => Ok(Value::from(f.abs())),
        None => Err(fault("abs takes a number")),
    }
}

/// Rounds down to an integer argument.
fn integer(context: &Context, value: Option<Value>, default: i128) -> Result<i128, Fault> {
    let Some(value) = value else { return Ok(default) };
    match View::of(&context.budget, &value)?.number() {
        Some(Num::Int(i)) => Ok(i),
        _ => Err(fault("an integer is needed")),
    }
}

/// A width, a count: an integer that is not negative.
pub(super) fn size(context: &Context, value: Option<Value>, default: usize) -> Result<usize, Fault> {
    let default = i128::try_from(default).unwrap_or(i128::MAX);
    Ok(usize::try_from(integer(context, value, default)?.max(0)).unwrap_or(usize::MAX))
}

fn center(context: &Context, args: &Args) -> Result<Value, Fault> {
    let text = to_text(&context.budget, &args.values[0])?;
    let width = size(context, args.get(1, "width")?, 80)?;
    let missing = width.saturating_sub(text.as_str().chars().count());
    let left = missing / 2 + (missing & width & 1);
    strings::pad(&context.budget, &text, ' ', left, missing - left)
}

fn length(context: &Context, args: &Args) -> Result<Value, Fault> {
    Ok(Value::from(match View::of(&context.budget, &args.values[0])? {
        View::Undefined => 0,
        View::Str(text) => {
            context.budget.read(text.len())?;
            text.as_str().chars().count()
        }
        View::List(list) => list.items.len(),
        View::Dict(dict) => dict.entries.len(),
        other => return Err(fault(format!("object of type '{}' has no len()", other.type_name()))),
    }))
}

fn default(context: &Context, args: &Args) -> Result<Value, Fault> {
    let view = View::of(&context.budget, &args.values[0])?;
    let default = args.get(1, "default_value")?.unwrap_or_else(|| Value::from(""));
    let boolean = args.flag(context, 2, "boolean")?;
    let missing = matches!(view, View::Undefined) || boolean && !view.is_true();
    Ok(if missing { default } else { args.values[0].clone() })
}

fn escape(context: &Context, args: &Args) -> Result<Value, Fault> {
    let text = to_text(&context.budget, &args.values[0])?;
    Ok(text_value(strings::escape(&context.budget, &text)?))
}

/// Text that counts as HTML already.
fn safe(context: &Context, args: &Args) -> Result<Value, Fault> {
    let mut out = Builder::new(&context.budget);
    out.push_text(&to_text(&context.budget, &args.values[0])?)?;
    Ok(text_value(out.finish().with_markup(true)))
}

fn format(context: &Context, args: &Args) -> Result<Value, Fault> {
    let values = args.values[1..].to_vec();
    let values = super::object::List::make(&context.budget, values, ListKind::Tuple)?;
    percent::format(&context.budget, &to_text(&context.budget, &args.values[0])?, &values)
}

/// The text without white space around it and without the underscores that Python allows between digits.
fn digits(text: &Text) -> Option<String> {
    let s = crate::value::python_strip(text.as_str());
    let joined = s.contains("__") || s.starts_with('_') || s.ends_with('_');
    (!joined).then(|| s.replace('_', ""))
}

/// Python's `float(text)`.
fn parse_float(text: &Text) -> Option<f64> {
    let s = digits(text)?;
    let name = s.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let named = matches!(name.as_str(), "inf" | "infinity" | "nan");
    let numeric = s.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if named || numeric { s.parse().ok() } else { None }
}

/// Python's `int(value)` of a float: towards zero.
fn truncate_float(f: f64) -> Option<i128> {
    const LIMIT: f64 = 1.7e38;
    #[expect(clippy::cast_possible_truncation, reason = "the limit is within i128")]
    (f.abs() < LIMIT).then(|| f.trunc() as i128)
}

fn int(context: &Context, args: &Args) -> Result<Value, Fault> {
    let default = args.get(1, "default")?.unwrap_or_else(|| Value::from(0));
    let base = integer(context, args.get(2, "base")?, 10)?;
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let base = base.ok_or_else(|| fault("the base of int must be from 2 to 36"))?;
    let parsed = match View::of(&context.budget, &args.values[0])? {
        View::Undefined => return Err(undefined()),
        View::Bool(b) => Some(i128::from(b)),
        View::Int(i) => Some(i),
        View::Big(_) => return Ok(args.values[0].clone()),
        View::Float(f) => truncate_float(f),
        View::Str(text) => {
            context.budget.read(text.len())?;
            let whole = digits(&text).and_then(|s| {
                let bare = match base {
                    2 => s.replacen("0b", "", 1),
                    8 => s.replacen("0o", "", 1),
                    16 => s.replacen("0x", "", 1),
                    _ => s,
                };
                i128::from_str_radix(&bare, base).ok()
            });
            whole.or_else(|| parse_float(&text).and_then(truncate_float))
        }
        _ => None,
    };
    Ok(parsed.map_or(default, int_value))
}

fn float(context: &Context, args: &Args) -> Result<Value, Fault> {
    let default = args.get(1, "default")?.unwrap_or_else(|| Value::from(0.0));
    Ok(match View::of(&context.budget, &args.values[0])? {
        View::Undefined => return Err(undefined()),
        View::Str(text) => {
            context.budget.read(text.len())?;
            parse_float(&text).map_or(default, Value::from)
        }
        view => view.number().map_or(default, |number| Value::from(number.to_f64())),
    })
}

fn indent(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let text = to_text(budget, &args.values[0])?;
    let width = args.get(1, "width")?;
    let width = match &width {
        Some(value) => match View::of(budget, value)? {
            View::Str(text) => text.as_str().to_owned(),
            _ => spaces(context, size(context, width.clone(), 4)?)?,
        },
        None => spaces(context, 4)?,
    };
    let (first, blank) = (args.flag(context, 2, "first")?, args.flag(context, 3, "blank")?);
    let s = text.as_str();
    let mut lines = strings::line_ranges(budget, s, false)?;
    if s.is_empty() || s.ends_with(strings::is_line_break) {
        lines.push(s.len()..s.len());
    }
    let mut out = Builder::new(budget);
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 {
            out.push("\n", Origin::COMPUTED)?;
        }
        if number == 0 && first || number > 0 && (blank || !line.is_empty()) {
            out.push(&width, Origin::COMPUTED)?;
        }
        out.push_slice(&text, line)?;
    }
    Ok(out.into_value())
}

fn spaces(context: &Context, count: usize) -> Result<String, Fault> {
    context.budget.make(count)?;
    Ok(" ".repeat(count))
}

fn replace(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let (text, old, new) = (&args.values[0], args.require(1, "old")?, args.require(2, "new")?);
    let count = args.get(3, "count")?.filter(|count| !count.is_none());
    let count = integer(context, count, -1)?;
    strings::replace(
        budget,
        &to_text(budget, text)?,
        to_text(budget, &old)?.as_str(),
        &to_text(budget, &new)?,
        usize::try_from(count).ok(),
    )
}

fn round(context: &Context, args: &Args) -> Result<Value, Fault> {
    let digits = integer(context, args.get(1, "precision")?, 0)?;
    let digits = i32::try_from(digits).ok().filter(|digits| (0..=300).contains(digits));
    let digits = digits.ok_or_else(|| fault("the precision of round must be from 0 to 300"))?;
    let method = args.get(2, "method")?.unwrap_or_else(|| Value::from("common"));
    let method = to_text(&context.budget, &method)?;
    let number = match View::of(&context.budget, &args.values[0])?.number() {
        Some(Num::Int(i)) if method.as_str() == "common" => return Ok(int_value(i)),
        Some(number) => number.to_f64(),
        None => return Err(fault("round takes a number")),
    };
    let scale = 10_f64.powi(digits);
    Ok(Value::from(match method.as_str() {
        // The nearest decimal, ties to even: what exact formatting gives.
        "common" => format!("{number:.*}", usize::try_from(digits).unwrap_or(0)).parse().unwrap_or(number),
        "ceil" => (number * scale).ceil() / scale,
        "floor" => (number * scale).floor() / scale,
        _ => return Err(fault("the method of round must be common, ceil or floor")),
    }))
}

fn to_json(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let text = |value: &Value| match View::of(budget, value)? {
        View::Str(text) => Ok(text.as_str().to_owned()),
        _ => Err(fault("a separator or an indent must be a string")),
    };
    let indent = match args.get(2, "indent")? {
        None => None,
        Some(value) => match View::of(budget, &value)? {
            View::None => None,
            View::Str(text) => Some(text.as_str().to_owned()),
            _ => Some(spaces(context, size(context, Some(value.clone()), 0)?)?),
        },
    };
    let item_separator = if indent.is_some() { "," } else { ", " };
    let mut json = Json {
        ensure_ascii: args.flag(context, 1, "ensure_ascii")?,
        indent,
        item_separator: item_separator.to_owned(),
        key_separator: ": ".to_owned(),
        sort_keys: args.flag(context, 4, "sort_keys")?,
    };
    if let Some(separators) = args.get(3, "separators")?.filter(|separators| !separators.is_none()) {
        match View::of(budget, &separators)? {
            View::List(list) if list.items.len() == 2 => {
                (json.item_separator, json.key_separator) = (text(&list.items[0])?, text(&list.items[1])?);
            }
            _ => return Err(fault("separators must be a pair of strings")),
        }
    }
    let mut out = Builder::new(budget);
    json.write(&mut out, &args.values[0])?;
    Ok(out.into_value())
}

fn trim(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let text = to_text(budget, &args.values[0])?;
    let chars = args.get(1, "chars")?.filter(|chars| !chars.is_none());
    let chars = chars.as_ref().map(|chars| to_text(budget, chars)).transpose()?;
    strings::strip(budget, &text, chars.as_ref().map(Text::as_str), Ends::Both)
}

fn truncate(context: &Context, args: &Args) -> Result<Value, Fault> {
    let budget = &context.budget;
    let text = to_text(budget, &args.values[0])?;
    let length = size(context, args.get(1, "length")?, 255)?;
    let kill_words = args.flag(context, 2, "killwords")?;
    let end = args.get(3, "end")?.unwrap_or_else(|| Value::from("..."));
    let end = to_text(budget, &end)?;
    let leeway = size(context, args.get(4, "leeway")?, 5)?;
    let s = text.as_str();
    budget.read(s.len())?;
    if s.chars().count() <= length.saturating_add(leeway) {
        return text_of(context, &args.values[0]);
    }
    let kept = length
        .checked_sub(end.as_str().chars().count())
        .ok_or_else(|| fault("truncate needs room for its end"))?;
    let mut cut = s.char_indices().nth(kept).map_or(s.len(), |(at, _)| at);
    if !kill_words {
        cut = s[..cut].rfind(' ').unwrap_or(cut);
    }
    let mut out = Builder::new(budget);
    out.push_slice(&text, 0..cut)?;
    out.push_text(&end)?;
    Ok(out.into_value())
}

fn url_encode(context: &Context, args: &Args) -> Result<Value, Fault> {
    let text = match View::of(&context.budget, &args.values[0])? {
        View::Str(text) => text,
        View::Undefined => Text::template(""),
        _ => return Err(fault("urlencode takes a string")),
    };
    let mut encoded = String::new();
    context.budget.make(text.len().saturating_mul(3))?;
    for byte in text.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    string_value(&context.budget, encoded, Origin::COMPUTED)
}

fn word_count(context: &Context, args: &Args) -> Result<Value, Fault> {
    let text = to_text(&context.budget, &args.values[0])?;
    context.budget.read(text.len())?;
    let mut inside = false;
    let words = text.as_str().chars().filter(|c| {
        let word = c.is_alphanumeric() || *c == '_';
        let begins = word && !inside;
        inside = word;
        begins
    });
    Ok(Value::from(words.count()))
}
