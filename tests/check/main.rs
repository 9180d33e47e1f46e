//! Will it start? What `ocitect check` and `ocitect build` find in images, how they tell it, and that nothing is written then.

mod bases;
mod docs;
mod images;
mod loader;
mod secrets;
mod spec;
mod starts;
#[path = "../support/sandbox.rs"]
mod support;
