//! Branch-free `exp` and `tanh` in `f32`, for loops that LLVM vectorises.
//!
//! Both reduce the argument by a multiple of `ln 2`, kept in two parts so that the subtraction is exact, and
//! evaluate a polynomial of degree 4 for `(exp(r) − 1 − r) / r²` on `|r| ≤ ln(2)/2`. Its coefficients are the
//! minimax fit (Remez exchange) to the relative error of `exp`; the fit errs by 3.1e-9, well under the rounding
//! of `f32`. NaN in, NaN out.

use super::simd::fma;

/// Below this `exp` leaves the normal numbers.
pub(crate) const EXP_MIN: f32 = -87.33;
/// Above this the scale factor would overflow.
const EXP_MAX: f32 = 88.37;
/// `1.5 · 2²³`: adding it rounds to the nearest integer and leaves that integer in the low mantissa bits.
const ROUND: f32 = 12_582_912.0;
/// High part of `ln 2`, few enough bits that its product with the exponent is exact.
const LN2_HIGH: f32 = 0.693_359_4;
/// `ln 2 − LN2_HIGH`.
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Where `tanh` rounds to one.
const TANH_MAX: f32 = 9.02;

const C: [f32; 5] = [
    4.999_999_344_873e-1_f64 as f32,
    1.666_652_064_554e-1_f64 as f32,
    4.166_838_788_251e-2_f64 as f32,
    8.368_715_200_608e-3_f64 as f32,
    1.381_460_212_460e-3_f64 as f32,
];

/// Splits `x` into `n` and `exp(r) − 1` with `x = n·ln 2 + r`; returns `2ⁿ` and `exp(r) − 1`.
#[inline(always)]
fn reduce<const FMA: bool>(x: f32) -> (f32, f32) {
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    let q = fma::<FMA>(C[4], r, C[3]);
    let q = fma::<FMA>(q, r, C[2]);
    let q = fma::<FMA>(q, r, C[1]);
    let q = fma::<FMA>(q, r, C[0]);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (power, fma::<FMA>(q * r, r, r))
}

/// `exp(x)`, within 1.5 units in the last place for `x ≥ −87.33`; smaller arguments give `exp(−87.33)`, about
/// 1.2e-38, and arguments over 88.37 give `exp(88.37)`.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x < EXP_MIN { EXP_MIN } else { x };
    let x = if x > EXP_MAX { EXP_MAX } else { x };
    let (power, p) = reduce::<FMA>(x);
    fma::<FMA>(p, power, power)
}

/// `tanh(x)`, relative error under 2.5e-7 everywhere, also next to zero.
///
/// `tanh(x) = e / (e + 2)` with `e = exp(2x) − 1`, computed without cancellation for `|x|`.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let magnitude = x.abs();
    let magnitude = if magnitude > TANH_MAX { TANH_MAX } else { magnitude };
    let (power, p) = reduce::<FMA>(2.0 * magnitude);
    let e = fma::<FMA>(p, power, power - 1.0);
    (e / (e + 2.0)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::simd::multiversion;

    multiversion! {
        fn exp_all<FMA>(x: &[f32], y: &mut [f32]) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = exp::<FMA>(x);
            }
        }
    }
    multiversion! {
        fn tanh_all<FMA>(x: &[f32], y: &mut [f32]) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = tanh::<FMA>(x);
            }
        }
    }

    fn worst(x: &[f32], y: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
        x.iter().zip(y).map(|(&x, &y)| (y as f64 / exact(x as f64) - 1.0).abs()).fold(0.0, f64::max)
    }

    /// Values over many magnitudes and both signs.
    fn arguments(limit: f32) -> Vec<f32> {
        let linear = (-200_000..=200_000).map(|i| i as f32 / 200_000.0 * limit);
        let small = (1..4000).flat_map(|i| [1.0, -1.0].map(|s| s * limit * 0.99f32.powi(i)));
        linear.chain(small).filter(|&x| x.abs() > 1e-36).collect()
    }

    #[test]
    fn exp_is_close() {
        let x = arguments(87.3);
        let mut y = vec![0.0; x.len()];
        exp_all(&x, &mut y);
        let error = worst(&x, &y, f64::exp);
        assert!(error < 1.2e-7, "avx {error}");
        let baseline: Vec<f32> = x.iter().map(|&x| exp::<false>(x)).collect();
        let error = worst(&x, &baseline, f64::exp);
        assert!(error < 1.8e-7, "baseline {error}");
    }

    #[test]
    fn tanh_is_close() {
        let x = arguments(12.0);
        let mut y = vec![0.0; x.len()];
        tanh_all(&x, &mut y);
        let error = worst(&x, &y, f64::tanh);
        assert!(error < 2.5e-7, "avx {error}");
        let baseline: Vec<f32> = x.iter().map(|&x| tanh::<false>(x)).collect();
        let error = worst(&x, &baseline, f64::tanh);
        assert!(error < 3e-7, "baseline {error}");
    }

    #[test]
    fn limits() {
        assert_eq!(exp::<false>(0.0), 1.0);
        assert!(exp::<false>(f32::NEG_INFINITY) < 1.3e-38);
        assert!(exp::<false>(f32::INFINITY).is_finite());
        assert!(exp::<false>(f32::NAN).is_nan() && tanh::<false>(f32::NAN).is_nan());
        assert_eq!(tanh::<false>(f32::INFINITY), 1.0);
        assert_eq!(tanh::<false>(f32::NEG_INFINITY), -1.0);
        assert_eq!(tanh::<false>(0.0), 0.0);
    }
}
