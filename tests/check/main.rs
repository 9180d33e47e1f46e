//! Will it start? What `ocitect check` and `ocitect build` find in images, how they tell it, and that nothing is written then.

mod alike;
mod bases;
mod coverage;
mod docs;
#[path = "../support/foreign.rs"]
mod foreign;
mod images;
mod loader;
mod secrets;
mod spec;
mod starts;
#[path = "../support/sandbox.rs"]
mod support;
