//! Every path against a naive product in `f64`.

use super::few_rows::generic_products;
use super::{BLOCK, FEW_ROWS, Isa, Weight};
use crate::flex::bf16::portable::widen;
use crate::flex::bf16::source::Source;
use crate::testing::{random, values};

struct Stored {
    values: Vec<i8>,
    scales: Vec<u16>,
    inputs: usize,
}

impl Stored {
    fn random(outputs: usize, inputs: usize, seed: u64) -> Self {
        let blocks = inputs.div_ceil(BLOCK);
        let mut values: Vec<i8> = floats(outputs * blocks * BLOCK, seed)
            .iter()
            .map(|x| (x * 40.0).clamp(-127.0, 127.0) as i8)
            .collect();
        // Zero after the last column, as the kernels are promised.
        for row in values.chunks_mut(blocks * BLOCK) {
            row[inputs..].fill(0);
        }
        let scales = floats(outputs * blocks, seed + 1);
        let scales = scales.iter().map(|x| ((0.01 + x.abs()).to_bits() >> 16) as u16).collect();
        Self { values, scales, inputs }
    }

    fn weight(&self) -> Weight<'_> {
        Weight::new(&self.values, &self.scales, self.inputs)
    }

    fn element(&self, row: usize, column: usize) -> f32 {
        let blocks = self.inputs.div_ceil(BLOCK);
        let value = self.values[row * blocks * BLOCK + column];
        f32::from(value) * widen(self.scales[row * blocks + column / BLOCK])
    }
}

fn floats(len: usize, seed: u64) -> Vec<f32> {
    values(&random([len.max(1)], 1.0, seed))[..len].to_vec()
}

/// `f32` to bf16 and back, to nearest, ties to even.
fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits + (0x7fff + (bits >> 16 & 1))) & 0xffff_0000)
}

/// `Σ a·b`, and what an implementation with `f32` sums may err by.
fn exact(pairs: impl Iterator<Item = (f32, f32)>) -> (f64, f64) {
    let (sum, size) = pairs
        .map(|(a, b)| f64::from(a) * f64::from(b))
        .fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
    (sum, size * 3e-6 + 1e-30)
}

fn close(what: &str, actual: f32, (sum, allowed): (f64, f64)) {
    let error = (f64::from(actual) - sum).abs();
    assert!(error <= allowed, "{what}: {actual}, not {sum} ({error:e} > {allowed:e})");
}

fn check(isa: Isa, rows: usize, outputs: usize, inputs: usize) {
    let stored = Stored::random(outputs, inputs, 1);
    let what = |direction: &str| format!("{isa:?} {direction} {rows}×{outputs}×{inputs}");
    let few = rows <= FEW_ROWS;
    let seen = |x: f32| if few { x } else { rounded(x) };
    let x = floats(rows * inputs, 2);
    let y = stored.weight().forward(isa, &x);
    assert_eq!(y.len(), rows * outputs);
    for (index, &y) in y.iter().enumerate() {
        let (row, output) = (index / outputs, index % outputs);
        let pairs = (0..inputs).map(|i| (seen(x[row * inputs + i]), seen(stored.element(output, i))));
        close(&what("forward"), y, exact(pairs));
    }
    let g = floats(rows * outputs, 3);
    let d = stored.weight().backward(isa, &g);
    assert_eq!(d.len(), rows * inputs);
    for (index, &d) in d.iter().enumerate() {
        let (row, input) = (index / inputs, index % inputs);
        let pairs = (0..outputs).map(|o| (rounded(g[row * outputs + o]), rounded(stored.element(o, input))));
        close(&what("backward"), d, exact(pairs));
    }
}

#[test]
fn many_sizes() {
    let sizes: &[usize] = if cfg!(miri) { &[1, 33] } else { &[1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 64, 65, 130] };
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

/// Several pieces of a sum and several stripes, rows longer than what is fetched ahead.
#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn deep_and_tall() {
    check(Isa::best(), 3, 5, 100 * BLOCK + 7);
    check(Isa::best(), 9, 1027, 4096);
    check(Isa::best(), 300, 515, 2500);
}

/// Each instruction set of the path for a few rows, also those that a better one hides here.
#[test]
fn instruction_sets_for_a_few_rows() {
    type Products = fn(&[i8], &[u16], &[f32], usize, &mut [f32]);
    let mut all: Vec<(&str, Products)> =
        vec![("fused", generic_products::<true>), ("not fused", generic_products::<false>)];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(values: &[i8], scales: &[u16], x: &[f32], blocks: usize, out: &mut [f32]) {
            generic_products::<true>(values, scales, x, blocks, out);
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn avx512(values: &[i8], scales: &[u16], x: &[f32], blocks: usize, out: &mut [f32]) {
            generic_products::<true>(values, scales, x, blocks, out);
        }
        use crate::flex::simd::Level;
        if Level::detect() != Level::Baseline {
            // SAFETY: `detect` found AVX2 with FMA: a level has those below it.
            all.push(("AVX2", |v, s, x, blocks, out| unsafe { avx2(v, s, x, blocks, out) }));
        }
        if Level::detect() == Level::Avx512 {
            // SAFETY: `detect` found the features.
            all.push(("AVX-512", |v, s, x, blocks, out| unsafe { avx512(v, s, x, blocks, out) }));
        }
    }
    for (outputs, blocks, rows) in [(1, 1, 1), (5, 3, 2), (4, 7, 3), (9, 100, 4)] {
        let inputs = blocks * BLOCK;
        let stored = Stored::random(outputs, inputs, 7);
        let x = floats(rows * inputs, 8);
        let mut bits = Vec::new();
        for (name, products) in &all {
            let mut out = vec![f32::NAN; rows * outputs];
            products(&stored.values, &stored.scales, &x, blocks, &mut out);
            for (index, &y) in out.iter().enumerate() {
                let (row, output) = (index / outputs, index % outputs);
                let pairs = (0..inputs).map(|i| (x[row * inputs + i], stored.element(output, i)));
                close(name, y, exact(pairs));
            }
            bits.push((name, out.iter().map(|y| y.to_bits()).collect::<Vec<_>>()));
        }
        let fused = bits.iter().filter(|(name, _)| **name != "not fused");
        assert!(fused.clone().all(|(_, other)| *other == bits[0].1), "one fused set differs from another");
    }
}

#[test]
fn widening_rounds_to_nearest() {
    for inputs in [1, 31, 32, 70] {
        let stored = Stored::random(2, inputs, 5);
        for (row, block) in [(0, 0), (1, inputs.div_ceil(BLOCK) - 1)] {
            let line = stored.weight().line(row, block * BLOCK);
            for (column, &bits) in line.iter().enumerate().take(inputs - block * BLOCK) {
                assert_eq!(widen(bits), rounded(stored.element(row, block * BLOCK + column)));
            }
        }
    }
}

/// Infinities and NaN of `x` stay in their row.
#[test]
fn edge_values() {
    let stored = Stored::random(40, 50, 1);
    for rows in [3, 20] {
        let mut x = floats(rows * 50, 2);
        x[50 + 3] = f32::NAN;
        let y = stored.weight().forward(Isa::best(), &x);
        assert!(y.iter().enumerate().all(|(index, y)| y.is_nan() == (index / 40 == 1)));
    }
    assert!(stored.weight().forward(Isa::best(), &[]).is_empty());
    assert!(stored.weight().backward(Isa::best(), &[]).is_empty());
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn threads_change_no_bit() {
    let (rows, outputs, inputs) = (20, 500, 700);
    let stored = Stored::random(outputs, inputs, 1);
    let (x, g) = (floats(rows * inputs, 2), floats(rows * outputs, 3));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let weight = stored.weight();
            let few = weight.forward(Isa::best(), &x[..3 * inputs]);
            let all = [few, weight.forward(Isa::best(), &x), weight.backward(Isa::best(), &g)];
            all.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}
