//! Mean similarities of concepts and generations: of one template, and the matrix of a whole condition.
//!
//! Owns the table that the permutation test and the matrix of concepts are computed from. Where the similarities come
//! from does not matter here.

/// Of the pairs that share one template and control: how close each concept is to the test generations of each.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateSimilarities {
    /// The category of the template.
    pub category: String,
    /// The concepts, at least one.
    pub concepts: Vec<String>,
    /// `similarities[measured][held]`: the mean similarity of the concept `measured` to the test generations whose
    /// prompt held the concept `held`; as many rows and columns as concepts.
    pub similarities: Vec<Vec<f64>>,
}
