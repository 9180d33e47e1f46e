#!/bin/sh
# Builds a static program for each machine: `./build.sh`, or `./build.sh x86_64` for one.
# `TARGET=unknown-linux-gnu` links glibc, where the musl target is not installed.
set -eu
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/build"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc
for machine in ${*:-x86_64 aarch64}; do
  cargo build --quiet --release --locked --target "$machine-${TARGET:-unknown-linux-musl}"
done
