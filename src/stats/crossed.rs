//! The part that observations have in common across clusters, such as a concept that stands in many templates.
//!
//! Owns that one component. Those of clusters and what they hold are in `components`.

use super::components::{Observation, pairs_within};

/// The mean product of values of one `part` in different clusters beyond that of values of different parts: the
/// variance of what is common to a part in all clusters, such as a concept. None where no part is in two clusters.
pub fn crossed_component(
    observations: &[Observation],
    part: impl Fn(&Observation) -> usize,
) -> Option<f64> {
    let n = observations.len() as f64;
    let mean = observations.iter().map(|o| o.value).sum::<f64>() / n;
    let deviations = observations.iter().map(|o| Observation {
        value: o.value - mean,
        ..*o
    });
    let deviations: Vec<Observation> = deviations.collect();
    let of_part = pairs_within(&deviations, &part);
    let of_part = of_part.without(pairs_within(&deviations, |o| (o.cluster, part(o))));
    let others = pairs_within(&deviations, |_| ());
    let others = others.without(pairs_within(&deviations, |o| o.cluster));
    let others = others.without(of_part);
    let is_known = of_part.n > 0.5 && others.n > 0.5;
    is_known.then(|| (of_part.products / of_part.n - others.products / others.n).max(0.0))
}

#[cfg(test)]
mod tests {
    use itertools::Itertools as _;

    use super::*;
    use crate::stats::components::tests::made;
    use crate::stats::draws::Draws;
    use crate::stats::{VarianceComponents, variance_components};

    /// Three times as many repeats of the control as of prompts, some of them missing.
    fn crossed() -> Vec<Observation> {
        let mut observations = Vec::new();
        for (prompt, control_repeat) in (0..90).cartesian_product(0..6) {
            let (cluster, control_idx) = (prompt / 3, control_repeat as usize);
            let repeat = control_repeat % 2;
            if made(prompt, control_idx) < 0.9 {
                observations.push(Observation {
                    cluster,
                    prompt,
                    repeat,
                    control_repeat,
                    value: 0.8 * made(cluster, 5)
                        + 0.6 * made(cluster, 11 + control_idx)
                        + 0.7 * made(prompt, 3)
                        + 0.5 * made(prompt, 29 + repeat as usize)
                        + 0.3 * made(prompt, 47 + control_idx),
                });
            }
        }
        observations
    }

    /// numpy 2.4.6, `made` as here, the products of any two deviations by least squares on what both share:
    /// ```python
    /// rows = [(c, 3 * c + p, s % 2, s, 0.8 * made(c, 5) + 0.6 * made(c, 11 + s) + 0.7 * made(3 * c + p, 3)
    ///          + 0.5 * made(3 * c + p, 29 + s % 2) + 0.3 * made(3 * c + p, 47 + s))
    ///         for c in range(30) for p in range(3) for s in range(6) if made(3 * c + p, s) < 0.9]
    /// c, p, t, s, v = map(np.array, zip(*rows)); d = v - v.mean(); i, j = np.triu_indices(len(d), 1)
    /// same = lambda *keys: np.logical_and.reduce([k[i] == k[j] for k in keys])
    /// x = np.column_stack([np.ones(len(i)), same(c), same(c, s), same(p), same(p, t)])
    /// b = np.linalg.lstsq(x, d[i] * d[j], rcond=None)[0]; print(b[1:], (d * d).mean() - b.sum())
    /// ```
    #[test]
    fn numpy_finds_the_same_where_controls_have_more_repeats() {
        let found = variance_components(&crossed()).unwrap();
        let expected = [
            (found.cluster, 0.026439126672064404),
            (found.cluster_repeat, 0.03838177647677117),
            (found.prompt, 0.04287731635783569),
            (found.residual, 0.016817785306039196),
            (found.prompt_control, 0.003180390082806045),
        ];
        for (found, expected) in expected {
            assert!(
                (found - expected).abs() < 1e-10,
                "{found} is not {expected}"
            );
        }
    }

    /// Simulated values of a crossed design, on average; what two prompts of a part have in common too.
    #[test]
    fn known_components_are_found() {
        let known = VarianceComponents {
            cluster: 0.5,
            cluster_repeat: 1.0,
            prompt: 0.7,
            prompt_control: 0.4,
            residual: 1.2,
            interaction: 0.9,
        };
        let mut draws = Draws::new(11);
        let mut effect = |variance: f64| (12.0 * variance).sqrt() * (draws.next_uniform() - 0.5);
        let (n, mut sums, mut of_part) = (60, [0.0; 6], 0.0);
        for _ in 0..n {
            let parts: Vec<f64> = (0..6).map(|_| effect(0.6)).collect();
            let mut observations = Vec::new();
            for cluster in 0..40 {
                let of_cluster = effect(known.cluster);
                let controls: Vec<f64> = (0..6).map(|_| effect(known.cluster_repeat)).collect();
                for (part, of_part) in parts.iter().enumerate() {
                    let prompt = 6 * cluster + part;
                    let own = of_cluster + of_part + effect(known.prompt);
                    let tests = [effect(known.residual), effect(known.residual)];
                    for (control_repeat, control) in (0..).zip(&controls) {
                        let control = own + control + effect(known.prompt_control);
                        observations.extend((0..).zip(tests).map(|(repeat, test)| Observation {
                            cluster,
                            prompt,
                            repeat,
                            control_repeat,
                            value: control + test + effect(known.interaction),
                        }));
                    }
                }
            }
            let found = variance_components(&observations).unwrap();
            let found = [
                found.cluster,
                found.cluster_repeat,
                found.prompt,
                found.prompt_control,
                found.residual,
                found.interaction,
            ];
            sums.iter_mut()
                .zip(found)
                .for_each(|(sum, found)| *sum += found);
            of_part += crossed_component(&observations, |o| o.prompt % 6).unwrap();
        }
        let means = sums.map(|sum| sum / f64::from(n));
        // A part is in each cluster once, so that it counts as one of prompts; clusters have all six of them.
        let expected = [
            known.cluster,
            known.cluster_repeat,
            1.3,
            known.prompt_control,
            known.residual,
            known.interaction,
        ];
        for (found, expected) in means.into_iter().zip(expected).skip(1) {
            assert!((found / expected - 1.0).abs() < 0.12, "{means:?}");
        }
        let of_part = of_part / f64::from(n);
        assert!((of_part / 0.6 - 1.0).abs() < 0.3, "{of_part}");
    }
}
