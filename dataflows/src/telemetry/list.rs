//! The list of metrics: what each is called, and what it means.

/// A metric as documented: the text of `# HELP` and of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name without the unit. Samples of counters end in `_total`, those of infos in `_info`.
    pub name: &'static str,
    /// Its unit, which ends the name; counts have none.
    pub unit: Option<&'static str>,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub doc: &'static str,
}

impl Described {
    /// The name of the metric family: the name and its unit.
    pub fn full_name(&self) -> String {
        match self.unit {
            Some(unit) => format!("{}_{unit}", self.name),
            None => self.name.to_owned(),
        }
    }
}

/// Every metric.
pub const METRICS: &[Described] = &[
    RECORDS,
    ACCEPTED,
    CORRECTIONS,
    CANCELS,
    DUPLICATES,
    CONFLICTS,
    LATE,
    UNMATCHED,
    DEAD,
    INPUT,
    LAG,
    OUTLIERS,
    RAISED,
    WITHDRAWN,
    TICK_TO_VIEW,
    STATE_SAVE,
    COPY_AGE,
    COPIED,
    NEWEST,
    AGE,
    RETAINED,
    STATE,
    STATE_LIMIT,
    RESIDENT,
    VIRTUAL,
    CPU,
    START,
    OPEN_FDS,
    MAX_FDS,
    THREADS,
    IN_FLIGHT,
    ROWS,
    SUBSCRIPTIONS,
    MISSING,
    HEALTH,
    NAMES,
    NAMES_LIMIT,
    CONNECTED,
    BEHIND,
    HELD,
    DISCONNECTS,
    GAPS,
    LOST,
    PARTITION_CONNECTED,
    PARTITION_BEHIND,
    PARTITION_HELD,
    PARTITION_DISCONNECTS,
    PARTITION_GAPS,
    PARTITION_LOST,
    SINK_WAITING,
    SINK_FAILED,
    SINK_ROWS,
    SINK_RETRIES,
    SINK_RESYNCS,
    SINK_MESSAGES,
    SINK_REJECTED,
    SINK_SKIPPED,
    SINK_HELD_BACK,
    REFUSED,
    CLIENT_REFUSED,
    PROCESS,
];

pub(super) use described::*;

#[rustfmt::skip]
mod described {
    use super::*;

    pub(in crate::telemetry) const RECORDS: Described = counts("tickweave_records", SOURCE, "Records read from sources, whatever became of them");
    pub(in crate::telemetry) const ACCEPTED: Described = counts("tickweave_accepted", SOURCE, "Records that were accepted");
    pub(in crate::telemetry) const CORRECTIONS: Described = counts("tickweave_corrections", SOURCE, "Corrections among the records that were accepted, copies too");
    pub(in crate::telemetry) const CANCELS: Described = counts("tickweave_cancels", SOURCE, "Cancels among the records that were accepted, copies too");
    pub(in crate::telemetry) const DUPLICATES: Described = counts("tickweave_duplicates", SOURCE, "Copies of trades that were there already");
    pub(in crate::telemetry) const CONFLICTS: Described = counts("tickweave_conflicts", SOURCE, "Copies of trades that disagree with the one that counts");
    pub(in crate::telemetry) const LATE: Described = counts("tickweave_late", SOURCE_REASON, "Trades that came too late to be accepted, by the bound that refused them");
    pub(in crate::telemetry) const UNMATCHED: Described = counts("tickweave_unmatched", SOURCE_REASON, "Corrections and cancels whose trade was unknown when they came");
    pub(in crate::telemetry) const DEAD: Described = counts("tickweave_dead_letters", SOURCE_REASON, "Input that could not become a record");
    pub(in crate::telemetry) const INPUT: Described = measures("tickweave_input", "bytes", SOURCE, "Input read from sources");
    pub(in crate::telemetry) const LAG: Described = measures("tickweave_watermark_lag", "seconds", SOURCE, "How far the watermark is behind the system time; absent while unknown");
    pub(in crate::telemetry) const OUTLIERS: Described = counts("tickweave_outliers", &["kind"], "Trades and corrections whose price is far away from recent prices");
    pub(in crate::telemetry) const RAISED: Described = counts("tickweave_alerts_raised", RULE, "Alerts that were raised, each as often as it was");
    pub(in crate::telemetry) const WITHDRAWN: Described = counts("tickweave_alerts_withdrawn", RULE, "Alerts that were withdrawn, each as often as it was");
    pub(in crate::telemetry) const TICK_TO_VIEW: Described = measures("tickweave_tick_to_view", "seconds", &[], "Live: from when the oldest row of a commit came to when views show the commit");
    pub(in crate::telemetry) const STATE_SAVE: Described = measures("tickweave_state_save", "seconds", &[], "For how long a worker encoded states for a checkpoint in a commit; it does nothing else meanwhile");
    pub(in crate::telemetry) const COPY_AGE: Described = measures("tickweave_state_copy_age", "seconds", &[], "How far the copy of the state lags: time since the last complete one began, or since this start if there is none yet; absent without state.copy_to");
    pub(in crate::telemetry) const COPIED: Described = measures("tickweave_state_copied", "bytes", &[], "Bytes that were uploaded for copies of the state, complete or not; absent without state.copy_to");
    pub(in crate::telemetry) const NEWEST: Described = counts("tickweave_newest_commit", &[], "Number of the newest published commit; absent before the first");
    pub(in crate::telemetry) const AGE: Described = measures("tickweave_newest_commit_age", "seconds", &[], "Time since the newest commit was published; absent before the first");
    pub(in crate::telemetry) const RETAINED: Described = measures("tickweave_retained", "bytes", &["part"], "Memory that a part of the process retains, by the capacity of what holds it");
    pub(in crate::telemetry) const STATE: Described = measures("tickweave_state", "bytes", &[], "Memory that all parts retain, of which limits.state_bytes is the bound");
    pub(in crate::telemetry) const STATE_LIMIT: Described = measures("tickweave_state_limit", "bytes", &[], "The key limits.state_bytes");
    pub(in crate::telemetry) const RESIDENT: Described = measures("process_resident_memory", "bytes", &[], "Memory of the process that is resident");
    pub(in crate::telemetry) const VIRTUAL: Described = measures("process_virtual_memory", "bytes", &[], "Address space of the process");
    pub(in crate::telemetry) const CPU: Described = measures("process_cpu", "seconds", &[], "Processor time of the process, of user and system");
    pub(in crate::telemetry) const START: Described = measures("process_start_time", "seconds", &[], "When the process began, since 1970");
    pub(in crate::telemetry) const OPEN_FDS: Described = counts("process_open_fds", &[], "Open file descriptors");
    pub(in crate::telemetry) const MAX_FDS: Described = counts("process_max_fds", &[], "How many file descriptors may be open; absent without a bound");
    pub(in crate::telemetry) const THREADS: Described = counts("process_threads", &[], "Threads of the process");
    pub(in crate::telemetry) const IN_FLIGHT: Described = counts("tickweave_in_flight_records", &[], "Records handed to the workers whose commit is not published yet");
    pub(in crate::telemetry) const ROWS: Described = counts("tickweave_view_rows", &["view"], "Rows of a view: current ones if keyed, all ever appended if a log");
    pub(in crate::telemetry) const SUBSCRIPTIONS: Described = counts("tickweave_subscriptions", &["view"], "Subscriptions of a view that clients have, over WebSockets and server-sent events");
    pub(in crate::telemetry) const MISSING: Described = counts("tickweave_missing_trades", &[], "Missing ids in all rows of the view `gaps`: trades that no source has brought");
    pub(in crate::telemetry) const HEALTH: Described = counts("tickweave_health", &["check"], "How a check of /health is: 0 it passes, 1 it warns, 2 it fails");
    pub(in crate::telemetry) const NAMES: Described = counts("tickweave_names", &["kind"], "Instruments, portfolios and models of fair values that have a name");
    pub(in crate::telemetry) const NAMES_LIMIT: Described = counts("tickweave_names_limit", &["kind"], "How many there may be: limits.instruments, limits.portfolios, limits.models");
    pub(in crate::telemetry) const CONNECTED: Described = counts("tickweave_source_connected_partitions", SOURCE, "Partitions of a source that are connected to their server");
    pub(in crate::telemetry) const BEHIND: Described = counts("tickweave_source_rows_behind", SOURCE, "Rows that servers have and that were not read yet; absent while unknown");
    pub(in crate::telemetry) const DISCONNECTS: Described = counts("tickweave_source_disconnects", SOURCE, "How often a partition lost its server");
    pub(in crate::telemetry) const GAPS: Described = counts("tickweave_source_gaps", SOURCE, "How often rows were lost before they were read");
    pub(in crate::telemetry) const LOST: Described = counts("tickweave_source_lost_rows", SOURCE, "Rows lost before they were read, as far as their number is known; gaps count each loss");
    pub(in crate::telemetry) const HELD: Described = counts("tickweave_source_rows_held", SOURCE, "Rows, at most, that servers do not give out yet, since a transaction is open");
    pub(in crate::telemetry) const PARTITION_CONNECTED: Described = counts("tickweave_partition_connected", PARTITION, "Whether a partition is connected to its server: 1, else 0; partitions are counted once a second");
    pub(in crate::telemetry) const PARTITION_BEHIND: Described = counts("tickweave_partition_rows_behind", PARTITION, "Rows of a partition that its server has and that were not read yet; absent while unknown");
    pub(in crate::telemetry) const PARTITION_HELD: Described = counts("tickweave_partition_rows_held", PARTITION, "Rows of a partition, at most, that its server does not give out yet, since a transaction is open");
    pub(in crate::telemetry) const PARTITION_DISCONNECTS: Described = counts("tickweave_partition_disconnects", PARTITION, "How often a partition lost its server");
    pub(in crate::telemetry) const PARTITION_GAPS: Described = counts("tickweave_partition_gaps", PARTITION, "How often rows of a partition were lost before they were read");
    pub(in crate::telemetry) const PARTITION_LOST: Described = counts("tickweave_partition_lost_rows", PARTITION, "Rows of a partition lost before they were read, as far as their number is known; gaps count each loss");
    pub(in crate::telemetry) const SINK_WAITING: Described = counts("tickweave_sink_waiting", SINK, "Whether a sink has not taken or refused its batch for more than three seconds: 1, else 0");
    pub(in crate::telemetry) const SINK_FAILED: Described = counts("tickweave_sink_failed", SINK, "Whether a sink has given up: 1, else 0");
    pub(in crate::telemetry) const SINK_ROWS: Described = counts("tickweave_sink_rows", SINK, "Changes of a view that were delivered to a sink");
    pub(in crate::telemetry) const SINK_RETRIES: Described = counts("tickweave_sink_retries", SINK, "Tries to deliver that did not go well");
    pub(in crate::telemetry) const SINK_RESYNCS: Described = counts("tickweave_sink_resyncs", SINK, "How often a sink got a snapshot anew, since changes were no longer kept");
    pub(in crate::telemetry) const SINK_MESSAGES: Described = counts("tickweave_sink_messages", SINK, "Messages that a sink which notifies has sent");
    pub(in crate::telemetry) const SINK_REJECTED: Described = counts("tickweave_sink_rejected", SINK, "Changes that a sink will never deliver: the other side refused them, or did not take them for too long");
    pub(in crate::telemetry) const SINK_SKIPPED: Described = counts("tickweave_sink_skipped", SINK, "Changes that were not told: too old, or they take back what nobody was told");
    pub(in crate::telemetry) const SINK_HELD_BACK: Described = counts("tickweave_sink_held_back", SINK, "Changes that were beyond a sink's bound of messages per minute");
    pub(in crate::telemetry) const REFUSED: Described = counts("tickweave_reads_refused", &["reason"], "Reads of clients that were refused: too many waited (`full`), or one waited too long (`waited`)");
    pub(in crate::telemetry) const CLIENT_REFUSED: Described = counts("tickweave_clients_refused", &["reason"], "Requests without a good key (`unauthorized`), beyond what a key or the site of a page allows (`forbidden`), beyond a share (`throttled`), and connections beyond that of an address (`connections`)");
    pub(in crate::telemetry) const PROCESS: Described = counts("tickweave_process", &["version"], "The running program");
}

const fn counts(
    name: &'static str,
    labels: &'static [&'static str],
    doc: &'static str,
) -> Described {
    Described { name, unit: None, labels, doc }
}

const fn measures(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    doc: &'static str,
) -> Described {
    Described { name, unit: Some(unit), labels, doc }
}

const SOURCE: &[&str] = &["source"];
const SOURCE_REASON: &[&str] = &["source", "reason"];
const PARTITION: &[&str] = &["source", "partition"];
const SINK: &[&str] = &["sink", "view"];
const RULE: &[&str] = &["rule"];
