//! Experiment files as the tests write them: every field a value, the text made of them.
//!
//! Owns the text of a right file. A wrong one is made by the test that wants it, from this text.

use std::fmt::Write as _;

const CONCEPTS: [&str; 16] = [
    "red", "blue", "green", "yellow", "orange", "white", "black", "purple", "brown", "pink",
    "gray", "gold", "silver", "iron", "snow", "fire",
];
const SUBJECTS: [&str; 20] = [
    "dog", "cat", "bird", "fish", "horse", "house", "school", "bus", "car", "tree", "garden",
    "river", "teacher", "nurse", "farmer", "king", "queen", "friend", "brother", "sister",
];

/// The values of an experiment file.
#[derive(Debug, Clone)]
pub(crate) struct ExperimentFile {
    pub(crate) name: String,
    pub(crate) system: Option<String>,
    /// Each as it stands in a list of YAML, in the place of the only wording; none leaves that.
    pub(crate) wordings: Vec<String>,
    /// Lines of the section `sampling` that give what changes probabilities.
    pub(crate) probabilities: String,
    pub(crate) max_tokens: u32,
    pub(crate) repeats: u32,
    pub(crate) seed: u64,
    /// Each as it stands in a list of YAML, such as `{path: a.gguf}`.
    pub(crate) models: Vec<String>,
    pub(crate) embedding_model: String,
    pub(crate) concepts: Vec<String>,
    pub(crate) templates: Vec<Template>,
    pub(crate) pairs: Vec<Pair>,
}

#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) test: String,
    pub(crate) control: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) concept: String,
    pub(crate) category: String,
    pub(crate) test: String,
    pub(crate) control: String,
}

impl ExperimentFile {
    /// One tiny model, one pair of a category of its own, and so many templates in two categories.
    pub(crate) fn tiny(n_templates: usize, n_concepts: usize) -> Self {
        let subjects = SUBJECTS.iter().take(n_templates);
        let templates = subjects.enumerate().map(|(idx, subject)| Template {
            id: format!("likes-{subject}"),
            category: ["color-to-other", "color-to-color"][idx % 2].to_owned(),
            test: format!("He likes {{concept}}. His {subject} is"),
            control: format!("His {subject} is"),
        });
        Self {
            name: "tiny".to_owned(),
            system: Some("You are a helpful assistant.".to_owned()),
            wordings: Vec::new(),
            probabilities: "  temperature: 0.5\n  top_k: 0\n  top_p: 1.0\n  min_p: 0.0\n  repetition_penalty: 1.0\n"
                .to_owned(),
            max_tokens: 10,
            repeats: 5,
            seed: 1,
            models: vec!["{path: a.gguf}".to_owned()],
            embedding_model: "{path: encoder.gguf}".to_owned(),
            concepts: CONCEPTS[..n_concepts]
                .iter()
                .map(|&word| word.to_owned())
                .collect(),
            templates: templates.collect(),
            pairs: vec![Pair {
                concept: "green".to_owned(),
                category: "expression-to-color".to_owned(),
                test: "The greenhouse has a".to_owned(),
                control: "The house has a".to_owned(),
            }],
        }
    }

    /// The same with these model files.
    pub(crate) fn models(self, paths: &[&str]) -> Self {
        let models = paths.iter().map(|path| format!("{{path: {path}}}"));
        Self {
            models: models.collect(),
            ..self
        }
    }

    /// The same with another line for one of the values that change probabilities.
    pub(crate) fn with_value(mut self, name: &str, value: &str) -> Self {
        let start = self.probabilities.find(&format!("  {name}: ")).unwrap();
        let n_bytes = self.probabilities[start..].find('\n').unwrap();
        let line = format!("  {name}: {value}");
        self.probabilities
            .replace_range(start..start + n_bytes, &line);
        self
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("name: {}\nquestion: Does a word leak?\n", self.name);
        if self.wordings.is_empty() {
            let system = self.system.as_deref().map_or("null".to_owned(), quoted);
            writeln!(text, "prompt:\n  system: {system}\n  user: \"{{prompt}}\"").unwrap();
        } else {
            writeln!(text, "prompts:\n  - {}", self.wordings.join("\n  - ")).unwrap();
        }
        write!(
            text,
            "sampling:\n{}  max_tokens: {}\n  stop: sentence_end\n  repeats: {}\n  seed: {}\n",
            self.probabilities, self.max_tokens, self.repeats, self.seed
        )
        .unwrap();
        text += "models:\n";
        for model in &self.models {
            writeln!(text, "  - {model}").unwrap();
        }
        writeln!(text, "embedding_model: {}", self.embedding_model).unwrap();
        self.write_prompts(&mut text);
        text
    }

    fn write_prompts(&self, text: &mut String) {
        if !self.templates.is_empty() {
            let concepts: Vec<String> = self.concepts.iter().map(|word| quoted(word)).collect();
            writeln!(text, "concepts: [{}]\ntemplates:", concepts.join(", ")).unwrap();
        }
        for template in &self.templates {
            writeln!(
                text,
                "  - id: {}\n    category: {}\n    test: {}\n    control: {}",
                template.id,
                template.category,
                quoted(&template.test),
                quoted(&template.control)
            )
            .unwrap();
        }
        if !self.pairs.is_empty() {
            text.push_str("pairs:\n");
        }
        for pair in &self.pairs {
            writeln!(
                text,
                "  - concept: {}\n    category: {}\n    test: {}\n    control: {}",
                quoted(&pair.concept),
                pair.category,
                quoted(&pair.test),
                quoted(&pair.control)
            )
            .unwrap();
        }
    }
}

/// A text in double quotes: what JSON writes, YAML reads.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
