//! The projects of `testdata/projects`: built by their own scripts, packed as their guides show, pushed, and run.

mod built;
mod guides;
mod project;
