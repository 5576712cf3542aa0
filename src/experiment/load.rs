//! From a path to a validated experiment.
//!
//! Owns the order in which the sections are read. All problems are collected; an experiment exists only where there is none.

use std::path::Path;
use std::sync::Arc;

use super::Experiment;
use super::expand::{expand, expand_fillers, refuse_doubled};
use super::extending::Base;
use super::families::NamedFamilies;
use super::file::read_file;
use super::lint::{lint, unbalanced, unused_fillers, without_placebo, without_sentence_end};
use super::node;
use super::problem::{ExperimentErrors, Problem};
use super::prompts::{has_no_prompts, needs_concepts};
use super::read::{
    Fields, ONE_ENCODER, ONE_WORDING, Reader, SEVERAL_ENCODERS, SEVERAL_WORDINGS, TOP_LEVEL,
};
use super::source::SourceFile;

/// Reads and validates the experiment at `path`.
pub(crate) fn load(path: &Path) -> Result<Experiment, ExperimentErrors> {
    let main = read_file(path).map_err(|failure| ExperimentErrors::single(failure.problem()))?;
    let mut reader = Reader::default();
    let experiment = read_experiment(&mut reader, &main);
    let mut problems = reader.problems;
    let key = |problem: &Problem| {
        let position = problem.position();
        let start = position.span().map(|span| span.start);
        (position.file().path() != main.path(), start)
    };
    problems.sort_by_key(key);
    ExperimentErrors::raise(problems)?;
    Ok(experiment.expect("a part that could not be read has reported a problem"))
}

/// The margin that the text of an experiment declares, or else the text that it extends.
///
/// None also of a text that is no experiment.
pub fn declared_margin(yaml: &str, extended: Option<&str>) -> Option<f64> {
    declared(yaml, extended, Reader::margin)
}

/// True if the text of an experiment says that intervals speak of other concepts too, or else the text that it extends.
pub fn generalises_concepts(yaml: &str, extended: Option<&str>) -> bool {
    declared(yaml, extended, Reader::generalises_concepts).unwrap_or(false)
}

/// A field that the text of an experiment has, or else the text that it extends.
fn declared<T>(
    yaml: &str,
    extended: Option<&str>,
    field: impl Fn(&mut Reader, &Fields<'_>) -> Option<T>,
) -> Option<T> {
    let of = |text: &str| {
        let file = SourceFile::new(Path::new(""), text.to_owned());
        let mut reader = Reader::default();
        let node = node::parse(&file, &mut reader.problems)?;
        let fields = reader.fields(&node, &TOP_LEVEL, "name: colors")?;
        field(&mut reader, &fields)
    };
    of(yaml).or_else(|| of(extended?))
}

fn read_experiment(reader: &mut Reader, main: &Arc<SourceFile>) -> Option<Experiment> {
    let node = node::parse(main, &mut reader.problems)?;
    let fields = reader.fields(&node, &TOP_LEVEL, "name: colors")?;
    let Some(entry) = fields.entry("extends") else {
        return read_sections(reader, fields, main, None);
    };
    let base = Base::read(reader, main, entry)?;
    let base_fields = reader.fields(&base.node, &TOP_LEVEL, "name: colors")?;
    read_sections(reader, fields.over(base_fields), main, Some(&base.file))
}

fn read_sections(
    reader: &mut Reader,
    fields: Fields<'_>,
    main: &Arc<SourceFile>,
    base: Option<&Arc<SourceFile>>,
) -> Option<Experiment> {
    // What a misspelt `extends` would have brought is not missing.
    if base.is_some() || fields.lacks("extends") {
        require_top_level(reader, &fields);
    }
    let name = reader.name(&fields);
    let question = reader.question(&fields);
    let wordings = reader.wordings(&fields);
    let sampling = reader.sampling(&fields);
    let models = reader.models(&fields);
    let embedding_models = reader.embedding_models(&fields);
    let n_gpu_layers = reader.gpu_layers(&fields);
    let date = reader.date(&fields);
    let margin = reader.margin(&fields);
    let generalises_concepts = reader.generalises_concepts(&fields).unwrap_or(false);
    let concepts = reader.concepts(&fields);
    let families = reader.concept_families(&fields);
    let fillers = reader.fillers(&fields, "fillers").unwrap_or_default();
    let templates = reader.templates(&fields, concepts.as_deref(), &fillers);
    let n_problems = reader.problems.len();
    let free_pairs = reader.free_pairs(&fields);
    let pairs_source = reader.pairs_source(&fields);
    // Of pairs that cannot be read the concepts are not known, and of pairs from a file not yet.
    if let (Some(families), Some(concepts), Some(None)) = (&families, &concepts, &pairs_source)
        && reader.problems.len() == n_problems
    {
        reader.check_families(families, concepts, &free_pairs);
    }
    let listed = concepts.as_deref().unwrap_or_default();
    let pairs = expand(&templates, &free_pairs, listed, &mut reader.problems)?;
    let filled = expand_fillers(&templates, &fillers, &mut reader.problems)?;
    refuse_doubled(&pairs, &filled, &mut reader.problems);
    let mut warnings = std::mem::take(&mut reader.warnings);
    let of = families.as_ref().map(NamedFamilies::families);
    warnings.extend(lint(&templates, &free_pairs, listed, &pairs));
    warnings.extend(unused_fillers(&templates, &fillers));
    let of = of.unwrap_or_default();
    warnings.extend(without_placebo(&templates, listed, &of));
    warnings.extend(unbalanced(&templates, listed, &of));
    let sampling = sampling?;
    let unended = without_sentence_end(&pairs).filter(|_| sampling.grid.ends_sentences());
    warnings.extend(unended);
    let mut experiment = Experiment {
        source: Arc::clone(main),
        extended: base.map(Arc::clone),
        name: name?,
        question: question?,
        wordings: wordings?,
        sampling: sampling.grid,
        n_repeats: sampling.n_repeats,
        n_control_repeats: sampling.n_control_repeats,
        seed: sampling.seed,
        enumeration: sampling.enumeration,
        models: models?,
        embedding_models: embedding_models?,
        n_gpu_layers,
        date,
        margin,
        generalises_concepts,
        concepts: concepts?.into_iter().map(|concept| concept.text).collect(),
        families,
        fillers: Vec::new(),
        pairs: Vec::new(),
        prompts: Vec::new(),
        pairs_source: pairs_source?,
        pairs_sha256: None,
        pairs_mapping_sha256: None,
        warnings,
    };
    experiment.add_pairs(pairs);
    experiment.add_fillers(filled);
    Some(experiment)
}

fn require_top_level(reader: &mut Reader, fields: &Fields<'_>) {
    let mut keys = vec![
        ("name", "colors"),
        ("question", "Does a colour leak?"),
        ("sampling", "{temperature: 0.5, ...}"),
        (
            "models",
            "[{name: qwen2.5-0.5b-instruct, quantizations: [Q4_K_M]}]",
        ),
    ];
    if fields.lacks(SEVERAL_WORDINGS) {
        keys.insert(2, (ONE_WORDING, "{system: null, user: \"{prompt}\"}"));
    }
    if fields.lacks(SEVERAL_ENCODERS) {
        keys.push((ONE_ENCODER, "all-minilm-l6-v2"));
    }
    if needs_concepts(fields) {
        keys.push(("concepts", "[red, blue]"));
    }
    reader.require(fields, "", &keys);
    if has_no_prompts(fields) {
        let message = "an experiment needs `templates` or `pairs`";
        reader.report(
            Problem::error(&fields.start, message)
                .label("in the mapping that begins here")
                .hint("templates put each concept into a slot; pairs are written out, or taken from a file"),
        );
    }
}
