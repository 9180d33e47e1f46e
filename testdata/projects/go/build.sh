#!/bin/sh
# Builds the program for each platform.
set -eu
for arch in amd64 arm64; do
  CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -ldflags=-s -o dist/$arch/checksum .
done
