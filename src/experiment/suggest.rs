//! "Did you mean": the candidate that a misspelt word most likely stands for.

/// Bytes of a word that may be a misspelt one: the comparison takes their square.
const CHARS_MAX: usize = 200;
/// Words that are compared at most.
const CANDIDATES_MAX: usize = 1000;

/// The candidate nearest to `found`, if it is near enough to be what was meant.
///
/// Near enough is one edit for every three characters, at least one, or a beginning of four
/// characters or more; letter case is no difference.
pub fn did_you_mean<'a>(
    found: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if found.len() > CHARS_MAX {
        return None;
    }
    let found = found.to_lowercase();
    let is_near = |(n_edits, candidate): &(usize, &str)| {
        let is_beginning = found.len() >= 4 && candidate.to_lowercase().starts_with(&found);
        *n_edits <= n_edits_max(&found, candidate) || is_beginning
    };
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= CHARS_MAX)
        .map(|candidate| (n_edits(&found, candidate), candidate))
        .filter(is_near)
        .min_by_key(|(n_edits, _)| *n_edits)
        .map(|(_, candidate)| candidate)
}

fn n_edits(found_lowercase: &str, candidate: &str) -> usize {
    strsim::damerau_levenshtein(found_lowercase, &candidate.to_lowercase())
}

fn n_edits_max(found: &str, candidate: &str) -> usize {
    (found.chars().count().min(candidate.chars().count()) / 3).max(1)
}

/// The names of a list whose words were split at each comma: words that make a known name together are that name.
pub fn whole_names(words: &[String], is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = words;
    while !rest.is_empty() {
        let n_words = (2..=rest.len()).rev();
        let n_words = n_words
            .into_iter()
            .find(|&n_words| is_known(&rest[..n_words].join(",")))
            .unwrap_or(1);
        names.push(rest[..n_words].join(","));
        rest = &rest[n_words..];
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_keeps_its_commas() {
        let known = ["a, tuned", "a", "b,c,d"];
        let cases = [
            ("a, tuned", vec!["a, tuned"]),
            ("a,b,c,d", vec!["a", "b,c,d"]),
            ("b,c,x", vec!["b", "c", "x"]),
            ("a, tuned,a", vec!["a, tuned", "a"]),
        ];
        for (list, expected) in cases {
            let words: Vec<String> = list.split(',').map(str::to_owned).collect();
            assert_eq!(whole_names(&words, |name| known.contains(&name)), expected);
        }
    }

    #[test]
    fn the_nearest_word_is_meant() {
        let words = ["top_k", "top_p", "temperature", "repeats", "name"];
        let cases = [
            ("temprature", Some("temperature")),
            ("Top_K", Some("top_k")),
            ("repeat", Some("repeats")),
            ("nmae", Some("name")),
            ("top_pp", Some("top_p")),
            ("temp", Some("temperature")),
            ("tem", None),
            ("humidity", None),
            ("", None),
        ];
        for (found, expected) in cases {
            assert_eq!(did_you_mean(found, words), expected, "{found}");
        }
    }
}
