//! What the checks of a spec need to plan its images.

use std::sync::Arc;

use super::arguments::CheckArguments;
use super::failure::Failure;
use super::progress::TrafficAtEnd;
use crate::build::{BuildOptions, Transports};
use crate::environment::Environment;
use crate::events::Observer;

/// How images are planned, and the access to their bases. When it is dropped, the traffic is reported.
pub struct Planning {
    /// The options.
    pub options: BuildOptions,
    /// The access to base images.
    pub transports: Transports,
    _traffic: TrafficAtEnd,
}

impl Planning {
    /// Returns what the options of `ocitect check` say.
    pub fn of(
        arguments: &CheckArguments,
        environment: &Environment,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let options = BuildOptions {
            locked: arguments.pins.locked,
            ..environment.build_options(arguments.jobs)?
        };
        let transports = environment.transports(&arguments.registry, &[], observer)?;
        let traffic = TrafficAtEnd::of(&transports, observer);
        let transports = if arguments.pins.offline {
            transports.offline()
        } else {
            transports
        };
        Ok(Self {
            options,
            transports,
            _traffic: traffic,
        })
    }
}
