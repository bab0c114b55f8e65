//! Values as Python sees them.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::budget::{Budget, Fault, fault};
use super::object::{BigInt, Dict, Key, List, ListKind, TextObject};
use super::text::{Origin, Text, text_value};

/// A value, opened.
pub(super) enum View<'a> {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// An integer that is only printed and compared.
    Big(&'a str),
    Str(Text<'a>),
    List(&'a List),
    Dict(&'a Dict),
    /// A namespace, a macro, a function, the loop.
    Other,
}

impl<'a> View<'a> {
    pub(super) fn of(budget: &Budget, value: &'a Value) -> Result<Self, Fault> {
        Ok(match value.kind() {
            ValueKind::Undefined => Self::Undefined,
            ValueKind::None => Self::None,
            ValueKind::Bool => Self::Bool(value.is_true()),
            ValueKind::Number if value.is_integer() => Self::Int(i128::try_from(value.clone())?),
            ValueKind::Number => Self::Float(f64::try_from(value.clone())?),
            ValueKind::String => Self::Str(Text::decode(budget, value.as_str().unwrap_or_default())?),
            _ => {
                if let Some(TextObject(text)) = value.downcast_object_ref() {
                    Self::Str(text.borrowed())
                } else if let Some(list) = value.downcast_object_ref::<List>() {
                    Self::List(list)
                } else if let Some(dict) = value.downcast_object_ref::<Dict>() {
                    Self::Dict(dict)
                } else if let Some(BigInt(digits)) = value.downcast_object_ref() {
                    Self::Big(digits)
                } else {
                    Self::Other
                }
            }
        })
    }

    /// Python's name of the type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Undefined => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Big(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(list) if list.kind == ListKind::Tuple => "tuple",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
            Self::Other => "object",
        }
    }

    /// A number as Python's arithmetic takes it; truth values are 0 and 1.
    pub(super) fn number(&self) -> Option<Num> {
        match *self {
            Self::Bool(b) => Some(Num::Int(i128::from(b))),
            Self::Int(i) => Some(Num::Int(i)),
            Self::Float(f) => Some(Num::Float(f)),
            _ => None,
        }
    }

    /// Python's `bool()`.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined | Self::None => false,
            Self::Bool(b) => *b,
            Self::Int(i) => *i != 0,
            Self::Float(f) => *f != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Dict(dict) => !dict.entries.is_empty(),
            Self::Big(_) | Self::Other => true,
        }
    }
}

/// A number that can be calculated with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    pub(super) fn to_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as Python's float()")]
            Self::Int(i) => i as f64,
            Self::Float(f) => f,
        }
    }

    /// Python's order of numbers, exact between integers and floats.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => compare_exactly(a, b),
            (Self::Float(a), Self::Int(b)) => compare_exactly(b, a).map(Ordering::reverse),
        }
    }
}

fn compare_exactly(a: i128, b: f64) -> Option<Ordering> {
    const LIMIT: f64 = 1.7e38;
    if b.is_nan() {
        return None;
    }
    if b.abs() > LIMIT {
        return Some(if b > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    #[expect(clippy::cast_possible_truncation, reason = "the limit is within i128")]
    let floor = b.floor() as i128;
    Some(a.cmp(&floor).then(if b.fract() == 0.0 { Ordering::Equal } else { Ordering::Less }))
}

/// Small enough integers as minijinja's, with the type that prints and indexes fastest.
pub(super) fn int_value(i: i128) -> Value {
    i64::try_from(i).map_or_else(|_| Value::from(i), Value::from)
}

/// A new string of one origin.
pub(super) fn string_value(budget: &Budget, text: String, origin: Origin) -> Result<Value, Fault> {
    budget.make(text.len())?;
    Ok(text_value(Text::owned(text, origin)))
}

/// The items that a `for` loop over the value sees.
pub(super) fn iterate(budget: &Budget, value: &Value) -> Result<Vec<Value>, Fault> {
    match View::of(budget, value)? {
        View::Undefined => Ok(Vec::new()),
        View::List(list) => {
            budget.make_items(list.items.len())?;
            Ok(list.items.clone())
        }
        View::Dict(dict) => {
            budget.make_items(dict.entries.len())?;
            Ok(dict.entries.values().map(|(key, _)| key.clone()).collect())
        }
        View::Str(text) => {
            budget.make_items(text.len())?;
            let mut items = Vec::new();
            for (at, c) in text.as_str().char_indices() {
                items.push(super::text::slice_value(budget, &text, at..at + c.len_utf8())?);
            }
            Ok(items)
        }
        other => Err(fault(format!("'{}' object is not iterable", other.type_name()))),
    }
}

/// The value as a key of a dict.
pub(super) fn key_of(budget: &Budget, value: &Value) -> Result<Key, Fault> {
    let view = View::of(budget, value)?;
    if let Some(number) = view.number() {
        return Ok(match number {
            Num::Int(i) => Key::Int(i),
            #[expect(clippy::cast_possible_truncation, reason = "checked by the guard")]
            Num::Float(f) if f.fract() == 0.0 && f.abs() < 1e37 => Key::Int(f as i128),
            Num::Float(f) => Key::Float(f.to_bits()),
        });
    }
    match view {
        View::None => Ok(Key::None),
        View::Str(text) => {
            budget.make(text.len())?;
            Ok(Key::Str(text.as_str().to_owned()))
        }
        other => Err(fault(format!("unhashable type: '{}'", other.type_name()))),
    }
}

/// What one comparison costs, in bytes read.
const COMPARISON: usize = 32;

/// Python's `==`.
pub(super) fn equal(budget: &Budget, a: &Value, b: &Value) -> Result<bool, Fault> {
    budget.read(COMPARISON)?;
    let (a, b) = (View::of(budget, a)?, View::of(budget, b)?);
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Ok(a.compare(b) == Some(Ordering::Equal));
    }
    Ok(match (a, b) {
        (View::Undefined, View::Undefined) | (View::None, View::None) => true,
        (View::Big(a), View::Big(b)) => a == b,
        (View::Str(a), View::Str(b)) => {
            budget.read(a.len().min(b.len()))?;
            a.as_str() == b.as_str()
        }
        (View::List(a), View::List(b)) if a.kind == b.kind && a.items.len() == b.items.len() => {
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(budget, a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        (View::Dict(a), View::Dict(b)) if a.entries.len() == b.entries.len() => {
            for (key, (_, a)) in &a.entries {
                let Some(b) = b.get(key) else { return Ok(false) };
                if !equal(budget, a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Python's order; `None` where a float is not a number.
pub(super) fn compare(budget: &Budget, a: &Value, b: &Value) -> Result<Option<Ordering>, Fault> {
    budget.read(COMPARISON)?;
    let (left, right) = (View::of(budget, a)?, View::of(budget, b)?);
    if let (Some(a), Some(b)) = (left.number(), right.number()) {
        return Ok(a.compare(b));
    }
    match (left, right) {
        (View::Str(a), View::Str(b)) => {
            budget.read(a.len().min(b.len()))?;
            Ok(Some(a.as_str().cmp(b.as_str())))
        }
        (View::List(a), View::List(b)) if a.kind == b.kind => {
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(budget, a, b)? {
                    return compare(budget, a, b);
                }
            }
            Ok(Some(a.items.len().cmp(&b.items.len())))
        }
        (View::Undefined, _) | (_, View::Undefined) => Err(undefined()),
        (a, b) => {
            Err(fault(format!("no order between instances of '{}' and '{}'", a.type_name(), b.type_name())))
        }
    }
}

/// The error for an undefined value where one is needed.
pub(super) fn undefined() -> Fault {
    Fault::new(minijinja::ErrorKind::UndefinedError, "the value is undefined")
}
