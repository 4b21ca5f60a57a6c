# What is typed often. `just ci` is what runs before a change lands.

# Embedded deployment, demo and console
run *ARGS:
    cargo run --release -- {{ARGS}}

# Everything but the browser
test *ARGS:
    cargo test {{ARGS}}

# The journeys of an operator, in a real Chromium (needs chromium and chromium-driver)
browser *ARGS:
    cargo test --test browser {{ARGS}}

# Look at changed snapshots and take or leave them
review:
    cargo insta review --snapshot-path snapshots

# Ratios of requests/s, latencies, memory; prints, never fails on a number
bench *ARGS:
    cargo bench --bench console -- {{ARGS}}

lint:
    cargo fmt --all -- --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test browser -- -D warnings

ci:
    .ci/run
