//! Appends to the logs of a board.

use market::Commit;

use super::board::Board;
use super::digest::Digest;
use super::logs::LogOf;
use crate::views::kinds::LogView;

/// Appends an entry to the log of a view and to its digest. Nothing happens if the job does not have the view.
pub fn append<L: LogView>(board: &Board, commit: Commit, entry: L::Entry) {
    let log = board.log(L::VIEW.name).and_then(|log| log.as_any().downcast_ref::<LogOf<L>>());
    let Some(log) = log else { return };
    if board.digests {
        let (mut cells, mut digest) = (Vec::new(), Digest::default());
        for row in L::rows(&entry) {
            cells.clear();
            L::cells(row, commit, &board.labels, &mut cells);
            L::VIEW.debug_check(&cells);
            digest.change(commit, &cells, 1);
        }
        board.add_changes(L::VIEW.name, digest);
    }
    log.append(commit, entry);
}
