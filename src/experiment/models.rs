//! The section `models`.
//!
//! Owns which model files an experiment names, and where it names them; of encoders, `encoders` does. Whether a name is in the
//! manifest and a file exists is found out by those who hold the manifest and the files.

use std::collections::HashMap;
use std::path::PathBuf;

use super::ladder::DerivationSpec;
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Fields, MODELS, Reader, Text};
use super::source::Position;

/// One model file that an experiment asks for: a model with one quantization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// Where the file comes from, or the file from which it is derived.
    pub source: ModelSource,
    /// How it is derived from that file; None where it is that file.
    pub derivation: Option<DerivationSpec>,
    /// Where the experiment names the model or its path.
    pub position: Position,
    /// Where it names the quantization; None with a path.
    pub quantization_position: Option<Position>,
}

/// Where a model file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// An entry of the manifest.
    Manifest {
        /// The model's name.
        name: String,
        /// The quantization, such as `Q4_K_M`.
        quantization: String,
    },
    /// A user's own GGUF.
    File {
        /// The path, joined to the directory of the experiment file.
        path: PathBuf,
        /// The name of the model in tables.
        label: String,
    },
}

impl ModelSpec {
    /// The model's name in the manifest, or its label.
    pub fn name(&self) -> &str {
        match &self.source {
            ModelSource::Manifest { name, .. } => name,
            ModelSource::File { label, .. } => label,
        }
    }

    /// `name:quantization`, or the label; no two models of an experiment share it.
    ///
    /// A derived file names its parent: `name:q2_k-from-q4_k_m`, or `label:q2_k`.
    pub fn label(&self) -> String {
        match (&self.source, &self.derivation) {
            (ModelSource::Manifest { name, quantization }, None) => {
                format!("{name}:{quantization}")
            }
            (ModelSource::Manifest { name, quantization }, Some(derivation)) => {
                format!("{name}:{}", derivation.label(quantization))
            }
            (ModelSource::File { label, .. }, None) => label.clone(),
            (ModelSource::File { label, .. }, Some(derivation)) => {
                format!("{label}:{}", derivation.to)
            }
        }
    }

    /// Where the experiment asks for just this file.
    pub(crate) fn own_position(&self) -> &Position {
        let of_derivation = self.derivation.as_ref().map(|it| &it.position);
        of_derivation
            .or(self.quantization_position.as_ref())
            .unwrap_or(&self.position)
    }
}

impl Reader {
    pub(crate) fn models(&mut self, top: &Fields<'_>) -> Option<Vec<ModelSpec>> {
        let example = "models: [{name: qwen2.5-0.5b-instruct, quantizations: [Q4_K_M]}]";
        let items = self.list(top.get("models")?, "models", example)?;
        let read = items.iter().map(|item| self.model(item));
        let read: Vec<_> = read.collect();
        let all_read = read.iter().all(Option::is_some);
        let models: Vec<_> = read.into_iter().flatten().flatten().collect();
        self.refuse_doubled(&models);
        all_read.then_some(models)
    }

    fn model(&mut self, node: &Node) -> Option<Vec<ModelSpec>> {
        let example = "- name: qwen2.5-0.5b-instruct";
        let fields = self.fields(node, &MODELS, example)?;
        let name = fields
            .get("name")
            .map(|node| self.text(node, "models.name", Text::Line));
        let path = fields
            .get("path")
            .map(|node| self.text(node, "models.path", Text::Line));
        match (path, name) {
            (Some(path), name) => self.model_file(&fields, path, name),
            (None, Some(name)) => self.manifest_model(&fields, name),
            (None, None) => {
                if fields.lacks("name") && fields.lacks("path") {
                    let message = "a model has neither `name` nor `path`";
                    self.report(
                        Problem::error(&fields.start, message)
                            .label("in the mapping that begins here")
                            .hint("`name` for a model of the manifest, `path` for a GGUF file"),
                    );
                }
                None
            }
        }
    }

    fn manifest_model(
        &mut self,
        fields: &Fields<'_>,
        name: Option<&str>,
    ) -> Option<Vec<ModelSpec>> {
        self.require(fields, "the model", &[("quantizations", "[Q4_K_M]")]);
        let position = &fields.get("name")?.position;
        let quantizations = fields.get("quantizations")?;
        if matches!(quantizations.value, Value::Mapping(_)) {
            let ladder = self.ladder(fields, true)?;
            let (quantization, from_position) = ladder.from?;
            let source = ModelSource::Manifest {
                name: name?.to_owned(),
                quantization,
            };
            return Some(derived(
                &source,
                position,
                Some(from_position),
                ladder.rungs,
            ));
        }
        self.refuse_without_ladder(fields)?;
        let items = self.quantization_list(quantizations)?;
        let mut models = Vec::new();
        for item in items {
            let quantization = self.text(item, "models.quantizations", Text::Line);
            if let (Some(name), Some(quantization)) = (name, quantization) {
                models.push(ModelSpec {
                    source: ModelSource::Manifest {
                        name: name.to_owned(),
                        quantization: quantization.to_owned(),
                    },
                    derivation: None,
                    position: position.clone(),
                    quantization_position: Some(item.position.clone()),
                });
            }
        }
        (models.len() == items.len()).then_some(models)
    }

    fn quantization_list<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        let example = "quantizations: [Q4_K_M]";
        if !matches!(node.value, Value::List(_)) {
            let expected = "a list, or a mapping with `from` and `to`";
            self.wrong_type(node, "models.quantizations", expected, Some(example));
            return None;
        }
        self.list(node, "models.quantizations", example)
    }

    fn model_file(
        &mut self,
        fields: &Fields<'_>,
        path: Option<&str>,
        name: Option<Option<&str>>,
    ) -> Option<Vec<ModelSpec>> {
        let ladder = match fields.entry("quantizations") {
            Some(entry) if matches!(entry.node.value, Value::Mapping(_)) => {
                Some(self.ladder(fields, false)?)
            }
            Some(entry) => {
                let message = "`quantizations` cannot stand beside `path`";
                self.report(
                    Problem::error(&entry.key_position, message)
                        .label("a GGUF file has the quantization it has")
                        .hint("list each file as a model of its own, or derive others: `quantizations: {to: [Q2_K]}`"),
                );
                return None;
            }
            None => {
                self.refuse_without_ladder(fields)?;
                None
            }
        };
        let node = fields.get("path")?;
        let path = node.position.file().beside(path?);
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let label = match (name, stem) {
            (Some(name), _) => name?.to_owned(),
            (None, Some(stem)) => stem.into_owned(),
            (None, None) => {
                let message = "`models.path` names no file";
                self.report(Problem::error(&node.position, message).label("expected a GGUF file"));
                return None;
            }
        };
        let source = ModelSource::File { path, label };
        Some(match ladder {
            Some(ladder) => derived(&source, &node.position, None, ladder.rungs),
            None => vec![ModelSpec {
                source,
                derivation: None,
                position: node.position.clone(),
                quantization_position: None,
            }],
        })
    }

    /// Reports models that are the same file, or that could not be told apart in a table.
    fn refuse_doubled(&mut self, models: &[ModelSpec]) {
        let mut seen: HashMap<String, &Position> = HashMap::new();
        let mut names: HashMap<&str, &Position> = HashMap::new();
        for model in models {
            let position = model.own_position();
            let path = match &model.source {
                ModelSource::File { path, .. } => {
                    let derived = model.derivation.as_ref().map(|it| it.to.to_lowercase());
                    Some(format!("{} {derived:?}", path.display()))
                }
                ModelSource::Manifest { name, .. } => {
                    names.entry(name).or_insert(&model.position);
                    None
                }
            };
            let keys = [Some(model.label().to_lowercase()), path];
            // Inserting both before looking would let a file clash with itself.
            let clash = keys.iter().flatten().find_map(|key| seen.get(key).copied());
            if let Some(first) = clash {
                let message = format!("the model `{}` is listed twice", model.label());
                self.report(
                    Problem::error(position, message)
                        .label("the second")
                        .earlier(first, "the first"),
                );
            }
            for key in keys.into_iter().flatten() {
                seen.entry(key).or_insert(position);
            }
        }
        self.refuse_ambiguous(models, &names);
    }

    fn refuse_ambiguous(&mut self, models: &[ModelSpec], names: &HashMap<&str, &Position>) {
        for model in models {
            let ModelSource::File { label, .. } = &model.source else {
                continue;
            };
            if let Some(other) = names.get(label.as_str()) {
                let message = format!("two models are called `{label}`");
                self.report(
                    Problem::error(&model.position, message)
                        .label("this file")
                        .earlier(other, "and this model")
                        .hint("give the file another `name`"),
                );
            }
        }
    }
}

/// One model for each derivation from `source`.
fn derived(
    source: &ModelSource,
    position: &Position,
    quantization_position: Option<Position>,
    rungs: Vec<DerivationSpec>,
) -> Vec<ModelSpec> {
    let models = rungs.into_iter().map(|derivation| ModelSpec {
        source: source.clone(),
        derivation: Some(derivation),
        position: position.clone(),
        quantization_position: quantization_position.clone(),
    });
    models.collect()
}
