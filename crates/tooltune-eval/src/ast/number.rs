//! Numbers compared by their exact value.

use tooltune_chat::Number;

/// The two numbers have the same value, to the last digit: 5 and 5.0 do, 2⁵³ + 1 and 2⁵³ as a double don't.
pub(super) fn same_number(a: &Number, b: &Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a == b,
        (Number::BigInt(a), Number::BigInt(b)) => a == b,
        #[expect(clippy::float_cmp, reason = "the same double is meant")]
        (Number::Float(a), Number::Float(b)) => a == b,
        (Number::Float(float), Number::Int(int)) | (Number::Int(int), Number::Float(float)) => {
            as_i64(*float) == Some(*int)
        }
        (Number::Float(float), Number::BigInt(digits)) | (Number::BigInt(digits), Number::Float(float)) => {
            float.is_finite() && float.fract() == 0.0 && format!("{float:.0}") == *digits
        }
        (Number::Int(_), Number::BigInt(_)) | (Number::BigInt(_), Number::Int(_)) => false,
    }
}

/// The double as an integer, where it is one that fits.
fn as_i64(float: f64) -> Option<i64> {
    // 2^63; every double below it converts exactly.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() != 0.0 || !(-LIMIT..LIMIT).contains(&float) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an integer in the range of i64")]
    Some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_to_the_last_digit() {
        let big = |digits: &str| Number::BigInt(digits.to_owned());
        for (a, b, same) in [
            (Number::Int(5), Number::Float(5.0), true),
            (Number::Int(0), Number::Float(-0.0), true),
            (Number::Int(5), Number::Float(5.5), false),
            (Number::Int(9_007_199_254_740_993), Number::Float(9_007_199_254_740_992.0), false),
            (Number::Int(9_007_199_254_740_992), Number::Float(9_007_199_254_740_992.0), true),
            (Number::Int(i64::MAX), Number::Float(9_223_372_036_854_775_808.0), false),
            (Number::Int(i64::MIN), Number::Float(-9_223_372_036_854_775_808.0), true),
            (big("9223372036854775808"), Number::Float(9_223_372_036_854_775_808.0), true),
            (big("9223372036854775809"), Number::Float(9_223_372_036_854_775_808.0), false),
            (big("9223372036854775808"), Number::Int(i64::MIN), false),
        ] {
            assert_eq!(same_number(&a, &b), same, "{a:?} {b:?}");
            assert_eq!(same_number(&b, &a), same, "{b:?} {a:?}");
        }
    }
}
