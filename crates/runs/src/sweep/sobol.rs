//! The Sobol sequence with a random digital shift (direction numbers: Joe and Kuo, SIAM J. Sci. Comput. 30, 2008).

use super::space::Random;

/// Parameters that the direction numbers below reach.
pub const DIMENSIONS: usize = 10;
const BITS: u32 = 32;

/// Degree, coefficients and first direction numbers from the second dimension on.
const TABLE: [(u32, u32, [u32; 5]); DIMENSIONS - 1] = [
    (1, 0, [1, 0, 0, 0, 0]),
    (2, 1, [1, 3, 0, 0, 0]),
    (3, 1, [1, 3, 1, 0, 0]),
    (3, 2, [1, 1, 1, 0, 0]),
    (4, 1, [1, 1, 3, 3, 0]),
    (4, 4, [1, 3, 5, 13, 0]),
    (5, 2, [1, 1, 5, 5, 17]),
    (5, 4, [1, 1, 5, 5, 5]),
    (5, 7, [1, 1, 7, 11, 19]),
];

/// The place of the point of this number (from 0) in a dimension (from 0), shifted by the seed.
pub fn point(number: u32, dimension: usize, seed: u64) -> f64 {
    let directions = directions(dimension);
    let gray = number ^ (number >> 1);
    let mut bits = 0;
    for (bit, direction) in directions.iter().enumerate() {
        if gray >> bit & 1 == 1 {
            bits ^= direction;
        }
    }
    let mut random = Random::new(seed ^ (dimension as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95));
    let shift = u32::try_from(random.bits() >> 32).unwrap_or(0);
    f64::from(bits ^ shift) / f64::from(u32::MAX) * (1.0 - f64::EPSILON)
}

fn directions(dimension: usize) -> [u32; BITS as usize] {
    let mut numbers = [0; BITS as usize];
    let Some((degree, coefficients, first)) = dimension.checked_sub(1).and_then(|at| TABLE.get(at)) else {
        for (at, number) in (0..BITS).zip(&mut numbers) {
            *number = 1 << (BITS - 1 - at);
        }
        return numbers;
    };
    let degree = *degree as usize;
    for at in 0..BITS as usize {
        numbers[at] = if at < degree {
            first[at] << (BITS as usize - 1 - at)
        } else {
            let mut number = numbers[at - degree] ^ (numbers[at - degree] >> degree);
            for back in 1..degree {
                if coefficients >> (degree - 1 - back) & 1 == 1 {
                    number ^= numbers[at - back];
                }
            }
            number
        };
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_points_fall_into_sixteen_intervals_of_every_dimension() {
        for dimension in 0..DIMENSIONS {
            let mut seen = [0; 16];
            for number in 0..16 {
                seen[super::super::space::index(point(number, dimension, 7), 16)] += 1;
            }
            assert_eq!(seen, [1; 16], "dimension {dimension}");
        }
    }
}
