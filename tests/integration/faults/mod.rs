//! Faults in front of real registries, and with more data than fits beside other tests.

mod large;
mod surroundings;
