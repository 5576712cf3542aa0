//! A byte-level vocabulary with merges learnt from a fixed list of words.
//!
//! Owns the words, the learning (Sennrich et al. 2016, as in GPT-2) and the keys a GGUF describes a vocabulary with.

use std::collections::BTreeMap;

use seep::gguf::GgufWriter;

const N_MERGES: usize = 320;
/// llama.cpp and real models count in multiples of this; the rest is filled with tokens that are never used.
const N_VOCAB_STEP: usize = 64;
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;
/// With the ids that follow the merges.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Words of prompts and continuations; a word earlier in the list counts as more frequent.
const WORDS: &str = "the is a of and to in his her he she was that with for you are not it my favorite \
    color of house red blue green yellow orange white black purple brown pink gray likes love loves hates eats \
    drinks works as an at on from by this have had has been would could should there their they what which who \
    when where because about after before over under again always never often usually really very much many some \
    any all most other another every own same small large big old new good bad young great little long high low \
    first last next world school bus car dog cat bird fish horse cow sheep lion tiger elephant monkey snake tree \
    flower garden river mountain ocean forest desert island city town street road bridge river lake sun moon star \
    sky rain snow wind fire water earth stone gold silver iron wood paper glass bread milk cheese apple banana \
    carrot potato tomato onion pepper rice soup meat chicken beef coffee tea wine beer juice sugar salt honey \
    doctor teacher nurse lawyer farmer baker painter singer dancer writer soldier pilot driver student king queen \
    prince princess father mother brother sister son daughter friend child children people person man woman \
    name called said says told asked answered think thought know knew see saw look looked find found give gave \
    take took make made come came go went get got want wanted need needed help helped start started stop play \
    played run ran walk walked read write wrote talk talked live lived feel felt keep kept hold held bring brought \
    happy sad angry afraid tired hungry thirsty hot cold warm cool fast slow strong weak rich poor clean dirty \
    music book movie song story game sport football tennis piano guitar violin drum dance art science history \
    language English French German Spanish Italian Chinese Japanese Russian America Europe Africa Asia Australia \
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday morning afternoon evening night day week month year \
    one two three four five six seven eight nine ten hundred thousand million system user assistant You helpful";

/// A vocabulary that is learnt when it is needed.
#[derive(Debug)]
pub(super) struct Vocabulary {
    tokens: Vec<String>,
    types: Vec<i32>,
    merges: Vec<String>,
    /// The id of the first of [`SPECIAL`].
    first_special: u32,
}

impl Vocabulary {
    /// Learns the merges of the list of words.
    pub(super) fn train() -> Self {
        let mut tokens: Vec<String> = alphabet().into_iter().map(String::from).collect();
        let mut words = words();
        let mut merges = Vec::new();
        while merges.len() < N_MERGES {
            let (left, right) = most_frequent_pair(&words);
            words.iter_mut().for_each(|word| merge(word, &left, &right));
            tokens.push(format!("{left}{right}"));
            merges.push(format!("{left} {right}"));
        }
        let mut types = vec![NORMAL; tokens.len()];
        let first_special = tokens.len() as u32;
        tokens.extend(SPECIAL.map(str::to_owned));
        types.resize(tokens.len(), CONTROL);
        let n_vocab = tokens.len().next_multiple_of(N_VOCAB_STEP);
        tokens.extend((tokens.len()..n_vocab).map(|id| format!("[PAD{id}]")));
        types.resize(n_vocab, UNUSED);
        Self {
            tokens,
            types,
            merges,
            first_special,
        }
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Sets the keys, the lists last.
    pub(super) fn set_keys(&self, writer: &mut GgufWriter<'_>) {
        let [end_of_text, _, end_of_message] = [0, 1, 2].map(|n| self.first_special + n);
        writer
            .set("tokenizer.ggml.model", "gpt2")
            .set("tokenizer.ggml.pre", "qwen2")
            .set("tokenizer.ggml.eos_token_id", end_of_message)
            .set("tokenizer.ggml.bos_token_id", end_of_text)
            .set("tokenizer.ggml.padding_token_id", end_of_text)
            .set("tokenizer.ggml.add_bos_token", false)
            .set("tokenizer.ggml.tokens", self.tokens.clone())
            .set("tokenizer.ggml.token_type", self.types.clone())
            .set("tokenizer.ggml.merges", self.merges.clone());
    }
}

/// GPT-2's 256 characters for bytes, in the order of their code points, as Qwen numbers them.
fn alphabet() -> Vec<char> {
    let prints = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    prints.chain('\u{100}'..='\u{143}').collect()
}

/// Each word as the tokens it consists of so far, and how often it counts.
fn words() -> Vec<(Vec<String>, usize)> {
    let n_words = WORDS.split_whitespace().count();
    let words = WORDS.split_whitespace().enumerate();
    // U+0120 stands for the space before a word.
    let letters = |word: &str| {
        ["Ġ"]
            .into_iter()
            .map(str::to_owned)
            .chain(word.chars().map(String::from))
            .collect()
    };
    words
        .map(|(idx, word)| (letters(word), n_words - idx))
        .collect()
}

/// Of equally frequent pairs, the last in the order of characters.
fn most_frequent_pair(words: &[(Vec<String>, usize)]) -> (String, String) {
    let mut counts = BTreeMap::new();
    for (word, count) in words {
        for pair in word.windows(2) {
            *counts.entry((&pair[0], &pair[1])).or_insert(0) += count;
        }
    }
    let best = counts.into_iter().max_by_key(|(_, count)| *count);
    let ((left, right), _) = best.unwrap();
    (left.clone(), right.clone())
}

fn merge((word, _): &mut (Vec<String>, usize), left: &str, right: &str) {
    let mut merged: Vec<String> = Vec::new();
    let mut pieces = std::mem::take(word).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        match pieces.next_if(|next| piece == left && next == right) {
            Some(next) => merged.push(piece + &next),
            None => merged.push(piece),
        }
    }
    *word = merged;
}
