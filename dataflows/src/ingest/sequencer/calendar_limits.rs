//! Tells of the first trade beyond the years whose holidays its calendar knows.

use connectors::{Incident, IncidentKind};
use market::{Calendars, Event, EventTime};

/// The calendars of a job, and of which of them it was told. Bars beyond the years that a calendar knows are cut as if
/// nothing was ever closed, so nobody should have to guess.
pub(super) struct CalendarLimits(Vec<Limit>);

struct Limit {
    name: String,
    years: (i16, i16),
    /// Until now nothing came before.
    from: EventTime,
    /// Nor at or after this.
    to: EventTime,
}

impl CalendarLimits {
    pub(super) fn of(calendars: &Calendars) -> CalendarLimits {
        let limits = calendars.iter().map(|calendar| {
            let (from, to) = calendar.known();
            let (name, years) = (calendar.name().to_owned(), calendar.known_years());
            Limit { name, years: years.unwrap_or_default(), from, to }
        });
        CalendarLimits(limits.collect())
    }

    /// An incident, if the event is the first one before or after the years that its calendar knows.
    pub(super) fn look(&mut self, event: &Event) -> Option<Incident> {
        let trade = match event {
            Event::New(trade) | Event::Correct { with: trade, .. } => trade,
            Event::Cancel { .. } => return None,
        };
        let limit = self.0.get_mut(usize::from(trade.spec.calendar.0))?;
        let beyond = if trade.time < limit.from {
            limit.from = EventTime::NEVER;
            "before"
        } else if trade.time >= limit.to {
            limit.to = EventTime::END;
            "after"
        } else {
            return None;
        };
        let (first, last) = limit.years;
        let detail = format!(
            "a trade of {} is {beyond} the years whose holidays calendar `{}` knows ({first} to {last}): there its \
             bars are cut as if no day was closed or shortened; a `[[calendar]]` with `like` can add dates",
            trade.time, limit.name
        );
        Some(Incident { kind: IncidentKind::Warning, lost: None, detail })
    }
}

#[cfg(test)]
mod tests {
    use market::{
        Calendar, CalendarId, IdScope, InstrumentId, InstrumentSpec, Price, Quantity, Side, Trade,
        TradeId, Updates,
    };

    use super::*;

    fn at(calendar: u8, time: &str) -> Event {
        Event::New(Trade {
            instrument: InstrumentId::of("x:A"),
            spec: InstrumentSpec {
                price_scale: 0,
                quantity_scale: 0,
                calendar: CalendarId(calendar),
            },
            scope: IdScope(0),
            id: TradeId::Number(1),
            time: EventTime::parse_any(time).unwrap(),
            sequence: 0,
            is_positional: false,
            price: Price(1),
            quantity: Quantity(1),
            side: Side::Unknown,
            updates: Updates::ALL,
        })
    }

    #[test]
    fn the_first_trade_on_each_side_is_told() {
        let calendars = [Calendar::UTC, Calendar::named("XTKS").unwrap()];
        let mut limits = CalendarLimits::of(&Calendars::new(calendars.to_vec()).unwrap());
        let mut told = |calendar, time| limits.look(&at(calendar, time)).map(|told| told.detail);
        assert_eq!(told(0, "1970-01-01T00:00:00Z"), None);
        assert_eq!(told(1, "2012-12-31T15:00:00Z"), None);
        let before = told(1, "2012-12-31T14:59:59Z").unwrap();
        assert!(
            before.contains("before the years whose holidays calendar `XTKS` knows (2013 to"),
            "{before}"
        );
        assert_eq!(told(1, "2011-06-01T00:00:00Z"), None, "told once");
        assert_eq!(told(1, "2027-12-31T14:59:59Z"), None);
        assert!(told(1, "2031-01-01T00:00:00Z").unwrap().contains("2031-01-01T00:00:00Z is after"));
        assert_eq!(told(1, "2032-01-01T00:00:00Z"), None, "told once");
    }
}
