//! Weights by similarity: how much of a distribution lies below a similarity.
//!
//! Owns the sorted form that answers it in logarithmic time.

/// Weights by rounded similarity, to be asked how much of them is below, equal or above.
pub(super) struct Weights {
    /// Similarities in rising order, each once.
    similarities: Vec<f64>,
    /// `below[i]` is the weight of all similarities before the i-th; one more than there are similarities.
    below: Vec<f64>,
}

impl Weights {
    /// Of similarities, each with a weight of at least 0.
    pub(super) fn of(weighted: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut weighted: Vec<(f64, f64)> = weighted.collect();
        weighted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut weights = Self {
            similarities: Vec::with_capacity(weighted.len()),
            below: vec![0.0],
        };
        let mut sum = 0.0;
        for (similarity, weight) in weighted {
            // Not by bits: the negative zero of a rounded similarity equals the positive one.
            if weights.similarities.last() == Some(&similarity) {
                weights.below.pop();
            } else {
                weights.similarities.push(similarity);
            }
            sum += weight;
            weights.below.push(sum);
        }
        weights
    }

    pub(super) fn total(&self) -> f64 {
        self.below.last().copied().unwrap_or(0.0)
    }

    fn place(&self, similarity: f64) -> usize {
        self.similarities
            .partition_point(|&other| other < similarity)
    }

    /// The weight of all that equal `similarity`.
    pub(super) fn equal(&self, similarity: f64) -> f64 {
        let place = self.place(similarity);
        match self.similarities.get(place) {
            Some(found) if *found == similarity => self.below[place + 1] - self.below[place],
            _ => 0.0,
        }
    }

    /// The weight below `similarity` and half of that equal to it.
    pub(super) fn leak(&self, similarity: f64) -> f64 {
        self.below[self.place(similarity)] + 0.5 * self.equal(similarity)
    }
}
