//! The systems of `testdata/systems`, built from real packages on real bases, pushed, and started under podman.

mod agent_runner;
mod container;
mod eliza;
mod failures;
mod system;
