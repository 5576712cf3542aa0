//! One test for each fault that a user met or could have met, with its story above it.
//!
//! Owns nothing else: what holds by design is tested where it belongs.

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::tiny::TinyModel;

/// The self-check evaluated four prompts of a run together, in a cache of cells that was sized for one of them: a few
/// prompts of some hundred tokens ended a run with "the KV cache is full" before it had made anything.
#[test]
fn long_prompts_pass_the_self_check() {
    let env = TestEnv::with_tiny_models();
    let model = TinyModel {
        n_ctx: 4096,
        ..TinyModel::QWEN2
    };
    model.write(&env.path("a.gguf"));
    let mut experiment = ExperimentFile::tiny(3, 2);
    for template in &mut experiment.templates {
        // No two begin alike.
        let subject = template.id.trim_start_matches("likes-").to_owned();
        let story = format!("The {subject} was old and it was tall. ").repeat(60);
        template.test = format!("{subject}: {{concept}}. {story}{}", template.test);
        template.control = format!("{subject}: {story}{}", template.control);
    }
    experiment.system = None;
    env.experiment(&experiment);
    env.seep("run x.yaml").ok();
    let longest: u32 = env
        .record("db/seep.sqlite")
        .value("SELECT max(n_tokens) FROM rendered_prompts");
    assert!(longest > 520, "{longest}");
}
