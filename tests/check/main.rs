//! Will it start? What `ocitect check` and `ocitect build` find in images, how they tell it, and that nothing is written then.

mod docs;
mod images;
mod spec;
#[path = "../support/sandbox.rs"]
mod support;
