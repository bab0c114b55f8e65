//! Numbers of Python literals, which know more notations than JSON.

use super::{JsonErrorKind, Number};

/// A number, the bytes it took, and what JSON would not have allowed.
pub(crate) struct ReadNumber {
    pub(crate) number: Number,
    pub(crate) bytes: usize,
    /// `1_000`.
    pub(crate) separators: bool,
    /// `+4`, `.5`, `5.`, `0x1f`.
    pub(crate) unusual: bool,
}

/// Reads the number at the start of a text, which begins with a digit, a sign or a point.
pub(crate) fn read_number(text: &str) -> Result<ReadNumber, JsonErrorKind> {
    let negative = text.starts_with('-');
    let plus = text.starts_with('+');
    let unsigned = &text[usize::from(negative || plus)..];
    let body = &unsigned[..end_of_number(unsigned)];
    if matches!(body, "Infinity" | "inf" | "NaN" | "nan") {
        return Err(JsonErrorKind::NotFinite);
    }
    let separators = body.contains('_');
    if body.starts_with('_') || body.ends_with('_') || body.contains("__") {
        return Err(JsonErrorKind::BadNumber);
    }
    let digits = body.replace('_', "");
    let point = body.starts_with('.') || body.ends_with('.') || body.contains(".e") || body.contains(".E");
    let radix = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => Some(16),
        [b'0', b'o' | b'O', ..] => Some(8),
        [b'0', b'b' | b'B', ..] => Some(2),
        _ => None,
    };
    let number = if let Some(radix) = radix {
        let value = u128::from_str_radix(&digits[2..], radix).map_err(|_| JsonErrorKind::BadNumber)?;
        Number::from_digits(negative, &value.to_string())
    } else if is_digits(&digits) {
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(JsonErrorKind::BadNumber);
        }
        Number::from_digits(negative, &digits)
    } else if is_float(&digits) {
        let value: f64 = digits.parse().map_err(|_| JsonErrorKind::BadNumber)?;
        if !value.is_finite() {
            return Err(JsonErrorKind::NotFinite);
        }
        Number::Float(if negative { -value } else { value })
    } else {
        return Err(JsonErrorKind::BadNumber);
    };
    let bytes = text.len() - unsigned.len() + body.len();
    Ok(ReadNumber { number, bytes, separators, unusual: plus || point || radix.is_some() })
}

fn end_of_number(text: &str) -> usize {
    // A sign belongs to the number only after an exponent.
    let mut previous = ' ';
    let end = text.find(|c: char| {
        let sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        previous = c;
        !(c.is_alphanumeric() || matches!(c, '_' | '.') || sign)
    });
    end.unwrap_or(text.len())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits with at most one point among them, and at most one exponent with digits.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    is_digits(&mantissa.replacen('.', "", 1)) && exponent.is_none_or(is_digits)
}
