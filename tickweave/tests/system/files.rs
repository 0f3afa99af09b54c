//! Files that grow while a job runs, and files that patterns and folders name.

mod followed;
mod found;
mod looked;
