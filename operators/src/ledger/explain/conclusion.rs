//! What becomes of a trade in the end: it counts in the bar, or does not, and why.

use market::{CauseKind, Origin, Trade};

use super::replay::is_cancel;
use super::{BarQuestion, BarTrades, CountedTrade, LoggedRecord, Removal, RemovedTrade, Roles};
use crate::ledger::plain::trades::Surviving;

impl BarTrades {
    /// Adds a trade, of which these are all records, and this survives. A trade that nobody has reported is none.
    pub(super) fn conclude(
        &mut self,
        question: &BarQuestion<'_>,
        mut records: Vec<LoggedRecord>,
        surviving: Option<Surviving>,
    ) {
        records.sort_by_key(|record| (record.commit, record.event.origin));
        let is_report = |record: &&LoggedRecord| record.event.kind == CauseKind::Trade;
        if !records.iter().any(|record| is_report(&record)) {
            return;
        }
        match surviving.filter(|one| question.alone(&one.version.trade).is_some()) {
            Some(Surviving { original, version }) => {
                let at = |origin| find(&records, origin);
                let Some(report) = at(original.origin) else { return };
                let is_corrected = version.origin != original.origin;
                let correction = if is_corrected { at(version.origin) } else { None };
                self.trades.push(CountedTrade {
                    trade: version.trade,
                    counts_at: question.counted(&version.trade).time,
                    report,
                    correction,
                    roles: Roles::default(),
                });
                self.joined(question, &records, &original.trade);
            }
            None => self.removed.extend(removed(question, &records, surviving)),
        }
    }

    /// Adds what other reports of a trade said that counts.
    fn joined(&mut self, question: &BarQuestion<'_>, records: &[LoggedRecord], counted: &Trade) {
        let reports = records.iter().filter(|record| record.event.kind == CauseKind::Trade);
        for report in reports {
            let Some(trade) = report.event.trade().filter(|trade| trade.name() != counted.name())
            else {
                continue;
            };
            let is_joined = |record: &&LoggedRecord| {
                let names = [record.event.named(), record.event.trade().map(|with| with.name())];
                record.event.kind == CauseKind::Correction && names.contains(&Some(trade.name()))
            };
            if question.alone(&trade).is_some() {
                let (removal, by) = (Removal::Joined, records.iter().find(is_joined).copied());
                self.removed.push(RemovedTrade { trade, report: *report, removal, by });
            }
        }
    }
}

/// A trade that does not count in the bar, if it was reported for it.
fn removed(
    question: &BarQuestion<'_>,
    records: &[LoggedRecord],
    surviving: Option<Surviving>,
) -> Option<RemovedTrade> {
    let mut reports = records.iter().filter_map(|record| Some((record, record.event.trade()?)));
    let (report, trade) = reports.rfind(|(_, trade)| question.holds(trade))?;
    let (removal, by) = match surviving {
        None => (Removal::Cancelled, records.iter().find(|record| is_cancel(record)).copied()),
        Some(Surviving { original, version }) => {
            let trade = question.counted(&version.trade);
            let by = find(records, version.origin);
            let removal = match question.holds(&version.trade) {
                true => Removal::UpdatesNothing,
                false => Removal::Moved(question.calendar.bucket(question.base, trade.time).open),
            };
            let is_as_reported =
                version.origin == original.origin && removal == Removal::UpdatesNothing;
            (removal, by.filter(|_| !is_as_reported))
        }
    };
    Some(RemovedTrade { trade, report: *report, removal, by })
}

fn find(records: &[LoggedRecord], origin: Origin) -> Option<LoggedRecord> {
    records.iter().find(|record| record.event.origin == origin).copied()
}
