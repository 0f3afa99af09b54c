//! Portfolios: stories of a desk, and random scripts beside the oracle.

mod desk;
mod oracle;
mod room;
mod stage;
mod stories;
