//! Portfolios: scenarios, and random scripts beside the oracle.

mod explaining;
mod oracle;
mod room;
mod scenario;
mod stage;
mod stories;
