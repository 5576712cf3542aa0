-- Every table and column is documented in db/README.md.
-- Nothing here is ever edited once released: a change of the schema is a new file.

CREATE TABLE experiments (
    id            INTEGER PRIMARY KEY,
    sha256        TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    name          TEXT NOT NULL,
    question      TEXT NOT NULL,
    -- NULL for generations that were imported, which no YAML file asked for.
    yaml          TEXT,
    extended_yaml TEXT,
    pairs_sha256  TEXT CHECK (length(pairs_sha256) = 64),
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE models (
    id              INTEGER PRIMARY KEY,
    sha256          TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    kind            TEXT NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'imported')),
    label           TEXT NOT NULL,
    quantization    TEXT NOT NULL,
    path            TEXT,
    architecture    TEXT,
    n_parameters    INTEGER CHECK (n_parameters >= 0),
    bits_per_weight REAL CHECK (bits_per_weight > 0),
    size_bytes      INTEGER CHECK (size_bytes >= 0),
    metadata        TEXT CHECK (json_valid(metadata)),
    composition     TEXT CHECK (json_valid(composition)),
    parent_sha256   TEXT CHECK (length(parent_sha256) = 64),
    derivation      TEXT CHECK (json_valid(derivation)),
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- Of a file everything is known, of a model whose generations were imported nothing but what it is called.
    CHECK (kind = 'imported' OR (
        path IS NOT NULL AND architecture IS NOT NULL AND n_parameters IS NOT NULL AND bits_per_weight IS NOT NULL
        AND size_bytes IS NOT NULL AND metadata IS NOT NULL AND composition IS NOT NULL
    )),
    CHECK ((parent_sha256 IS NULL) = (derivation IS NULL))
) STRICT;

CREATE TABLE imports (
    id            INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    model_id      INTEGER NOT NULL REFERENCES models (id),
    sha256        TEXT NOT NULL CHECK (length(sha256) = 64),
    path          TEXT NOT NULL,
    mapping       TEXT NOT NULL,
    columns       TEXT NOT NULL CHECK (json_valid(columns)),
    n_rows        INTEGER NOT NULL CHECK (n_rows > 0),
    n_pairs       INTEGER NOT NULL CHECK (n_pairs > 0),
    n_findings    INTEGER NOT NULL CHECK (n_findings >= 0),
    command_line  TEXT NOT NULL,
    seep_version  TEXT NOT NULL,
    seep_commit   TEXT NOT NULL,
    seep_is_dirty INTEGER NOT NULL CHECK (seep_is_dirty IN (0, 1)),
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (experiment_id, model_id, sha256, mapping, columns)
) STRICT;

CREATE TABLE runs (
    id                  INTEGER PRIMARY KEY,
    experiment_id       INTEGER NOT NULL REFERENCES experiments (id),
    status              TEXT NOT NULL DEFAULT 'started' CHECK (status IN ('started', 'success', 'cancelled', 'error')),
    error               TEXT,
    started_at          TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    finished_at         TEXT,
    seed                INTEGER NOT NULL,
    n_repeats           INTEGER NOT NULL CHECK (n_repeats > 0),
    n_prompt_pairs      INTEGER NOT NULL CHECK (n_prompt_pairs >= 0),
    command_line        TEXT NOT NULL,
    seep_version        TEXT NOT NULL,
    seep_commit         TEXT NOT NULL,
    seep_is_dirty       INTEGER NOT NULL CHECK (seep_is_dirty IN (0, 1)),
    llama_cpp_2_version TEXT NOT NULL,
    llama_cpp_version   TEXT NOT NULL,
    system_info         TEXT NOT NULL,
    cpu                 TEXT NOT NULL,
    n_cores             INTEGER NOT NULL CHECK (n_cores > 0),
    memory_bytes        INTEGER NOT NULL CHECK (memory_bytes >= 0),
    os                  TEXT NOT NULL,
    n_threads           INTEGER NOT NULL CHECK (n_threads > 0),
    CHECK ((status = 'started') = (finished_at IS NULL)),
    CHECK ((status = 'error') = (error IS NOT NULL))
) STRICT;

-- The label writes all values out, so it is unique where they are, and tells the row of unknown values from others.
CREATE TABLE samplings (
    id                 INTEGER PRIMARY KEY,
    label              TEXT NOT NULL UNIQUE,
    temperature        REAL CHECK (temperature >= 0),
    top_k              INTEGER CHECK (top_k >= 0),
    top_p              REAL CHECK (top_p > 0 AND top_p <= 1),
    min_p              REAL CHECK (min_p >= 0 AND min_p < 1),
    repetition_penalty REAL CHECK (repetition_penalty > 0),
    max_tokens         INTEGER CHECK (max_tokens > 0),
    stop               TEXT,
    CHECK ((id = 0) = (label = 'unknown')),
    CHECK ((id = 0) = (temperature IS NULL)),
    CHECK ((temperature IS NULL) = (top_k IS NULL)),
    CHECK ((temperature IS NULL) = (top_p IS NULL)),
    CHECK ((temperature IS NULL) = (min_p IS NULL)),
    CHECK ((temperature IS NULL) = (repetition_penalty IS NULL)),
    CHECK ((temperature IS NULL) = (max_tokens IS NULL)),
    CHECK ((temperature IS NULL) = (stop IS NULL))
) STRICT;

-- What imported generations were sampled with.
INSERT INTO samplings (id, label) VALUES (0, 'unknown');

CREATE TABLE run_models (
    run_id               INTEGER NOT NULL REFERENCES runs (id),
    model_id             INTEGER NOT NULL REFERENCES models (id),
    sampling_id          INTEGER NOT NULL REFERENCES samplings (id),
    sampling_label       TEXT NOT NULL,
    preset               TEXT,
    schedule             TEXT NOT NULL,
    backend              TEXT NOT NULL,
    device               TEXT NOT NULL,
    n_gpu_layers         INTEGER NOT NULL CHECK (n_gpu_layers >= 0),
    tokenizer            TEXT NOT NULL,
    determinism          TEXT,
    logit_difference_max REAL CHECK (logit_difference_max >= 0),
    n_generated          INTEGER NOT NULL CHECK (n_generated >= 0),
    n_reused             INTEGER NOT NULL CHECK (n_reused >= 0),
    n_failed             INTEGER NOT NULL CHECK (n_failed >= 0),
    n_prefill_tokens     INTEGER NOT NULL CHECK (n_prefill_tokens >= 0),
    n_decode_rows        INTEGER NOT NULL CHECK (n_decode_rows >= 0),
    n_padding_rows       INTEGER NOT NULL CHECK (n_padding_rows >= 0),
    self_check_ms        INTEGER NOT NULL CHECK (self_check_ms >= 0),
    prefill_ms           INTEGER NOT NULL CHECK (prefill_ms >= 0),
    decode_ms            INTEGER NOT NULL CHECK (decode_ms >= 0),
    sample_ms            INTEGER NOT NULL CHECK (sample_ms >= 0),
    total_ms             INTEGER NOT NULL CHECK (total_ms >= 0),
    PRIMARY KEY (run_id, model_id, sampling_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompts (
    id             INTEGER PRIMARY KEY,
    system_message TEXT,
    user_message   TEXT NOT NULL,
    -- 1 where the messages are not known and user_message is the prompt alone.
    is_imported    INTEGER NOT NULL DEFAULT 0 CHECK (is_imported IN (0, 1)),
    CHECK (is_imported = 0 OR system_message IS NULL)
) STRICT;

-- UNIQUE alone would take two absent system messages for different ones.
CREATE UNIQUE INDEX prompts_by_messages
    ON prompts (user_message, system_message IS NULL, ifnull(system_message, ''), is_imported);

CREATE TABLE experiment_pairs (
    experiment_id     INTEGER NOT NULL REFERENCES experiments (id),
    pair_idx          INTEGER NOT NULL CHECK (pair_idx >= 0),
    concept           TEXT NOT NULL,
    category          TEXT NOT NULL,
    template_id       TEXT,
    test_prompt       TEXT NOT NULL,
    control_prompt    TEXT NOT NULL,
    test_prompt_id    INTEGER NOT NULL REFERENCES prompts (id),
    control_prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    PRIMARY KEY (experiment_id, pair_idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE rendered_prompts (
    id        INTEGER PRIMARY KEY,
    model_id  INTEGER NOT NULL REFERENCES models (id),
    prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    text      TEXT NOT NULL,
    tokens    TEXT NOT NULL CHECK (json_valid(tokens)),
    n_tokens  INTEGER NOT NULL CHECK (n_tokens > 0),
    -- In this order it also finds the prompt of a request, which is known by its tokens.
    UNIQUE (model_id, tokens, prompt_id),
    -- What the foreign key of generations refers to.
    UNIQUE (id, model_id, prompt_id)
) STRICT;

CREATE TABLE generations (
    id                 INTEGER PRIMARY KEY,
    request_id         TEXT NOT NULL UNIQUE CHECK (length(request_id) = 64),
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
    FOREIGN KEY (rendered_prompt_id, model_id, prompt_id) REFERENCES rendered_prompts (id, model_id, prompt_id),
    -- Made by a run, with everything that determined it, or imported, with the text and its place.
    CHECK ((run_id IS NULL) = (import_id IS NOT NULL)),
    CHECK (import_id IS NULL OR (import_row IS NOT NULL AND import_column IS NOT NULL)),
    CHECK (run_id IS NULL OR (
        rendered_prompt_id IS NOT NULL AND stop_reason IS NOT NULL AND n_tokens IS NOT NULL AND tokens IS NOT NULL
        AND token_logprobs IS NOT NULL AND temperature IS NOT NULL AND top_k IS NOT NULL AND top_p IS NOT NULL
        AND min_p IS NOT NULL AND repetition_penalty IS NOT NULL AND max_tokens IS NOT NULL AND stop IS NOT NULL
        AND seed IS NOT NULL AND schedule IS NOT NULL
    ))
) STRICT;

-- Of imported generations, which belong together: what runs know from their requests.
CREATE TABLE imported_pairs (
    experiment_id         INTEGER NOT NULL,
    model_id              INTEGER NOT NULL REFERENCES models (id),
    pair_idx              INTEGER NOT NULL,
    repeat_idx            INTEGER NOT NULL CHECK (repeat_idx >= 0),
    test_generation_id    INTEGER NOT NULL REFERENCES generations (id),
    control_generation_id INTEGER NOT NULL REFERENCES generations (id),
    PRIMARY KEY (experiment_id, model_id, pair_idx, repeat_idx),
    FOREIGN KEY (experiment_id, pair_idx) REFERENCES experiment_pairs (experiment_id, pair_idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE next_token_distributions (
    id                 INTEGER PRIMARY KEY,
    rendered_prompt_id INTEGER NOT NULL REFERENCES rendered_prompts (id),
    schedule           TEXT NOT NULL,
    k                  INTEGER NOT NULL CHECK (k > 0),
    tokens             BLOB NOT NULL CHECK (length(tokens) = 4 * k),
    logprobs           BLOB NOT NULL CHECK (length(logprobs) = 4 * k),
    rest               REAL NOT NULL CHECK (rest BETWEEN 0.0 AND 1.0),
    UNIQUE (rendered_prompt_id, schedule)
) STRICT;

CREATE TABLE scored_generations (
    generation_id  INTEGER NOT NULL REFERENCES generations (id),
    model_id       INTEGER NOT NULL REFERENCES models (id),
    schedule       TEXT NOT NULL,
    token_logprobs TEXT NOT NULL CHECK (json_valid(token_logprobs)),
    created_at     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (generation_id, model_id, schedule)
) STRICT, WITHOUT ROWID;

CREATE TABLE enumerations (
    id                  INTEGER PRIMARY KEY,
    request_id          TEXT NOT NULL UNIQUE CHECK (length(request_id) = 64),
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
    FOREIGN KEY (rendered_prompt_id, model_id, prompt_id) REFERENCES rendered_prompts (id, model_id, prompt_id)
) STRICT;

CREATE TABLE continuations (
    enumeration_id   INTEGER NOT NULL REFERENCES enumerations (id),
    continuation_idx INTEGER NOT NULL CHECK (continuation_idx >= 0),
    text             TEXT NOT NULL,
    stop_reason      TEXT NOT NULL CHECK (stop_reason IN ('eog', 'stop', 'max_tokens')),
    n_tokens         INTEGER NOT NULL CHECK (n_tokens > 0),
    tokens           TEXT NOT NULL CHECK (json_array_length(tokens) = n_tokens),
    probability      REAL NOT NULL CHECK (probability >= 0.0 AND probability <= 1.0),
    logprob          REAL NOT NULL,
    model_logprob    REAL NOT NULL,
    tail_draw_idx    INTEGER CHECK (tail_draw_idx >= 0),
    PRIMARY KEY (enumeration_id, continuation_idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE failures (
    id         INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL REFERENCES runs (id),
    model_id   INTEGER NOT NULL REFERENCES models (id),
    request_id TEXT NOT NULL CHECK (length(request_id) = 64),
    prompt_id  INTEGER NOT NULL REFERENCES prompts (id),
    repeat_idx INTEGER NOT NULL CHECK (repeat_idx >= 0),
    error      TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE TABLE embeddings (
    id       INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL REFERENCES models (id),
    text     TEXT NOT NULL,
    dim      INTEGER NOT NULL CHECK (dim > 0),
    vector   BLOB NOT NULL CHECK (length(vector) = 4 * dim),
    UNIQUE (model_id, text)
) STRICT;

CREATE TABLE leaks (
    experiment_id         INTEGER NOT NULL,
    model_id              INTEGER NOT NULL REFERENCES models (id),
    sampling_id           INTEGER NOT NULL REFERENCES samplings (id),
    metric                TEXT NOT NULL,
    seed                  INTEGER NOT NULL,
    pair_idx              INTEGER NOT NULL,
    repeat_idx            INTEGER NOT NULL CHECK (repeat_idx >= 0),
    embedding_model_id    INTEGER NOT NULL REFERENCES models (id),
    signature             TEXT NOT NULL,
    test_generation_id    INTEGER NOT NULL REFERENCES generations (id),
    control_generation_id INTEGER NOT NULL REFERENCES generations (id),
    similarity_test       REAL NOT NULL,
    similarity_control    REAL NOT NULL,
    leak                  REAL NOT NULL CHECK (leak IN (0.0, 0.5, 1.0)),
    is_echo               INTEGER NOT NULL CHECK (is_echo IN (0, 1)),
    PRIMARY KEY (experiment_id, model_id, sampling_id, metric, seed, pair_idx, repeat_idx),
    FOREIGN KEY (experiment_id, pair_idx) REFERENCES experiment_pairs (experiment_id, pair_idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE exact_leaks (
    experiment_id          INTEGER NOT NULL,
    metric                 TEXT NOT NULL,
    pair_idx               INTEGER NOT NULL,
    test_enumeration_id    INTEGER NOT NULL REFERENCES enumerations (id),
    control_enumeration_id INTEGER NOT NULL REFERENCES enumerations (id),
    model_id               INTEGER NOT NULL REFERENCES models (id),
    embedding_model_id     INTEGER NOT NULL REFERENCES models (id),
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
    PRIMARY KEY (experiment_id, metric, pair_idx, test_enumeration_id, control_enumeration_id),
    FOREIGN KEY (experiment_id, pair_idx) REFERENCES experiment_pairs (experiment_id, pair_idx)
) STRICT, WITHOUT ROWID;

-- Views: what people and other programs read. Their names and columns stay; db/README.md documents each.

CREATE VIEW v_experiments AS
SELECT
    id AS experiment_id, name AS experiment, sha256 AS experiment_sha256, pairs_sha256, question, created_at,
    (SELECT count(*) FROM experiment_pairs WHERE experiment_id = experiments.id) AS n_prompt_pairs,
    (SELECT count(*) FROM runs WHERE experiment_id = experiments.id) AS n_runs,
    (SELECT count(*) FROM leaks WHERE experiment_id = experiments.id) AS n_leaks
FROM experiments;

CREATE VIEW v_models AS
SELECT
    id AS model_id, label AS model, quantization, kind, sha256 AS model_sha256, architecture, n_parameters,
    bits_per_weight, size_bytes, path, parent_sha256,
    json_extract(derivation, '$.is_requantized') AS is_requantized, created_at
FROM models;

CREATE VIEW v_imports AS
SELECT
    imports.id AS import_id, experiment_id, experiments.name AS experiment, model_id, label AS model,
    imports.path AS file, imports.sha256 AS file_sha256, columns, n_rows, n_pairs, n_findings, command_line,
    seep_version, seep_commit, seep_is_dirty, imports.created_at
FROM imports
    JOIN experiments ON experiments.id = experiment_id
    JOIN models ON models.id = model_id;

CREATE VIEW v_runs AS
SELECT
    runs.id AS run_id, experiment_id, experiments.name AS experiment, status, error, started_at, finished_at,
    round(86400 * (julianday(finished_at) - julianday(started_at)), 3) AS seconds,
    seed, n_repeats, n_prompt_pairs, n_models, n_generated, n_reused, n_failed, command_line,
    seep_version, seep_commit, seep_is_dirty, llama_cpp_version, cpu, n_cores, memory_bytes, os, n_threads
FROM runs
    JOIN experiments ON experiments.id = experiment_id
    JOIN (
        SELECT
            id, count(DISTINCT model_id) AS n_models, ifnull(sum(n_generated), 0) AS n_generated,
            ifnull(sum(n_reused), 0) AS n_reused, ifnull(sum(n_failed), 0) AS n_failed
        FROM runs LEFT JOIN run_models ON run_id = id
        GROUP BY id
    ) AS work ON work.id = runs.id;

CREATE VIEW v_run_models AS
SELECT
    run_id, experiment_id, experiments.name AS experiment, model_id, label AS model, quantization, bits_per_weight,
    sampling_id, sampling_label AS sampling, preset, schedule, backend, device, n_gpu_layers, tokenizer, determinism, logit_difference_max, n_generated, n_reused, n_failed, n_prefill_tokens,
    n_decode_rows, n_padding_rows, self_check_ms, prefill_ms, decode_ms, sample_ms, total_ms,
    1000.0 * n_generated / nullif(total_ms, 0) AS generations_per_second
FROM run_models
    JOIN runs ON runs.id = run_id
    JOIN experiments ON experiments.id = experiment_id
    JOIN models ON models.id = model_id;

CREATE VIEW v_failures AS
SELECT
    failures.id AS failure_id, run_id, experiment_id, experiments.name AS experiment, model_id, label AS model,
    quantization, prompt_id, system_message, user_message, repeat_idx, failures.error, failures.created_at
FROM failures
    JOIN runs ON runs.id = run_id
    JOIN experiments ON experiments.id = experiment_id
    JOIN models ON models.id = model_id
    JOIN prompts ON prompts.id = prompt_id;

CREATE VIEW v_prompt_pairs AS
SELECT
    experiment_id, experiments.name AS experiment, pair_idx, concept, category, template_id, test_prompt,
    control_prompt, test_prompt_id, control_prompt_id, test.system_message AS system_message,
    test.user_message AS test_user_message, control.user_message AS control_user_message
FROM experiment_pairs
    JOIN experiments ON experiments.id = experiment_id
    JOIN prompts AS test ON test.id = test_prompt_id
    JOIN prompts AS control ON control.id = control_prompt_id;

CREATE VIEW v_generations AS
SELECT
    generations.id AS generation_id, model_id, label AS model, quantization, bits_per_weight, prompt_id, system_message,
    user_message, repeat_idx, text, stop_reason, n_tokens,
    (SELECT avg(value) FROM json_each(token_logprobs)) AS mean_logprob,
    temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, seed, schedule, run_id, import_id, import_row,
    import_column, request_id, generations.created_at
FROM generations
    JOIN models ON models.id = model_id
    JOIN prompts ON prompts.id = prompt_id;

CREATE VIEW v_tokens AS
SELECT
    generations.id AS generation_id, token.key AS token_idx, token.value AS token,
    json_extract(token_logprobs, '$[' || token.key || ']') AS logprob
FROM generations, json_each(tokens) AS token;

CREATE VIEW v_scored_generations AS
SELECT
    generation_id, generations.model_id, scored_generations.model_id AS scoring_model_id, label AS scoring_model,
    quantization AS scoring_quantization, scored_generations.schedule,
    (SELECT avg(value) FROM json_each(generations.token_logprobs)) AS mean_logprob,
    (SELECT avg(value) FROM json_each(scored_generations.token_logprobs)) AS scoring_mean_logprob
FROM scored_generations
    JOIN generations ON generations.id = generation_id
    JOIN models ON models.id = scored_generations.model_id;

CREATE VIEW v_leaks AS
SELECT
    experiment_id, experiments.name AS experiment, leaks.model_id, models.label AS model, models.quantization,
    models.bits_per_weight, sampling_id, samplings.label AS sampling, metric, encoders.label AS embedding_model, leaks.seed, pair_idx, leaks.repeat_idx, concept,
    category, template_id, test_prompt, control_prompt, control_prompt_id, test_generation_id, control_generation_id,
    test.text AS test_generation, control.text AS control_generation, similarity_test, similarity_control,
    similarity_test - similarity_control AS similarity_difference, leak, is_echo
FROM leaks
    JOIN experiments ON experiments.id = experiment_id
    JOIN models ON models.id = leaks.model_id
    JOIN models AS encoders ON encoders.id = embedding_model_id
    JOIN samplings ON samplings.id = sampling_id
    JOIN experiment_pairs USING (experiment_id, pair_idx)
    JOIN generations AS test ON test.id = test_generation_id
    JOIN generations AS control ON control.id = control_generation_id;

-- Intervals need Student's t, which SQL does not have: `seep export --table rates` computes them.
CREATE VIEW v_leak_rates AS
WITH verdicts AS (
    SELECT leaks.*, category, control_prompt_id FROM leaks JOIN experiment_pairs USING (experiment_id, pair_idx)
), verdicts_by_group AS (
    SELECT NULL AS of_category, verdicts.* FROM verdicts UNION ALL SELECT category, verdicts.* FROM verdicts
)
SELECT
    experiment_id, experiments.name AS experiment, model_id, models.label AS model, quantization, bits_per_weight,
    sampling_id, samplings.label AS sampling, metric, seed,
    of_category AS category, 100.0 * avg(leak) AS mean_leak_rate, count(*) AS n_pairs, sum(leak = 0.5) AS n_tied,
    sum(is_echo) AS n_echoes, count(DISTINCT control_prompt_id) AS n_clusters
FROM verdicts_by_group
    JOIN experiments ON experiments.id = experiment_id
    JOIN models ON models.id = model_id
    JOIN samplings ON samplings.id = sampling_id
GROUP BY experiment_id, model_id, sampling_id, metric, seed, of_category;

-- Models are joined before the other verdicts, so that these are found by their primary key.
CREATE VIEW v_flips AS
SELECT
    base.experiment_id, experiments.name AS experiment, base.sampling_id, samplings.label AS sampling, base.metric, base.seed, base.pair_idx, base.repeat_idx, concept,
    category, template_id, test_prompt, control_prompt,
    base.model_id AS base_model_id, base_models.label AS base_model, base_models.quantization AS base_quantization,
    base_models.bits_per_weight AS base_bits_per_weight,
    other.model_id AS other_model_id, other_models.label AS other_model, other_models.quantization AS other_quantization,
    other_models.bits_per_weight AS other_bits_per_weight,
    base.leak AS base_leak, other.leak AS other_leak,
    base_test.text AS base_test_generation, base_control.text AS base_control_generation,
    other_test.text AS other_test_generation, other_control.text AS other_control_generation
FROM leaks AS base
    JOIN models AS base_models ON base_models.id = base.model_id
    CROSS JOIN models AS other_models
        ON (ifnull(base_models.bits_per_weight, 0), other_models.id) > (ifnull(other_models.bits_per_weight, 0), base_models.id)
    CROSS JOIN leaks AS other
        ON other.experiment_id = base.experiment_id AND other.model_id = other_models.id AND other.sampling_id = base.sampling_id
        AND other.metric = base.metric
        AND other.seed = base.seed AND other.pair_idx = base.pair_idx AND other.repeat_idx = base.repeat_idx
        AND other.leak <> base.leak
    JOIN samplings ON samplings.id = base.sampling_id
    JOIN experiments ON experiments.id = base.experiment_id
    JOIN experiment_pairs ON experiment_pairs.experiment_id = base.experiment_id AND experiment_pairs.pair_idx = base.pair_idx
    JOIN generations AS base_test ON base_test.id = base.test_generation_id
    JOIN generations AS base_control ON base_control.id = base.control_generation_id
    JOIN generations AS other_test ON other_test.id = other.test_generation_id
    JOIN generations AS other_control ON other_control.id = other.control_generation_id;
