-- Placebo and specificity: what a verdict is compared with besides the control. The verdicts stay as they are; the new
-- tables are a cache as they are, filled by `seep run` and `seep score`.

ALTER TABLE experiment_pairs ADD COLUMN concept_family TEXT;

-- Words that stand in the slot of a template and are no concepts.
CREATE TABLE experiment_fillers (
    experiment_id     INTEGER NOT NULL REFERENCES experiments (id),
    filler_idx        INTEGER NOT NULL CHECK (filler_idx >= 0),
    filler            TEXT NOT NULL,
    template_id       TEXT NOT NULL,
    prompt            TEXT NOT NULL,
    prompt_id         INTEGER NOT NULL REFERENCES prompts (id),
    control_prompt_id INTEGER NOT NULL REFERENCES prompts (id),
    PRIMARY KEY (experiment_id, filler_idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE specificities (
    condition_id           INTEGER NOT NULL REFERENCES conditions (id),
    pair_idx               INTEGER NOT NULL CHECK (pair_idx >= 0),
    -- 0 where continuations were enumerated.
    repeat_idx             INTEGER NOT NULL CHECK (repeat_idx >= 0),
    n_siblings             INTEGER NOT NULL CHECK (n_siblings >= 0),
    n_sibling_texts        INTEGER NOT NULL CHECK (n_sibling_texts >= n_siblings),
    placebo                REAL CHECK (placebo BETWEEN 0.0 AND 1.0),
    repetition             REAL CHECK (repetition BETWEEN -1.0 AND 1.0),
    specificity            REAL CHECK (specificity BETWEEN 0.0 AND 1.0),
    specificity_repetition REAL CHECK (specificity_repetition BETWEEN -0.5 AND 0.5),
    sibling_echo           REAL CHECK (sibling_echo BETWEEN 0.0 AND 1.0),
    anchor_placebo         REAL CHECK (anchor_placebo BETWEEN 0.0 AND 1.0),
    filler_rate            REAL CHECK (filler_rate BETWEEN 0.0 AND 1.0),
    echo                   REAL NOT NULL CHECK (echo BETWEEN 0.0 AND 1.0),
    control_echo           REAL NOT NULL CHECK (control_echo BETWEEN 0.0 AND 1.0),
    own_repetition         REAL NOT NULL CHECK (own_repetition BETWEEN 0.0 AND 1.0),
    margin                 REAL,
    PRIMARY KEY (condition_id, pair_idx, repeat_idx),
    -- Siblings give all of these or none.
    CHECK ((n_siblings = 0) = (placebo IS NULL)),
    CHECK ((placebo IS NULL) = (specificity IS NULL)),
    CHECK ((placebo IS NULL) = (repetition IS NULL)),
    CHECK ((placebo IS NULL) = (specificity_repetition IS NULL)),
    CHECK ((placebo IS NULL) = (sibling_echo IS NULL))
) STRICT, WITHOUT ROWID;

-- Of pairs that share template and control: the concept of `pair_idx` against the test generations of `held_pair_idx`.
CREATE TABLE concept_similarities (
    condition_id  INTEGER NOT NULL REFERENCES conditions (id),
    pair_idx      INTEGER NOT NULL CHECK (pair_idx >= 0),
    held_pair_idx INTEGER NOT NULL CHECK (held_pair_idx >= 0),
    n_texts       INTEGER NOT NULL CHECK (n_texts > 0),
    similarity    REAL NOT NULL,
    PRIMARY KEY (condition_id, pair_idx, held_pair_idx)
) STRICT, WITHOUT ROWID;

DROP VIEW v_prompt_pairs;

CREATE VIEW v_prompt_pairs AS
SELECT
    experiment_id, experiments.name AS experiment, pair_idx, concept, category, template_id, test_prompt,
    control_prompt, test_prompt_id, control_prompt_id, test.system_message AS system_message,
    test.user_message AS test_user_message, control.user_message AS control_user_message, concept_family
FROM experiment_pairs
    JOIN experiments ON experiments.id = experiment_id
    JOIN prompts AS test ON test.id = test_prompt_id
    JOIN prompts AS control ON control.id = control_prompt_id;

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
    n_clusters, condition_id, signature, numerics_id
FROM rates JOIN v_conditions USING (condition_id);

CREATE VIEW v_concept_similarities AS
SELECT
    experiment_id, experiment, model_id, model, quantization, bits_per_weight, sampling_id, sampling, metric, seed, method,
    measured.template_id, measured.category, concept_similarities.pair_idx, measured.concept AS concept,
    concept_similarities.held_pair_idx, held.concept AS held_concept, similarity, condition_id, signature, numerics_id
FROM concept_similarities
    JOIN v_conditions AS conditions USING (condition_id)
    JOIN experiment_pairs AS measured USING (experiment_id, pair_idx)
    JOIN experiment_pairs AS held USING (experiment_id)
WHERE held.pair_idx = held_pair_idx;
