//! The cache: many processes at once, including killed ones, and damage; and the commands that show, prune and verify
//! it, and prune layouts.

mod command;
mod crowds;
mod killed;
mod layouts;
mod modes;
