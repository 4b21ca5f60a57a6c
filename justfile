# Frequent commands. `just ci` runs everything that must pass before a change is merged.

# Run the embedded backend, the demo and the console
run *ARGS:
    cargo run --release -- {{ARGS}}

# All tests except the browser's
test *ARGS:
    cargo test {{ARGS}}

# The operator journeys in a real Chromium (needs chromium and chromium-driver)
browser *ARGS:
    cargo test --test browser {{ARGS}}

# Review changed snapshots and accept or reject them
review:
    cargo insta review --snapshot-path snapshots

# Measure ratios of requests/s, latencies, memory; never fails on a number
bench *ARGS:
    cargo bench --bench console -- {{ARGS}}

# Check format and lints
lint:
    cargo fmt --all -- --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test browser -- -D warnings

# Everything that must pass before a change is merged
ci:
    .ci/run
