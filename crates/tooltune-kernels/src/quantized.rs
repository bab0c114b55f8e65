//! Weights of 8 bits, for inference.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Elements that share a scale.
pub(crate) const BLOCK: usize = 32;
/// Values in a word.
const VALUES: usize = 4;
/// Words in a block.
pub(crate) const WORDS: usize = BLOCK / VALUES;
/// The largest value. The range is symmetric: -128 is not used.
const MAX: f32 = 127.0;
/// Elements that are quantized at a time, as `f32`: 8 MiB.
const CHUNK: usize = 2 << 20;

/// A weight, `[out, in]`, of 8 bits an element: each block of 32 elements along a row is a scale in bf16 times integers of -127 to 127, as
/// GGUF's `Q8_0` has it but for the type of the scale.
///
/// An element is wrong by at most half its block's scale, which is the block's largest magnitude divided by 127 and rounded up to bf16. It
/// takes 8.5 bits, a little over half of bf16.
#[derive(Clone, Debug)]
pub struct QuantizedWeight {
    values: Tensor<2, Int>,
    scales: Tensor<2>,
    inputs: usize,
}

impl QuantizedWeight {
    /// Quantizes `weight`, `[out, in]`, some rows at a time; the result is on its device, and a constant for autodiff. `None` when an
    /// element is not finite, or so near to the largest `f32` that its block's largest value would be infinite.
    pub fn quantize(weight: Tensor<2>) -> Option<Self> {
        let ([outputs, inputs], device) = (weight.dims(), weight.device());
        let blocks = inputs.div_ceil(BLOCK);
        let (mut words, mut scales) = (vec![0; outputs * blocks * WORDS], vec![0.0; outputs * blocks]);
        let weight = weight.without_autodiff();
        let rows = (CHUNK / inputs.max(1)).max(1);
        let chunks =
            words.chunks_mut((rows * blocks * WORDS).max(1)).zip(scales.chunks_mut((rows * blocks).max(1)));
        for (index, (words, scales)) in chunks.enumerate() {
            let first = index * rows;
            let part =
                weight.clone().narrow(0, first, rows.min(outputs - first)).cast(DType::F32).into_data();
            if !quantize_rows(part.as_slice::<f32>().ok()?, inputs, words, scales) {
                return None;
            }
        }
        drop(weight);
        let values = TensorData::new(words, [outputs, blocks * WORDS]);
        let scales = TensorData::new(scales, [outputs, blocks]);
        Some(Self {
            values: Tensor::from_data(values, (&device, DType::I32)),
            scales: Tensor::from_data(scales, (&device, scale_dtype(&device))),
            inputs,
        })
    }

    /// A weight of `inputs` columns of what [`values`](Self::values) and [`scales`](Self::scales) returned.
    ///
    /// # Panics
    /// If the shapes do not fit together.
    pub fn from_parts(values: Tensor<2, Int>, scales: Tensor<2>, inputs: usize) -> Self {
        let ([outputs, words], dims) = (values.dims(), scales.dims());
        assert_eq!(dims, [outputs, inputs.div_ceil(BLOCK)], "quantized weight: scales of {inputs} inputs");
        assert_eq!(words, dims[1] * WORDS, "quantized weight: values of {inputs} inputs");
        Self { values, scales, inputs }
    }

    /// `[out, words]`: four values in a word of 32 bits, the first in its lowest byte, whole blocks in a row.
    pub fn values(&self) -> Tensor<2, Int> {
        self.values.clone()
    }

    /// `[out, blocks]`, bf16 where the fused kernels run and `f32` elsewhere: what they hold are numbers of bf16.
    pub fn scales(&self) -> Tensor<2> {
        self.scales.clone()
    }

    /// The same weight off any autodiff device.
    pub fn without_autodiff(self) -> Self {
        Self { values: self.values.without_autodiff(), scales: self.scales.without_autodiff(), ..self }
    }

    /// `[out, in]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.values.dims()[0], self.inputs]
    }

    /// The rows `ids`, `[rows]`, in `f32`: `[rows, in]`.
    pub fn rows(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let values = self.values.clone().select(0, ids.clone());
        Self { values, scales: self.scales.clone().select(0, ids), inputs: self.inputs }.dequantize()
    }

    /// The weight in `f32`.
    pub fn dequantize(&self) -> Tensor<2> {
        let [outputs, words] = self.values.dims();
        if outputs * words == 0 {
            return Tensor::zeros([outputs, self.inputs], (&self.values.device(), DType::F32));
        }
        let values = |index: usize| {
            // Shifted to the left end and back, which repeats the sign.
            let left = (8 * (VALUES - 1 - index)) as i32;
            let right = (8 * (VALUES - 1)) as i32;
            let values: Tensor<3, Int> = self.values.clone().unsqueeze_dim(2);
            values.bitwise_left_shift_scalar(left).bitwise_right_shift_scalar(right)
        };
        let values = Tensor::cat((0..VALUES).map(values).collect(), 2);
        let values = values.float().cast(DType::F32).reshape([outputs, words / WORDS, BLOCK]);
        let scales: Tensor<3> = self.scales.clone().cast(DType::F32).unsqueeze_dim(2);
        (values * scales).reshape([outputs, words * VALUES]).narrow(1, 0, self.inputs)
    }
}

/// `x Wᵀ` as [`linear`](crate::linear), for a quantized weight.
///
/// On `flex` up to eight rows of `f32` activations are multiplied as they are; more are rounded to bf16 on the way in, and so is the
/// weight, and sums are `f32`. Anywhere else the weight is widened to the type of `x` first. The gradient with respect to `x` is
/// [`linear_q8_transposed`]; the weight has none.
///
/// # Shapes
/// - `x`: `[rows, in]`
/// - `weight`: `[out, in]`
/// - result: `[rows, out]`
///
/// # Panics
/// If the shapes do not fit together.
pub fn linear_q8(x: Tensor<2>, weight: &QuantizedWeight) -> Tensor<2> {
    let ([_, width], [_, inputs]) = (x.dims(), weight.dims());
    assert_eq!(width, inputs, "linear_q8: x {:?} does not fit weight {:?}", x.dims(), weight.dims());
    #[cfg(feature = "cpu")]
    if is_fused(&x, weight) {
        return crate::flex::q8_linear(x, weight, crate::flex::Direction::Forward);
    }
    let weight = widened(&x, weight);
    x.matmul(weight.transpose())
}

/// `x W`, the way back of [`linear_q8`]: what its gradient does.
///
/// # Shapes
/// - `x`: `[rows, out]`
/// - `weight`: `[out, in]`
/// - result: `[rows, in]`
///
/// # Panics
/// If the shapes do not fit together.
pub fn linear_q8_transposed(x: Tensor<2>, weight: &QuantizedWeight) -> Tensor<2> {
    let ([_, width], [outputs, _]) = (x.dims(), weight.dims());
    assert_eq!(
        width,
        outputs,
        "linear_q8_transposed: x {:?} does not fit weight {:?}",
        x.dims(),
        weight.dims()
    );
    #[cfg(feature = "cpu")]
    if is_fused(&x, weight) {
        return crate::flex::q8_linear(x, weight, crate::flex::Direction::Backward);
    }
    let weight = widened(&x, weight);
    x.matmul(weight)
}

/// The kernels read words as bytes, in the order of a little-endian processor.
#[cfg(feature = "cpu")]
fn is_fused(x: &Tensor<2>, weight: &QuantizedWeight) -> bool {
    cfg!(target_endian = "little")
        && weight.scales.dtype() == DType::BF16
        && weight.values.dtype() == DType::I32
        && weight.scales.shape().num_elements() > 0
        && crate::device::is_fused(x)
}

fn widened(x: &Tensor<2>, weight: &QuantizedWeight) -> Tensor<2> {
    let weight = weight.dequantize();
    if x.dtype() == DType::F32 { weight } else { weight.cast(x.dtype()) }
}

/// The type that holds scales on `device`. (Not every GPU holds bf16.)
fn scale_dtype(device: &Device) -> DType {
    if crate::device::is_flex(device) { DType::BF16 } else { DType::F32 }
}

#[cfg(feature = "cpu")]
use crate::flex::quantize_rows;

/// Quantizes rows of `inputs` elements. False when an element cannot be represented.
#[cfg(not(feature = "cpu"))]
fn quantize_rows(x: &[f32], inputs: usize, words: &mut [i32], scales: &mut [f32]) -> bool {
    let blocks = inputs.div_ceil(BLOCK);
    let rows = x.chunks(inputs).zip(words.chunks_mut(blocks * WORDS)).zip(scales.chunks_mut(blocks));
    rows.fold(true, |all, ((x, words), scales)| all & quantize_row(x, words, scales))
}

/// Quantizes a row in blocks, the last one filled up with zeros. False when an element cannot be represented.
#[inline(always)]
pub(crate) fn quantize_row(row: &[f32], words: &mut [i32], scales: &mut [f32]) -> bool {
    // Added to a number of some bits, it rounds it to an integer, ties to even, and leaves that in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let mut is_good = true;
    for ((part, words), slot) in row.chunks(BLOCK).zip(words.as_chunks_mut::<WORDS>().0).zip(scales) {
        let mut block = [0.0f32; BLOCK];
        block[..part.len()].copy_from_slice(part);
        // By bits, where NaN and infinity are the largest of all.
        let largest = block.iter().fold(0, |max, value| value.abs().to_bits().max(max));
        let scale = rounded_up(f32::from_bits(largest) / MAX);
        // Also false where the largest value would overflow.
        is_good &= ((MAX + 1.0) * scale).is_finite();
        // A block of zeros has no scale.
        let divisor = if scale == 0.0 { 1.0 } else { scale };
        let mut bytes = [0u8; BLOCK];
        for (byte, value) in bytes.iter_mut().zip(block) {
            // In range but for the rounding of a division by the smallest of numbers.
            *byte = ((value / divisor).clamp(-MAX, MAX) + ROUND).to_bits() as u8;
        }
        *slot = scale;
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = i32::from_le_bytes(*bytes);
        }
    }
    is_good
}

/// The smallest number of bf16 that is not less than `value`, which is not negative: with a smaller one the largest value would not fit.
fn rounded_up(value: f32) -> f32 {
    // Of NaN, some NaN.
    f32::from_bits((value.to_bits() + 0xffff) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, device, gradients, random, values};
    use crate::{linear, linear_transposed};

    fn quantized(weight: &Tensor<2>) -> QuantizedWeight {
        QuantizedWeight::quantize(weight.clone()).expect("finite")
    }

    #[test]
    fn an_element_is_wrong_by_half_a_step_at_most() {
        for (shape, scale) in
            [([7, 64], 1.0), ([5, 70], 1e-3), ([3, 31], 1e4), ([2, 1], 1.0), ([40, 320], 0.02)]
        {
            let weight = random(shape, scale, 3);
            let quantized = quantized(&weight);
            let scales = values(&quantized.scales());
            let blocks = shape[1].div_ceil(BLOCK);
            let (before, after) = (values(&weight), values(&quantized.dequantize()));
            assert_eq!(before.len(), after.len());
            let mut worst = 0f32;
            for (index, (before, after)) in before.iter().zip(&after).enumerate() {
                let (row, column) = (index / shape[1], index % shape[1]);
                let block = row * blocks + column / BLOCK;
                let first = row * shape[1] + column / BLOCK * BLOCK;
                let members = &self::values(&weight)[first..((row + 1) * shape[1]).min(first + BLOCK)];
                let largest = members.iter().fold(0f32, |max, x| max.max(x.abs()));
                assert!(scales[block] >= largest / MAX && scales[block] <= largest / MAX * 1.008);
                let error = (before - after).abs() / scales[block];
                worst = worst.max(error);
                assert!(error <= 0.5001, "{shape:?}, element {index}: {before} became {after}");
            }
            assert!(shape[1] == 1 || worst > 0.3, "{worst} of a step is too good to be true");
        }
    }

    #[test]
    fn what_fits_is_exact() {
        // Integers up to 127 times a power of two; a row of zeros; an embedding's rows in any order.
        let number = |index: usize| if index % BLOCK == 31 { 127 } else { (index * 17 % 253) as i32 - 126 };
        let mut numbers: Vec<f32> = (0..6 * 96).map(|index| number(index) as f32 * 0.25).collect();
        numbers.resize(7 * 96, 0.0);
        let weight = Tensor::<1>::from_floats(numbers.as_slice(), &device()).reshape([7, 96]);
        let quantized = quantized(&weight);
        assert_eq!(values(&quantized.dequantize()), values(&weight));
        let ids = Tensor::<1, Int>::from_ints([6, 2, 2, 0], &device());
        assert_eq!(values(&quantized.rows(ids.clone())), values(&weight.select(0, ids)));
        let parts = QuantizedWeight::from_parts(quantized.values(), quantized.scales(), 96);
        assert_eq!(parts.dims(), [7, 96]);
    }

    #[test]
    fn other_types_are_quantized_too() {
        let weight = random([5, 40], 1.0, 1).cast(DType::BF16);
        let (actual, expected) = (quantized(&weight), quantized(&weight.cast(DType::F32)));
        assert_eq!(values(&actual.dequantize()), values(&expected.dequantize()));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let weight = random([3, 40], 1.0, 1).slice_fill([1..2, 35..36], bad);
            assert!(QuantizedWeight::quantize(weight).is_none(), "{bad}");
        }
        // Its scale is next to the smallest number there is.
        let tiny = Tensor::full([1, 3], 1e-38, &device());
        assert!((values(&quantized(&tiny).dequantize())[0] - 1e-38).abs() < 5e-41);
    }

    #[test]
    fn products_are_those_of_the_widened_weight() {
        for (outputs, inputs) in [(70, 50), (33, 64), (1, 1)] {
            let weight = quantized(&random([outputs, inputs], 1.0, 4));
            let wide = weight.dequantize();
            for rows in [1, 3, 40] {
                let x = random([rows, inputs], 1.0, 5);
                assert_close(
                    "forward",
                    &linear_q8(x.clone(), &weight),
                    &linear(x.clone(), wide.clone()),
                    1e-2,
                );
                let [actual] = gradients([x.clone()], |[x]| linear_q8(x, &weight));
                let [expected] = gradients([x], |[x]| linear(x, wide.clone().autodiff()));
                assert_close("gradient", &actual, &expected, 1e-2);
                let g = random([rows, outputs], 1.0, 6);
                let expected = linear_transposed(g.clone(), wide.clone());
                assert_close("backward", &linear_q8_transposed(g.clone(), &weight), &expected, 1e-2);
                let [actual] = gradients([g.clone()], |[g]| linear_q8_transposed(g, &weight));
                let [expected] = gradients([g], |[g]| linear_transposed(g, wide.clone().autodiff()));
                assert_close("gradient of backward", &actual, &expected, 1e-2);
            }
        }
    }

    #[test]
    fn plain_operations_give_the_same() {
        let weight = quantized(&random([70, 50], 1.0, 4));
        // In f32 scales do not take the fused path.
        let plain = QuantizedWeight { scales: weight.scales().cast(DType::F32), ..weight.clone() };
        let x = random([5, 50], 1.0, 5);
        assert_close("value", &linear_q8(x.clone(), &weight), &linear_q8(x.clone(), &plain), 1e-5);
        let [actual] = gradients([x.clone()], |[x]| linear_q8(x, &weight));
        let [expected] = gradients([x.clone()], |[x]| linear_q8(x, &plain));
        assert_close("gradient", &actual, &expected, 1e-2);
        let half = linear_q8(x.clone().cast(DType::BF16), &weight);
        assert_eq!(half.dtype(), DType::BF16);
        assert_close("bf16", &half.cast(DType::F32), &linear_q8(x, &weight), 2e-2);
    }

    #[test]
    fn nothing_in_nothing_out() {
        let weight = quantized(&random([5, 6], 1.0, 2));
        assert_eq!(linear_q8(random([0, 6], 1.0, 1), &weight).dims(), [0, 5]);
        assert_eq!(linear_q8_transposed(random([0, 5], 1.0, 1), &weight).dims(), [0, 6]);
        assert_eq!(quantized(&random([0, 6], 1.0, 1)).dequantize().dims(), [0, 6]);
    }

    #[test]
    #[should_panic(expected = "does not fit weight")]
    fn shapes_must_fit() {
        linear_q8(random([2, 5], 1.0, 1), &quantized(&random([5, 6], 1.0, 2)));
    }
}
