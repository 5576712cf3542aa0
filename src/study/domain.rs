//! Texts outside the domain of an encoder: words that it does not know, texts longer than it reads, other languages.
//!
//! Owns what is said of them and when an encoder counts as one of English. Figures are made of such texts all the same;
//! `leakage` counts those that rest on them.

use std::collections::HashMap;
use std::path::Path;

use itertools::Itertools as _;

use crate::embedding::wordpiece::{Reading, WordPieceTokenizer};
use crate::experiment::Experiment;
use crate::gguf::manifest::Manifest;
use crate::leakage::{Metric, PairReading};
use crate::store::{Store, StoredCondition};
use crate::study::models::encoder::{EncoderUse, stored_tokenizer, tokenizer_at_hand};
use crate::study::models::wanted::Wanted;
use crate::study::session::Session;
use crate::words::words;

/// Concepts that are named of those an encoder does not know.
const N_NAMED_MAX: usize = 5;
/// Part of the texts that may be unknown before it is said: a model that fails writes odd texts now and then.
const UNKNOWN_PART_MAX: f64 = 0.1;
/// Pieces that the words of a language take on average where it is another one than that of the encoder. By the
/// vocabulary of all-MiniLM-L6-v2 English has 1.1, French 1.5, Spanish 1.6, German 1.9, Dutch 2.1.
const PIECES_PER_WORD_MAX: f64 = 1.4;
/// Texts of which the language is told.
const N_TEXTS_TELLING: usize = 2000;
/// Different words that tell a language.
const N_WORDS_TELLING: usize = 20;

/// An encoder by its name, and its tokenizer where that is at hand.
pub(crate) struct Domain<'a> {
    pub(crate) name: &'a str,
    pub(crate) tokenizer: Option<WordPieceTokenizer>,
}

impl<'a> Domain<'a> {
    /// The domain of an encoder whose files need not be there; nothing is fetched or made.
    pub(crate) fn at_hand(session: &Session, wanted: &'a Wanted) -> Self {
        let tokenizer = tokenizer_at_hand(wanted, &session.shelf, EncoderUse::Sentences);
        Self {
            name: wanted.name(),
            tokenizer: tokenizer.ok(),
        }
    }

    /// Warns of concepts that the encoder does not know, and of texts (prompts, say) in another language than its own.
    pub(crate) fn warn(&self, session: &Session, concepts: &[&str], texts: &[&str]) {
        let name = self.name;
        let unknown = concepts.iter().filter(|concept| self.is_unknown(concept));
        let unknown: Vec<&str> = unknown.copied().sorted_unstable().dedup().collect();
        if !unknown.is_empty() {
            let shown = unknown.iter().take(N_NAMED_MAX);
            let mut shown: Vec<String> = shown.map(|concept| format!("`{concept}`")).collect();
            if let Some(n_more @ 1..) = unknown.len().checked_sub(N_NAMED_MAX) {
                shown.push(format!("{n_more} more"));
            }
            let (shown, n) = (shown.join(", "), unknown.len());
            let noun = if n == 1 { "concept" } else { "concepts" };
            session.warning(format_args!(
                "warning: the encoder `{name}` does not know {n} {noun} ({shown}): all such words have one vector, and \
                 verdicts on them mean nothing\nhint: {ANOTHER}"
            ));
        }
        if Manifest::builtin().find_encoder(name).is_ok() && self.is_foreign(texts) {
            session.warning(format_args!(
                "warning: the encoder `{name}` was trained on English, and the texts seem to be in another language\n\
                 hint: {ANOTHER}"
            ));
        }
    }

    fn is_unknown(&self, text: &str) -> bool {
        let reading = self.tokenizer.as_ref().and_then(|it| it.read(text).ok());
        reading.is_some_and(|reading| reading.n_unknown > 0)
    }

    /// True for texts that are not written in Latin letters, or whose words fall into many pieces.
    fn is_foreign(&self, texts: &[&str]) -> bool {
        let letters = texts.iter().flat_map(|text| text.chars());
        let letters = letters.filter(|c| c.is_alphabetic());
        let (n_latin, n_letters) = letters.fold((0_usize, 0_usize), |(n_latin, n), c| {
            // Latin letters with all their marks end with U+024F, but for those of Vietnamese.
            let is_latin = c <= '\u{24f}' || ('\u{1e00}'..='\u{1eff}').contains(&c);
            (n_latin + usize::from(is_latin), n + 1)
        });
        if 2 * n_latin < n_letters {
            return true;
        }
        let texts = texts.iter().take(N_TEXTS_TELLING);
        let words: Vec<String> = texts.flat_map(|text| words(text)).collect();
        let readings = self.tokenizer.iter().flat_map(|tokenizer| {
            let readings = words.iter().unique().map(|word| tokenizer.read(word));
            readings.filter_map(Result::ok)
        });
        let (n_words, n_pieces) = readings.fold((0_usize, 0_usize), |(n_words, n), reading| {
            (n_words + 1, n + reading.n_tokens)
        });
        n_words >= N_WORDS_TELLING && n_pieces as f64 > PIECES_PER_WORD_MAX * n_words as f64
    }
}

/// Warns of what the encoders of an experiment, where they are at hand, do not know of it.
pub(crate) fn warn_of_experiment(session: &Session, encoders: &[Wanted], experiment: &Experiment) {
    let concepts = experiment.pairs().iter().map(|pair| pair.concept.as_str());
    let concepts: Vec<&str> = concepts.collect();
    let prompts = experiment.prompts().iter().map(String::as_str);
    let prompts: Vec<&str> = prompts.collect();
    for wanted in encoders {
        let domain = Domain::at_hand(session, wanted);
        domain.warn(session, &concepts, &prompts);
        let n_read = domain.tokenizer.map(|tokenizer| tokenizer.n_tokens_max());
        let n_tokens = experiment.max_tokens();
        if let Some(n_read) = n_read.filter(|n_read| n_tokens > *n_read) {
            session.warning(format_args!(
                "warning: `max_tokens` is {n_tokens}, and the encoder `{}` reads {n_read} tokens: \
                 what follows in a longer generation is not compared",
                domain.name
            ));
        }
    }
}

/// How a pair is read, from the readings of concept, test and control generation.
pub(crate) fn pair_reading([concept, test, control]: [&Reading; 3]) -> PairReading {
    PairReading {
        is_concept_unknown: concept.n_unknown > 0,
        are_texts_unknown: [test, control].map(Reading::is_mostly_unknown),
        is_cut: [concept, test, control].iter().any(|text| text.is_cut),
    }
}

/// How the encoder of a stored condition reads the texts of its pairs, concept, test and control generation; None where
/// its vocabulary is not at hand.
pub(crate) fn stored_readings<'t>(
    store: &Store,
    set: &StoredCondition,
    pairs: impl Iterator<Item = [&'t str; 3]>,
) -> anyhow::Result<Option<Vec<PairReading>>> {
    let is_of_tokens = set.key.metric != Metric::Sbert.name();
    let encoder_use = match is_of_tokens {
        true => EncoderUse::Tokens { layer: None },
        false => EncoderUse::Sentences,
    };
    let path = store.model_path(set.key.embedding_model)?;
    let tokenizer = path.map(|path| stored_tokenizer(Path::new(&path), encoder_use));
    let Some(Ok(tokenizer)) = tokenizer else {
        return Ok(None);
    };
    let mut known: HashMap<&str, Reading> = HashMap::new();
    let mut readings = Vec::new();
    for texts in pairs {
        for text in texts {
            if !known.contains_key(text) {
                known.insert(text, tokenizer.read(text)?);
            }
        }
        readings.push(pair_reading(texts.map(|text| &known[text])));
    }
    Ok(Some(readings))
}

/// The way out.
const ANOTHER: &str = "name an encoder of the language as a folder, such as `bert-base-multilingual-cased` (experiments/IMPORT.md)";

/// Warns of texts that an encoder reads in part or not at all.
pub(crate) fn warn_of_readings<'r>(
    session: &Session,
    name: &str,
    n_tokens_max: u32,
    readings: impl Iterator<Item = &'r Reading>,
) {
    let (mut n_texts, mut n_unknown, mut n_cut) = (0_usize, 0_usize, 0_usize);
    for reading in readings {
        n_texts += 1;
        n_unknown += usize::from(reading.is_mostly_unknown());
        n_cut += usize::from(reading.is_cut);
    }
    if n_unknown as f64 > UNKNOWN_PART_MAX * n_texts as f64 {
        session.warning(format_args!(
            "warning: of {n_texts} texts and concepts {n_unknown} are mostly words that the encoder `{name}` does not know\n\
             hint: {ANOTHER}"
        ));
    }
    if n_cut > 0 {
        session.warning(format_args!(
            "warning: {n_cut} of {n_texts} texts are longer than the {n_tokens_max} tokens that the encoder `{name}` reads; \
             what follows is not compared"
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENGLISH: &str = "He likes red. He works as a fireman in a small town and his greenhouse is full of tangerine orange flowers, the mahogany table stands there.";
    const GERMAN: &str = "Sie mag die Farbe rot. Größere Hüte trägt sie nur, wenn der Gärtner im Gewächshaus arbeitet und die Straße leer ist und das Café schließt.";

    /// The words of the English text, and all letters.
    fn tokenizer() -> WordPieceTokenizer {
        let mut vocabulary = vec!["[UNK]".to_owned()];
        vocabulary.extend(words(ENGLISH));
        vocabulary.extend(('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]));
        vocabulary.extend(
            "äöüß"
                .chars()
                .flat_map(|c| [c.to_string(), format!("##{c}")]),
        );
        let ids = vocabulary.iter().unique().enumerate();
        let ids: serde_json::Map<_, _> = ids.map(|(id, it)| (it.clone(), json!(id))).collect();
        let file = json!({
            "version": "1.0", "added_tokens": [], "truncation": null, "padding": null,
            "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": null, "decoder": null,
            "model": {
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": ids,
            },
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, file.to_string()).unwrap();
        WordPieceTokenizer::from_file(&path, 256).unwrap()
    }

    #[test]
    fn another_language_has_other_letters_or_words_of_many_pieces() {
        let with = |tokenizer| Domain {
            name: "a",
            tokenizer,
        };
        let (with, without) = (with(Some(tokenizer())), with(None));
        let cases = [
            (ENGLISH, false, false),
            (GERMAN, true, false),
            // Too few words to tell.
            ("Sie mag die Farbe rot.", false, false),
            ("她戴着红围巾。OK", true, true),
            ("Он любит красный", true, true),
            ("Cô ấy thích màu đỏ", false, false),
            ("", false, false),
        ];
        for (text, expected, without_tokenizer) in cases {
            assert_eq!(with.is_foreign(&[text]), expected, "{text}");
            assert_eq!(without.is_foreign(&[text]), without_tokenizer, "{text}");
        }
    }
}
