//! When prints count: section *Prints of a session* of the definition.

use market::{Calendar, Calendars, EventTime, SessionKind, SessionPrint, Trade};

/// The trade as it counts in bars: at the time at which it does.
pub fn counted(trade: &Trade, calendars: &Calendars) -> Trade {
    let calendar = calendars.get(trade.spec.calendar);
    Trade { time: counts_at(calendar, trade.time, trade.updates.print()), ..*trade }
}

/// When a print at `time` counts.
pub fn counts_at(calendar: &Calendar, time: EventTime, print: SessionPrint) -> EventTime {
    let is_regular = |time| calendar.stretch(time).kind == SessionKind::Regular;
    let own = calendar.stretch(time);
    let (last_before, first_after) = (EventTime(own.open.0.saturating_sub(1)), own.end);
    let is_in_grace = is_regular(time) && time >= calendar.regular_close(time);
    let grace = calendar.close_grace().as_nanos();
    match print {
        SessionPrint::Ordinary if is_in_grace => first_after,
        SessionPrint::Closing if !is_regular(time) && is_regular(last_before) => last_before,
        SessionPrint::Opening
            if !is_regular(time)
                && is_regular(first_after)
                && time.0 >= first_after.0.saturating_sub(grace) =>
        {
            first_after
        }
        _ => time,
    }
}

/// From when on prints may count in a bar that opens at `open`: a grace before it, where a regular session begins or
/// has ended.
pub fn reaches_back_to(calendar: &Calendar, open: EventTime) -> EventTime {
    let before = EventTime(open.0.saturating_sub(1));
    let [earlier, own] = [before, open].map(|time| calendar.stretch(time));
    let regular = [earlier, own].into_iter().filter(|piece| piece.kind == SessionKind::Regular);
    match earlier != own && regular.count() == 1 {
        true => EventTime(open.0.saturating_sub(calendar.close_grace().as_nanos())),
        false => open,
    }
}
