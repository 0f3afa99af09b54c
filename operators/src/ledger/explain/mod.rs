//! Why a bar is what it is: the trades behind it, those that left it, and what changed it, from the trade log alone.
//!
//! The log holds every record that can change a bar, so what survives follows from it by the same rules as in the ledger:
//! `plain::trades` joins ids and chooses survivors, [`Bar::add`] folds. A bar of millions of trades must
//! not cost as much memory as the whole log: the log is read twice. The first time [`RelatedIds`] collects which ids have
//! anything to do with the bar, the second time [`BarRecords`] keeps the records of these; [`BarRecords::explain`]
//! replays them.
//!
//! The log may begin late. Then trades are missing; whoever asks compares [`BarTrades::fold`] with the bar.

mod conclusion;
mod related;
mod replay;

use market::{
    AcceptedEvent, Bar, Calendar, Cause, CauseKind, Commit, EventTime, InstrumentId,
    InstrumentSpec, OrderKey, Span, Timeframe, Trade, TradeId, Updates,
};

pub use related::RelatedIds;
pub use replay::BarRecords;

/// Which bar is explained, and by what the ledger judges.
#[derive(Clone, Copy, Debug)]
pub struct BarQuestion<'a> {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The first instant of the bar.
    pub open: EventTime,
    /// The first instant after it.
    pub end: EventTime,
    /// The calendar of the instrument.
    pub calendar: &'a Calendar,
    /// The length of base bars: trades are forgotten with theirs.
    pub base: Timeframe,
    /// How long trades are kept before the watermark.
    pub correction_horizon: Span,
}

/// A record of the trade log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    /// The commit that it is bound to.
    pub commit: Commit,
    /// The record.
    pub event: AcceptedEvent,
}

/// A trade that counts in the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedTrade {
    /// The trade as it survives.
    pub trade: Trade,
    /// When it counts: its event time, but for some prints of a session.
    pub counts_at: EventTime,
    /// The record that reported it: of its copies that with the lowest origin.
    pub report: LoggedRecord,
    /// The correction that counts, if it was corrected.
    pub correction: Option<LoggedRecord>,
    /// What of the bar it sets.
    pub roles: Roles,
}

/// What of a bar a trade sets. Of several trades at the highest or lowest price it is the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// It is the first.
    pub open: bool,
    /// It has the highest price.
    pub high: bool,
    /// It has the lowest price.
    pub low: bool,
    /// It is the last.
    pub close: bool,
}

/// A trade that was reported for the bar and does not count in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovedTrade {
    /// The trade as it was last reported for the bar.
    pub trade: Trade,
    /// The record that reported it so.
    pub report: LoggedRecord,
    /// Why it does not count.
    pub removal: Removal,
    /// The record that made it so; none if the trade never updates anything.
    pub by: Option<LoggedRecord>,
}

/// Why a trade does not count in a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A cancel names it.
    Cancelled,
    /// What survives of it counts in the base bar that opens then.
    Moved(EventTime),
    /// A correction says that it is another trade of the bar, which is listed.
    Joined,
    /// What survives of it updates nothing.
    UpdatesNothing,
}

/// What a commit did to a bar by one trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarEffect {
    /// The commit.
    pub commit: Commit,
    /// The strongest record behind it.
    pub cause: Cause,
    /// What counted in the bar before; several, if trades were joined.
    pub before: Vec<Trade>,
    /// What counts since.
    pub after: Option<Trade>,
}

/// What is behind a bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarTrades {
    /// The trades that count, in their order.
    pub trades: Vec<CountedTrade>,
    /// Those that do not, in the order of their reports.
    pub removed: Vec<RemovedTrade>,
    /// What changed the bar, by commit.
    pub effects: Vec<BarEffect>,
}

/// More records have to do with a bar than one explanation may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRecords;

/// An explanation holds at most so many records.
pub const EXPLAINED_RECORDS_MAX: usize = 50_000;

impl BarQuestion<'_> {
    /// A trade as it counts in bars: at the time at which it does.
    fn counted(&self, trade: &Trade) -> Trade {
        let time = self.calendar.counts_at(trade.time, trade.updates.print());
        Trade { time, ..*trade }
    }

    /// Whether a trade lies in the bar, whether or not it updates anything.
    fn holds(&self, trade: &Trade) -> bool {
        let at = self.counted(trade).time;
        self.open <= at && at < self.end
    }

    /// What a trade alone makes of the bar; none if it does not lie in it or updates nothing.
    fn alone(&self, trade: &Trade) -> Option<Bar> {
        let mut bar = Bar::empty(trade.spec, self.end);
        if self.holds(trade) {
            bar.add(&self.counted(trade));
        }
        Some(bar).filter(|bar| !bar.is_empty())
    }
}

impl LoggedRecord {
    /// What it is as the cause of a change.
    pub fn cause(&self) -> Cause {
        let AcceptedEvent { kind, id, of, origin, terms, .. } = self.event;
        let sent = terms.filter(|terms| kind == CauseKind::Correction && !terms.is_positional);
        // A record has one of both.
        let id = of.or(id).unwrap_or(TradeId::Number(0));
        Cause { kind, id, sequence: sent.map_or(0, |terms| terms.sequence), origin }
    }
}

impl BarTrades {
    /// The bar that the trades make, as it is published; none if no trade shows.
    pub fn fold(&self, spec: InstrumentSpec, end: EventTime) -> Option<Bar> {
        let mut bar = Bar::empty(spec, end);
        self.trades.iter().for_each(|counted| bar.add(&counted.as_counted()));
        Some(bar.shown()).filter(|bar| !bar.is_empty())
    }

    /// The same in order, each trade with what it sets.
    fn with_roles(mut self) -> BarTrades {
        let place = |one: &CountedTrade| (OrderKey::of(&one.as_counted()), one.trade.price);
        self.trades.sort_by_key(|one| (place(one), one.report.event.origin));
        let Some(spec) = self.trades.first().map(|one| one.trade.spec) else { return self };
        let mut bar = Bar::empty(spec, EventTime::END);
        self.trades.iter().for_each(|one| bar.add(&one.as_counted()));
        let sets_edges = |one: &CountedTrade| one.trade.updates.has(Updates::OPEN_CLOSE);
        let sets_heights = |one: &CountedTrade| one.trade.updates.has(Updates::HIGH_LOW);
        let at_edge = |edge| move |one: &CountedTrade| sets_edges(one) && Some(place(one)) == edge;
        let at_price =
            |price| move |one: &CountedTrade| sets_heights(one) && Some(one.trade.price) == price;
        self.mark(at_edge(bar.open), |roles| &mut roles.open);
        self.mark(at_price(bar.high), |roles| &mut roles.high);
        self.mark(at_price(bar.low), |roles| &mut roles.low);
        self.mark(at_edge(bar.close), |roles| &mut roles.close);
        self
    }

    /// Marks the first trade that fits.
    fn mark(&mut self, fits: impl Fn(&CountedTrade) -> bool, role: fn(&mut Roles) -> &mut bool) {
        if let Some(first) = self.trades.iter_mut().find(|one| fits(one)) {
            *role(&mut first.roles) = true;
        }
    }
}

impl CountedTrade {
    /// The trade at the time at which it counts.
    pub fn as_counted(&self) -> Trade {
        Trade { time: self.counts_at, ..self.trade }
    }
}

impl Removal {
    /// The names of all.
    pub const NAMES: [&'static str; 4] = ["cancelled", "moved", "joined", "updates_nothing"];

    /// `cancelled`, `moved`, `joined` or `updates_nothing`.
    pub fn name(self) -> &'static str {
        Removal::NAMES[match self {
            Removal::Cancelled => 0,
            Removal::Moved(_) => 1,
            Removal::Joined => 2,
            Removal::UpdatesNothing => 3,
        }]
    }
}
