//! What the accepted records of one commit are behind: conflicts, and changes of base bars.

use std::collections::{BTreeMap, BTreeSet};

use market::{
    Bar, CandleKey, Cause, CauseKind, Commit, Conflict, Event, Origin, Record, Trade, TradeRef,
};

use crate::history::History;
use crate::prints::counted;
use crate::set::Joined;
use crate::values;

/// Section *Conflicts*, for the records accepted before and in `commit`.
pub(crate) fn conflicts(commit: Commit, before: &[Record], accepted: &[Record]) -> Vec<Conflict> {
    let originals = |records: &[Record], name: TradeRef| -> BTreeMap<Origin, Trade> {
        let of_name = records.iter().filter_map(|r| match r.event {
            Event::New(trade) if trade.name() == name => Some((r.origin, trade)),
            _ => None,
        });
        of_name.collect()
    };
    let names: BTreeSet<TradeRef> = accepted
        .iter()
        .filter_map(|r| match r.event {
            Event::New(trade) => Some(trade.name()),
            Event::Correct { .. } | Event::Cancel { .. } => None,
        })
        .collect();

    let mut rows = Vec::new();
    for name in names {
        let mut candidates = originals(accepted, name);
        candidates.extend(originals(before, name).into_iter().next());
        let Some(kept) = candidates.values().next().copied() else {
            continue; // cannot be: the name is that of an accepted trade
        };
        let kept = content(kept);
        let mut contents: BTreeMap<Trade, Origin> = BTreeMap::new();
        for (origin, trade) in candidates {
            contents.entry(content(trade)).or_insert(origin); // the lowest comes first
        }
        let dropped = contents.into_iter().filter(|(content, _)| *content != kept);
        rows.extend(dropped.map(|(dropped, origin)| Conflict { commit, kept, dropped, origin }));
    }
    rows
}

/// The content of a trade as reported: without a position in place of a sequence.
pub(crate) fn content(trade: Trade) -> Trade {
    match trade.is_positional {
        true => Trade { sequence: 0, ..trade },
        false => trade,
    }
}

/// Every accepted record of a commit, as a cause, with every base bar to which its trade contributes
/// other than before. A trade that was joined in this commit contributed what its parts did.
pub(crate) fn causes(
    history: &History,
    before: &[Joined],
    after: &[Joined],
    accepted: &[Record],
) -> Vec<(CandleKey, Cause)> {
    let mut causes = Vec::new();
    for trade in after {
        let behind: Vec<Cause> =
            trade.records.iter().filter(|record| accepted.contains(record)).map(cause).collect();
        if behind.is_empty() {
            continue;
        }
        let parts = before.iter().filter(|part| !part.ids.is_disjoint(&trade.ids));
        let was = contributions(history, parts);
        let is = contributions(history, [trade]);
        let keys: BTreeSet<CandleKey> = was.keys().chain(is.keys()).copied().collect();
        for key in keys {
            if was.get(&key) != is.get(&key) {
                causes.extend(behind.iter().map(|cause| (key, *cause)));
            }
        }
    }
    causes
}

/// What trades contribute to base bars: for each bar, the values that it would have of each alone.
fn contributions<'a>(
    history: &History,
    trades: impl IntoIterator<Item = &'a Joined>,
) -> BTreeMap<CandleKey, Vec<Bar>> {
    let mut all: BTreeMap<CandleKey, Vec<Bar>> = BTreeMap::new();
    for trade in trades.into_iter().filter_map(Joined::survivor) {
        let trade = counted(&trade, &history.calendars);
        let (key, bucket) = values::place(&trade, history.timeframes[0], &history.calendars);
        if let Some(bar) = values::bar(&[trade], bucket) {
            all.entry(key).or_default().push(bar);
        }
    }
    all.values_mut().for_each(|bars| bars.sort());
    all
}

/// A record as a cause.
fn cause(record: &Record) -> Cause {
    let (kind, id, sequence) = match record.event {
        Event::New(trade) => (CauseKind::Trade, trade.id, 0),
        Event::Correct { of, with } if with.is_positional => (CauseKind::Correction, of.id, 0),
        Event::Correct { of, with } => (CauseKind::Correction, of.id, with.sequence),
        Event::Cancel { of, .. } => (CauseKind::Cancel, of.id, 0),
    };
    Cause { kind, id, sequence, origin: record.origin }
}

/// The strongest: a cancel, then a correction with a higher sequence, then a new trade; then the
/// lowest origin.
pub(crate) fn strongest(causes: impl IntoIterator<Item = Cause>) -> Option<Cause> {
    let strength = |cause: &Cause| {
        let kind = match cause.kind {
            CauseKind::Trade => 0,
            CauseKind::Correction => 1,
            CauseKind::Cancel => 2,
        };
        (kind, cause.sequence, std::cmp::Reverse(cause.origin))
    };
    causes.into_iter().max_by_key(strength)
}
