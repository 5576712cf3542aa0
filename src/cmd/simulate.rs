//! `seep simulate`: what intervals, p-values and plans are worth, on made-up experiments whose truth is known.
//!
//! Owns the designs that are tried and the tables. The experiments and what is tried on them are `leakage`'s. Nothing is
//! read but the command line; the same seed gives the same figures.

use serde::Serialize;

use super::Status;
use super::output::print_as;
use crate::cli::{Format, SimulateArgs};
use crate::generation::RepeatCounts;
use crate::leakage::{
    CHECKS, Check, ConceptEffects, KeptPromises, Measure, SimulatedDesign, kept_promises,
    plan_promise, simulated_components,
};
use crate::report::plain_table;

/// Plans, each from stored data of its own, among which the experiments on power are divided.
const N_PLANS: u32 = 40;
/// Experiments whose components are averaged: their means are then known to a hundredth of the sum.
const N_FOR_COMPONENTS: u32 = 400;

/// A design with its name.
struct Named {
    name: &'static str,
    templates: Vec<Vec<usize>>,
    n_repeats: Option<RepeatCounts>,
}

#[derive(Serialize)]
struct Document {
    seed: u64,
    n_simulations: u32,
    components: Vec<ComponentsRow>,
    promises: Vec<PromisesRow>,
    plans: Vec<PlanRow>,
}

#[derive(Serialize)]
struct ComponentsRow {
    measure: &'static str,
    template: f64,
    control_draws: f64,
    /// The part that concepts share is found as a part of prompts too.
    prompt: f64,
    test_draws: f64,
    single_comparisons: f64,
    concept: f64,
}

#[derive(Serialize)]
struct PromisesRow {
    design: &'static str,
    concepts: &'static str,
    intervals: &'static str,
    covers: Vec<(&'static str, Option<f64>)>,
    rejects: Vec<(&'static str, Option<f64>)>,
    null_mean_leak_rate: f64,
    null_specificity: f64,
}

#[derive(Serialize)]
struct PlanRow {
    stored: &'static str,
    planned: &'static str,
    measure: &'static str,
    /// Null where a plan promised more than can be simulated.
    promised_points: Option<f64>,
    power: Option<f64>,
}

/// Simulates and prints the shares.
pub(super) fn simulate(args: &SimulateArgs) -> anyhow::Result<Status> {
    let designs = designs();
    let document = Document {
        seed: args.seed,
        n_simulations: args.simulations,
        components: components(&designs[0], args),
        promises: promises(&designs, args),
        plans: plans(&designs, args),
    };
    print_as(
        args.format,
        &match args.format {
            Format::Json => serde_json::to_string_pretty(&document)? + "\n",
            Format::Table => table(&document),
        },
    )?;
    Ok(Status::Done)
}

/// The first is that of which the variances were measured.
fn designs() -> Vec<Named> {
    let named = |name, templates, n_repeats| Named {
        name,
        templates,
        n_repeats,
    };
    let crossed = SimulatedDesign::crossed;
    let few = [15, 11, 10, 10, 1, 1, 1].map(|n_concepts| crossed(1, n_concepts));
    let published = [crossed(20, 33), few.concat()].concat();
    let blocks = SimulatedDesign::blocks_of_three;
    let five = Some(RepeatCounts::equal(5));
    let eight = Some(RepeatCounts::equal(8));
    vec![
        named("32 x 11", crossed(32, 11), five),
        named("110 x 3 of 11", blocks(), eight),
        named("published", published, five),
        named("8 x 11", crossed(8, 11), five),
        named("12 x 11", crossed(12, 11), five),
        named("20 x 11", crossed(20, 11), five),
        named("32 x 11, exact", crossed(32, 11), None),
        named("110 x 3, exact", blocks(), None),
    ]
}

/// The ways in which concepts differ with their names, and those in which they are treated: fixed, or generalised over.
const CONCEPTS: [(ConceptEffects, &str, &[bool]); 3] = [
    (ConceptEffects::Absent, "alike", &[false]),
    (ConceptEffects::OfAll, "all", &[false, true]),
    (ConceptEffects::OfThese, "these", &[false]),
];
/// The designs for which the last of them is tried too.
const N_OF_THESE: usize = 2;

/// A seed of its own for each thing that is simulated.
fn seed(args: &SimulateArgs, row: usize) -> u64 {
    args.seed.wrapping_mul(1_000).wrapping_add(row as u64)
}

fn components(measured: &Named, args: &SimulateArgs) -> Vec<ComponentsRow> {
    let design = SimulatedDesign {
        templates: measured.templates.clone(),
        n_repeats: measured.n_repeats,
        concepts: ConceptEffects::OfAll,
    };
    let measures = [
        Measure::LeakRate,
        Measure::SpecificLeakage,
        Measure::Specificity,
    ];
    let rows = measures.iter().enumerate().map(|(row, measure)| {
        let seed = seed(args, 900 + row);
        let (found, concept) = simulated_components(&design, *measure, N_FOR_COMPONENTS, seed);
        ComponentsRow {
            measure: measure.title(),
            template: found.cluster,
            control_draws: found.cluster_repeat,
            prompt: found.prompt,
            test_draws: found.residual,
            single_comparisons: found.interaction,
            concept,
        }
    });
    rows.collect()
}

fn promises(designs: &[Named], args: &SimulateArgs) -> Vec<PromisesRow> {
    let rows = designs.iter().enumerate().flat_map(|(place, named)| {
        let n_kinds = CONCEPTS.len() - usize::from(place >= N_OF_THESE);
        CONCEPTS[..n_kinds]
            .iter()
            .map(move |concepts| (named, concepts))
    });
    let rows = rows
        .enumerate()
        .flat_map(|(row, (named, (concepts, of, treatments)))| {
            let concepts = *concepts;
            let design = SimulatedDesign {
                templates: named.templates.clone(),
                n_repeats: named.n_repeats,
                concepts,
            };
            let found = kept_promises(&design, treatments, args.simulations, seed(args, row));
            let found = treatments.iter().zip(found);
            let rows = found.map(|(are_crossed, found)| {
                let intervals = if *are_crossed { "generalised" } else { "fixed" };
                promises_row(named.name, of, intervals, &found)
            });
            rows.collect::<Vec<_>>()
        });
    rows.collect()
}

fn promises_row(
    design: &'static str,
    concepts: &'static str,
    intervals: &'static str,
    found: &KeptPromises,
) -> PromisesRow {
    let found_of = |is_meant: fn(&Check) -> Option<&'static str>| {
        let found = CHECKS.iter().zip(&found.shares);
        let found = found.filter_map(|(check, share)| Some((is_meant(check)?, *share)));
        found.collect()
    };
    PromisesRow {
        design,
        concepts,
        intervals,
        covers: found_of(|check| match check {
            Check::Covers(name) => Some(name),
            Check::Rejects(_) => None,
        }),
        rejects: found_of(|check| match check {
            Check::Rejects(name) => Some(name),
            Check::Covers(_) => None,
        }),
        null_mean_leak_rate: found.null_leak_rate,
        null_specificity: found.null_specificity,
    }
}

/// Designs with as many test as control repeats, planned from stored data of the same design and of the first.
fn plans(designs: &[Named], args: &SimulateArgs) -> Vec<PlanRow> {
    let first = &designs[0];
    let planned = ["32 x 11", "20 x 11"];
    let planned = designs.iter().filter(|it| planned.contains(&it.name));
    let both = planned.flat_map(|planned| {
        let other = (planned.name != first.name).then_some((first, planned));
        [(planned, planned)].into_iter().chain(other)
    });
    let measures = [
        Measure::LeakRate,
        Measure::SpecificLeakage,
        Measure::Specificity,
    ];
    let rows = both.flat_map(|both| measures.map(|measure| (both, measure)));
    let sizes = [N_PLANS, args.simulations.div_ceil(N_PLANS)];
    let rows = rows.enumerate().map(|(row, ((stored, planned), measure))| {
        let design = |named: &Named| SimulatedDesign {
            templates: named.templates.clone(),
            n_repeats: named.n_repeats,
            concepts: ConceptEffects::Absent,
        };
        let (from, of, seed) = (design(stored), design(planned), seed(args, 500 + row));
        let found = plan_promise(&from, &of, measure, sizes, seed);
        PlanRow {
            stored: stored.name,
            planned: planned.name,
            measure: measure.title(),
            promised_points: found.map(|found| found.points),
            power: found.map(|found| found.power),
        }
    });
    rows.collect()
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

fn table(document: &Document) -> String {
    format!(
        "Seed {}. Variance components of differences, from {N_FOR_COMPONENTS} experiments of 32 templates x 11 concepts x 5 repeats:\n{}\n\n\
         {} experiments a row. Share of 95 % intervals that hold the true value, in percent:\n{}\n\n\
         Share of tests at 5 % that find a difference where there is none, in percent; null: nothing depends on the concept:\n{}\n\n\
         A plan promises to find a difference with a power of 80 %, from {N_PLANS} sets of stored data:\n{}\n",
        document.seed,
        components_table(&document.components),
        document.n_simulations,
        covers_table(&document.promises),
        rejects_table(&document.promises),
        plans_table(&document.plans)
    )
}

fn components_table(rows: &[ComponentsRow]) -> String {
    let columns = [
        "difference of",
        "template",
        "control draws",
        "prompt",
        "test draws",
        "single comparisons",
        "of prompt: concept",
    ];
    let rows = rows.iter().map(|row| {
        let figures = [
            row.template,
            row.control_draws,
            row.prompt,
            row.test_draws,
            row.single_comparisons,
            row.concept,
        ];
        let cells = figures.map(|figure| format!("{figure:.4}"));
        [vec![row.measure.to_owned()], cells.to_vec()].concat()
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

/// The columns that name a row of promises.
const NAMING: [&str; 3] = ["templates x concepts", "concepts", "intervals"];

fn naming(row: &PromisesRow) -> Vec<String> {
    [row.design, row.concepts, row.intervals]
        .map(str::to_owned)
        .to_vec()
}

fn share_cells(shares: &[(&str, Option<f64>)]) -> Vec<String> {
    let cells = shares.iter();
    cells
        .map(|(_, share)| share.map_or("-".to_owned(), percent))
        .collect()
}

fn covers_table(rows: &[PromisesRow]) -> String {
    let names = rows.iter().take(1).flat_map(|row| &row.covers);
    let columns: Vec<&str> = NAMING
        .into_iter()
        .chain(names.map(|(name, _)| *name))
        .collect();
    let rows = rows
        .iter()
        .map(|row| [naming(row), share_cells(&row.covers)].concat());
    plain_table(&columns, rows.collect(), &|column_idx| {
        column_idx >= NAMING.len()
    })
}

fn rejects_table(rows: &[PromisesRow]) -> String {
    let names = rows.iter().take(1).flat_map(|row| &row.rejects);
    let names = names.map(|(name, _)| *name);
    let null = ["null Leak-Rate", "null specificity"];
    let columns: Vec<&str> = NAMING.into_iter().chain(names).chain(null).collect();
    // Where the concepts are these very ones, conditions do differ, so nothing is tried.
    let rows = rows.iter().filter(|row| row.concepts != "these");
    let rows = rows.map(|row| {
        let null = [row.null_mean_leak_rate, row.null_specificity];
        let null = null.map(|figure| format!("{figure:.1}"));
        [naming(row), share_cells(&row.rejects), null.to_vec()].concat()
    });
    plain_table(&columns, rows.collect(), &|column_idx| {
        column_idx >= NAMING.len()
    })
}

fn plans_table(rows: &[PlanRow]) -> String {
    let columns = [
        "stored",
        "planned",
        "difference of",
        "promised points",
        "power",
    ];
    let not_tried = || "not tried".to_owned();
    let rows = rows.iter().map(|row| {
        vec![
            row.stored.to_owned(),
            row.planned.to_owned(),
            row.measure.to_owned(),
            row.promised_points
                .map_or_else(not_tried, |points| format!("{points:.1}")),
            row.power.map_or_else(not_tried, percent),
        ]
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 2)
}
