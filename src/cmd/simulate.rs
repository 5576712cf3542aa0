//! `seep simulate`: what intervals, p-values and plans are worth, on made-up experiments whose truth is known.
//!
//! Owns the designs that are tried and the two tables. The experiments themselves are `stats`'. Nothing is read but
//! the command line; the same seed gives the same figures.

use rayon::prelude::*;
use serde::Serialize;

use super::Status;
use super::output::print;
use crate::cli::{Format, SimulateArgs};
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

/// Simulates and prints the shares.
pub(super) fn simulate(args: &SimulateArgs) -> anyhow::Result<Status> {
    let designs = designs();
    let document = Document {
        seed: args.seed,
        n_simulations: args.simulations,
        shares: shares(&designs, args),
        power: power(&designs, args),
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
         A plan promises to find a difference with a power of 80 %, from {N_PLANS} sets of stored data:\n{}\n",
        document.n_simulations,
        document.seed,
        plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0),
        power_table(&document.power)
    )
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
