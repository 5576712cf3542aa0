//! A laboratory for semantic leakage in quantized language models.
//!
//! # What happens in a run
//!
//! ```text
//! arguments -> cmd -> study -> results -> report -> stdout, HTML, figures
//!                       |
//!   experiment.yaml -> experiment -> requests -> engine (llama.cpp) -> answers
//!                                       |                                 |
//!                     store (SQLite): only what is missing is made <------+
//!                                       |
//!                  verdicts, rates <- leakage, stats <- embedding
//! ```
//!
//! [`study`] takes the steps; `study/running.rs` reads as this plan. An experiment is read and checked in full
//! ([`experiment`]), its prompts are rendered and tokenized for each model ([`prompt`]), and every repeat of every prompt
//! becomes a request with a stable id ([`generation`]). The [`store`] says which requests have no answer yet; the
//! [`engine`] makes those, group by group, and each group is stored before the next begins. Then each distinct text is
//! embedded once ([`embedding`]), similarities become verdicts and rates ([`leakage`], [`stats`]), and the [`results`] are
//! printed ([`report`]).
//!
//! There are two methods ([`generation::Method`]). Repeats are drawn and give verdicts; with `mode: exact` the engine
//! enumerates the continuations of each prompt, and leak probabilities are computed from theirs
//! (`docs/exact-leak-rates.md`). Both take the same way: `study/answering` makes the answers, `study/scoring` scores them.
//! Generations made elsewhere come in through [`import`] and are scored by the same scorer.
//!
//! # Code map, in reading order
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | arguments and their help |
//! | [`cmd`] | one file per subcommand: arguments become values, results are printed |
//! | [`study`] | the steps between the parts: open, ask, answer, score, compare, replicate, plan; no command line, no printing |
//! | [`experiment`] | the YAML file: reading, every message about it, the plan of requests |
//! | [`import`] | generations made elsewhere: workbooks, CSV, JSON lines; the lint of their rows |
//! | [`generation`] | plain data that crosses the seams: sampling values, requests, generations, enumerations |
//! | [`prompt`] | chat template and tokenizer of a model file |
//! | [`sampling`] | from a logits row to a token; pure |
//! | [`engine`] | groups, shared prefixes, forks, trees of continuations, batches, the self-check |
//! | [`llama`] | every call of llama.cpp, each behind a check of what it asserts, in a process for each model |
//! | [`gguf`] | model files: reading, checking, writing, converting, fetching, the manifest, the record of derived ones |
//! | [`embedding`] | from strings to unit vectors, one for a string or one for each token |
//! | [`leakage`] | similarity, verdict, Mean Leak-Rate, comparison of conditions; pure |
//! | [`stats`] | estimates, intervals, p-values; pure |
//! | [`store`] | the database; every SQL statement |
//! | [`results`] | what was found, as plain data |
//! | [`report`] | results for people and programs: tables, JSON, figures, the HTML file with everything |
//! | [`table`] | columns, cells and what they mean: rows on their way to other programs |
//! | [`export`] | tables as CSV, JSON Lines, Parquet, workbooks, LaTeX |
//! | [`visible`] | text of a model, made fit to be shown |
//! | [`words`] | when two texts are the same, what a word is, in any script; characters that nobody sees |
//! | [`watch`] | the seam between work and whoever watches it |
//! | [`progress`] | everything on stderr |
//! | [`machine`] | what is recorded of machine and build |
//! | [`home`] | `~` at the beginning of a path |
//! | [`whole`] | files and folders that are there in full or not at all |
//! | [`digest`] | the SHA-256 value that names files, requests, experiments |
//!
//! # Invariants
//!
//! `tests/tidy` checks the arrows between modules and where a crate may be named; the table there is the rule.
//!
//! - **A generation depends on its request and its numerics only.** Draws are keyed by seed, prompt, repeat and token
//!   index ([`sampling::DrawKey`]); logits do not depend on what is evaluated beside them
//!   ([`engine::Schedule::STRICT`]). Another kind of processor, another build of llama.cpp or a GPU may give other bits:
//!   the self-check measures it, its digest of logits is recorded, and answers of different numerics are never mixed.
//! - **Generations and enumerations are the record.** Verdicts stand under the whole key of their condition
//!   ([`store::ConditionKey`]) and can be thrown away: they are made again from the record.
//! - **[`study`] prints nothing and reads no command line; no command uses another.** The program lends it threads,
//!   Ctrl-C, memory and a place to show progress.
//! - **The engine never sees an experiment or a database, the store never sees an engine.**
//! - **A model that ends takes nothing with it.** It is loaded into a process of its own ([`llama`]); where that ends, by an
//!   abort or for want of memory, its last words are that model's error, and a run goes on with the others.
//! - **Nothing llama.cpp is known to abort on reaches it.** Files pass [`gguf::check_generation_model`] or
//!   [`gguf::check_encoder`]; rows pass the checks in [`llama`].
//! - **[`leakage`] and [`stats`] only compute.** No file, no clock, no thread, no log.
//! - **Deliberately absent:** no asynchronous runtime, no cache besides the database and the model folder, no
//!   sampling value with a hidden default, no network access besides fetching model files and published workbooks.
//!
//! Where the layout differs from the usual one for such programs: `llama` holds both kinds of context (generation
//! and encoder) and is the only module that names the bindings, so that every call that can abort a process has one
//! home, `llama::local`, and the rest of the program knows only the process that makes it; `engine` therefore has no folder of its own for llama.cpp, only the trait [`engine::Decoder`].
//!
//! # Glossary
//!
//! One word, one meaning, the same in YAML, SQL, Rust and reports.
//!
//! | word | meaning |
//! |---|---|
//! | experiment | one YAML file: question, concepts, prompts, models, sampling |
//! | concept | the word whose influence is looked for |
//! | family | near-synonyms among the concepts, which are no siblings of each other |
//! | sibling | a pair of the same template and control prompt whose concept is of another family |
//! | filler | a word for the slot of a template that is no concept: it gives a prompt and no pair |
//! | test prompt, control prompt; prompt pair | with and without the concept; the two together |
//! | template, category | a pair with a slot for the concept; the kind of association asked about |
//! | sampling | one set of sampling values; a sweep gives a model several |
//! | wording | the messages in which prompts are sent, by name where an experiment has several; the mean over wordings takes them as fixed |
//! | preset | a named source of sampling values that the file does not write out |
//! | condition | everything that a verdict depends on besides pair and repeat: experiment, model file, sampling, wording, seed, method, numerics, metric and its signature |
//! | base | the condition that others are compared with |
//! | method | the way to leak probabilities: from repeats, or exactly |
//! | numerics | the arithmetic of logits: schedule, build of llama.cpp, and a digest of some logits |
//! | request; answer | one planned generation or enumeration, its id a hash of all that determines it; what the model makes of it |
//! | generation | the model's text for one request |
//! | repeat | the n-th generation of one prompt, with its own draws; a verdict compares one of a test prompt with one of its control |
//! | import | a file of generations made elsewhere, stored beside those of runs |
//! | finding | what looks wrong in a row of a file that is imported or gives prompt pairs, with row and column |
//! | pairs file | a workbook or table, published or one's own, from which an experiment takes prompt pairs |
//! | run | one execution of one experiment |
//! | rung | one condition of a run; that its model fails keeps no other from being answered |
//! | session | the surroundings of work: model folder, threads, who watches and who may end it |
//! | replication; to stand | the same comparisons under several seeds or numerics; to be concluded every time |
//! | selection | the stored conditions that are meant by words such as a name and a seed |
//! | prefill, decode | evaluating prompt tokens; evaluating the last token of a text to draw the next |
//! | sequence | llama.cpp's parallel stream within one KV cache |
//! | schedule | how rows are put into batches; `strict` makes a row independent of its neighbours |
//! | row | one token to evaluate at one position |
//! | to sample | to draw a token |
//! | draws, draw method | how a token is found from probabilities and random numbers: `gumbel_max`, `inverse_cdf` |
//! | continuation | one way a prompt goes on to its end, with its probability |
//! | enumeration; coverage, covered | the continuations of one prompt; the probability of those found, asked for and reached |
//! | tail; to draw from it | what an enumeration has not covered; to find continuations of it by chance |
//! | open node, to follow it | a beginning of continuations whose row is not evaluated; to evaluate it |
//! | widened | of weights: in a wider type of block with the same values, for which llama.cpp is faster |
//! | quantization; bits per weight | the label of a model file; what it measures |
//! | derived file, parent; requantized | a quantization made here from another file; from one that was quantized already |
//! | next-token distribution | a model's probabilities right after a prompt; the most probable tokens are kept |
//! | drift | how far a model's next-token distributions lie from those of a base |
//! | to score | to find the log-probability of a text that another model made |
//! | embedding, similarity | unit vector of a text; cosine of two of them |
//! | leak (1, 0.5, 0), tie | verdict on one repeat of one pair; equal similarities |
//! | leak probability; exact leak | probability that a pair leaks; that from the continuations of both prompts, with its bounds |
//! | estimate | how probably a pair leaks: of one repeat its verdict, else an exact leak |
//! | Mean Leak-Rate | 100 times the mean of the estimates; above 50 something in the slot matters, not yet the concept |
//! | placebo | the same comparison with the control for the siblings' generations |
//! | specific leakage | the Leak-Rate less the placebo; 0 where it does not matter which concept stands in the prompt |
//! | specificity | how often a generation is closer to its prompt's concept than siblings' generations are; 50 % there (`docs/validity.md`) |
//! | repetition; association | the parts of both from comparisons in which a text holds one of the two concepts or restates one of the two prompts; from all others |
//! | anchor; anchor placebo | another concept that a pair without siblings is compared with; its verdicts by that concept, which have no exact null |
//! | margin | how much closer a generation is to its concept than to other concepts, than siblings' are and than the control's is, the least of these |
//! | view; dictionary | a query of the database with a stable name; what every column means |
//! | echo | the concept itself stands in the test generation |
//! | flaw; diagnostics | a way in which a verdict says little about a leak, such as an echo; how many pairs have each, and the rate without them |
//! | matrix of concepts; its map | mean similarity of each concept to the generations for each concept, less the means of row and column; its picture |
//! | metric | the name of a similarity: `sbert`, `bertscore`, `bertscore-precision`, `bertscore-recall` |
//! | signature | one line that says what a figure depends on besides the generations |
//! | encoder; primary encoder | a model that makes vectors of texts; the first that an experiment names, whose figures are shown |
//! | layer | how many blocks of an encoder a hidden state has gone through, from 1 |
//! | cluster | prompt pairs that share their control prompt or template, so that they are not independent |
//! | detectable difference | the smallest true difference of a figure that a comparison finds with a power of 80 % |
//! | keeper; scratch; grave | sequences of the KV cache while continuations are enumerated: that hold nodes of trees; that hold one path each while its row is evaluated; that holds what is left of trees that are done |
//! | annotator; sheet, item; choice | a person who judges verdicts blind; the file in which they stand and one of them, with the concept and both texts; text A, text B or `same` as the one closer to the concept |
//! | moved pair | a pair whose leak probability is another one under another condition |
//! | flip | a repeat of a pair whose verdict is another one under another condition |

pub mod cli;
pub mod cmd;
pub mod digest;
pub mod embedding;
pub mod engine;
pub mod experiment;
pub mod export;
pub mod generation;
pub mod gguf;
pub mod home;
pub mod import;
pub mod leakage;
pub mod llama;
pub mod machine;
pub mod progress;
pub mod prompt;
pub mod report;
pub mod results;
pub mod sampling;
pub mod stats;
pub mod store;
pub mod study;
pub mod table;
pub mod visible;
pub mod watch;
pub mod whole;
pub mod words;
