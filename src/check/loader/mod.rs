//! Finds the libraries that a program loads, by the rules of its loader: glibc's ld.so (ld.so(8)) or musl's (its
//! ldso/dynlink.c), on the files of the image.
//!
//! Libraries that a program opens by `dlopen` are not known, except for two kinds: modules of Python and of Node.

mod closing;
mod closure;
mod config;
mod files;
mod load;
mod module;
mod places;
mod settings;
#[cfg(test)]
mod tests;

pub use closure::{Closure, Loaded, Need};
pub(super) use module::{Module, is_library, python_minor};
pub use settings::Loader;
