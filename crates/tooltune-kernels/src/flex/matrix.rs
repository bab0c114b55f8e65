//! Strided matrices over slices, and their product (the `gemm` crate, which Burn's `flex` uses too).

use std::marker::PhantomData;

/// A read-only matrix: `rows × cols` elements, at multiples of the two strides.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    start: *const f32,
    dims: [usize; 2],
    strides: [usize; 2],
    data: PhantomData<&'a [f32]>,
}

impl<'a> Matrix<'a> {
    /// The matrix that begins at `data[offset]`.
    ///
    /// # Panics
    /// If an element would lie outside of `data`.
    pub(crate) fn new(data: &'a [f32], offset: usize, dims: [usize; 2], strides: [usize; 2]) -> Self {
        check(data.len(), offset, dims, strides);
        Self { start: data[offset..].as_ptr(), dims, strides, data: PhantomData }
    }

    /// Rows become columns.
    pub(crate) fn transposed(self) -> Self {
        let ([rows, cols], [row, col]) = (self.dims, self.strides);
        Self { dims: [cols, rows], strides: [col, row], ..self }
    }
}

/// A matrix to write to.
pub(crate) struct MatrixMut<'a> {
    start: *mut f32,
    dims: [usize; 2],
    strides: [usize; 2],
    data: PhantomData<&'a mut [f32]>,
}

impl<'a> MatrixMut<'a> {
    /// The row-major matrix that fills `data`.
    ///
    /// # Panics
    /// If `data` does not have that many elements.
    pub(crate) fn filling(data: &'a mut [f32], dims: [usize; 2]) -> Self {
        assert_eq!(data.len(), dims[0] * dims[1]);
        Self { start: data.as_mut_ptr(), dims, strides: [dims[1], 1], data: PhantomData }
    }
}

/// An output that several threads fill, each its own elements.
pub(crate) struct SharedOutput<'a> {
    start: *mut f32,
    len: usize,
    data: PhantomData<&'a mut [f32]>,
}

// SAFETY: a pointer and a length; the elements behind it are only reachable through the unsafe `matrix` and `slice`, whose
// callers promises that no two threads touch the same ones.
unsafe impl Sync for SharedOutput<'_> {}

impl<'a> SharedOutput<'a> {
    pub(crate) fn new(data: &'a mut [f32]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), data: PhantomData }
    }

    /// The matrix that begins at element `offset`.
    ///
    /// # Panics
    /// If an element would lie outside of the output.
    ///
    /// # Safety
    /// While the result lives, no other matrix of this output may share an element with it.
    pub(crate) unsafe fn matrix(
        &self,
        offset: usize,
        dims: [usize; 2],
        strides: [usize; 2],
    ) -> MatrixMut<'_> {
        check(self.len, offset, dims, strides);
        // SAFETY: `check` found `offset` inside of the output.
        let start = unsafe { self.start.add(offset) };
        MatrixMut { start, dims, strides, data: PhantomData }
    }
}

impl SharedOutput<'_> {
    /// The `len` elements from `offset` on.
    ///
    /// # Panics
    /// If an element would lie outside of the output.
    ///
    /// # Safety
    /// While the result lives, nothing else of this output may share an element with it.
    #[expect(clippy::mut_from_ref, reason = "that is what the caller vouches for")]
    pub(crate) unsafe fn slice(&self, offset: usize, len: usize) -> &mut [f32] {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.len),
            "slice reaches beyond {}",
            self.len
        );
        // SAFETY: inside of the output, as just checked, and not shared, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), len) }
    }
}

fn check(len: usize, offset: usize, [rows, cols]: [usize; 2], [row, col]: [usize; 2]) {
    assert!(rows > 0 && cols > 0, "empty matrix");
    let last = offset + (rows - 1) * row + (cols - 1) * col;
    assert!(last < len, "matrix reaches element {last} of {len}");
}

/// `out = factor · lhs · rhs`, added to what `out` holds if `accumulate`. On the calling thread.
///
/// # Panics
/// If the dimensions do not fit together.
pub(crate) fn matmul(out: &mut MatrixMut, accumulate: bool, lhs: Matrix, rhs: Matrix, factor: f32) {
    let ([rows, inner], cols) = (lhs.dims, rhs.dims[1]);
    assert!(rhs.dims[0] == inner && out.dims == [rows, cols], "matmul: dimensions do not fit");
    let [lhs_row, lhs_col] = lhs.strides.map(|s| s as isize);
    let [rhs_row, rhs_col] = rhs.strides.map(|s| s as isize);
    let [out_row, out_col] = out.strides.map(|s| s as isize);
    // SAFETY: the constructors checked that every element of the three matrices lies inside of its slice, which
    // the lifetimes keep alive, and `out` is not shared.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            out.start,
            out_col,
            out_row,
            accumulate,
            lhs.start,
            lhs_col,
            lhs_row,
            rhs.start,
            rhs_col,
            rhs_row,
            1.0,
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_product() {
        // A 2×3 block of a 3×4 matrix times its transpose.
        let data: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let block = Matrix::new(&data, 5, [2, 3], [4, 1]);
        let mut out = vec![1.0; 4];
        matmul(&mut MatrixMut::filling(&mut out, [2, 2]), true, block, block.transposed(), 2.0);
        assert_eq!(out, [221.0, 365.0, 365.0, 605.0]);
    }

    #[test]
    #[should_panic(expected = "matrix reaches element 12 of 12")]
    fn outside() {
        Matrix::new(&[0.0; 12], 5, [2, 4], [4, 1]);
    }
}
