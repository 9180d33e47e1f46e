//! The systems of `testdata/systems`, built from real packages on real bases, pushed, and started under podman.

mod agent_runner;
mod ai_system;
mod compose;
mod container;
mod eliza;
mod failures;
mod moving;
mod requests;
mod stack;
mod stack_failures;
mod system;
mod watch;
mod whole;
mod workstation;
