//! Portfolios: stories in a trader's words with numbers found by hand, and what holds of any accounts.

mod currencies;
mod faults;
mod fees;
mod fills;
mod models;
mod risk;
mod scripts;
mod vocabulary;
mod weights;
