//! serde's data model over [`Value`], with the place of an error.

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::{Number, Value};

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct FitError {
    pub(super) message: String,
    /// Keys and indices, the innermost first.
    path: Vec<String>,
}

impl FitError {
    fn within(mut self, step: impl ToString) -> Self {
        self.path.push(step.to_string());
        self
    }

    /// The place as a JSON pointer (RFC 6901); empty for the whole value.
    pub(super) fn pointer(&self) -> String {
        let steps = self.path.iter().rev();
        steps.map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FitError {}

impl serde::de::Error for FitError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), path: Vec::new() }
    }
}

#[derive(Clone, Copy)]
pub(super) struct ValueDeserializer<'de>(pub(super) &'de Value);

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = FitError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(Number::Int(i)) => visitor.visit_i64(*i),
            Value::Number(Number::BigInt(digits)) => visit_big(digits, visitor),
            Value::Number(Number::Float(f)) => visitor.visit_f64(*f),
            Value::String(s) => visitor.visit_borrowed_str(s),
            Value::Array(items) => {
                let mut access = Items { items, next: 0 };
                let value = visitor.visit_seq(&mut access)?;
                if access.next < items.len() {
                    let expected = format!("{} items", access.next);
                    return Err(FitError::invalid_length(items.len(), &expected.as_str()));
                }
                Ok(value)
            }
            Value::Object(object) => visitor.visit_map(Entries { entries: object.iter(), entry: None }),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        match self.0 {
            Value::Number(number) => visitor.visit_f64(exact_f64(number)?),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        let Value::Number(number) = self.0 else { return self.deserialize_any(visitor) };
        let wide = exact_f64(number)?;
        #[expect(clippy::cast_possible_truncation, reason = "what it loses is checked below")]
        let narrow = wide as f32;
        // Decimal fractions are rounded by any float type; integers and magnitudes are not ours to change.
        let kept = if number.is_integer() { f64::from(narrow) == wide } else { narrow.is_finite() };
        if kept { visitor.visit_f32(narrow) } else { Err(no_float(number, "32")) }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FitError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FitError> {
        match self.0 {
            Value::String(s) => BorrowedStrDeserializer::new(s).deserialize_enum(name, variants, visitor),
            Value::Object(object) => match object.iter().next() {
                Some((variant, content)) if object.len() == 1 => {
                    visitor.visit_enum(Variant { variant, content })
                }
                _ => Err(FitError::invalid_length(object.len(), &"one key, the name of a variant")),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn visit_big<'de, V: Visitor<'de>>(digits: &str, visitor: V) -> Result<V::Value, FitError> {
    if let Ok(u) = digits.parse() {
        visitor.visit_u64(u)
    } else if let Ok(i) = digits.parse() {
        visitor.visit_i128(i)
    } else if let Ok(u) = digits.parse() {
        visitor.visit_u128(u)
    } else {
        Err(FitError::invalid_value(Unexpected::Other(&format!("integer `{digits}`")), &"at most 128 bits"))
    }
}

/// The double that is the number.
fn exact_f64(number: &Number) -> Result<f64, FitError> {
    let f = number.to_f64();
    let exact = match number {
        Number::Float(_) => true,
        Number::Int(i) => format!("{f:.0}") == i.to_string(),
        Number::BigInt(digits) => format!("{f:.0}") == *digits,
    };
    if exact { Ok(f) } else { Err(no_float(number, "64")) }
}

fn no_float(number: &Number, bits: &str) -> FitError {
    let found = format!("number `{}`", Value::from(number.clone()).to_json());
    let expected = format!("a number that a float of {bits} bits can hold");
    FitError::invalid_value(Unexpected::Other(&found), &expected.as_str())
}

struct Items<'de> {
    items: &'de [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = FitError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, FitError> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let value = seed.deserialize(ValueDeserializer(item)).map_err(|error| error.within(self.next))?;
        self.next += 1;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'de, I> {
    entries: I,
    entry: Option<(&'de str, &'de Value)>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> MapAccess<'de> for Entries<'de, I> {
    type Error = FitError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FitError> {
        self.entry = self.entries.next();
        self.entry.map(|(key, _)| seed.deserialize(BorrowedStrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, FitError> {
        let Some((key, value)) = self.entry.take() else {
            return Err(FitError::custom("a value was asked for before its key"));
        };
        seed.deserialize(ValueDeserializer(value)).map_err(|error| error.within(key))
    }
}

/// `{"Variant": content}`.
struct Variant<'de> {
    variant: &'de str,
    content: &'de Value,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = FitError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), FitError> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.variant))?, self))
    }
}

impl<'de> Variant<'de> {
    fn visit<V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, FitError> {
        let fits = match shape {
            Shape::Array => self.content.as_array().is_some(),
            Shape::Object => self.content.as_object().is_some(),
        };
        let content = ValueDeserializer(self.content);
        let result = if fits {
            content.deserialize_any(visitor)
        } else {
            Err(FitError::invalid_type(Unexpected::Other(self.content.type_name()), &visitor))
        };
        result.map_err(|error| error.within(self.variant))
    }
}

enum Shape {
    Array,
    Object,
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = FitError;

    fn unit_variant(self) -> Result<(), FitError> {
        if self.content.is_null() {
            return Ok(());
        }
        let found = Unexpected::Other(self.content.type_name());
        Err(FitError::invalid_type(found, &"null, for a variant without content").within(self.variant))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, FitError> {
        seed.deserialize(ValueDeserializer(self.content)).map_err(|error| error.within(self.variant))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, FitError> {
        self.visit(Shape::Array, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FitError> {
        self.visit(Shape::Object, visitor)
    }
}
