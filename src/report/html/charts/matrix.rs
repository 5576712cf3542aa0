//! The maps of concepts: which concept in a prompt brings generations close to which, and how two conditions differ.
//!
//! Owns what they show and what is said under them.

use super::parts::range;
use super::{Chart, Table};
use crate::leakage::ConceptMatrix;
use crate::report::figure::{Figure, Matrix, Steps, matrix};
use crate::report::text::visible;
use crate::results::ReportData;

/// Concepts of the largest map that is drawn: the cells of a larger one could not be told apart.
const N_CONCEPTS_MAX: usize = 120;
/// Cells that a description names.
const N_NAMED: usize = 5;

/// A map with what is said about it.
struct Map<'a> {
    matrix: &'a ConceptMatrix,
    name: String,
    title: String,
    caption: String,
}

/// The map of each condition that has one, and then of each difference to a base.
pub(super) fn maps(data: &ReportData) -> Vec<Chart> {
    charts(conditions(data))
        .into_iter()
        .chain(charts(differences(data)))
        .collect()
}

/// The charts of maps that are compared with each other, so that one colour is one value in all of them.
fn charts(mut maps: Vec<Map<'_>>) -> Vec<Chart> {
    maps.retain(|map| map.matrix.concepts.len() <= N_CONCEPTS_MAX);
    let values = maps.iter().flat_map(|map| map.matrix.values());
    let steps = Steps::of(values.map(|(_, _, value)| 1000.0 * value));
    maps.into_iter().map(|map| chart(map, steps)).collect()
}

fn chart(map: Map<'_>, steps: Steps) -> Chart {
    let concepts: Vec<String> = map.matrix.concepts.iter().map(|it| visible(it)).collect();
    let thousandths = |cell: &Option<f64>| cell.map(|value| 1000.0 * value);
    let rows = map.matrix.cells.iter();
    let cells: Vec<Vec<Option<f64>>> = rows
        .map(|row| row.iter().map(thousandths).collect())
        .collect();
    let drawing = matrix(&Matrix {
        id: &map.name,
        concepts: &concepts,
        cells: &cells,
        steps,
    });
    let description = description(map.matrix, &concepts, steps);
    Chart {
        figure: Figure::new(&map.name, &map.title, map.caption, description, drawing),
        table: table(&concepts, &cells, steps),
    }
}

fn conditions(data: &ReportData) -> Vec<Map<'_>> {
    let conditions = data.conditions.iter().enumerate();
    let maps = conditions.filter_map(|(idx, condition)| {
        let matrix = condition.matrix.as_ref()?;
        Some(Map {
            matrix,
            name: format!("concepts-{}", idx + 1),
            title: format!("Which concept comes close to which: {}", visible(&condition.name)),
            caption: format!(
                "A row is a concept in the prompt, a column a concept that the row’s generations are compared with. A cell is how similar they are on \
                 average, in thousandths, when in each template the means of the row and of the column are taken out: above 0 they are closer than the row \
                 and the column alone let expect. Where it does not matter which concept is in the prompt, all cells are 0 but for chance. n = {}. {}",
                range([matrix.n_templates].into_iter(), "template"),
                diagonal_words(matrix, "A concept with itself (framed)"),
            ),
        })
    });
    maps.collect()
}

fn differences(data: &ReportData) -> Vec<Map<'_>> {
    let mut maps = Vec::new();
    for base in &data.comparisons {
        let base_name = visible(&data.conditions[base.base_idx].name);
        for other in &base.others {
            let Some(matrix) = other.matrix.as_ref().filter(|it| !it.concepts.is_empty()) else {
                continue;
            };
            let name = visible(&other.found.name);
            maps.push(Map {
                matrix,
                name: format!("concepts-{}-less-{}", other.condition_idx + 1, base.base_idx + 1),
                title: format!("Which concept comes close to which: {name} less {base_name}"),
                caption: format!(
                    "The map of {name} less that of {base_name}, cell by cell, in thousandths of similarity: above 0, generations for the concept of the row are \
                     closer to the concept of the column under {name}. {}",
                    diagonal_words(matrix, "The difference of a concept with itself (framed)"),
                ),
            });
        }
    }
    maps
}

fn diagonal_words(matrix: &ConceptMatrix, subject: &str) -> String {
    let mean = matrix.mean_of_diagonal();
    mean.map_or(String::new(), |mean| {
        format!("{subject} is {} on average.", signed(1000.0 * mean))
    })
}

fn signed(thousandths: f64) -> String {
    format!("{thousandths:+.1}").replace('-', "−")
}

/// The largest cells in words.
fn description(matrix: &ConceptMatrix, concepts: &[String], steps: Steps) -> String {
    let mut cells: Vec<(usize, usize, f64)> = matrix.values().collect();
    cells.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    let largest = cells.iter().take(N_NAMED).map(|(held, measured, value)| {
        format!(
            "{} in the prompt, {} measured: {}",
            concepts[*held],
            concepts[*measured],
            steps.text(1000.0 * value)
        )
    });
    let largest: Vec<String> = largest.collect();
    format!(
        "Matrix of {}, in thousandths of similarity. The largest cells: {}.",
        range([concepts.len()].into_iter(), "concept"),
        largest.join("; ")
    )
}

fn table(concepts: &[String], cells: &[Vec<Option<f64>>], steps: Steps) -> Table {
    let text = |cell: &Option<f64>| cell.map_or("none".to_owned(), |value| steps.text(value));
    let rows = concepts.iter().zip(cells).map(|(concept, row)| {
        let cells = row.iter().map(text);
        std::iter::once(concept.clone()).chain(cells).collect()
    });
    let first = "in the prompt".to_owned();
    Table {
        columns: std::iter::once(first)
            .chain(concepts.iter().cloned())
            .collect(),
        rows: rows.collect(),
    }
}
