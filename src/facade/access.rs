//! What every operation of the front door needs.

use std::sync::Arc;

use crate::build::{BuildOptions, Transports};
use crate::events::Observer;

/// What an operation needs.
pub(super) struct Access {
    pub transports: Transports,
    pub options: BuildOptions,
    pub observer: Arc<dyn Observer>,
}
