//! Publishing: turns the operators' output into arrangements, logs and digests that any thread may read.
//!
//! Only this module uses both arrangements and views. Workers publish the shared batches of their arrangements with
//! their frontiers. Readers scan the batches on their own threads at a common frontier.
//!
//! Reading order: `entry` (a line of the list of views) → `view_outputs` (connects views to operators) → `row_changes` (the
//! changes of a commit) → `arranged` and `logs` → `board` → `reader`.

mod append;
mod arranged;
mod batch_sizes;
mod batches;
mod board;
mod board_memory;
mod change_log;
mod commit_blocks;
mod cursor_scan;
mod cut;
mod digest;
pub mod entry;
mod history;
mod keyed_reads;
mod limited_rows;
mod log_rows;
mod logs;
mod memory_use;
mod newest;
mod output_context;
mod reader;
mod reading;
mod ring;
mod row_changes;
mod scan;
mod series;
mod snapshot_points;
mod snapshots;
mod stored_view;
mod table;
mod typed_cut;
mod union_log;
mod view_outputs;

pub use append::append;
pub use arranged::{Arranged, Arrangement, Publisher, WorkerViews};
pub use board::{Board, BoardConfig, ConsistentCut, Published, WorkerFailed};
pub use change_log::{ChangeLog, Exempt, Retained};
pub use commit_blocks::Commits;
pub use digest::{Digest, ViewDigest};
pub use entry::Entry;
pub use logs::RetainedLog;
pub use memory_use::{
    CHECKPOINT, CLIENTS, ID_TEXTS, IN_FLIGHT, INPUT, MemoryPart, MemoryUse, OverBudget,
};
pub use reader::BoardReader;
pub use ring::Ring;
pub use snapshot_points::SnapshotPoints;
pub use stored_view::StoredView;
pub use table::{HeldTable, Table};
pub use typed_cut::{LogReach, TypedCut};
pub use view_outputs::ViewOutputs;
