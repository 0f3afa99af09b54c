//! What bars have beside values: state, revision and cause. The same for bars of commits and of rounds.

use std::collections::{BTreeMap, BTreeSet};

use market::{Bar, BarState, Candle, CandleKey, Cause, Commit, EventTime, Revision};

/// Bars by their key.
pub(crate) type Bars = BTreeMap<CandleKey, Bar>;

/// The revisions of bars. A bar stays in here when its row goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revisions {
    of: BTreeMap<CandleKey, (u32, Cause)>,
    /// Whether a bar is partial, from when on it first had a row.
    partial: BTreeMap<CandleKey, bool>,
}

impl Revisions {
    /// Revises every bar that differs and whose end the watermark has reached; its cause is
    /// `cause(key)`. A bar holds prints from `first_print` of its first instant on. Beside the revisions it gives the causes of all that differ so, partial bars included.
    pub(crate) fn revise(
        &mut self,
        commit: Commit,
        (watermark, whole_from): (EventTime, EventTime),
        (before, after): (&Bars, &Bars),
        first_print: impl Fn(EventTime) -> EventTime,
        cause: impl Fn(&CandleKey) -> Option<Cause>,
    ) -> (Vec<Revision>, Vec<(CandleKey, Cause)>) {
        for key in after.keys() {
            self.partial.entry(*key).or_insert_with(|| first_print(key.open_time) < whole_from);
        }
        let (mut rows, mut causes) = (Vec::new(), Vec::new());
        for (key, before, after) in changes(before, after) {
            let end = before.or(after).map_or(EventTime::END, |bar| bar.end_time);
            if end > watermark {
                continue;
            }
            let Some(cause) = cause(&key) else {
                unreachable!("no accepted record is behind the change of {key:?} in {commit}")
            };
            causes.push((key, cause));
            if self.partial.get(&key) == Some(&true) {
                continue;
            }
            let revision = self.of.get(&key).map_or(0, |(revision, _)| *revision) + 1;
            self.of.insert(key, (revision, cause));
            rows.push(Revision { commit, key, revision, before, after, cause });
        }
        (rows, causes)
    }

    /// `bars` as they show, where `seen` is the newest time seen.
    pub(crate) fn candles(
        &self,
        bars: &Bars,
        watermark: EventTime,
        seen: Option<EventTime>,
    ) -> BTreeMap<CandleKey, Candle> {
        let candle = |(key, bar): (&CandleKey, &Bar)| {
            let past = self.of.get(key);
            let state = if self.partial.get(key) == Some(&true) {
                BarState::Partial
            } else if past.is_some() {
                BarState::Revised
            } else if bar.end_time <= watermark {
                BarState::Final
            } else if seen.is_some_and(|seen| bar.end_time <= seen) {
                BarState::Provisional
            } else {
                BarState::Open
            };
            let candle = Candle {
                bar: *bar,
                state,
                revision: past.map_or(0, |(revision, _)| *revision),
                cause: past.map(|(_, cause)| *cause),
            };
            (*key, candle)
        };
        bars.iter().map(candle).collect()
    }
}

/// The bars whose values, or whether they have a row, differ.
pub(crate) fn changes(before: &Bars, after: &Bars) -> Vec<(CandleKey, Option<Bar>, Option<Bar>)> {
    let keys: BTreeSet<CandleKey> = before.keys().chain(after.keys()).copied().collect();
    keys.into_iter()
        .map(|key| (key, before.get(&key).copied(), after.get(&key).copied()))
        .filter(|(_, before, after)| before != after)
        .collect()
}
