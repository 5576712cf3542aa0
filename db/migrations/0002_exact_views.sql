CREATE VIEW v_exact_leaks AS
SELECT
    exact_leaks.experiment_id, experiments.name AS experiment, exact_leaks.model_id, models.label AS model,
    models.quantization, models.bits_per_weight, samplings.id AS sampling_id, samplings.label AS sampling, metric, seed,
    coverage, max_rows_per_prompt, n_tail_draws, schedule, exact_leaks.pair_idx, concept, category, template_id,
    test_prompt, control_prompt, test_enumeration_id, control_enumeration_id, leak_probability, lower, upper,
    tie_probability, echo_probability, similarity_shift, total_variation_lower, total_variation_upper, entropy_test,
    entropy_control, covered_test, covered_control
FROM exact_leaks
    JOIN experiment_pairs USING (experiment_id, pair_idx)
    JOIN experiments ON experiments.id = exact_leaks.experiment_id
    JOIN models ON models.id = exact_leaks.model_id
    JOIN enumerations ON enumerations.id = test_enumeration_id
    JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop);

CREATE VIEW v_continuations AS
SELECT
    enumeration_id, continuation_idx, enumerations.model_id, models.label AS model, models.quantization,
    samplings.id AS sampling_id, samplings.label AS sampling, seed, coverage, max_rows_per_prompt, n_tail_draws, schedule,
    system_message, user_message, text, probability, logprob, model_logprob, stop_reason, n_tokens, tail_draw_idx,
    uncovered
FROM continuations
    JOIN enumerations ON enumerations.id = enumeration_id
    JOIN models ON models.id = enumerations.model_id
    JOIN prompts ON prompts.id = enumerations.prompt_id
    JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop);
