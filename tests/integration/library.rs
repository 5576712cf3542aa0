//! The worked example of the crate's documentation, run on a tiny model.
//!
//! Owns nothing else: the lines themselves stand in `example.in`, which the documentation shows word for word.

use std::path::Path;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::real_models::turn;

#[expect(clippy::print_stdout, reason = "the example shows its results")]
fn example(folder: &Path, db: &Path, file: &Path) -> anyhow::Result<()> {
    include!("example.in")
}

#[test]
fn the_example_of_the_documentation_runs() {
    let _turn = turn();
    let env = TestEnv::with_tiny_models();
    let experiment = ExperimentFile::tiny(2, 2).models(&["a.gguf", "b.gguf"]);
    env.experiment(&experiment);
    example(
        &env.path("shelf"),
        &env.path("x.sqlite"),
        &env.path("x.yaml"),
    )
    .unwrap();
    let record = env.record("x.sqlite");
    assert_eq!(record.statuses(), ["success"]);
}
