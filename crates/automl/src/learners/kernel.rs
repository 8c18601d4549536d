//! Products of small dense matrices in f32, the same bits on every machine: plain loops over tiles that stay in
//! registers, which the compiler turns into vector instructions.

/// Rows and columns of a tile.
const TALL: usize = 4;
const WIDE: usize = 8;

/// A matrix laid out with steps, so that a transposed one costs nothing.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// Distance of neighbouring rows and of neighbouring columns.
    step: (usize, usize),
}

impl<'a> View<'a> {
    /// A row-major matrix.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, step: (columns, 1) }
    }

    /// The same, rows and columns exchanged.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, step: (self.step.1, self.step.0), ..self }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.step.0 + column * self.step.1]
    }
}

/// Room for the packed factors of a product, kept between products.
#[derive(Default)]
pub(super) struct Room {
    left: Vec<[f32; TALL]>,
    right: Vec<[f32; WIDE]>,
}

impl Room {
    /// `out` = `a` · `b`, row-major; `out` has the product's size.
    pub(super) fn multiply(&mut self, a: View<'_>, b: View<'_>, out: &mut [f32]) {
        let (inner, columns) = (a.columns, b.columns);
        self.pack(a, b);
        for (down, left) in self.left.chunks_exact(inner.max(1)).enumerate() {
            for (across, right) in self.right.chunks_exact(inner.max(1)).enumerate() {
                let tile = tile(left, right);
                let width = WIDE.min(columns - across * WIDE);
                let rows = tile.iter().zip(out[down * TALL * columns..].chunks_mut(columns));
                for (sums, row) in rows {
                    row[across * WIDE..across * WIDE + width].copy_from_slice(&sums[..width]);
                }
            }
        }
    }

    /// Copies both factors so that a tile reads them in order; edges are filled with zeros.
    fn pack(&mut self, a: View<'_>, b: View<'_>) {
        self.left.clear();
        self.right.clear();
        for top in (0..a.rows).step_by(TALL) {
            self.left.extend(
                (0..a.columns)
                    .map(|k| std::array::from_fn(|i| if top + i < a.rows { a.at(top + i, k) } else { 0.0 })),
            );
        }
        for first in (0..b.columns).step_by(WIDE) {
            self.right.extend((0..b.rows).map(|k| {
                std::array::from_fn(|j| if first + j < b.columns { b.at(k, first + j) } else { 0.0 })
            }));
        }
    }
}

/// The product of a packed band of rows with a packed band of columns.
fn tile(left: &[[f32; TALL]], right: &[[f32; WIDE]]) -> [[f32; WIDE]; TALL] {
    let mut sums = [[0.0f32; WIDE]; TALL];
    for (a, b) in left.iter().zip(right) {
        for i in 0..TALL {
            for j in 0..WIDE {
                sums[i][j] += a[i] * b[j];
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_product_is_the_sum_of_products() {
        let mut random = Random::new(1, 1);
        for (m, k, n) in [(1, 1, 1), (4, 8, 8), (5, 3, 9), (17, 30, 13), (8, 1, 16)] {
            let mut draw =
                |count: usize| -> Vec<f32> { (0..count).map(|_| random.between(-1.0, 1.0) as f32).collect() };
            let (a, b) = (draw(m * k), draw(k * n));
            let (va, vb) = (View::new(&a, m, k), View::new(&b, k, n));
            let mut out = vec![7.0; m * n];
            Room::default().multiply(va, vb, &mut out);
            for (i, got) in out.iter().enumerate() {
                let sum: f64 = (0..k).map(|x| f64::from(va.at(i / n, x)) * f64::from(vb.at(x, i % n))).sum();
                assert!((f64::from(*got) - sum).abs() < 1e-5, "{m} {k} {n}");
            }
            // (AB)ᵀ = BᵀAᵀ.
            let mut turned = vec![0.0; m * n];
            Room::default().multiply(vb.turned(), va.turned(), &mut turned);
            assert!((0..m * n).all(|i| (turned[(i % n) * m + i / n] - out[i]).abs() < 1e-5));
        }
    }
}
