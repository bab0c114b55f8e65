//! PiSSA (Meng et al., 2024): starting from the principal components of the weight.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use tooltune_lm::{Linear, Projection};

use crate::init::Draw;
use crate::kind::{Behaviour, Kind, KindChoice};
use crate::lora::Lora;
use crate::{InitLoraWeights, LoraAdapter};

/// What an adapter started from, and subtracts; frozen. It is stored beside what was trained, as an ordinary adapter of twice the rank.
#[derive(Module, Debug)]
pub struct Pissa {
    /// A at the start, `[r, in_features]`.
    pub start_a: Param<Tensor<2>>,
    /// B at the start, `[out_features, r]`.
    pub start_b: Param<Tensor<2>>,
}

impl Pissa {
    pub(crate) const CHOICE: KindChoice = KindChoice {
        switch: ("init_lora_weights", "pissa"),
        is_chosen: |config| config.init_lora_weights == InitLoraWeights::Pissa,
        start: |adapter, weight, draw| {
            let [r, _] = adapter.lora_a.lazy_shape().dims();
            let (a, b) = principal_pair(weight, r, adapter.scaling, draw);
            let frozen =
                |tensor: &Tensor<2>| Param::from_tensor(tensor.clone().detach()).set_require_grad(false);
            adapter.kind = Kind::Pissa(Self { start_a: frozen(&a), start_b: frozen(&b) });
            (adapter.lora_a, adapter.lora_b) = (Param::from_tensor(a), Param::from_tensor(b));
        },
        stored_ranks: 2,
        ..Lora::CHOICE
    };
}

impl Behaviour for Pissa {
    fn project(&self, base: &Linear, adapter: &LoraAdapter, x: Tensor<2>) -> Tensor<2> {
        let dropped = adapter.lora_dropout.forward(x.clone());
        let start = adapter.low_rank(dropped.clone(), &self.start_a, &self.start_b);
        // The difference first: it is exactly zero at the start.
        base.project(x) + (adapter.update(dropped) - start)
    }

    fn pair(&self, adapter: &LoraAdapter) -> (Tensor<2>, Tensor<2>) {
        (
            Tensor::cat(vec![adapter.lora_a.val(), self.start_a.val()], 0),
            Tensor::cat(vec![adapter.lora_b.val(), self.start_b.val().neg()], 1),
        )
    }
}

/// Directions that are followed beside the wanted ones, for the wanted ones to converge faster.
const OVERSAMPLING: usize = 16;
/// Rounds of subspace iteration; each shrinks the error by the square of the ratio of the singular values beyond to those within.
const ROUNDS: usize = 8;

/// A, `[r, in]`, and B, `[out, r]`, with `scaling · B A` the best approximation of `weight` of rank `r`, the singular values shared evenly,
/// by randomised subspace iteration (Halko, Martinsson and Tropp, 2011). `draw` gives the start.
fn principal_pair(weight: &Tensor<2>, r: usize, scaling: f64, draw: Draw) -> (Tensor<2>, Tensor<2>) {
    let [outputs, inputs] = weight.dims();
    let device = weight.device();
    let weight = weight.clone().detach().cast(DType::F32);
    let followed = (r + OVERSAMPLING).min(inputs).min(outputs);
    let mut basis = orthonormal(draw.normal_matrix([inputs, followed], 1.0, &device), &device);
    for _ in 0..ROUNDS {
        let image = orthonormal(weight.clone().matmul(basis), &device);
        basis = orthonormal(weight.clone().transpose().matmul(image), &device);
    }
    // Within the subspace the rest is small and exact: the eigenvectors of (W Q)ᵀ (W Q).
    let image = weight.matmul(basis.clone());
    let gram = columns(image.clone().transpose().matmul(image.clone()));
    let (values, vectors) = symmetric_eigen(gram);
    let mut order: Vec<usize> = (0..followed).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    order.truncate(r);
    let rotation: Vec<f32> = (0..followed)
        .flat_map(|row| order.iter().map(|&k| vectors[k][row] as f32).collect::<Vec<_>>())
        .collect();
    let rotation = Tensor::<2>::from_data(TensorData::new(rotation, [followed, r]), (&device, DType::F32));
    // W = Σ σ u vᵀ; image · rotation = σ u, basis · rotation = v.
    let roots: Vec<f32> = order.iter().map(|&k| values[k].max(1e-30).powf(0.25) as f32).collect();
    let roots = Tensor::<2>::from_data(TensorData::new(roots, [1, r]), (&device, DType::F32));
    let share = scaling.sqrt();
    let a = (basis.matmul(rotation.clone()) * roots.clone()).div_scalar(share).transpose();
    let b = (image.matmul(rotation) / roots).div_scalar(share);
    let placed = |tensor: Tensor<2>| Tensor::from_data(tensor.into_data(), &device);
    (placed(a), placed(b))
}

/// Columns of a matrix, on the host.
fn columns(matrix: Tensor<2>) -> Vec<Vec<f64>> {
    let [rows, count] = matrix.dims();
    let values: Vec<f64> = matrix.into_data().convert::<f64>().iter::<f64>().collect();
    (0..count).map(|column| (0..rows).map(|row| values[row * count + column]).collect()).collect()
}

/// An orthonormal basis of the space that the columns span (modified Gram–Schmidt, twice, in f64).
fn orthonormal(matrix: Tensor<2>, device: &Device) -> Tensor<2> {
    let [rows, count] = matrix.dims();
    let mut basis = columns(matrix);
    for index in 0..count {
        let (done, rest) = basis.split_at_mut(index);
        let Some(column) = rest.first_mut() else { break };
        for _ in 0..2 {
            for other in done.iter() {
                let along = dot(column, other);
                column.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let norm = dot(column, column).sqrt();
        // A direction that adds nothing stays, as zeros.
        let factor = if norm > 1e-12 { 1.0 / norm } else { 0.0 };
        column.iter_mut().for_each(|x| *x *= factor);
    }
    let values: Vec<f32> = (0..rows).flat_map(|row| basis.iter().map(move |c| c[row] as f32)).collect();
    Tensor::from_data(TensorData::new(values, [rows, count]), (device, DType::F32))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations.
fn symmetric_eigen(mut m: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = m.len();
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    let total: f64 = m.iter().flatten().map(|x| x * x).sum();
    for _sweep in 0..60 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| m[i][j].powi(2)).sum();
        if off <= 1e-28 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut m, &mut vectors, p, q);
            }
        }
    }
    ((0..n).map(|i| m[i][i]).collect(), vectors)
}

/// One rotation, which makes `m[p][q]` zero. `vectors` holds an eigenvector a row.
fn rotate(m: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    if m[p][q] == 0.0 {
        return;
    }
    let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for row in m.iter_mut() {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    for matrix in [m, vectors] {
        let (head, tail) = matrix.split_at_mut(q);
        let turned = head[p].iter_mut().zip(tail[0].iter_mut());
        turned.for_each(|(x, y)| (*x, *y) = (c * *x - s * *y, s * *x + c * *y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(weight: &Tensor<2>, r: usize, scaling: f64) -> f64 {
        let (a, b) = principal_pair(weight, r, scaling, Draw::new(3, "start"));
        let rest = weight.clone() - b.matmul(a).mul_scalar(scaling);
        f64::from(rest.square().sum().into_scalar::<f32>()).sqrt()
    }

    #[test]
    fn the_pair_is_the_best_approximation_of_its_rank() {
        let device = Device::flex();
        // Orthonormal columns on both sides and singular values of our choice: the error of the best approximation is known.
        let side =
            |rows, name| orthonormal(Draw::new(1, name).normal_matrix([rows, 6], 1.0, &device), &device);
        let sigma = [5.0f32, 4.0, 2.0, 1.0, 0.5, 0.25];
        let diagonal = Tensor::<2>::from_data(TensorData::new(sigma.to_vec(), [1, 6]), &device);
        let weight = (side(40, "u") * diagonal).matmul(side(30, "v").transpose());
        for (r, scaling) in [(1, 1.0), (2, 0.5), (4, 2.0)] {
            let best: f64 = sigma[r..].iter().map(|s| f64::from(s * s)).sum::<f64>().sqrt();
            let got = error(&weight, r, scaling);
            assert!((got - best).abs() < 1e-4 * best, "rank {r}: {got} where {best} is possible");
        }
        assert!(error(&weight, 6, 1.0) < 1e-4);
    }
}
