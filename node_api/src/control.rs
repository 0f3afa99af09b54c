//! What a server may do to the node that it serves.

/// Controls a node while it runs. Every call returns at once: what it asks for happens with one of the next commits.
pub trait ControlApi: Send + Sync {
    /// The names of the sources that can be paused.
    fn sources(&self) -> Vec<String>;

    /// Whether a source is to be paused.
    fn is_paused(&self, source: &str) -> bool;

    /// Takes nothing more of a source from one of the next commits on. What it sends meanwhile waits, at the latest where
    /// it comes from. An unknown name is ignored.
    fn pause(&self, source: &str);

    /// Takes what a source sends again. An unknown name is ignored.
    fn resume(&self, source: &str);

    /// Asks for a checkpoint. Gives a number for [`ControlApi::has_checkpoint`]; none if the job keeps no state.
    fn request_checkpoint(&self) -> Option<u64>;

    /// Whether a checkpoint that was begun after this request is on the disk.
    fn has_checkpoint(&self, request: u64) -> bool;

    /// Ends the process in order. It may be called again.
    fn drain(&self);

    /// Whether the process ends.
    fn is_draining(&self) -> bool;
}
