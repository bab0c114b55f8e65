//! Python's `format % values` and `format.format(…)`, as far as templates go.

use minijinja::Value;

use super::budget::{Budget, Fault, fault};
use super::call::Args;
use super::object::ListKind;
use super::print::{to_text, write_repr};
use super::text::{Builder, Origin, Text};
use super::view::{Num, View};

/// `format % values`: `%s`, `%r`, `%d`, `%i`, `%f` with a precision, `%%`. Nothing else is understood.
pub(super) fn format(budget: &Budget, format: &Text, values: &Value) -> Result<Value, Fault> {
    let view = View::of(budget, values)?;
    let values: &[Value] = match &view {
        View::List(list) if list.kind == ListKind::Tuple => &list.items,
        _ => std::slice::from_ref(values),
    };
    let mut values = values.iter();
    let mut next = || values.next().ok_or_else(|| fault("not enough arguments for format string"));
    let mut out = Builder::new(budget);
    let s = format.as_str();
    let mut at = 0;
    while let Some(found) = s[at..].find('%') {
        out.push_slice(format, at..at + found)?;
        let directive = &s[at + found + 1..];
        let digits = directive
            .strip_prefix('.')
            .map_or("", |rest| &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]);
        let dotted = usize::from(directive.starts_with('.'));
        let letter = directive[dotted + digits.len()..].chars().next();
        match (letter, dotted) {
            (Some('%'), 0) => out.push("%", Origin::COMPUTED)?,
            (Some('s'), 0) => out.push_text(&to_text(budget, next()?)?)?,
            (Some('r'), 0) => write_repr(&mut out, next()?, Origin::COMPUTED)?,
            (Some('d' | 'i'), 0) => match View::of(budget, next()?)?.number() {
                Some(Num::Int(i)) => out.push(&i.to_string(), Origin::COMPUTED)?,
                Some(Num::Float(f)) if f.is_finite() => {
                    out.push(&format!("{:.0}", f.trunc() + 0.0), Origin::COMPUTED)?;
                }
                _ => return Err(fault("%d format: a number is required")),
            },
            (Some('f'), _) => {
                let digits = if dotted == 0 { "6" } else { digits };
                let precision = if digits.is_empty() { Ok(0) } else { digits.parse::<usize>() };
                let precision = precision.ok().filter(|p| *p <= 100);
                let precision = precision.ok_or_else(|| fault("the precision of %f is too large"))?;
                let number = View::of(budget, next()?)?.number();
                let number = number.ok_or_else(|| fault("%f format: a number is required"))?;
                out.push(&format!("{:.precision$}", number.to_f64()), Origin::COMPUTED)?;
            }
            _ => return Err(fault("unsupported format directive after %")),
        }
        at += found + 1 + dotted + digits.len() + letter.map_or(0, char::len_utf8);
    }
    out.push_slice(format, at..s.len())?;
    if values.next().is_some() {
        return Err(fault("not all arguments converted during string formatting"));
    }
    Ok(out.into_value())
}

/// `format.format(…)`: `{}`, `{0}`, `{name}`, `{{` and `}}`. Attributes, conversions and format specifications are
/// not understood.
pub(super) fn braces(budget: &Budget, format: &Text, args: &Args) -> Result<Value, Fault> {
    let mut out = Builder::new(budget);
    let s = format.as_str();
    let (mut at, mut automatic) = (0, 0);
    while let Some(found) = s[at..].find(['{', '}']) {
        let here = at + found;
        out.push_slice(format, at..here)?;
        let rest = &s[here..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            out.push_slice(format, here..here + 1)?;
            at = here + 2;
            continue;
        }
        let end = rest.find('}').filter(|end| *end > 0 && rest.starts_with('{'));
        let end = end.ok_or_else(|| fault("single brace encountered in format string"))?;
        let name = &rest[1..end];
        let value = if name.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
            let position = if name.is_empty() { Ok(automatic) } else { name.parse() };
            automatic += 1;
            position.ok().and_then(|position: usize| args.values.get(position.checked_add(1)?).cloned())
        } else if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            args.get(usize::MAX, name)?
        } else {
            return Err(fault(format!("unsupported replacement field {{{name}}}")));
        };
        let value = value.ok_or_else(|| fault(format!("no argument for replacement field {{{name}}}")))?;
        out.push_text(&to_text(budget, &value)?)?;
        at = here + end + 1;
    }
    out.push_slice(format, at..s.len())?;
    Ok(out.into_value())
}
