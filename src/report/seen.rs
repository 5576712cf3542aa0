//! The number of seeds with which figures were seen, in words.

/// Says with how many seeds of the database figures were seen, and how to find out if they stand.
pub(super) fn seen_words(n_seeds: usize, seed: u64, experiment: &str) -> String {
    match n_seeds {
        0 | 1 => format!(
            "Seen with one seed; `seep run FILE --seed {}` and `seep replicate {experiment}` show if it stands.",
            seed.wrapping_add(1)
        ),
        n => format!(
            "Seen with {n} seeds; `seep replicate {experiment}` shows what stands under each."
        ),
    }
}
