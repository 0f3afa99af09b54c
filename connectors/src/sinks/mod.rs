//! Sinks: where changes of views go. [`sink`](crate::sink) has the contract.

pub mod file;
