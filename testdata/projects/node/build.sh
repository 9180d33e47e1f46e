#!/bin/sh
# Installs the dependencies for each platform.
set -eu
for cpu in x64 arm64; do
  mkdir -p dist/$cpu
  cp package.json package-lock.json dist/$cpu/
  npm ci --silent --prefix dist/$cpu --omit=dev --os=linux --cpu=$cpu --libc=glibc
done
