//! Progress on stderr: bars on a terminal, a line per event elsewhere, JSON lines on request.

mod bars;
mod heartbeat;
mod json;
mod layout;
mod lines;
mod lock;
mod observer;
mod pace;
mod ticker;
mod traffic_at_end;

pub use bars::clear_bars;
pub use observer::{note, observer, warn};
pub use traffic_at_end::TrafficAtEnd;
