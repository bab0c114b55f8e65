//! Every instruction set against a naive product in `f64`.

use super::portable::{narrow, widen};
use super::{FEW_ROWS, Isa, MAX_ROWS, Weight};
use crate::testing::{random, values};

/// More than two pieces of a sum, whatever the direction and the number of rows.
const DEEP: usize = 2 * 4096 + 40;

fn floats(len: usize, seed: u64) -> Vec<f32> {
    values(&random([len.max(1)], 1.0, seed))[..len].to_vec()
}

fn bits(len: usize, seed: u64) -> Vec<u16> {
    floats(len, seed).into_iter().map(narrow).collect()
}

/// `Σ a·b` and `Σ |a·b|` in `f64`.
fn exact(pairs: impl Iterator<Item = (f32, f32)>) -> (f64, f64) {
    pairs
        .map(|(a, b)| f64::from(a) * f64::from(b))
        .fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
}

/// Checks both directions at one size. What a product may err by: the rounding of the activations, 2⁻⁹ relative each, checked exactly by
/// rounding them here too, and `f32` sums.
fn check(isa: Isa, rows: usize, outputs: usize, inputs: usize) {
    let stored = bits(outputs * inputs, 1);
    let weight = Weight::new(&stored, inputs);
    let seen = |x: f32, few: bool| if few { x } else { widen(narrow(x)) };
    let close = |what: &str, actual: f32, (sum, size): (f64, f64)| {
        let error = (f64::from(actual) - sum).abs();
        let allowed = size * 3e-6 + 1e-30;
        assert!(
            error <= allowed,
            "{isa:?} {what} {rows}×{outputs}×{inputs}: {actual}, not {sum} ({error:e} > {allowed:e})"
        );
    };
    let x = floats(rows * inputs, 2);
    let y = weight.forward(isa, &x);
    assert_eq!(y.len(), rows * outputs);
    for (index, &y) in y.iter().enumerate() {
        let (row, output) = (index / outputs, index % outputs);
        let pairs = (0..inputs)
            .map(|i| (seen(x[row * inputs + i], rows <= FEW_ROWS), widen(stored[output * inputs + i])));
        close("forward", y, exact(pairs));
    }
    let g = floats(rows * outputs, 3);
    let d = weight.backward(isa, &g);
    assert_eq!(d.len(), rows * inputs);
    for (index, &d) in d.iter().enumerate() {
        let (row, input) = (index / inputs, index % inputs);
        let pairs =
            (0..outputs).map(|o| (seen(g[row * outputs + o], false), widen(stored[o * inputs + input])));
        close("backward", d, exact(pairs));
    }
}

#[test]
fn every_instruction_set_at_many_sizes() {
    let sizes: &[usize] = if cfg!(miri) { &[1, 33] } else { &[1, 2, 15, 16, 17, 31, 32, 33, 65, 130] };
    for isa in Isa::available() {
        for (n, &rows) in sizes.iter().enumerate() {
            for (m, &outputs) in sizes.iter().enumerate() {
                // Not all triples: each pair, with inputs that go through the list.
                check(isa, rows, outputs, sizes[(n + m) % sizes.len()]);
                check(isa, rows, outputs, sizes[(n * 3 + m + 5) % sizes.len()]);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn deep_tall_and_wide() {
    for isa in Isa::available() {
        check(isa, 40, 50, DEEP);
        // As much as does not stay near, with rows in place and without.
        check(isa, 90, 67, DEEP);
        check(isa, 130, 64, 8192);
        check(isa, 40, 1000, 20);
        check(isa, MAX_ROWS + 5, 17, 33);
        check(isa, 9, 300, 300);
    }
}

#[test]
fn no_rows() {
    let stored = bits(6, 1);
    let weight = Weight::new(&stored, 3);
    assert!(weight.forward(Isa::best(), &[]).is_empty() && weight.backward(Isa::best(), &[]).is_empty());
}

#[test]
fn rounding_to_bf16() {
    for (value, expected) in [
        (0.0, 0x0000),
        (-0.0, 0x8000),
        (1.0, 0x3f80),
        // Halfway between two neighbours: to the even one.
        (f32::from_bits(0x3f80_8000), 0x3f80),
        (f32::from_bits(0x3f81_8000), 0x3f82),
        (f32::from_bits(0x3f80_8001), 0x3f81),
        (f32::MAX, 0x7f80),
        (f32::INFINITY, 0x7f80),
        (f32::NEG_INFINITY, 0xff80),
    ] {
        assert_eq!(narrow(value), expected, "{value}");
    }
    assert!(widen(narrow(f32::NAN)).is_nan() && widen(narrow(f32::from_bits(0x7f80_0001))).is_nan());
    assert!((0..=u16::MAX).all(|bits| widen(bits).is_nan() || narrow(widen(bits)) == bits));
}

/// Infinities and NaN come out where they went in, and nowhere else.
#[test]
fn edge_values() {
    let (rows, outputs, inputs) = (20, 40, 50);
    for isa in Isa::available() {
        let mut stored = bits(outputs * inputs, 1);
        stored[7 * inputs + 3] = narrow(f32::INFINITY);
        stored[9 * inputs + 4] = narrow(f32::NAN);
        let x = floats(rows * inputs, 2);
        let y = Weight::new(&stored, inputs).forward(isa, &x);
        for (index, y) in y.iter().enumerate() {
            match index % outputs {
                7 => assert!(y.is_infinite(), "{isa:?}: {y}"),
                9 => assert!(y.is_nan(), "{isa:?}: {y}"),
                _ => assert!(y.is_finite(), "{isa:?}: {y}"),
            }
        }
        let mut g = floats(rows * outputs, 3);
        let finite = bits(outputs * inputs, 1);
        g[5 * outputs + 1] = f32::NAN;
        let d = Weight::new(&finite, inputs).backward(isa, &g);
        assert!(d.iter().enumerate().all(|(index, d)| d.is_nan() == (index / inputs == 5)), "{isa:?}");
        // Too small for a normal product: nothing but zero or next to it.
        let tiny = vec![1e-30f32; rows * inputs];
        let small = vec![narrow(1e-12); outputs * inputs];
        assert!(Weight::new(&small, inputs).forward(isa, &tiny).iter().all(|y| y.abs() < 1e-37), "{isa:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn threads_change_no_bit() {
    let (rows, outputs, inputs) = (300, 500, 700);
    let (stored, x, g) = (bits(outputs * inputs, 1), floats(rows * inputs, 2), floats(rows * outputs, 3));
    for isa in Isa::available() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let weight = Weight::new(&stored, inputs);
                let few = weight.forward(isa, &x[..3 * inputs]);
                let all = [weight.forward(isa, &x), weight.backward(isa, &g), few];
                all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3), "{isa:?}");
    }
}
