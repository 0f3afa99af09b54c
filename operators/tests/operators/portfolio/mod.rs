//! Portfolios: stories of a desk, and random scripts beside the oracle.

mod oracle;
mod stage;
