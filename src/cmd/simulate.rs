//! `seep simulate`: what intervals, p-values and plans are worth, on made-up experiments whose truth is known.
//!
//! Owns the designs that are tried and the tables. The experiments themselves are `stats`', and `leakage`'s where they
//! are about concepts. Nothing is read but the command line; the same seed gives the same figures.

use rayon::prelude::*;
use serde::Serialize;

use super::Status;
use super::output::print;
use crate::cli::{Format, SimulateArgs};
use crate::leakage::{SpecificDesign, simulated_specificity};
use crate::report::plain_table;
use crate::stats::{
    DIFFERENCE_MAX, SimulatedDesign, SimulatedPower, SimulatedShares, simulated_power,
    simulated_shares,
};

/// Plans, each from stored data of its own, among which the experiments on power are divided.
const N_PLANS: u32 = 40;
/// True differences that an interval should cover.
const DIFFERENCES: [f64; 3] = [0.0, 0.05, -0.1];

/// A design with its name.
struct Named {
    name: &'static str,
    design: SimulatedDesign,
}

#[derive(Serialize)]
struct Document {
    seed: u64,
    n_simulations: u32,
    shares: Vec<SharesRow>,
    power: Vec<PowerRow>,
    specificity: Vec<SpecificityRow>,
}

#[derive(Serialize)]
struct SharesRow {
    design: &'static str,
    n_prompts: usize,
    n_clusters: usize,
    n_repeats: u32,
    true_difference_points: f64,
    coverage: f64,
    naive_coverage: f64,
    rejected: f64,
    interval_excludes_zero: f64,
}

#[derive(Serialize)]
struct PowerRow {
    stored: &'static str,
    planned: &'static str,
    /// Null where a plan promised more than can be simulated.
    promised_points: Option<f64>,
    power: Option<f64>,
}

#[derive(Serialize)]
struct SpecificityRow {
    design: &'static str,
    mean_leak_rate: f64,
    specificity: f64,
    interval_holds_50: f64,
    rejected: f64,
}

/// Simulates and prints the shares.
pub(super) fn simulate(args: &SimulateArgs) -> anyhow::Result<Status> {
    let designs = designs();
    let document = Document {
        seed: args.seed,
        n_simulations: args.simulations,
        shares: shares(&designs, args),
        power: power(&designs, args),
        specificity: specificity(args),
    };
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        Format::Table => table(&document),
    })?;
    Ok(Status::Done)
}

fn designs() -> Vec<Named> {
    let named = |name, cluster_sizes, cluster_response| Named {
        name,
        design: SimulatedDesign {
            cluster_sizes,
            n_repeats: 5,
            tie_share: 0.1,
            cluster_response,
        },
    };
    let unequal = (0..20).map(|cluster| 4 + cluster % 5).collect();
    let published = [vec![33; 20], vec![15, 11, 10, 10, 1, 1, 1]].concat();
    let colors = [vec![11; 32], vec![1; 44]].concat();
    vec![
        named("8 equal clusters", vec![12; 8], 0.12),
        named("12 equal clusters", vec![12; 12], 0.12),
        named("20 unequal clusters", unequal, 0.12),
        named("published colours", published.clone(), 0.12),
        named("the same, clusters respond alike", published, 0.0),
        named("experiments/colors.yaml", colors, 0.12),
        named("60 equal clusters", vec![6; 60], 0.12),
    ]
}

/// A seed of its own for each thing that is simulated.
fn seed(args: &SimulateArgs, row: usize) -> u64 {
    args.seed.wrapping_mul(1_000).wrapping_add(row as u64)
}

fn shares(designs: &[Named], args: &SimulateArgs) -> Vec<SharesRow> {
    let rows: Vec<(&Named, f64)> = designs
        .iter()
        .flat_map(|named| DIFFERENCES.map(|difference| (named, difference)))
        .collect();
    rows.into_par_iter()
        .enumerate()
        .map(|(row, (named, difference))| {
            let seed = seed(args, row);
            let found = simulated_shares(&named.design, difference, args.simulations, seed);
            shares_row(named, found)
        })
        .collect()
}

fn shares_row(named: &Named, found: SimulatedShares) -> SharesRow {
    let sizes = &named.design.cluster_sizes;
    SharesRow {
        design: named.name,
        n_prompts: sizes.iter().sum(),
        n_clusters: sizes.len(),
        n_repeats: named.design.n_repeats,
        true_difference_points: 100.0 * found.difference,
        coverage: found.coverage,
        naive_coverage: found.naive_coverage,
        rejected: found.rejected,
        interval_excludes_zero: found.interval_excludes_zero,
    }
}

/// Each design planned from stored data of the same design, and all of them from the one that is stored most often.
fn power(designs: &[Named], args: &SimulateArgs) -> Vec<PowerRow> {
    let colors = designs
        .iter()
        .find(|named| named.name.ends_with(".yaml"))
        .expect("the default experiment is among the designs");
    let same = designs.iter().map(|named| (named, named));
    let other = designs
        .iter()
        .filter(|named| named.name != colors.name)
        .map(|named| (colors, named));
    let rows: Vec<(&Named, &Named)> = same.chain(other).collect();
    let n_simulations = args.simulations.div_ceil(N_PLANS);
    rows.into_par_iter()
        .enumerate()
        .map(|(row, (stored, planned))| {
            let seed = seed(args, 500 + row);
            let found = simulated_power(
                &stored.design,
                &planned.design,
                N_PLANS,
                n_simulations,
                seed,
            );
            power_row(stored, planned, found)
        })
        .collect()
}

fn power_row(stored: &Named, planned: &Named, found: Option<SimulatedPower>) -> PowerRow {
    PowerRow {
        stored: stored.name,
        planned: planned.name,
        promised_points: found.map(|found| 100.0 * found.promised_difference),
        power: found.map(|found| found.power),
    }
}

/// Experiments with 12 templates of 10 concepts each: none that leaks, or one.
fn specificity(args: &SimulateArgs) -> Vec<SpecificityRow> {
    let none = SpecificDesign {
        n_templates: 12,
        n_concepts: 10,
        n_repeats: 2,
        n_leaking: 0,
        leak: 0.0,
    };
    let one = |leak| SpecificDesign {
        n_leaking: 1,
        leak,
        ..none
    };
    let designs = [
        ("no concept leaks", none),
        ("one in ten leaks a little", one(0.15)),
        ("one in ten leaks", one(0.3)),
        ("one in ten leaks much", one(0.6)),
    ];
    let row = |(row, (name, design)): (usize, (&'static str, SpecificDesign))| {
        let found = simulated_specificity(&design, args.simulations, seed(args, 900 + row));
        SpecificityRow {
            design: name,
            mean_leak_rate: found.mean_leak_rate,
            specificity: found.specificity,
            interval_holds_50: found.holds_50,
            rejected: found.rejected,
        }
    };
    designs.into_par_iter().enumerate().map(row).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn table(document: &Document) -> String {
    let columns = [
        "design",
        "prompts",
        "clusters",
        "true points",
        "coverage",
        "naive coverage",
        "p up to 5 %",
        "interval without 0",
    ];
    let rows = document.shares.iter().map(|row| {
        vec![
            row.design.to_owned(),
            row.n_prompts.to_string(),
            row.n_clusters.to_string(),
            format!("{:+.0}", row.true_difference_points),
            percent(row.coverage),
            percent(row.naive_coverage),
            percent(row.rejected),
            percent(row.interval_excludes_zero),
        ]
    });
    format!(
        "{} experiments a row, seed {}; intervals of 95 %, tests at 5 %\n{}\n\n\
         A plan promises to find a difference with a power of 80 %, from {N_PLANS} sets of stored data:\n{}\n\n\
         12 templates of 10 concepts, 2 repeats; a word in the slot matters, which one matters for those that leak:\n{}\n",
        document.n_simulations,
        document.seed,
        plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0),
        power_table(&document.power),
        specificity_table(&document.specificity)
    )
}

fn specificity_table(rows: &[SpecificityRow]) -> String {
    let columns = [
        "design",
        "Mean Leak-Rate",
        "specificity",
        "interval with 50",
        "permutation p up to 5 %",
    ];
    let rows = rows.iter().map(|row| {
        vec![
            row.design.to_owned(),
            format!("{:.1} %", row.mean_leak_rate),
            format!("{:.1} %", row.specificity),
            percent(row.interval_holds_50),
            percent(row.rejected),
        ]
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn power_table(power: &[PowerRow]) -> String {
    let columns = ["stored", "planned", "promised points", "power"];
    let out_of_reach = || format!("above {:.0}", 100.0 * DIFFERENCE_MAX);
    let rows = power.iter().map(|row| {
        vec![
            row.stored.to_owned(),
            row.planned.to_owned(),
            row.promised_points
                .map_or_else(out_of_reach, |points| format!("{points:.1}")),
            row.power.map_or("not tried".to_owned(), percent),
        ]
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 1)
}
