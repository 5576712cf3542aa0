-- How a token was drawn is a sampling value. So far there was one way, the inverse of the cumulative distribution: it is
-- written into all that is stored, which keeps its numbers and request ids. Tails of enumerations are drawn in this way
-- as before, so that `enumerations` has no such column.

DROP VIEW v_generations;
DROP VIEW v_continuations;

ALTER TABLE samplings ADD COLUMN draws TEXT CHECK (draws IN ('inverse_cdf', 'gumbel_max'));

UPDATE samplings SET draws = 'inverse_cdf', label = label || ' draws=inverse_cdf' WHERE temperature IS NOT NULL;

-- NULL where generations were imported.
ALTER TABLE generations ADD COLUMN draws TEXT CHECK (draws IN ('inverse_cdf', 'gumbel_max'));

UPDATE generations SET draws = 'inverse_cdf' WHERE run_id IS NOT NULL;

CREATE VIEW v_generations AS
SELECT
    generations.id AS generation_id, model_id, label AS model, quantization, bits_per_weight, prompt_id, system_message,
    user_message, repeat_idx, text, stop_reason, n_tokens,
    (SELECT avg(value) FROM json_each(token_logprobs)) AS mean_logprob,
    temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, seed, generations.schedule, run_id, import_id,
    import_row, import_column, request_id, generations.created_at, numerics_id, llama_cpp_version, logits_sha256, draws
FROM generations
    JOIN models ON models.id = model_id
    JOIN prompts ON prompts.id = prompt_id
    JOIN numerics ON numerics.id = numerics_id;

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
    JOIN numerics ON numerics.id = numerics_id
WHERE draws = 'inverse_cdf';
