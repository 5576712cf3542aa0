//! The workbooks published with V. Smilga, "Scaling Down Semantic Leakage" (arXiv 2501.06638).
//!
//! Owns their names, places, sizes, checksums and the families of their colour words. All but the families are taken from the public repository at the commit below. The repository
//! has no licence file, so nothing of them is part of this program: a user fetches them, and `gguf::source` does that.

use crate::digest::Digest;
use crate::experiment::{ConceptFamilies, did_you_mean};

/// The prefix of a published workbook's name on the command line.
pub const PUBLISHED_PREFIX: &str = "published:";
/// The repository, as `owner/name`.
pub const PUBLISHED_REPOSITORY: &str = "smilni/semantic_leakage_project";
/// Its commit.
pub const PUBLISHED_COMMIT: &str = "1d08900ec18f311b62a10f3a52f7b337c5347571";

/// A workbook of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedWorkbook {
    /// Its set: `colors` and `original` hold generations, `prompts` the prompts of the colour set alone.
    pub set: &'static str,
    /// Its folder in the repository.
    pub folder: &'static str,
    /// The name of the file without `.xlsx`.
    pub stem: &'static str,
    /// Its size.
    pub bytes: u64,
    sha256: &'static str,
}

const COLORS: &str = "data/generation_results/color_prompts";
const ORIGINAL: &str = "data/generation_results/initial_prompts";

/// All of them, small models first.
#[rustfmt::skip]
pub const PUBLISHED_WORKBOOKS: [PublishedWorkbook; 9] = [
    workbook("colors", COLORS, "color_prompts_qwen_05_instr", 81596, "731fd9052702eb8a98e6b6224020f39e70f6e2816664aa1b63d6434dd4f13a50"),
    workbook("colors", COLORS, "color_prompts_qwen_15_instr", 77355, "6af88661ef5ce08e962637f34d9485207acb3b88e613710d31b8ee789efd87f0"),
    workbook("colors", COLORS, "color_prompts_qwen_3_instr", 77703, "a17748e26295d141ea9dabced75df948e768d1d71570b2f274db627f34d417aa"),
    workbook("colors", COLORS, "color_prompts_qwen_7_instr", 77364, "6cbddffed6dee804b337e981ec5d87e1eb0d96071b5dcffc146ad49db69aee11"),
    workbook("original", ORIGINAL, "initial_prompts_qwen_05_instr", 17981, "db713a28d49f4b8f778417978d84bdfe5659697e4baa166bd5ba79d536005240"),
    workbook("original", ORIGINAL, "initial_prompts_qwen_15_instr", 11514, "b2606c349fd5c3d255c3fa07ec13b7ab0a2bd1a51fed47c1d7582dafdfe14ad7"),
    workbook("original", ORIGINAL, "initial_prompts_qwen_3_instr", 11697, "c1b28d794ef20a177a69b80718dcba9910c5a3fc01f7ea54f3fc302056b58810"),
    workbook("original", ORIGINAL, "initial_prompts_qwen_7_instr", 19470, "83d304b74cf9817abe19a222ed81c6b9909ca5279a60e1fdb2270d40a36fd46f"),
    workbook("prompts", "data", "semantic_leakage_colors", 50748, "67f2c23f36e23e59d5c8ae08dba432e147c38adaf75b5b2f5ae78f1d0fa1bb45"),
];

/// The colour words of the colour set: eleven basic colour terms, each with two of its shades.
const COLOR_FAMILIES: [(&str, [&str; 2]); 11] = [
    ("yellow", ["golden", "lemon"]),
    ("red", ["crimson", "scarlet"]),
    ("purple", ["violet", "lavender"]),
    ("green", ["emerald", "olive"]),
    ("blue", ["navy", "cobalt"]),
    ("pink", ["fuchsia", "blush"]),
    ("black", ["charcoal", "jet"]),
    ("white", ["ivory", "snow"]),
    ("brown", ["chestnut", "mahogany"]),
    ("orange", ["coral", "tangerine"]),
    ("gray", ["slate", "ash"]),
];

const fn workbook(
    set: &'static str,
    folder: &'static str,
    stem: &'static str,
    bytes: u64,
    sha256: &'static str,
) -> PublishedWorkbook {
    PublishedWorkbook {
        set,
        folder,
        stem,
        bytes,
        sha256,
    }
}

impl PublishedWorkbook {
    /// Its checksum.
    pub fn sha256(&self) -> Digest {
        let parsed = self.sha256.parse();
        parsed.expect("a test parses every checksum")
    }

    /// Its path in the repository.
    pub fn path(&self) -> String {
        format!("{}/{}.xlsx", self.folder, self.stem)
    }
}

/// The families of the concepts in the file with this checksum, wherever it lies; none where it is not of the colour set.
pub(super) fn families_of(sha256: Digest) -> ConceptFamilies {
    let mut workbooks = PUBLISHED_WORKBOOKS.iter();
    let has_colors = workbooks.any(|it| it.set != "original" && it.sha256() == sha256);
    let families = COLOR_FAMILIES.iter().filter(|_| has_colors);
    ConceptFamilies::new(families.map(|(name, shades)| (*name, shades.iter().copied())))
}

/// Where the prompts of a set are taken from.
///
/// The workbook `semantic_leakage_colors` holds four prompts in which a replacement went wrong (`colocrimson red`) and
/// categories for two of its three parts; the prompts that were sent stand beside the generations. In the 0.5B workbook
/// of the original prompts the apostrophes are broken, in the 7B one two concepts are swapped.
const PROMPTS_OF: [(&str, &str); 2] = [
    ("colors", "color_prompts_qwen_15_instr"),
    ("original", "initial_prompts_qwen_15_instr"),
];

/// The workbook from which the prompts of a set are taken, or the one with this stem.
///
/// # Errors
/// A sentence for a person about a name that is neither, with what may have been meant.
pub fn published_prompts(name: &str) -> Result<&'static PublishedWorkbook, (String, String)> {
    let stem = PROMPTS_OF.iter().find(|(set, _)| *set == name);
    let stem = stem.map_or(name, |(_, stem)| stem);
    let found = published_workbooks(stem).map_err(|_| {
        let message = format!("no published workbook is called `{name}`");
        (message, names_hint(name, ""))
    })?;
    Ok(found[0])
}

/// The workbooks of a set, or the one with this stem.
///
/// # Errors
/// A sentence for a person about a name that is neither.
pub fn published_workbooks(name: &str) -> Result<Vec<&'static PublishedWorkbook>, String> {
    let name = name.strip_suffix(".xlsx").unwrap_or(name);
    let is_meant = |workbook: &&PublishedWorkbook| workbook.set == name || workbook.stem == name;
    let found: Vec<_> = PUBLISHED_WORKBOOKS.iter().filter(is_meant).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = names_hint(name, PUBLISHED_PREFIX);
    Err(format!(
        "no published workbook is called `{name}`\nhint: {hint}"
    ))
}

/// The names that `name` may stand for, as they are written after `prefix`.
fn names_hint(name: &str, prefix: &str) -> String {
    let mut names: Vec<&str> = vec!["colors", "original", "prompts"];
    names.extend(PUBLISHED_WORKBOOKS.iter().map(|workbook| workbook.stem));
    match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{prefix}{meant}`?"),
        None => format!("the names are: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::experiment::Experiment;

    #[test]
    fn sets_and_single_workbooks_are_found() {
        let cases = [
            ("colors", 4),
            ("original", 4),
            ("prompts", 1),
            ("semantic_leakage_colors", 1),
            ("color_prompts_qwen_7_instr.xlsx", 1),
        ];
        for (name, n_expected) in cases {
            assert_eq!(
                published_workbooks(name).unwrap().len(),
                n_expected,
                "{name}"
            );
        }
        let error = published_workbooks("colours").unwrap_err();
        let expected =
            "no published workbook is called `colours`\nhint: did you mean `published:colors`?";
        assert_eq!(error, expected);
    }

    #[test]
    fn colour_words_of_the_colour_set_are_families() {
        for workbook in PUBLISHED_WORKBOOKS {
            let families = families_of(workbook.sha256());
            let is_color = workbook.set != "original";
            for (word, family) in [("lemon", "yellow"), ("Gray", "gray"), (" jet ", "black")] {
                let expected = is_color.then_some(family);
                assert_eq!(families.of(word), expected, "{}", workbook.stem);
            }
            assert_eq!(families.of("Greenpeace"), None);
        }
        assert_eq!(families_of(Digest::of(b"another file")).of("lemon"), None);
    }

    #[test]
    fn the_experiment_of_all_shades_has_the_same_families() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/colors-full.yaml");
        let experiment = Experiment::load(&path).unwrap();
        let families = families_of(PUBLISHED_WORKBOOKS[0].sha256());
        assert_eq!(experiment.concepts().len(), 33);
        for pair in experiment.pairs() {
            let found = pair.concept_family.as_deref();
            assert!(found.is_some());
            assert_eq!(found, families.of(&pair.concept), "{}", pair.concept);
        }
    }

    #[test]
    fn prompts_come_from_one_workbook() {
        let cases = [
            ("colors", "color_prompts_qwen_15_instr"),
            ("original", "initial_prompts_qwen_15_instr"),
            ("prompts", "semantic_leakage_colors"),
            (
                "initial_prompts_qwen_7_instr",
                "initial_prompts_qwen_7_instr",
            ),
        ];
        for (name, stem) in cases {
            assert_eq!(published_prompts(name).unwrap().stem, stem, "{name}");
        }
        let (message, hint) = published_prompts("colours").unwrap_err();
        assert_eq!(message, "no published workbook is called `colours`");
        assert_eq!(hint, "did you mean `colors`?");
    }

    #[test]
    fn checksums_are_checksums_and_all_different() {
        let mut digests: Vec<_> = PUBLISHED_WORKBOOKS
            .iter()
            .map(|w| w.sha256().to_string())
            .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), PUBLISHED_WORKBOOKS.len());
    }
}
