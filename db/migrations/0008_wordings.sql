-- Wordings: the messages in which an experiment sends its prompts, of which it may have several. Each is a condition of
-- its own. What is stored has the one wording without a name, row 0; nothing of it is read otherwise than before.

CREATE TABLE wordings (
    id             INTEGER PRIMARY KEY,
    experiment_id  INTEGER REFERENCES experiments (id),
    wording_idx    INTEGER CHECK (wording_idx >= 0),
    name           TEXT NOT NULL,
    system_message TEXT,
    user_message   TEXT,
    UNIQUE (experiment_id, name),
    CHECK ((id = 0) = (name = '')),
    CHECK ((id = 0) = (experiment_id IS NULL)),
    CHECK ((id = 0) = (wording_idx IS NULL)),
    CHECK ((id = 0) = (user_message IS NULL))
) STRICT;

-- Of experiments that name no wording, and of imports: its messages are those of the pairs.
INSERT INTO wordings (id, name) VALUES (0, '');

CREATE TABLE wording_prompts (
    wording_id     INTEGER NOT NULL REFERENCES wordings (id),
    prompt_id      INTEGER NOT NULL REFERENCES prompts (id),
    sent_prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    PRIMARY KEY (wording_id, prompt_id)
) STRICT, WITHOUT ROWID;

DROP VIEW v_run_models;
DROP VIEW v_specificity;
DROP VIEW v_concept_similarities;
DROP VIEW v_leaks;
DROP VIEW v_leak_rates;
DROP VIEW v_flips;
DROP VIEW v_exact_leaks;
DROP VIEW v_conditions;

ALTER TABLE conditions ADD COLUMN wording_id INTEGER NOT NULL DEFAULT 0 REFERENCES wordings (id);

DROP INDEX conditions_by_key;

CREATE UNIQUE INDEX conditions_by_key ON conditions (
    experiment_id, model_id, sampling_id, wording_id, metric, seed, method, ifnull(coverage, 0.0),
    ifnull(max_rows_per_prompt, 0), ifnull(n_tail_draws, 0), numerics_id, embedding_model_id, signature
);

-- The wording is in the primary key, so the table is made anew. It stands among the columns of that key, which come first:
-- else `PRAGMA integrity_check` of SQLite 3.40 takes columns for others in a table without row ids.
CREATE TABLE old_run_models AS SELECT * FROM run_models;

DROP TABLE run_models;

CREATE TABLE run_models (
    run_id               INTEGER NOT NULL REFERENCES runs (id),
    model_id             INTEGER NOT NULL REFERENCES models (id),
    sampling_id          INTEGER NOT NULL REFERENCES samplings (id),
    wording_id           INTEGER NOT NULL DEFAULT 0 REFERENCES wordings (id),
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
    numerics_id          INTEGER REFERENCES numerics (id),
    PRIMARY KEY (run_id, model_id, sampling_id, wording_id)
) STRICT, WITHOUT ROWID;

INSERT INTO run_models
SELECT
    run_id, model_id, sampling_id, 0, sampling_label, preset, schedule, backend, device, n_gpu_layers, tokenizer, determinism,
    logit_difference_max, n_generated, n_reused, n_failed, n_prefill_tokens, n_decode_rows, n_padding_rows, self_check_ms,
    prefill_ms, decode_ms, sample_ms, total_ms, numerics_id
FROM old_run_models;

DROP TABLE old_run_models;

CREATE VIEW v_run_models AS
SELECT
    run_id, runs.experiment_id, experiments.name AS experiment, run_models.model_id,
    ifnull(named.label, models.label) AS model, ifnull(named.quantization, models.quantization) AS quantization,
    bits_per_weight, sampling_id, sampling_label AS sampling, preset, run_models.schedule, backend, device, n_gpu_layers,
    tokenizer, determinism, logit_difference_max, n_generated, n_reused, n_failed, n_prefill_tokens, n_decode_rows,
    n_padding_rows, self_check_ms, prefill_ms, decode_ms, sample_ms, total_ms,
    1000.0 * n_generated / nullif(total_ms, 0) AS generations_per_second, numerics_id, logits_sha256,
    wordings.name AS wording
FROM run_models
    JOIN runs ON runs.id = run_id
    JOIN experiments ON experiments.id = runs.experiment_id
    JOIN models ON models.id = run_models.model_id
    JOIN wordings ON wordings.id = wording_id
    LEFT JOIN numerics ON numerics.id = numerics_id
    LEFT JOIN experiment_models AS named
        ON named.experiment_id = runs.experiment_id AND named.model_id = run_models.model_id;

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
    END AS n_leaks,
    wording_id, wordings.name AS wording
FROM conditions
    JOIN experiments ON experiments.id = conditions.experiment_id
    JOIN models ON models.id = conditions.model_id
    JOIN models AS encoders ON encoders.id = embedding_model_id
    JOIN samplings ON samplings.id = sampling_id
    JOIN wordings ON wordings.id = wording_id
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
    conditions.numerics_id, wording
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
    category, mean_leak_rate, n_pairs, n_tied, n_echoes, n_clusters, condition_id, signature, numerics_id,
    wording
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
    base.condition_id AS base_condition_id, other.condition_id AS other_condition_id, base.wording
FROM v_conditions AS base
    CROSS JOIN v_conditions AS other
        ON other.experiment_id = base.experiment_id AND other.sampling_id = base.sampling_id
        AND other.wording_id = base.wording_id
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
    covered_test, covered_control, condition_id, signature, numerics_id, wording
FROM v_conditions
    JOIN exact_leaks USING (condition_id)
    JOIN experiment_pairs USING (experiment_id, pair_idx);

-- Of the pairs that have siblings. Intervals and the permutation test need more than SQL has: `seep export --table rates`.
CREATE VIEW v_specificity AS
WITH verdicts AS (
    SELECT
        specificities.*, category, coalesce(leaks.leak, exact_leaks.leak_probability) AS leak_probability,
        control_prompt_id
    FROM conditions
        JOIN specificities ON specificities.condition_id = conditions.id
        JOIN experiment_pairs USING (experiment_id, pair_idx)
        LEFT JOIN leaks
            ON leaks.condition_id = conditions.id AND leaks.pair_idx = specificities.pair_idx
            AND leaks.repeat_idx = specificities.repeat_idx
        LEFT JOIN exact_leaks
            ON exact_leaks.condition_id = conditions.id AND exact_leaks.pair_idx = specificities.pair_idx
    WHERE placebo IS NOT NULL
), verdicts_by_group AS (
    SELECT NULL AS of_category, verdicts.* FROM verdicts UNION ALL SELECT category, verdicts.* FROM verdicts
), rates AS (
    SELECT
        condition_id, of_category AS category, 100.0 * avg(leak_probability) AS mean_leak_rate,
        100.0 * avg(placebo) AS placebo_rate, 100.0 * avg(leak_probability - placebo) AS specific_leakage,
        100.0 * avg(repetition) AS repetition, 100.0 * avg(leak_probability - placebo - repetition) AS association,
        100.0 * avg(specificity) AS specificity, 100.0 * avg(specificity_repetition) AS specificity_repetition,
        100.0 * avg(specificity - 0.5 - specificity_repetition) AS specificity_association,
        100.0 * avg(echo - control_echo) AS echo_over_control, 100.0 * avg(echo - sibling_echo) AS echo_over_siblings,
        count(*) AS n_pairs_with_siblings, count(DISTINCT control_prompt_id) AS n_clusters
    FROM verdicts_by_group
    GROUP BY condition_id, of_category
)
SELECT
    experiment_id, experiment, model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric, seed, method,
    category, mean_leak_rate, placebo_rate, specific_leakage, repetition, association, specificity,
    specificity_repetition, specificity_association, echo_over_control, echo_over_siblings, n_pairs_with_siblings,
    n_clusters, condition_id, signature, numerics_id, wording
FROM rates JOIN v_conditions USING (condition_id);

CREATE VIEW v_concept_similarities AS
SELECT
    experiment_id, experiment, model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric, seed, method,
    measured.template_id, measured.category, concept_similarities.pair_idx, measured.concept AS concept,
    concept_similarities.held_pair_idx, held.concept AS held_concept, similarity, condition_id, signature, numerics_id,
    wording
FROM concept_similarities
    JOIN v_conditions AS conditions USING (condition_id)
    JOIN experiment_pairs AS measured USING (experiment_id, pair_idx)
    JOIN experiment_pairs AS held USING (experiment_id)
WHERE held.pair_idx = held_pair_idx;
