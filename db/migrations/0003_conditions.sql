-- One key for a condition. Verdicts and leak probabilities are stored under all that they depend on: so far those of
-- another signature took the place of the ones before, row by row, and one set could hold verdicts on logits of several
-- builds of llama.cpp.
--
-- Generations, enumerations, distributions and scores are the record: every row stays, with its number. The verdicts are
-- a cache: a verdict between two generations whose logits were not computed alike is left out, and so are all but the
-- latest leak probability of a pair. `seep run` and `seep score` find them anew.

DROP VIEW v_experiments;
DROP VIEW v_imports;
DROP VIEW v_run_models;
DROP VIEW v_failures;
DROP VIEW v_generations;
DROP VIEW v_tokens;
DROP VIEW v_scored_generations;
DROP VIEW v_leaks;
DROP VIEW v_leak_rates;
DROP VIEW v_flips;
DROP VIEW v_exact_leaks;
DROP VIEW v_continuations;

CREATE TABLE numerics (
    id                INTEGER PRIMARY KEY,
    schedule          TEXT NOT NULL,
    llama_cpp_version TEXT NOT NULL,
    -- NULL where it was not recorded.
    logits_sha256     TEXT CHECK (length(logits_sha256) = 64)
) STRICT;

CREATE UNIQUE INDEX numerics_by_value ON numerics (schedule, llama_cpp_version, ifnull(logits_sha256, ''));

-- How the logits of imported generations were computed.
INSERT INTO numerics (id, schedule, llama_cpp_version) VALUES (0, 'unknown', 'unknown');

INSERT INTO numerics (schedule, llama_cpp_version)
SELECT schedule, llama_cpp_version FROM (
    SELECT schedule, llama_cpp_version, generations.id AS place
    FROM generations JOIN runs ON runs.id = run_id
    UNION ALL
    SELECT schedule, llama_cpp_version, enumerations.id FROM enumerations JOIN runs ON runs.id = run_id
) GROUP BY schedule, llama_cpp_version ORDER BY min(place);

-- Distributions and scores name no run: the first one of their model under their schedule is taken for theirs.
CREATE TABLE first_runs (
    model_id          INTEGER NOT NULL,
    schedule          TEXT NOT NULL,
    llama_cpp_version TEXT NOT NULL,
    PRIMARY KEY (model_id, schedule)
) STRICT, WITHOUT ROWID;

INSERT INTO first_runs
SELECT found.model_id, found.schedule, ifnull((
    SELECT llama_cpp_version FROM run_models JOIN runs ON runs.id = run_id
    WHERE run_models.model_id = found.model_id AND run_models.schedule = found.schedule
    ORDER BY run_id LIMIT 1
), 'unknown')
FROM (
    SELECT model_id, schedule
    FROM next_token_distributions JOIN rendered_prompts ON rendered_prompts.id = rendered_prompt_id
    UNION SELECT model_id, schedule FROM scored_generations
) AS found;

INSERT INTO numerics (schedule, llama_cpp_version)
SELECT DISTINCT schedule, llama_cpp_version FROM first_runs
WHERE (schedule, llama_cpp_version) NOT IN (SELECT schedule, llama_cpp_version FROM numerics)
ORDER BY schedule, llama_cpp_version;

CREATE TABLE new_generations (
    id                 INTEGER PRIMARY KEY,
    request_id         TEXT NOT NULL CHECK (length(request_id) = 64),
    numerics_id        INTEGER NOT NULL REFERENCES numerics (id),
    model_id           INTEGER NOT NULL REFERENCES models (id),
    prompt_id          INTEGER NOT NULL REFERENCES prompts (id),
    rendered_prompt_id INTEGER,
    repeat_idx         INTEGER NOT NULL CHECK (repeat_idx >= 0),
    text               TEXT NOT NULL,
    stop_reason        TEXT CHECK (stop_reason IN ('eog', 'stop', 'max_tokens')),
    n_tokens           INTEGER CHECK (n_tokens >= 0),
    tokens             TEXT CHECK (json_array_length(tokens) = n_tokens),
    token_logprobs     TEXT CHECK (json_array_length(token_logprobs) = n_tokens),
    temperature        REAL,
    top_k              INTEGER,
    top_p              REAL,
    min_p              REAL,
    repetition_penalty REAL,
    max_tokens         INTEGER,
    stop               TEXT,
    seed               INTEGER,
    schedule           TEXT,
    run_id             INTEGER REFERENCES runs (id),
    import_id          INTEGER REFERENCES imports (id),
    import_row         INTEGER CHECK (import_row > 0),
    import_column      TEXT,
    created_at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (request_id, numerics_id),
    FOREIGN KEY (rendered_prompt_id, model_id, prompt_id) REFERENCES rendered_prompts (id, model_id, prompt_id),
    -- Made by a run, with everything that determined it, or imported, with the text and its place.
    CHECK ((run_id IS NULL) = (import_id IS NOT NULL)),
    CHECK ((run_id IS NULL) = (numerics_id = 0)),
    CHECK (import_id IS NULL OR (import_row IS NOT NULL AND import_column IS NOT NULL)),
    CHECK (run_id IS NULL OR (
        rendered_prompt_id IS NOT NULL AND stop_reason IS NOT NULL AND n_tokens IS NOT NULL AND tokens IS NOT NULL
        AND token_logprobs IS NOT NULL AND temperature IS NOT NULL AND top_k IS NOT NULL AND top_p IS NOT NULL
        AND min_p IS NOT NULL AND repetition_penalty IS NOT NULL AND max_tokens IS NOT NULL AND stop IS NOT NULL
        AND seed IS NOT NULL AND schedule IS NOT NULL
    ))
) STRICT;

INSERT INTO new_generations
SELECT
    generations.id, request_id, ifnull(numerics.id, 0), model_id, prompt_id, rendered_prompt_id, repeat_idx, text,
    stop_reason, n_tokens, tokens, token_logprobs, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop,
    generations.seed, generations.schedule, run_id, import_id, import_row, import_column, created_at
FROM generations
    LEFT JOIN runs ON runs.id = run_id
    LEFT JOIN numerics
        ON numerics.schedule = generations.schedule AND numerics.llama_cpp_version = runs.llama_cpp_version
ORDER BY generations.id;

DROP TABLE generations;
ALTER TABLE new_generations RENAME TO generations;

CREATE TABLE new_enumerations (
    id                  INTEGER PRIMARY KEY,
    request_id          TEXT NOT NULL CHECK (length(request_id) = 64),
    numerics_id         INTEGER NOT NULL REFERENCES numerics (id),
    model_id            INTEGER NOT NULL REFERENCES models (id),
    prompt_id           INTEGER NOT NULL REFERENCES prompts (id),
    rendered_prompt_id  INTEGER NOT NULL,
    temperature         REAL NOT NULL,
    top_k               INTEGER NOT NULL,
    top_p               REAL NOT NULL,
    min_p               REAL NOT NULL,
    repetition_penalty  REAL NOT NULL,
    max_tokens          INTEGER NOT NULL,
    stop                TEXT NOT NULL,
    seed                INTEGER NOT NULL,
    schedule            TEXT NOT NULL,
    coverage            REAL NOT NULL CHECK (coverage > 0.0 AND coverage <= 1.0),
    max_rows_per_prompt INTEGER NOT NULL CHECK (max_rows_per_prompt > 0),
    n_tail_draws        INTEGER NOT NULL CHECK (n_tail_draws >= 0),
    uncovered           REAL NOT NULL CHECK (uncovered >= 0.0 AND uncovered <= 1.0),
    n_open              INTEGER NOT NULL CHECK (n_open >= 0),
    n_rows              INTEGER NOT NULL CHECK (n_rows > 0),
    n_tail_rows         INTEGER NOT NULL CHECK (n_tail_rows >= 0),
    run_id              INTEGER NOT NULL REFERENCES runs (id),
    created_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (request_id, numerics_id),
    FOREIGN KEY (rendered_prompt_id, model_id, prompt_id) REFERENCES rendered_prompts (id, model_id, prompt_id)
) STRICT;

INSERT INTO new_enumerations
SELECT
    enumerations.id, request_id, numerics.id, model_id, prompt_id, rendered_prompt_id, temperature, top_k, top_p, min_p,
    repetition_penalty, max_tokens, stop, enumerations.seed, enumerations.schedule, coverage, max_rows_per_prompt,
    n_tail_draws, uncovered, n_open, n_rows, n_tail_rows, run_id, created_at
FROM enumerations
    JOIN runs ON runs.id = run_id
    JOIN numerics
        ON numerics.schedule = enumerations.schedule AND numerics.llama_cpp_version = runs.llama_cpp_version
ORDER BY enumerations.id;

DROP TABLE enumerations;
ALTER TABLE new_enumerations RENAME TO enumerations;

CREATE TABLE new_distributions (
    id                 INTEGER PRIMARY KEY,
    rendered_prompt_id INTEGER NOT NULL REFERENCES rendered_prompts (id),
    numerics_id        INTEGER NOT NULL REFERENCES numerics (id),
    k                  INTEGER NOT NULL CHECK (k > 0),
    tokens             BLOB NOT NULL CHECK (length(tokens) = 4 * k),
    logprobs           BLOB NOT NULL CHECK (length(logprobs) = 4 * k),
    rest               REAL NOT NULL CHECK (rest BETWEEN 0.0 AND 1.0),
    UNIQUE (rendered_prompt_id, numerics_id)
) STRICT;

INSERT INTO new_distributions
SELECT old.id, rendered_prompt_id, numerics.id, k, old.tokens, logprobs, rest
FROM next_token_distributions AS old
    JOIN rendered_prompts ON rendered_prompts.id = rendered_prompt_id
    JOIN first_runs USING (model_id, schedule)
    JOIN numerics USING (schedule, llama_cpp_version)
ORDER BY old.id;

DROP TABLE next_token_distributions;
ALTER TABLE new_distributions RENAME TO next_token_distributions;

CREATE TABLE new_scores (
    generation_id  INTEGER NOT NULL REFERENCES generations (id),
    model_id       INTEGER NOT NULL REFERENCES models (id),
    numerics_id    INTEGER NOT NULL REFERENCES numerics (id),
    token_logprobs TEXT NOT NULL CHECK (json_valid(token_logprobs)),
    created_at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (generation_id, model_id, numerics_id)
) STRICT, WITHOUT ROWID;

INSERT INTO new_scores
SELECT generation_id, model_id, numerics.id, token_logprobs, created_at
FROM scored_generations JOIN first_runs USING (model_id, schedule) JOIN numerics USING (schedule, llama_cpp_version);

DROP TABLE scored_generations;
ALTER TABLE new_scores RENAME TO scored_generations;
DROP TABLE first_runs;

ALTER TABLE run_models ADD COLUMN numerics_id INTEGER REFERENCES numerics (id);

CREATE TABLE experiment_models (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    model_id      INTEGER NOT NULL REFERENCES models (id),
    label         TEXT NOT NULL,
    quantization  TEXT NOT NULL,
    PRIMARY KEY (experiment_id, model_id)
) STRICT, WITHOUT ROWID;

INSERT INTO experiment_models
SELECT experiment_id, model_id, label, quantization
FROM (
    SELECT experiment_id, model_id FROM run_models JOIN runs ON runs.id = run_id
    UNION SELECT experiment_id, model_id FROM imports
    UNION SELECT experiment_id, model_id FROM imported_pairs
    UNION SELECT experiment_id, model_id FROM leaks
    UNION SELECT experiment_id, embedding_model_id FROM leaks
    UNION SELECT experiment_id, model_id FROM exact_leaks
    UNION SELECT experiment_id, embedding_model_id FROM exact_leaks
) JOIN models ON models.id = model_id;

CREATE TABLE conditions (
    id                  INTEGER PRIMARY KEY,
    experiment_id       INTEGER NOT NULL REFERENCES experiments (id),
    model_id            INTEGER NOT NULL REFERENCES models (id),
    sampling_id         INTEGER NOT NULL REFERENCES samplings (id),
    seed                INTEGER NOT NULL,
    method              TEXT NOT NULL CHECK (method IN ('repeats', 'exact')),
    coverage            REAL CHECK (coverage > 0.0 AND coverage <= 1.0),
    max_rows_per_prompt INTEGER CHECK (max_rows_per_prompt > 0),
    n_tail_draws        INTEGER CHECK (n_tail_draws >= 0),
    numerics_id         INTEGER NOT NULL REFERENCES numerics (id),
    metric              TEXT NOT NULL,
    embedding_model_id  INTEGER NOT NULL REFERENCES models (id),
    signature           TEXT NOT NULL,
    scored_idx          INTEGER NOT NULL DEFAULT 0,
    CHECK ((method = 'exact') = (coverage IS NOT NULL)),
    CHECK ((method = 'exact') = (max_rows_per_prompt IS NOT NULL)),
    CHECK ((method = 'exact') = (n_tail_draws IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX conditions_by_key ON conditions (
    experiment_id, model_id, sampling_id, metric, seed, method, ifnull(coverage, 0.0), ifnull(max_rows_per_prompt, 0),
    ifnull(n_tail_draws, 0), numerics_id, embedding_model_id, signature
);

INSERT INTO conditions
    (experiment_id, model_id, sampling_id, seed, method, numerics_id, metric, embedding_model_id, signature)
SELECT
    experiment_id, leaks.model_id, sampling_id, leaks.seed, 'repeats', test.numerics_id, metric, embedding_model_id,
    signature
FROM leaks
    JOIN generations AS test ON test.id = test_generation_id
    JOIN generations AS control ON control.id = control_generation_id
WHERE test.numerics_id = control.numerics_id
GROUP BY
    experiment_id, leaks.model_id, sampling_id, metric, leaks.seed, test.numerics_id, embedding_model_id, signature
ORDER BY experiment_id, leaks.model_id, sampling_id, metric, leaks.seed, max(test_generation_id), signature;

CREATE TABLE new_leaks (
    condition_id          INTEGER NOT NULL REFERENCES conditions (id),
    pair_idx              INTEGER NOT NULL CHECK (pair_idx >= 0),
    repeat_idx            INTEGER NOT NULL CHECK (repeat_idx >= 0),
    test_generation_id    INTEGER NOT NULL REFERENCES generations (id),
    control_generation_id INTEGER NOT NULL REFERENCES generations (id),
    similarity_test       REAL NOT NULL,
    similarity_control    REAL NOT NULL,
    leak                  REAL NOT NULL CHECK (leak IN (0.0, 0.5, 1.0)),
    is_echo               INTEGER NOT NULL CHECK (is_echo IN (0, 1)),
    PRIMARY KEY (condition_id, pair_idx, repeat_idx)
) STRICT, WITHOUT ROWID;

INSERT INTO new_leaks
SELECT
    conditions.id, pair_idx, leaks.repeat_idx, test_generation_id, control_generation_id, similarity_test,
    similarity_control, leak, is_echo
FROM leaks
    JOIN generations AS test ON test.id = test_generation_id
    JOIN generations AS control ON control.id = control_generation_id AND control.numerics_id = test.numerics_id
    JOIN conditions
        ON conditions.experiment_id = leaks.experiment_id AND conditions.model_id = leaks.model_id
        AND conditions.sampling_id = leaks.sampling_id AND conditions.metric = leaks.metric
        AND conditions.seed = leaks.seed AND conditions.numerics_id = test.numerics_id
        AND conditions.embedding_model_id = leaks.embedding_model_id AND conditions.signature = leaks.signature;

DROP TABLE leaks;
ALTER TABLE new_leaks RENAME TO leaks;

-- Leak probabilities had no signature: theirs is what the program writes for the encoder, with the version of the
-- experiment's latest run.
CREATE TABLE old_exact_leaks AS
SELECT
    exact_leaks.*, samplings.id AS sampling_id, test.seed, test.coverage, test.max_rows_per_prompt, test.n_tail_draws,
    test.numerics_id,
    metric || '_' || encoders.label
        || '_L' || ifnull(encoders.metadata ->> ('$."' || encoders.architecture || '.block_count"'), 'unknown')
        || '_mean_round3_sha256=' || substr(encoders.sha256, 1, 12)
        || '_seep=' || ifnull((
            SELECT seep_version FROM runs WHERE runs.experiment_id = exact_leaks.experiment_id ORDER BY id DESC LIMIT 1
        ), 'unknown') AS signature
FROM exact_leaks
    JOIN models AS encoders ON encoders.id = embedding_model_id
    JOIN enumerations AS test ON test.id = test_enumeration_id
    JOIN enumerations AS control ON control.id = control_enumeration_id AND control.numerics_id = test.numerics_id
    JOIN samplings
        ON samplings.temperature = test.temperature AND samplings.top_k = test.top_k AND samplings.top_p = test.top_p
        AND samplings.min_p = test.min_p AND samplings.repetition_penalty = test.repetition_penalty
        AND samplings.max_tokens = test.max_tokens AND samplings.stop = test.stop;

INSERT INTO conditions
    (experiment_id, model_id, sampling_id, seed, method, coverage, max_rows_per_prompt, n_tail_draws, numerics_id, metric,
     embedding_model_id, signature)
SELECT
    experiment_id, model_id, sampling_id, seed, 'exact', coverage, max_rows_per_prompt, n_tail_draws, numerics_id, metric,
    embedding_model_id, signature
FROM old_exact_leaks
GROUP BY
    experiment_id, model_id, sampling_id, metric, seed, coverage, max_rows_per_prompt, n_tail_draws, numerics_id,
    embedding_model_id, signature
ORDER BY experiment_id, model_id, sampling_id, metric, seed, max(test_enumeration_id);

CREATE TABLE new_exact_leaks (
    condition_id           INTEGER NOT NULL REFERENCES conditions (id),
    pair_idx               INTEGER NOT NULL CHECK (pair_idx >= 0),
    test_enumeration_id    INTEGER NOT NULL REFERENCES enumerations (id),
    control_enumeration_id INTEGER NOT NULL REFERENCES enumerations (id),
    leak_probability       REAL NOT NULL CHECK (leak_probability >= 0.0 AND leak_probability <= 1.0),
    lower                  REAL NOT NULL CHECK (lower >= 0.0),
    upper                  REAL NOT NULL CHECK (upper <= 1.0),
    tie_probability        REAL NOT NULL,
    echo_probability       REAL NOT NULL,
    similarity_shift       REAL NOT NULL,
    total_variation_lower  REAL NOT NULL,
    total_variation_upper  REAL NOT NULL,
    entropy_test           REAL NOT NULL,
    entropy_control        REAL NOT NULL,
    covered_test           REAL NOT NULL,
    covered_control        REAL NOT NULL,
    test_influences        TEXT NOT NULL CHECK (json_valid(test_influences)),
    control_influences     TEXT NOT NULL CHECK (json_valid(control_influences)),
    PRIMARY KEY (condition_id, pair_idx)
) STRICT, WITHOUT ROWID;

-- A pair whose prompts were once rendered differently has several; the last of them stays.
INSERT OR REPLACE INTO new_exact_leaks
SELECT
    conditions.id, pair_idx, test_enumeration_id, control_enumeration_id, leak_probability, lower, upper, tie_probability,
    echo_probability, similarity_shift, total_variation_lower, total_variation_upper, entropy_test, entropy_control,
    covered_test, covered_control, test_influences, control_influences
FROM old_exact_leaks AS old
    JOIN conditions
        ON conditions.experiment_id = old.experiment_id AND conditions.model_id = old.model_id
        AND conditions.sampling_id = old.sampling_id AND conditions.metric = old.metric AND conditions.seed = old.seed
        AND conditions.method = 'exact' AND conditions.coverage = old.coverage
        AND conditions.max_rows_per_prompt = old.max_rows_per_prompt AND conditions.n_tail_draws = old.n_tail_draws
        AND conditions.numerics_id = old.numerics_id AND conditions.embedding_model_id = old.embedding_model_id
        AND conditions.signature = old.signature
ORDER BY test_enumeration_id, control_enumeration_id;

DROP TABLE old_exact_leaks;
DROP TABLE exact_leaks;
ALTER TABLE new_exact_leaks RENAME TO exact_leaks;

CREATE VIEW v_experiments AS
SELECT
    id AS experiment_id, name AS experiment, sha256 AS experiment_sha256, pairs_sha256, question, created_at,
    (SELECT count(*) FROM experiment_pairs WHERE experiment_id = experiments.id) AS n_prompt_pairs,
    (SELECT count(*) FROM runs WHERE experiment_id = experiments.id) AS n_runs,
    (SELECT count(*) FROM conditions JOIN leaks ON condition_id = conditions.id
        WHERE experiment_id = experiments.id) AS n_leaks
FROM experiments;

CREATE VIEW v_imports AS
SELECT
    imports.id AS import_id, imports.experiment_id, experiments.name AS experiment, imports.model_id,
    ifnull(named.label, models.label) AS model, imports.path AS file, imports.sha256 AS file_sha256, columns, n_rows,
    n_pairs, n_findings, command_line, seep_version, seep_commit, seep_is_dirty, imports.created_at
FROM imports
    JOIN experiments ON experiments.id = imports.experiment_id
    JOIN models ON models.id = imports.model_id
    LEFT JOIN experiment_models AS named
        ON named.experiment_id = imports.experiment_id AND named.model_id = imports.model_id;

CREATE VIEW v_run_models AS
SELECT
    run_id, runs.experiment_id, experiments.name AS experiment, run_models.model_id,
    ifnull(named.label, models.label) AS model, ifnull(named.quantization, models.quantization) AS quantization,
    bits_per_weight, sampling_id, sampling_label AS sampling, preset, run_models.schedule, backend, device, n_gpu_layers,
    tokenizer, determinism, logit_difference_max, n_generated, n_reused, n_failed, n_prefill_tokens, n_decode_rows,
    n_padding_rows, self_check_ms, prefill_ms, decode_ms, sample_ms, total_ms,
    1000.0 * n_generated / nullif(total_ms, 0) AS generations_per_second, numerics_id, logits_sha256
FROM run_models
    JOIN runs ON runs.id = run_id
    JOIN experiments ON experiments.id = runs.experiment_id
    JOIN models ON models.id = run_models.model_id
    LEFT JOIN numerics ON numerics.id = numerics_id
    LEFT JOIN experiment_models AS named
        ON named.experiment_id = runs.experiment_id AND named.model_id = run_models.model_id;

CREATE VIEW v_failures AS
SELECT
    failures.id AS failure_id, run_id, runs.experiment_id, experiments.name AS experiment, failures.model_id,
    ifnull(named.label, models.label) AS model, ifnull(named.quantization, models.quantization) AS quantization,
    prompt_id, system_message, user_message, repeat_idx, failures.error, failures.created_at
FROM failures
    JOIN runs ON runs.id = run_id
    JOIN experiments ON experiments.id = runs.experiment_id
    JOIN models ON models.id = failures.model_id
    JOIN prompts ON prompts.id = prompt_id
    LEFT JOIN experiment_models AS named
        ON named.experiment_id = runs.experiment_id AND named.model_id = failures.model_id;

CREATE VIEW v_generations AS
SELECT
    generations.id AS generation_id, model_id, label AS model, quantization, bits_per_weight, prompt_id, system_message,
    user_message, repeat_idx, text, stop_reason, n_tokens,
    (SELECT avg(value) FROM json_each(token_logprobs)) AS mean_logprob,
    temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, seed, generations.schedule, run_id, import_id,
    import_row, import_column, request_id, generations.created_at, numerics_id, llama_cpp_version, logits_sha256
FROM generations
    JOIN models ON models.id = model_id
    JOIN prompts ON prompts.id = prompt_id
    JOIN numerics ON numerics.id = numerics_id;

CREATE VIEW v_tokens AS
SELECT
    generations.id AS generation_id, token.key AS token_idx, token.value AS token,
    json_extract(token_logprobs, '$[' || token.key || ']') AS logprob
FROM generations, json_each(tokens) AS token;

CREATE VIEW v_scored_generations AS
SELECT
    generation_id, generations.model_id, scored_generations.model_id AS scoring_model_id, label AS scoring_model,
    quantization AS scoring_quantization, numerics.schedule,
    (SELECT avg(value) FROM json_each(generations.token_logprobs)) AS mean_logprob,
    (SELECT avg(value) FROM json_each(scored_generations.token_logprobs)) AS scoring_mean_logprob,
    scored_generations.numerics_id
FROM scored_generations
    JOIN generations ON generations.id = generation_id
    JOIN models ON models.id = scored_generations.model_id
    JOIN numerics ON numerics.id = scored_generations.numerics_id;

CREATE VIEW v_conditions AS
SELECT
    conditions.id AS condition_id, conditions.experiment_id, experiments.name AS experiment, conditions.model_id,
    ifnull(named.label, models.label) AS model, ifnull(named.quantization, models.quantization) AS quantization,
    models.bits_per_weight, sampling_id, samplings.label AS sampling, metric, seed, method, coverage, max_rows_per_prompt,
    n_tail_draws, numerics_id, schedule, llama_cpp_version, logits_sha256, embedding_model_id,
    ifnull(named_encoder.label, encoders.label) AS embedding_model, signature, scored_idx,
    CASE method
        WHEN 'repeats' THEN (SELECT count(*) FROM leaks WHERE condition_id = conditions.id)
        ELSE (SELECT count(*) FROM exact_leaks WHERE condition_id = conditions.id)
    END AS n_leaks
FROM conditions
    JOIN experiments ON experiments.id = conditions.experiment_id
    JOIN models ON models.id = conditions.model_id
    JOIN models AS encoders ON encoders.id = embedding_model_id
    JOIN samplings ON samplings.id = sampling_id
    JOIN numerics ON numerics.id = numerics_id
    LEFT JOIN experiment_models AS named
        ON named.experiment_id = conditions.experiment_id AND named.model_id = conditions.model_id
    LEFT JOIN experiment_models AS named_encoder
        ON named_encoder.experiment_id = conditions.experiment_id AND named_encoder.model_id = embedding_model_id;

CREATE VIEW v_leaks AS
SELECT
    experiment_id, experiment, conditions.model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric,
    embedding_model, conditions.seed, pair_idx, leaks.repeat_idx, concept, category, template_id, test_prompt,
    control_prompt, control_prompt_id, test_generation_id, control_generation_id, test.text AS test_generation,
    control.text AS control_generation, similarity_test, similarity_control,
    similarity_test - similarity_control AS similarity_difference, leak, is_echo, condition_id, signature,
    conditions.numerics_id
FROM v_conditions AS conditions
    JOIN leaks USING (condition_id)
    JOIN experiment_pairs USING (experiment_id, pair_idx)
    JOIN generations AS test ON test.id = test_generation_id
    JOIN generations AS control ON control.id = control_generation_id;

-- Intervals need Student's t, which SQL does not have: `seep export --table rates` computes them.
CREATE VIEW v_leak_rates AS
WITH verdicts AS (
    SELECT leaks.*, category, control_prompt_id
    FROM conditions
        JOIN leaks ON condition_id = conditions.id
        JOIN experiment_pairs USING (experiment_id, pair_idx)
), verdicts_by_group AS (
    SELECT NULL AS of_category, verdicts.* FROM verdicts UNION ALL SELECT category, verdicts.* FROM verdicts
), rates AS (
    SELECT
        condition_id, of_category AS category, 100.0 * avg(leak) AS mean_leak_rate, count(*) AS n_pairs,
        sum(leak = 0.5) AS n_tied, sum(is_echo) AS n_echoes, count(DISTINCT control_prompt_id) AS n_clusters
    FROM verdicts_by_group
    GROUP BY condition_id, of_category
)
SELECT
    experiment_id, experiment, model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric, seed,
    category, mean_leak_rate, n_pairs, n_tied, n_echoes, n_clusters, condition_id, signature, numerics_id
FROM rates JOIN v_conditions USING (condition_id);

-- Conditions are joined before the other verdicts, so that these are found by their primary key.
CREATE VIEW v_flips AS
SELECT
    base.experiment_id, base.experiment, base.sampling_id, base.sampling, base.metric, base.seed, base_leaks.pair_idx,
    base_leaks.repeat_idx, concept, category, template_id, test_prompt, control_prompt,
    base.model_id AS base_model_id, base.model AS base_model, base.quantization AS base_quantization,
    base.bits_per_weight AS base_bits_per_weight,
    other.model_id AS other_model_id, other.model AS other_model, other.quantization AS other_quantization,
    other.bits_per_weight AS other_bits_per_weight,
    base_leaks.leak AS base_leak, other_leaks.leak AS other_leak,
    base_test.text AS base_test_generation, base_control.text AS base_control_generation,
    other_test.text AS other_test_generation, other_control.text AS other_control_generation,
    base.condition_id AS base_condition_id, other.condition_id AS other_condition_id
FROM v_conditions AS base
    CROSS JOIN v_conditions AS other
        ON other.experiment_id = base.experiment_id AND other.sampling_id = base.sampling_id
        AND other.metric = base.metric AND other.seed = base.seed AND other.method = 'repeats' AND base.method = 'repeats'
        AND other.embedding_model_id = base.embedding_model_id AND other.signature = base.signature
        AND (ifnull(base.bits_per_weight, 0), other.model_id) > (ifnull(other.bits_per_weight, 0), base.model_id)
    CROSS JOIN leaks AS base_leaks ON base_leaks.condition_id = base.condition_id
    CROSS JOIN leaks AS other_leaks
        ON other_leaks.condition_id = other.condition_id AND other_leaks.pair_idx = base_leaks.pair_idx
        AND other_leaks.repeat_idx = base_leaks.repeat_idx AND other_leaks.leak <> base_leaks.leak
    JOIN experiment_pairs
        ON experiment_pairs.experiment_id = base.experiment_id AND experiment_pairs.pair_idx = base_leaks.pair_idx
    JOIN generations AS base_test ON base_test.id = base_leaks.test_generation_id
    JOIN generations AS base_control ON base_control.id = base_leaks.control_generation_id
    JOIN generations AS other_test ON other_test.id = other_leaks.test_generation_id
    JOIN generations AS other_control ON other_control.id = other_leaks.control_generation_id;

CREATE VIEW v_exact_leaks AS
SELECT
    experiment_id, experiment, model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric, seed,
    coverage, max_rows_per_prompt, n_tail_draws, schedule, pair_idx, concept, category, template_id, test_prompt,
    control_prompt, test_enumeration_id, control_enumeration_id, leak_probability, lower, upper, tie_probability,
    echo_probability, similarity_shift, total_variation_lower, total_variation_upper, entropy_test, entropy_control,
    covered_test, covered_control, condition_id, signature, numerics_id
FROM v_conditions
    JOIN exact_leaks USING (condition_id)
    JOIN experiment_pairs USING (experiment_id, pair_idx);

CREATE VIEW v_continuations AS
SELECT
    enumeration_id, continuation_idx, enumerations.model_id, models.label AS model, models.quantization,
    samplings.id AS sampling_id, samplings.label AS sampling, seed, coverage, max_rows_per_prompt, n_tail_draws,
    enumerations.schedule, system_message, user_message, text, probability, logprob, model_logprob, stop_reason, n_tokens,
    tail_draw_idx, uncovered, numerics_id, llama_cpp_version, logits_sha256
FROM continuations
    JOIN enumerations ON enumerations.id = enumeration_id
    JOIN models ON models.id = enumerations.model_id
    JOIN prompts ON prompts.id = enumerations.prompt_id
    JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop)
    JOIN numerics ON numerics.id = numerics_id;
