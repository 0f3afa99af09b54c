# Daily commands; `just` lists them.

default:
    @just --list

# Format, lints, docs and tests as the gate runs them.
gate:
    .ci/run

# All tests; arguments go to `cargo test`.
test *args:
    ./scripts/test {{args}}

# Format and lints.
check:
    cargo fmt --all
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The demo, on http://127.0.0.1:8080/
demo:
    ./scripts/demo

# Measurements; for example `just bench --only throughput`.
bench *args:
    cargo build --release --locked
    cargo run --release --locked -p bench -- {{args}}

# How the memory of the demo develops, over so many minutes.
memory minutes="60":
    cargo build --release --locked --bin tickweave
    ./scripts/memory {{minutes}}

# A real broker that is killed and frozen in a catch-up, at full length.
outages:
    ./scripts/outages

# Clients that come back so often with their tokens, over any transport, also after restarts
resumes count="2000":
    ./scripts/resumes {{count}}

# Every path of the OpenAPI document, as schemathesis makes them up
schemathesis examples="50":
    ./scripts/schemathesis {{examples}}

# Kill a job at every failpoint and so many times at random
chaos kills="300":
    ./scripts/chaos {{kills}}
