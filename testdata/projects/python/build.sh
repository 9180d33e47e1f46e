#!/bin/sh
# Installs the wheels for each platform.
set -eu
for machine in x86_64 aarch64; do
  python3 -m pip install --quiet --no-compile --target dist/$machine --require-hashes --requirement requirements.txt \
    --only-binary=:all: --python-version 3.11 --platform manylinux2014_$machine
done
