#!/bin/sh
# Builds the jar, which all platforms share.
set -eu
javac --release 17 -d dist/classes src/com/example/*.java
jar --create --file dist/words.jar --date=1980-01-01T00:00:02Z --main-class com.example.Words -C dist/classes .
