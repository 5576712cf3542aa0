//! Mean similarities of concepts and generations: of one template, and the matrix of a whole condition.
//!
//! Owns the table that the permutation test and the matrix of concepts are computed from, and how it is centred. Where
//! the similarities come from does not matter here.

use std::collections::HashMap;

use itertools::Itertools as _;

/// Of the pairs that share one template and control: how close each concept is to the test generations of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateSimilarities {
    /// The category of the pairs; None where they are of several.
    pub category: Option<String>,
    /// True if some pair has siblings: a template of one family has a table, but tests nothing.
    pub has_siblings: bool,
    /// The concepts, at least one.
    pub concepts: Vec<String>,
    /// `similarities[measured][held]`: the mean similarity of the concept `measured` to the test generations whose
    /// prompt held the concept `held`; as many rows and columns as concepts.
    pub similarities: Vec<Vec<f64>>,
}

impl TemplateSimilarities {
    /// The mean tables of several seeds or wordings; empty where they are not of the same templates and concepts.
    pub fn mean(of: &[&[Self]]) -> Vec<Self> {
        let Some(first) = of
            .first()
            .filter(|_| of.iter().map(|it| it.len()).all_equal())
        else {
            return Vec::new();
        };
        let of_template = |(template_idx, template): (usize, &Self)| {
            let facts = |it: &Self| (it.category.clone(), it.has_siblings, it.concepts.clone());
            let same = of.iter().map(|of_each| {
                let found = of_each.get(template_idx)?;
                (facts(found) == facts(template)).then_some(&found.similarities)
            });
            let same = same.collect::<Option<Vec<&Vec<Vec<f64>>>>>()?;
            let cell = |measured: usize, held: usize| {
                let sum: f64 = same.iter().map(|table| table[measured][held]).sum();
                sum / same.len() as f64
            };
            let places = 0..template.concepts.len();
            let rows = places.clone().map(|measured| {
                let row = places.clone().map(|held| cell(measured, held));
                row.collect()
            });
            Some(Self {
                similarities: rows.collect(),
                ..template.clone()
            })
        };
        let means = first.iter().enumerate().map(of_template);
        means.collect::<Option<_>>().unwrap_or_default()
    }
}

/// How much closer the generations for each concept are to each concept than both make expect.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptMatrix {
    /// The concepts, each once, in the order of their first appearance.
    pub concepts: Vec<String>,
    /// `cells[held][measured]`: the mean, over the templates that hold both concepts, of the similarity of the concept
    /// `measured` to the generations whose prompt held `held`, less what is common to the row and to the column in that
    /// template; None where no template holds both.
    pub cells: Vec<Vec<Option<f64>>>,
    /// Templates that at least one cell is a mean over.
    pub n_templates: usize,
}

impl ConceptMatrix {
    /// The matrix of a condition; None where no template holds two concepts, since one says nothing about its slot.
    pub fn new(templates: &[TemplateSimilarities]) -> Option<Self> {
        let comparing = templates.iter().filter(|it| it.concepts.len() > 1);
        let mut sums = Sums::default();
        let n_templates = comparing.map(|template| sums.add(template)).count();
        let Sums { places, cells } = sums;
        let mut concepts = vec![String::new(); places.len()];
        for (concept, place) in places {
            concept.clone_into(&mut concepts[place]);
        }
        let mean = |held, measured| {
            cells
                .get(&(held, measured))
                .map(|(sum, n)| sum / f64::from(*n))
        };
        let row = |held| {
            (0..concepts.len())
                .map(|measured| mean(held, measured))
                .collect()
        };
        let cells = (0..concepts.len()).map(row).collect();
        (n_templates > 0).then_some(Self {
            concepts,
            cells,
            n_templates,
        })
    }

    /// The same matrix with its rows and columns in the order of these concepts; others come behind them.
    pub fn in_order_of<'c>(self, concepts: impl Iterator<Item = &'c str>) -> Self {
        let wanted: Vec<&str> = concepts.unique().collect();
        let place = |idx: &usize| wanted.iter().position(|it| *it == self.concepts[*idx]);
        let mut order: Vec<usize> = (0..self.concepts.len()).collect();
        order.sort_by_key(|idx| place(idx).unwrap_or(wanted.len()));
        let row = |held: &usize| order.iter().map(|idx| self.cells[*held][*idx]).collect();
        Self {
            concepts: order.iter().map(|it| self.concepts[*it].clone()).collect(),
            cells: order.iter().map(row).collect(),
            n_templates: self.n_templates,
        }
    }

    /// Each cell of `other` less that of `base`, where both have one; the concepts are those of `base` that `other` has.
    pub fn difference(base: &Self, other: &Self) -> Self {
        let place = |concept| other.concepts.iter().position(|it| it == concept);
        let kept = base.concepts.iter().enumerate();
        let kept: Vec<(usize, usize)> = kept
            .filter_map(|(idx, concept)| Some((idx, place(concept)?)))
            .collect();
        let difference = |row: &(usize, usize), column: &(usize, usize)| {
            Some(other.cells[row.1][column.1]? - base.cells[row.0][column.0]?)
        };
        let row = |row| kept.iter().map(|column| difference(row, column)).collect();
        Self {
            concepts: kept
                .iter()
                .map(|(idx, _)| base.concepts[*idx].clone())
                .collect(),
            cells: kept.iter().map(row).collect(),
            n_templates: base.n_templates.min(other.n_templates),
        }
    }

    /// All cells that have a value: the place of the concept held, of the one measured, and the value.
    pub fn values(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        self.cells.iter().enumerate().flat_map(|(held, row)| {
            let cells = row.iter().enumerate();
            cells.filter_map(move |(measured, cell)| Some((held, measured, (*cell)?)))
        })
    }

    /// The mean cell of a concept with itself; None where there is none.
    pub fn mean_of_diagonal(&self) -> Option<f64> {
        let same = self.values().filter(|(held, measured, _)| held == measured);
        let (sum, n) = same.fold((0.0, 0), |(sum, n), (_, _, value)| (sum + value, n + 1));
        (n > 0).then(|| sum / f64::from(n))
    }
}

/// Centred cells of templates, being added up.
#[derive(Default)]
struct Sums<'t> {
    /// The place of each concept.
    places: HashMap<&'t str, usize>,
    /// By the concepts held and measured: the sum, and how many were added.
    cells: HashMap<(usize, usize), (f64, u32)>,
}

impl<'t> Sums<'t> {
    fn add(&mut self, template: &'t TemplateSimilarities) {
        let places: Vec<usize> = template.concepts.iter().map(|it| self.place(it)).collect();
        for (row, measured) in centred(&template.similarities).iter().zip(&places) {
            for (value, held) in row.iter().zip(&places) {
                let (sum, n) = self.cells.entry((*held, *measured)).or_default();
                *sum += value;
                *n += 1;
            }
        }
    }

    fn place(&mut self, concept: &'t str) -> usize {
        let next = self.places.len();
        *self.places.entry(concept).or_insert(next)
    }
}

/// A square table without the means of its rows and columns.
fn centred(table: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = table.len() as f64;
    let rows: Vec<f64> = table
        .iter()
        .map(|row| row.iter().sum::<f64>() / n)
        .collect();
    let column = |idx: usize| table.iter().map(|row| row[idx]).sum::<f64>() / n;
    let columns: Vec<f64> = (0..table.len()).map(column).collect();
    let grand = rows.iter().sum::<f64>() / n;
    let cell = |value: &f64, row: &f64, column: &f64| value - row - column + grand;
    let centred_row = |(values, row): (&Vec<f64>, &f64)| {
        let cells = values.iter().zip(&columns);
        cells
            .map(|(value, column)| cell(value, row, column))
            .collect()
    };
    table.iter().zip(&rows).map(centred_row).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(concepts: &[&str], similarities: Vec<Vec<f64>>) -> TemplateSimilarities {
        TemplateSimilarities {
            has_siblings: true,
            category: Some("any".to_owned()),
            concepts: concepts.iter().map(|it| (*it).to_owned()).collect(),
            similarities,
        }
    }

    /// Compares concepts by name, so that their order may differ.
    fn check_alike(found: &ConceptMatrix, expected: &ConceptMatrix) {
        assert_eq!(found.concepts.len(), expected.concepts.len());
        assert_eq!(found.n_templates, expected.n_templates);
        let place = |concept| {
            expected
                .concepts
                .iter()
                .position(|it| it == concept)
                .unwrap()
        };
        for (row, held) in found.cells.iter().zip(&found.concepts) {
            for (cell, measured) in row.iter().zip(&found.concepts) {
                match (*cell, expected.cells[place(held)][place(measured)]) {
                    (Some(a), Some(b)) => {
                        assert!((a - b).abs() < 1e-9, "{held} {measured}: {a} {b}")
                    }
                    (a, b) => assert_eq!(a, b, "{held} {measured}"),
                }
            }
        }
    }

    /// Row means 0.4 and 0.2, column means 0.4 and 0.2, mean of all 0.3: the first cell is 0.6 - 0.4 - 0.4 + 0.3.
    #[test]
    fn a_small_table_by_hand() {
        let tables = [template(
            &["red", "blue"],
            vec![vec![0.6, 0.2], vec![0.2, 0.2]],
        )];
        let expected = ConceptMatrix {
            concepts: vec!["red".to_owned(), "blue".to_owned()],
            cells: vec![vec![Some(0.1), Some(-0.1)], vec![Some(-0.1), Some(0.1)]],
            n_templates: 1,
        };
        let found = ConceptMatrix::new(&tables).unwrap();
        check_alike(&found, &expected);
        assert!((found.mean_of_diagonal().unwrap() - 0.1).abs() < 1e-12);
    }

    /// A row of the matrix is the concept that stood in the prompt: here `red` draws `blue`, not `blue` `red`.
    #[test]
    fn rows_are_the_concepts_in_prompts() {
        let measured_blue = vec![
            vec![0.0, 0.0, 0.0],
            vec![0.9, 0.0, 0.0],
            vec![0.0, 0.0, 0.0],
        ];
        let found =
            ConceptMatrix::new(&[template(&["red", "blue", "green"], measured_blue)]).unwrap();
        assert!((found.cells[0][1].unwrap() - 0.4).abs() < 1e-12);
        assert!((found.cells[1][0].unwrap() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn the_order_can_be_chosen() {
        let table = || vec![vec![0.9, 0.0], vec![0.1, 0.2]];
        let blocks = [
            template(&["blue", "red"], table()),
            template(&["green", "blue"], table()),
        ];
        let found = ConceptMatrix::new(&blocks).unwrap();
        let ordered = found
            .clone()
            .in_order_of(["red", "pink", "green", "red"].into_iter());
        assert_eq!(ordered.concepts, ["red", "green", "blue"]);
        check_alike(&ordered, &found);
    }

    #[test]
    fn one_concept_alone_says_nothing() {
        assert_eq!(ConceptMatrix::new(&[]), None);
        let alone = template(&["red"], vec![vec![0.6]]);
        assert_eq!(ConceptMatrix::new(std::slice::from_ref(&alone)), None);
        let two = template(&["blue", "green"], vec![vec![0.5, 0.1], vec![0.1, 0.5]]);
        let found = ConceptMatrix::new(&[alone, two]).unwrap();
        assert_eq!((found.concepts.len(), found.n_templates), (2, 1));
    }

    #[test]
    fn concepts_that_never_meet_have_no_cell() {
        let table = || vec![vec![0.5, 0.1], vec![0.1, 0.5]];
        let blocks = [
            template(&["red", "blue"], table()),
            template(&["red", "green"], table()),
        ];
        let found = ConceptMatrix::new(&blocks).unwrap();
        assert_eq!(found.concepts, ["red", "blue", "green"]);
        assert_eq!((found.cells[1][2], found.cells[2][1]), (None, None));
        assert_eq!(found.values().count(), 7);
    }

    #[test]
    fn a_difference_has_the_cells_that_both_have() {
        let table = |same| vec![vec![same, 0.1], vec![0.1, same]];
        let base = ConceptMatrix::new(&[template(&["red", "blue"], table(0.5))]).unwrap();
        let other = [
            template(&["blue", "red"], table(0.9)),
            template(&["blue", "green"], table(0.5)),
        ];
        let other = ConceptMatrix::new(&other).unwrap();
        let found = ConceptMatrix::difference(&base, &other);
        assert_eq!(found.concepts, ["red", "blue"]);
        assert!((found.cells[0][0].unwrap() - 0.2).abs() < 1e-12);
        assert!(
            (found.cells[1][1].unwrap() - 0.1).abs() < 1e-12,
            "blue is in both templates of the other"
        );
        let back = ConceptMatrix::difference(&other, &base);
        assert_eq!(back.concepts, ["blue", "red"]);
        assert!((back.cells[1][1].unwrap() + 0.2).abs() < 1e-12);
    }

    /// The cells that numpy 2.4.6 gives: `m - m.mean(axis=1, keepdims=True) - m.mean(axis=0) + m.mean()` for each table, the
    /// transposes added up with `np.add.at(total, np.ix_(at, at), m.T)` and divided by the counts added alike.
    #[test]
    fn an_irregular_design_as_numpy_has_it() {
        let tables = [
            template(
                &["red", "blue", "green"],
                vec![
                    vec![0.31, 0.12, 0.07],
                    vec![0.05, 0.44, 0.18],
                    vec![0.21, 0.02, 0.29],
                ],
            ),
            template(&["black", "red"], vec![vec![0.52, 0.11], vec![0.23, 0.17]]),
            template(
                &["green", "black", "blue", "red"],
                vec![
                    vec![0.4, 0.13, 0.08, 0.02],
                    vec![0.15, 0.33, 0.27, 0.1],
                    vec![0.06, 0.24, 0.38, 0.19],
                    vec![0.01, 0.09, 0.14, 0.47],
                ],
            ),
        ];
        let expected = [
            [0.1724537037, -0.1034027778, -0.0534027778, -0.101875],
            [-0.0579861111, 0.1736805556, -0.1313194444, 0.03125],
            [-0.1100694444, -0.0784027778, 0.2015972222, -0.02625],
            [-0.090625, 0.01625, -0.03375, 0.099375],
        ];
        let found = ConceptMatrix::new(&tables).unwrap();
        assert_eq!(found.concepts, ["red", "blue", "green", "black"]);
        assert_eq!(found.values().count(), 16);
        for (held, measured, value) in found.values() {
            assert!(
                (value - expected[held][measured]).abs() < 1e-9,
                "{held} {measured}: {value}"
            );
        }
    }

    fn tables() -> impl Strategy<Value = Vec<TemplateSimilarities>> {
        let all = ["a", "b", "c", "d", "e", "f"];
        let chosen = prop::sample::subsequence(all.to_vec(), 1..=6);
        let table = chosen.prop_flat_map(|concepts| {
            let n = concepts.len();
            let values = prop::collection::vec(prop::collection::vec(-1.0..1.0f64, n), n);
            values.prop_map(move |values| template(&concepts, values))
        });
        prop::collection::vec(table, 1..6)
    }

    /// The template with its concepts in another order.
    fn reordered(old: &TemplateSimilarities, order: &[usize]) -> TemplateSimilarities {
        let order: Vec<usize> = order
            .iter()
            .copied()
            .filter(|it| *it < old.concepts.len())
            .collect();
        let row = |measured: &usize| {
            order
                .iter()
                .map(|held| old.similarities[*measured][*held])
                .collect()
        };
        TemplateSimilarities {
            has_siblings: true,
            category: old.category.clone(),
            concepts: order.iter().map(|idx| old.concepts[*idx].clone()).collect(),
            similarities: order.iter().map(row).collect(),
        }
    }

    proptest! {
        #[test]
        fn rows_and_columns_of_a_complete_design_sum_to_0(
            tables in prop::collection::vec(prop::collection::vec(prop::collection::vec(-1.0..1.0f64, 4), 4), 1..5),
        ) {
            let templates: Vec<_> = tables.into_iter().map(|it| template(&["a", "b", "c", "d"], it)).collect();
            let found = ConceptMatrix::new(&templates).unwrap();
            for idx in 0..4 {
                let row: f64 = found.cells[idx].iter().map(|cell| cell.unwrap()).sum();
                let column: f64 = found.cells.iter().map(|row| row[idx].unwrap()).sum();
                prop_assert!(row.abs() < 1e-9 && column.abs() < 1e-9);
            }
        }

        #[test]
        fn no_order_changes_anything(tables in tables(), order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
            let other: Vec<_> = tables.iter().rev().map(|it| reordered(it, &order)).collect();
            match (ConceptMatrix::new(&tables), ConceptMatrix::new(&other)) {
                (Some(found), Some(other)) => check_alike(&found, &other),
                (found, other) => prop_assert_eq!(found, other),
            }
        }

        #[test]
        fn what_is_common_to_a_row_or_a_column_changes_nothing(tables in tables(), common in prop::collection::vec(-1.0..1.0f64, 6)) {
            let mut other = tables.clone();
            for template in &mut other {
                for (row, of_row) in template.similarities.iter_mut().zip(&common) {
                    row.iter_mut().zip(common.iter().rev()).for_each(|(cell, of_column)| *cell += of_row + of_column);
                }
            }
            if let Some(found) = ConceptMatrix::new(&tables) {
                check_alike(&ConceptMatrix::new(&other).unwrap(), &found);
            }
        }

        #[test]
        fn a_difference_with_itself_is_0(tables in tables()) {
            if let Some(found) = ConceptMatrix::new(&tables) {
                let difference = ConceptMatrix::difference(&found, &found);
                prop_assert_eq!(&difference.concepts, &found.concepts);
                prop_assert_eq!(difference.values().count(), found.values().count());
                prop_assert!(difference.values().all(|(_, _, value)| value == 0.0));
            }
        }
    }

    #[test]
    fn similarities_are_averaged_of_the_same_templates_only() {
        let template = |similarity: f64, concept: &str| {
            [TemplateSimilarities {
                category: None,
                has_siblings: true,
                concepts: vec![concept.to_owned()],
                similarities: vec![vec![similarity]],
            }]
        };
        let mean = TemplateSimilarities::mean(&[&template(0.25, "red"), &template(0.75, "red")]);
        assert_eq!(mean[0].similarities, [[0.5]]);
        let mean = TemplateSimilarities::mean(&[&template(0.25, "red"), &template(0.75, "blue")]);
        assert_eq!(mean, []);
    }
}
