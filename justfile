# Every recipe builds with the release profile and the same features, so that llama.cpp is compiled once; those for
# editing change it for seep alone.
#
# Cargo features (`cuda`, `metal`, `vulkan`; several with commas between them) are given in one of two ways:
#     just features=cuda run experiments/colors.yaml
#     SEEP_FEATURES=cuda just run experiments/colors.yaml
# Another choice of features compiles llama.cpp again. Apple silicon uses Metal without being told.
#
# `just NAME ARGS` works in any folder below this one; paths in ARGS count from this one.

set positional-arguments

# llama.cpp's threads sleep while they wait for each other: it costs nothing alone, and beside one busy process it makes
# generating 1.4 times faster (benches/README.md).
export OMP_WAIT_POLICY := env('OMP_WAIT_POLICY', 'passive')

features := env('SEEP_FEATURES', '')
# The recipes for editing: all but seep itself is as the release profile built it, and of seep only what changed is
# compiled again, without optimisation. Its files lie beside those of the other recipes.
editing := "--release --config profile.release.package.seep.opt-level=0 --config profile.release.package.seep.debug=0"
browser := justfile_directory() / '.tools' / 'browser'
seep := env('CARGO_TARGET_DIR', 'target') / 'release' / 'seep'

# These recipes
_default:
    @'{{ just_executable() }}' --list --unsorted

# Run the experiment FILE; FLAGS as in `seep run --help`
[no-exit-message]
run FILE *FLAGS: _build
    @'{{ seep }}' run "$@"

# Write what is stored of an experiment as one HTML file; FLAGS as in `seep report --help`
[no-exit-message]
report *FLAGS: _build
    @'{{ seep }}' report "$@"

# Show what running the experiment FILE would do
[no-exit-message]
plan FILE *FLAGS: _build
    @'{{ seep }}' plan "$@"

# Compare stored conditions with a base; ARGS as in `seep compare --help`
[no-exit-message]
compare *ARGS: _build
    @'{{ seep }}' compare "$@"

# Fetch model files; ARGS as in `seep models fetch --help`
[no-exit-message]
fetch *ARGS: _build
    @'{{ seep }}' models fetch "$@"

# Measure the speed of generating; FLAGS as in `seep bench --help`
[no-exit-message]
bench *FLAGS: _build
    @'{{ seep }}' bench "$@"

# Try the statistics on made-up experiments whose truth is known; FLAGS as in `seep simulate --help`
[no-exit-message]
simulate *FLAGS: _build
    @'{{ seep }}' simulate "$@"

# Time the inner loops: sampling, shared prefixes, verdicts, intervals; FLAGS as divan takes them
bench-micro *FLAGS:
    cargo bench --locked --profile release --features '{{ features }}' --bench micro -- "$@"

# Run the tests; FLAGS go to `cargo test`
test *FLAGS:
    cargo test --locked --release --features '{{ features }}' "$@"

# While editing: check that everything compiles
check-fast:
    CARGO_INCREMENTAL=1 cargo check {{ editing }} --all-targets --features '{{ features }}'

# While editing: run the unit tests that have one of NAMES in theirs
test-unit *NAMES:
    CARGO_INCREMENTAL=1 cargo test {{ editing }} --lib --features '{{ features }}' -- "$@"

# While editing: run the program; ARGS as in `seep --help`
[no-exit-message]
run-fast *ARGS:
    @CARGO_INCREMENTAL=1 cargo run {{ editing }} --features '{{ features }}' -- "$@"

# Test the report in a real browser: needs Chromium (`apt install chromium`) and Python
test-report:
    python3 -m venv '{{ browser }}'
    '{{ browser }}/bin/pip' install --quiet --require-virtualenv -r tests/browser/requirements.txt
    SEEP_BROWSER_PYTHON='{{ browser }}/bin/python' cargo test --locked --release --features '{{ features }}' --test browser -- --nocapture

# llama.cpp leaves out drivers that compute on the processor, such as Mesa's, unless a device is named.
# Run a model through Vulkan: needs Vulkan headers, glslc, spirv-headers and a driver, such as mesa-vulkan-drivers
test-vulkan:
    GGML_VK_VISIBLE_DEVICES="${GGML_VK_VISIBLE_DEVICES:-0}" cargo test --locked --release --features vulkan --test vulkan -- --nocapture

# Check formatting, lints and documentation
check:
    cargo fmt --all --check
    cargo clippy --locked --release --all-targets --features '{{ features }}' -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --release --no-deps --features '{{ features }}'

# Delete what was built; model files in gguf/ and databases in db/ stay
clean:
    cargo clean
    @echo 'gguf/ and db/ are as they were.' >&2

_build:
    @cargo build --locked --release --features '{{ features }}'
