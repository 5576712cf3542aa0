//! The derived quantizations of a model: `quantizations: {from: .., to: [..]}` with what belongs to it.
//!
//! Owns which derivations an experiment asks for and that nothing is quantized twice unless it says so. Whether the
//! quantizer can make a type, and whether the parent exists, is found out by those who hold the files.

use std::path::PathBuf;

use super::problem::Problem;
use super::read::{Fields, QUANTIZATIONS, Reader, Text};
use super::source::Position;

/// The labels of files whose weights are not rounded to blocks of a few bits.
const UNQUANTIZED: [&str; 5] = ["F16", "FP16", "BF16", "F32", "FP32"];
const EXAMPLE: &str = "quantizations: {from: F16, to: [Q4_K_M, Q2_K]}";

/// How a model file is derived from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivationSpec {
    /// The quantization to make, such as `Q2_K`.
    pub to: String,
    /// True if the parent may be quantized already.
    pub allow_requantize: bool,
    /// A file with an importance matrix, joined to the directory of the experiment file.
    pub imatrix: Option<PathBuf>,
    /// Where the experiment names the quantization.
    pub position: Position,
    /// Where it names the importance matrix.
    pub imatrix_position: Option<Position>,
}

/// A mapping of quantizations: the parent and those derived from it.
pub(crate) struct Ladder {
    /// The parent's quantization and its place; None beside a path.
    pub(crate) from: Option<(String, Position)>,
    /// At least one.
    pub(crate) rungs: Vec<DerivationSpec>,
}

impl DerivationSpec {
    /// `to` and the parent's quantization in one word.
    pub(crate) fn label(&self, parent_quantization: &str) -> String {
        let imatrix = if self.imatrix.is_some() {
            "-imatrix"
        } else {
            ""
        };
        format!("{}-from-{parent_quantization}{imatrix}", self.to)
    }
}

impl Reader {
    /// The ladder of a model whose `quantizations` are a mapping; `from` is needed where the model has a name and
    /// refused where it has a path.
    pub(crate) fn ladder(&mut self, model: &Fields<'_>, has_name: bool) -> Option<Ladder> {
        let fields = self.fields(model.get("quantizations")?, &QUANTIZATIONS, EXAMPLE)?;
        let keys = [("from", "F16"), ("to", "[Q4_K_M, Q2_K]")];
        let first = if has_name { 0 } else { 1 };
        self.require(&fields, "`models.quantizations`", &keys[first..]);
        let allow_requantize = match model.get("allow_requantize") {
            Some(node) => self.truth(node, "models.allow_requantize")?,
            None => false,
        };
        let imatrix = match model.get("imatrix") {
            Some(node) => Some((node, self.text(node, "models.imatrix", Text::Line)?)),
            None => None,
        };
        let from = self.from(&fields, has_name, allow_requantize)?;
        let items = self.list(
            fields.get("to")?,
            "models.quantizations.to",
            "to: [Q4_K_M, Q2_K]",
        )?;
        let mut rungs = Vec::new();
        for item in items {
            let to = self.text(item, "models.quantizations.to", Text::Line)?;
            self.refuse_itself(to, &item.position, from.as_ref())?;
            rungs.push(DerivationSpec {
                to: to.to_owned(),
                allow_requantize,
                imatrix: imatrix.map(|(node, path)| node.position.file().beside(path)),
                position: item.position.clone(),
                imatrix_position: imatrix.map(|(node, _)| node.position.clone()),
            });
        }
        Some(Ladder { from, rungs })
    }

    /// The parent's quantization, where the model has a name; None once a problem is reported.
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether it can be read"
    )]
    fn from(
        &mut self,
        fields: &Fields<'_>,
        has_name: bool,
        allow_requantize: bool,
    ) -> Option<Option<(String, Position)>> {
        if !has_name {
            if let Some(entry) = fields.entry("from") {
                let message = "`from` cannot stand beside `path`";
                let problem = Problem::error(&entry.key_position, message);
                self.report(problem.label("the GGUF file is what others are derived from"));
                return None;
            }
            return Some(None);
        }
        let node = fields.get("from")?;
        let from = self.text(node, "models.quantizations.from", Text::Line)?;
        let is_quantized = !UNQUANTIZED.contains(&from.to_uppercase().as_str());
        if is_quantized && !allow_requantize {
            let message = format!("`{from}` is quantized already");
            self.report(
                Problem::error(&node.position, message)
                    .label("what is derived from it is quantized twice")
                    .hint("derive from F16, or write `allow_requantize: true` beside `quantizations`; its figures are marked then"),
            );
            return None;
        }
        Some(Some((from.to_owned(), node.position.clone())))
    }

    fn refuse_itself(
        &mut self,
        to: &str,
        position: &Position,
        from: Option<&(String, Position)>,
    ) -> Option<()> {
        match from {
            Some((from, first)) if from.eq_ignore_ascii_case(to) => {
                self.report(
                    Problem::error(position, format!("`{to}` is to be derived from itself"))
                        .label("expected another quantization")
                        .earlier(first, "the parent")
                        .hint(format!(
                            "the parent itself is `quantizations: [{from}]` of another item"
                        )),
                );
                None
            }
            _ => Some(()),
        }
    }

    /// Refuses keys that say how to derive a file where none is derived.
    pub(crate) fn refuse_without_ladder(&mut self, model: &Fields<'_>) -> Option<()> {
        for key in ["allow_requantize", "imatrix"] {
            if let Some(entry) = model.entry(key) {
                let message = format!("`{key}` says how to derive a file, and none is derived");
                self.report(
                    Problem::error(&entry.key_position, message)
                        .label("needs a mapping of `quantizations` beside it")
                        .hint(format!("for example `{EXAMPLE}`")),
                );
                return None;
            }
        }
        Some(())
    }
}
