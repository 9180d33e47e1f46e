//! Sizes of the command line and the environment.

use super::failure::Failure;
use crate::environment::SIZE_HELP;
use crate::model::escape;
use crate::spec::parse_size;

/// Parses a size; `place` is where it was given, for messages.
pub fn parse_given_size(text: &str, place: &str) -> Result<u64, Failure> {
    parse_size(text).ok_or_else(|| {
        let message = format!("{place}: \"{}\" is not a size", escape(text.as_bytes()));
        Failure::usage(&message, SIZE_HELP)
    })
}
