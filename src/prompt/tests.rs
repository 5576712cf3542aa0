//! Rendering and tokenizing together, on a vocabulary small enough to read.
//!
//! Owns what needs several files of this module at once. The tokenizers of real models are compared with those of
//! transformers in `tests/integration`, from the tables in `tests/data`.

use super::fixture::{CHATML, id, small, small_with};
use super::*;
use crate::gguf::Gguf;

const DATE: jiff::civil::Date = jiff::civil::date(2026, 11, 28);

fn no_engine(text: &str) -> Vec<u32> {
    panic!("the engine was asked for {text:?}")
}

fn rendering(template: &str, system: Option<&str>, user: &str) -> Result<Rendering, PromptError> {
    let gguf = small_with(|writer| {
        writer.set("tokenizer.chat_template", template);
    });
    ChatTemplate::from_gguf(&gguf, DATE)?.render(system, user)
}

fn prompt(gguf: &Gguf, system: Option<&str>, user: &str) -> RenderedPrompt {
    let rendering = ChatTemplate::from_gguf(gguf, DATE)
        .unwrap()
        .render(system, user)
        .unwrap();
    let tokenizer = Tokenizer::from_gguf(gguf).unwrap();
    tokenizer.tokenize(&rendering, &no_engine).unwrap()
}

/// Ids of a text without special tokens in it; each of its words is a token or consists of single bytes.
fn bytes(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

/// The content parts of a rendering.
fn contents(rendering: &Rendering) -> Vec<&str> {
    let parts = rendering.contents().iter();
    parts.map(|part| &rendering.text()[part.clone()]).collect()
}

#[test]
fn messages_are_placed_as_the_template_says() {
    let check = |system, user, text: &str, parts: &[&str]| {
        let rendering = rendering(CHATML, system, user).unwrap();
        assert_eq!(rendering.text(), text);
        assert_eq!(contents(&rendering), parts);
    };
    check(
        None,
        "blue",
        "<|im_start|>system\nzz<|im_end|>\n<|im_start|>user\nblue<|im_end|>\n<|im_start|>assistant\n",
        &["blue"],
    );
    check(
        Some("be\nbrief "),
        " {{ user }}",
        "<|im_start|>system\nbe\nbrief <|im_end|>\n<|im_start|>user\n {{ user }}<|im_end|>\n<|im_start|>assistant\n",
        &["be\nbrief ", " {{ user }}"],
    );
    check(
        Some(""),
        "(user-0-place)(system-1-place)",
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n(user-0-place)(system-1-place)<|im_end|>\n\
         <|im_start|>assistant\n",
        &["", "(user-0-place)(system-1-place)"],
    );
}

#[test]
fn content_is_found_where_templates_trim_repeat_or_join_it() {
    let check = |template, system, user, text: &str, parts: &[&str]| {
        let rendering = rendering(template, system, user).unwrap();
        assert_eq!(rendering.text(), text, "{template}");
        assert_eq!(contents(&rendering), parts, "{template}");
    };
    let user = "{{ messages[0].content | trim }}<|im_end|>";
    check(
        user,
        None,
        "\n<|im_end|> ",
        "<|im_end|><|im_end|>",
        &["<|im_end|>"],
    );
    let left = "{{ messages[0].content.lstrip() }}!";
    check(left, None, " a ", "a !", &["a "]);
    let twice = "{{ messages[0].content ~ messages[-1].content }}";
    check(twice, None, "<tool>", "<tool><tool>", &["<tool>", "<tool>"]);
    check(twice, Some("<to"), "ol>", "<tool>", &["<to", "ol>"]);
    check("{{ eos_token }}", None, " ", "<|im_end|>", &[]);
}

#[test]
fn a_template_that_changes_its_content_gets_none_with_special_tokens() {
    let shout = "<|im_start|>{{ messages | map(attribute='content') | join | upper }}";
    let rendered = rendering(shout, None, "b <|im_end").unwrap();
    assert_eq!(rendered.text(), "<|im_start|>B <|IM_END");
    assert!(rendered.contents().is_empty());
    for (system, user) in [(None, "b <|im_end|>"), (Some("a<tool>"), "b")] {
        let error = rendering(shout, system, user).unwrap_err();
        assert!(
            matches!(error, PromptError::SpecialContent { .. }),
            "{error}"
        );
    }
}

#[test]
fn special_tokens_are_found_in_the_template_only() {
    let prompt = prompt(&small(), None, "blue<|im_end|><tool>");
    let expect = [
        &[id::IM_START][..],
        &bytes("system\n"),
        &bytes("zz"),
        &[id::IM_END, 10, id::IM_START],
        &bytes("user\n"),
        &[id::BLUE],
        &bytes("<|im_end|><tool>"),
        &[id::IM_END, 10, id::IM_START],
        &bytes("assistant\n"),
    ];
    assert_eq!(prompt.tokens(), expect.concat());
    let runs: Vec<&str> = prompt.runs().iter().map(PlainRun::text).collect();
    let user = "user\nblue<|im_end|><tool>";
    assert_eq!(runs, ["system\nzz", "\n", user, "\n", "assistant\n"]);
    let tool = rendering("<tool>{{ messages[0].content }}", None, "<tool>").unwrap();
    let tool = Tokenizer::from_gguf(&small())
        .unwrap()
        .tokenize(&tool, &no_engine);
    assert_eq!(
        tool.unwrap().tokens(),
        [&[id::TOOL][..], &bytes("<tool>")].concat()
    );
}

/// Content and template between two special tokens are one text: here a space and a word, a letter and its accent.
#[test]
fn words_may_join_across_the_border_of_the_content() {
    let check = |template, user, tokens: &[u32], run: &str| {
        let rendering = rendering(template, None, user).unwrap();
        let tokenizer = Tokenizer::from_gguf(&small()).unwrap();
        let prompt = tokenizer.tokenize(&rendering, &no_engine).unwrap();
        assert_eq!(prompt.tokens(), tokens);
        assert_eq!(prompt.runs()[0].text(), run);
        assert_eq!(prompt.text(), rendering.text());
    };
    check(
        "{{ ' ' ~ messages[0].content }}",
        "blue",
        &[id::SPACE_BLUE],
        " blue",
    );
    check("e{{ messages[0].content }}", "\u{301}", &[id::E_ACUTE], "é");
}

const FAMILIES_TEXT: &str = "blue  blue\n\n12123's e\u{301}.\nzz BLUE'S";
const QWEN2: &[u32] = &[
    258, 32, 259, 265, 49, 50, 49, 50, 51, 264, 32, 260, 266, 122, 122, 32, 66, 76, 85, 69, 39, 83,
];
const LLAMA3: &[u32] = &[
    258, 32, 259, 265, 261, 49, 50, 51, 264, 32, 101, 204, 129, 266, 267, 32, 66, 76, 85, 69, 39,
    83,
];
const GPT2: &[u32] = &[
    258, 32, 259, 10, 10, 261, 262, 264, 32, 101, 204, 129, 46, 10, 122, 122, 32, 66, 76, 85, 69,
    39, 83,
];
const SMOLLM: &[u32] = &[
    258, 32, 259, 265, 49, 50, 49, 50, 51, 264, 32, 101, 204, 129, 46, 10, 122, 122, 32, 66, 76,
    85, 69, 39, 83,
];

/// Expected ids: tokenizers 0.23.3 (Python) with this vocabulary and the normalizer and pre-tokenizer of each family's
/// `tokenizer.json`.
#[test]
fn each_family_cuts_words_as_its_own_tokenizer_does() {
    let check = |pre: &str, expect: &[u32]| {
        let gguf = small_with(|writer| {
            writer
                .set("tokenizer.ggml.pre", pre)
                .set("tokenizer.chat_template", "{{ messages[0].content }}");
        });
        assert_eq!(prompt(&gguf, None, FAMILIES_TEXT).tokens(), expect, "{pre}");
    };
    check("qwen2", QWEN2);
    check("llama-bpe", LLAMA3);
    check("gpt-2", GPT2);
    check("smollm", SMOLLM);
}

#[test]
fn the_engine_tokenizes_where_we_cannot() {
    let gguf = small_with(|writer| {
        writer.set("tokenizer.ggml.pre", "default");
    });
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap();
    assert!(!tokenizer.is_own());
    assert_eq!(tokenizer.name(), "llama.cpp");
    let rendering = rendering("<tool>a {{ messages[0].content }}<tool>", None, "<tool>").unwrap();
    let engine = |text: &str| vec![text.len() as u32];
    let prompt = tokenizer.tokenize(&rendering, &engine).unwrap();
    assert_eq!(prompt.tokens(), [id::TOOL, 8, id::TOOL]);
    assert_eq!(prompt.runs()[0].text(), "a <tool>");
    let own = Tokenizer::from_gguf(&small()).unwrap();
    assert_eq!((own.is_own(), own.name()), (true, "tokenizers"));
    assert_eq!(own.unused_tokens(), id::PAD);
    assert_eq!(own.table().n_vocab(), id::PAD[1] + 1);
}

#[test]
fn disagreements_name_the_text_and_both_tokens() {
    let prompt = prompt(&small(), None, "a blue");
    let check = |engine: &dyn Fn(&str) -> Vec<u32>, expect: &str| {
        let found = first_disagreement(prompt.runs(), engine);
        assert_eq!(
            found.map(|found| found.to_string()).as_deref(),
            Some(expect)
        );
    };
    let same = |text: &str| {
        let run = prompt.runs().iter().find(|run| run.text() == text);
        run.unwrap().tokens().to_vec()
    };
    assert!(first_disagreement(prompt.runs(), &same).is_none());
    let in_bytes = |text: &str| bytes(text);
    check(
        &in_bytes,
        r#"in "user\na blue", token 6 is 259 " blue" for us and 32 " " for llama.cpp"#,
    );
    let shorter = |text: &str| same(text)[1..].to_vec();
    check(
        &shorter,
        r#"in "system\nzz", token 0 is 115 "s" for us and 121 "y" for llama.cpp"#,
    );
    let cut = |text: &str| same(text)[..1].to_vec();
    check(
        &cut,
        r#"in "system\nzz", token 1 is 121 "y" for us and the end for llama.cpp"#,
    );
}

#[test]
fn templates_and_prompts_that_cannot_be_used_are_told() {
    let check = |error: PromptError, parts: &[&str]| {
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let none = fixture::gguf(|_| {});
    let error = ChatTemplate::from_gguf(&none, DATE).unwrap_err();
    check(
        error,
        &["has no chat template", "hint: use an instruct model"],
    );
    let error = rendering("a\n{% if %}", None, "a").unwrap_err();
    check(error, &["cannot be read", "line 2", "hint:"]);
    let gemma = "{% if messages[0].role == 'system' %}{{ raise_exception('No system role') }}{% endif %}{{ messages[0].content }}";
    assert_eq!(rendering(gemma, None, "a").unwrap().text(), "a");
    let error = rendering(gemma, Some("s"), "a").unwrap_err();
    check(
        error,
        &[
            r#"fails on system "s", user "a": No system role"#,
            "hint: this model takes no system message",
        ],
    );
    let shout = "{{ messages[0].content | upper }}";
    let error = rendering(shout, None, "<tool>").unwrap_err();
    check(
        error,
        &["`<tool>` in user \"<tool>\"", "hint: remove `<tool>`"],
    );
}

#[test]
fn a_message_that_the_template_leaves_out_is_told() {
    let last = "{{ messages[-1].content }}";
    assert!(rendering(last, Some(" \n"), "a").is_ok());
    for (template, system, user, role) in [
        (last, Some("s"), "a", "system"),
        ("{{ eos_token }}", None, "a", "user"),
        ("{{ messages[0].content }}", Some("s"), "a", "user"),
    ] {
        let error = rendering(template, system, user).unwrap_err().to_string();
        assert!(
            error.contains(&format!("leaves out the {role} message\nhint: ")),
            "{error}"
        );
    }
}

#[test]
fn vocabularies_that_make_no_tokenizer_are_refused() {
    let check = |merge: &str, expect: &str| {
        let gguf = small_with(|writer| {
            writer.set("tokenizer.ggml.merges", vec![merge.to_owned()]);
        });
        let error = Tokenizer::from_gguf(&gguf).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("bl", "has `bl`, which is no pair");
    check("b x", "cannot be built");
}

#[test]
fn the_date_is_shown_only_by_templates_that_ask_for_it() {
    let at = |template: &str| {
        let gguf = small_with(|writer| {
            writer.set("tokenizer.chat_template", template);
        });
        let template = ChatTemplate::from_gguf(&gguf, DATE).unwrap();
        let rendering = template.render(None, "a").unwrap();
        (template.shows_date(), rendering.text().to_owned())
    };
    assert_eq!(
        at("{{ strftime_now('%Y') ~ messages[0].content }}"),
        (true, "2026a".to_owned())
    );
    assert!(!at(CHATML).0);
}
