//! Numbers: integers and floats kept apart, integers of any size.

/// A JSON number.
///
/// Parsers make [`Number::BigInt`] only where `i64` is too small, and [`Number::Float`] only where the text has
/// a fraction or an exponent; so `5 != 5.0`, and equal integers are equal values.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// An integer that fits 64 bits.
    Int(i64),
    /// A larger integer, as its decimal digits with an optional leading `-`.
    BigInt(String),
    /// A finite double.
    Float(f64),
}

impl Number {
    /// The number as the nearest double (infinite for integers beyond its range).
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
            Self::Int(i) => *i as f64,
            // Digits with a sign always parse; the fallback keeps the method total.
            Self::BigInt(digits) => digits.parse().unwrap_or(f64::INFINITY),
            Self::Float(f) => *f,
        }
    }

    /// Whether this is an integer.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        !matches!(self, Self::Float(_))
    }

    /// An integer from decimal digits with an optional sign; leading zeros are dropped.
    pub(crate) fn from_digits(negative: bool, digits: &str) -> Self {
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        let text = if negative && digits != "0" { format!("-{digits}") } else { digits.to_owned() };
        text.parse().map_or(Self::BigInt(text), Self::Int)
    }

    /// The text that both JSON and Python print for the number.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Int(i) => i.to_string(),
            Self::BigInt(digits) => digits.clone(),
            Self::Float(f) => float_repr(*f),
        }
    }
}

/// Python's `repr` of a finite double: the shortest digits that read back equal, positional for exponents from
/// -4 to 15, scientific with a two-digit exponent otherwise.
fn float_repr(f: f64) -> String {
    if !f.is_finite() {
        return "null".to_owned();
    }
    let mut scientific = format!("{f:e}");
    // Where two decimals of the shortest length are equally near, the standard library takes either and Python
    // the even one, which is what exact formatting gives.
    let digits = scientific.bytes().take_while(|&b| b != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{f:.*e}", digits - 1);
    if even != scientific && even.parse() == Ok(f) {
        scientific = even;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        positional(mantissa, exponent)
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
    }
}

/// `-1.25` and 1 as `-12.5`.
fn positional(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let mut digits = mantissa.replace('.', "");
    let shift = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(shift - 1));
    }
    while digits.len() < shift + 2 {
        digits.push('0');
    }
    format!("{sign}{}.{}", &digits[..=shift], &digits[shift + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (f, text) in [
            (0.1, "0.1"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1e-7, "1e-07"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (123_456.789, "123456.789"),
            (100.0, "100.0"),
            (-0.001_25, "-0.00125"),
            // A tie between …2 and …3.
            (1_097_718_834_198_879.2, "1097718834198879.2"),
        ] {
            assert_eq!(float_repr(f), text);
        }
    }

    #[test]
    fn integers_keep_their_digits() {
        assert_eq!(Number::from_digits(true, "000"), Number::Int(0));
        assert_eq!(Number::from_digits(true, "9223372036854775808"), Number::Int(i64::MIN));
        assert_eq!(Number::from_digits(false, "9223372036854775808").to_text(), "9223372036854775808");
        assert_ne!(Number::Int(5), Number::Float(5.0));
    }
}
