//! The local outputs of a build, and what they must not destroy.

mod itself;
mod layouts;
mod signals;
