//! A test by permuting concepts: could generations be closest to the concept of their own prompt by chance alone?
//!
//! Owns the p-value. If generations do not depend on which concept stands in the slot of a template, those of its
//! concepts are exchangeable, so any assignment of them to concepts is as likely as the one found. The statistic is the
//! mean over templates of the mean diagonal of the similarities (concepts by generations) with the means of rows and
//! columns taken out; concepts are permuted within templates, each template on its own. R. A. Fisher, "The Design of
//! Experiments" (1935), section 21; E. S. Edgington and P. Onghena, "Randomization Tests" (4th edition, 2007).
//!
//! Up to [`N_PERMUTATIONS_MAX`] permutations all are looked at. Beyond, a number of random ones is, and the one found is
//! counted among them, for the reason given in `sign_flip`.

use super::draws::Draws;
use super::sign_flip::PValue;

/// Up to so many permutations the p-value is exact.
pub const N_PERMUTATIONS_MAX: u64 = 100_000;

/// Statistics nearer than this share of the largest possible one are equal but for rounding.
const TOLERANCE: f64 = 1e-9;

/// How random permutations are drawn where there are too many to look at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permutations {
    /// The seed of the draws.
    pub seed: u64,
    /// Number of random permutations, at least 1.
    pub n_draws: u32,
}

/// A square table without its means, by rows.
struct Centred {
    n: usize,
    cells: Vec<f64>,
}

/// The two-sided p-value of generations that do not depend on the concept; None where no template has two concepts.
///
/// Each table is square: `table[concept][generations]`, the generations of a concept in the place of the concept. Neither
/// the order of a table's concepts nor that of the tables matters but for the random permutations drawn.
pub fn permutation_p_value(tables: &[&[Vec<f64>]], permutations: Permutations) -> Option<PValue> {
    assert!(
        permutations.n_draws > 0,
        "at least one permutation is drawn"
    );
    let tables = tables.iter().filter(|table| table.len() > 1);
    let tables: Vec<Centred> = tables.map(|table| Centred::of(table)).collect();
    if tables.is_empty() {
        return None;
    }
    let found: f64 = tables.iter().map(Centred::diagonal).sum();
    let largest: f64 = tables.iter().map(Centred::largest).sum();
    let found = found.abs() - TOLERANCE * largest;
    let n_permutations = tables.iter().try_fold(1u64, |product, table| {
        let factorial = (2..=table.n as u64).try_fold(1u64, u64::checked_mul)?;
        product.checked_mul(factorial)
    });
    Some(match n_permutations {
        Some(n) if n <= N_PERMUTATIONS_MAX => PValue {
            value: exact_share(&tables, found),
            n_draws: None,
        },
        _ => PValue {
            value: random_share(&tables, found, permutations),
            n_draws: Some(permutations.n_draws),
        },
    })
}

impl Centred {
    /// Scaled so that the mean over the diagonal is a sum.
    fn of(table: &[Vec<f64>]) -> Self {
        let n = table.len();
        assert!(table.iter().all(|row| row.len() == n), "a table is square");
        let scale = n as f64;
        let of_rows: Vec<f64> = table
            .iter()
            .map(|row| row.iter().sum::<f64>() / scale)
            .collect();
        let column = |column: usize| table.iter().map(|row| row[column]).sum::<f64>() / scale;
        let of_columns: Vec<f64> = (0..n).map(column).collect();
        let of_all = of_rows.iter().sum::<f64>() / scale;
        let rows = table.iter().zip(&of_rows);
        let cells = rows.flat_map(|(row, of_row)| {
            let cells = row.iter().zip(&of_columns);
            cells.map(move |(cell, of_column)| (cell - of_row - of_column + of_all) / scale)
        });
        Self {
            n,
            cells: cells.collect(),
        }
    }

    fn diagonal(&self) -> f64 {
        self.cells.iter().step_by(self.n + 1).sum()
    }

    fn largest(&self) -> f64 {
        self.cells.iter().map(|cell| cell.abs()).sum()
    }

    /// The sums of the cells that all permutations choose, one in each row.
    fn all_sums(&self) -> Vec<f64> {
        let mut sums = Vec::new();
        let mut columns: Vec<usize> = (0..self.n).collect();
        self.extend(0, 0.0, &mut columns, &mut sums);
        sums
    }

    fn extend(&self, row: usize, sum: f64, columns: &mut Vec<usize>, sums: &mut Vec<f64>) {
        if row == self.n {
            sums.push(sum);
            return;
        }
        for choice in row..self.n {
            columns.swap(row, choice);
            let cell = self.cells[row * self.n + columns[row]];
            self.extend(row + 1, sum + cell, columns, sums);
            columns.swap(row, choice);
        }
    }

    /// The sum of the cells that a random permutation chooses.
    fn random_sum(&self, draws: &mut Draws, columns: &mut [u32]) -> f64 {
        let mut sum = 0.0;
        for (row, cells) in self.cells.chunks_exact(self.n).enumerate() {
            // Of 64 bits the bias of the product is below 2^-58 for tables that can be held.
            let n_left = (self.n - row) as u64;
            let choice =
                row + ((u128::from(draws.next_word()) * u128::from(n_left)) >> 64) as usize;
            columns.swap(row, choice);
            sum += cells[columns[row] as usize];
        }
        sum
    }
}

/// The share of all permutations whose statistic is at least `found` from zero.
fn exact_share(tables: &[Centred], found: f64) -> f64 {
    let mut sums = vec![0.0];
    for table in tables {
        let of_table = table.all_sums();
        let both = sums
            .iter()
            .flat_map(|sum| of_table.iter().map(move |other| sum + other));
        sums = both.collect();
    }
    let n_as_far = sums.iter().filter(|sum| sum.abs() >= found).count();
    n_as_far as f64 / sums.len() as f64
}

/// The share of random permutations, and of the one found, whose statistic is at least `found` from zero.
fn random_share(tables: &[Centred], found: f64, permutations: Permutations) -> f64 {
    let mut draws = Draws::new(permutations.seed);
    // Any order of columns is as good a beginning as another.
    let mut columns: Vec<Vec<u32>> = tables
        .iter()
        .map(|table| (0..table.n as u32).collect())
        .collect();
    let mut n_as_far = 1u32;
    for _ in 0..permutations.n_draws {
        let both = tables.iter().zip(&mut columns);
        let sum: f64 = both
            .map(|(table, columns)| table.random_sum(&mut draws, columns))
            .sum();
        n_as_far += u32::from(sum.abs() >= found);
    }
    f64::from(n_as_far) / (f64::from(permutations.n_draws) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERMUTATIONS: Permutations = Permutations {
        seed: 1,
        n_draws: 99_999,
    };

    fn p_value(tables: &[Vec<Vec<f64>>]) -> Option<PValue> {
        let tables: Vec<&[Vec<f64>]> = tables.iter().map(Vec::as_slice).collect();
        permutation_p_value(&tables, PERMUTATIONS)
    }

    fn table(n: usize, k: usize) -> Vec<Vec<f64>> {
        let cell = |a: usize, b: usize| ((3 * a + 5 * b + 7 * k + a * b * b) % 13) as f64 / 10.0;
        (0..n)
            .map(|a| (0..n).map(|b| cell(a, b)).collect())
            .collect()
    }

    /// numpy 2.4.6, every permutation by itself:
    /// ```python
    /// table = lambda n, k: np.array([[(3 * a + 5 * b + 7 * k + a * b * b) % 13 / 10 for b in range(n)] for a in range(n)])
    /// D = [m - m.mean(1, keepdims=True) - m.mean(0) + m.mean() for m in (table(4, 0), table(3, 1), table(4, 2))]
    /// stat = lambda ps: np.mean([d[range(len(d)), p].mean() for d, p in zip(D, ps)])
    /// found = stat([range(len(d)) for d in D])
    /// every = itertools.product(*[itertools.permutations(range(len(d))) for d in D])
    /// np.mean([abs(stat(ps)) >= abs(found) - 1e-12 for ps in every])
    /// ```
    #[test]
    fn every_permutation_is_counted() {
        let tables = [table(4, 0), table(3, 1), table(4, 2)];
        let found = p_value(&tables).unwrap();
        assert!(
            (found.value - 0.5836226851851852).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(found.n_draws, None);
        for (table, expected) in tables.iter().zip([1.0 / 6.0, 2.0 / 3.0, 0.75]) {
            let found = p_value(std::slice::from_ref(table)).unwrap();
            assert!((found.value - expected).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn random_permutations_come_near_to_all_of_them() {
        let tables = [table(4, 0), table(3, 1), table(4, 2)];
        let centred: Vec<Centred> = tables.iter().map(|table| Centred::of(table)).collect();
        let found: f64 = centred.iter().map(Centred::diagonal).sum();
        let share = random_share(&centred, found.abs() - 1e-12, PERMUTATIONS);
        // Four standard errors of a share of 0.58 in 99,999 draws.
        assert!((share - 0.5836226851851852).abs() < 0.0063, "{share}");
    }

    #[test]
    fn a_strong_diagonal_is_never_impossible() {
        let strong = |n: usize| -> Vec<Vec<f64>> {
            let cell = |a: usize, b: usize| f64::from(u8::from(a == b));
            (0..n)
                .map(|a| (0..n).map(|b| cell(a, b)).collect())
                .collect()
        };
        let found = p_value(&[strong(11), strong(11)]).unwrap();
        assert_eq!(
            (found.value, found.n_draws),
            (1.0 / 100_000.0, Some(99_999))
        );
        assert_eq!(p_value(&[strong(1)]), None);
        assert_eq!(p_value(&[]), None);
    }

    proptest! {
        #[test]
        fn the_order_of_concepts_changes_nothing_where_all_permutations_are_looked_at(
            cells in prop::collection::vec(0u8..10, 16), order in Just([0usize, 1, 2, 3]).prop_shuffle(),
        ) {
            let at = |a: usize, b: usize| f64::from(cells[4 * a + b]);
            let all = |order: [usize; 4]| -> Vec<Vec<f64>> {
                order.iter().map(|&a| order.iter().map(|&b| at(a, b)).collect()).collect()
            };
            prop_assert_eq!(p_value(&[all([0, 1, 2, 3])]), p_value(&[all(order)]));
        }

        /// The part that a concept or a generation has in common with all others is no leakage.
        #[test]
        fn row_and_column_means_change_nothing(
            cells in prop::collection::vec(0u8..10, 16), rows in prop::collection::vec(0u8..10, 4),
            columns in prop::collection::vec(0u8..10, 4),
        ) {
            let at = |a: usize, b: usize| f64::from(cells[4 * a + b]);
            let shifted = |a: usize, b: usize| at(a, b) + f64::from(rows[a]) + f64::from(columns[b]);
            let square = |cell: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
                (0..4).map(|a| (0..4).map(|b| cell(a, b)).collect()).collect()
            };
            prop_assert_eq!(p_value(&[square(&at)]), p_value(&[square(&shifted)]));
        }
    }
}
