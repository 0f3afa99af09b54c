//! The trades of one instrument.

use market::{
    Bar, Event, IdScope, InstrumentId, InstrumentSpec, NameOrder, Origin, PartitionId, Price,
    Quantity, Record, Side, SourceId, Trade, TradeId, TradeRef, Updates,
};

use crate::bars::{Bars, Ladder, NONE};
use crate::ids::{ById, kind_and_number};

/// Of what [`InstrumentTrades::known`] holds, what is the number of an [`Amended`] and not of a [`Kept`].
const AMENDED: u32 = 1 << 31;

/// One instrument.
pub struct InstrumentTrades {
    /// Which.
    pub instrument: InstrumentId,
    /// Whether a record of the commit at hand speaks of it.
    pub(crate) is_dirty: bool,
    spec: Option<InstrumentSpec>,
    /// By scope and kind of id, what is known of each id: few maps, most often one.
    known: Vec<((IdScope, u8), ById<u32>)>,
    /// Every trade that ever showed in a bar.
    kept: Vec<Kept>,
    amended: Vec<Amended>,
    bars: Bars,
}

/// A trade that shows in a bar, or did.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) time: i64,
    sequence: u64,
    pub(crate) price: i64,
    quantity: i64,
    id: TradeId,
    position: u64,
    order: NameOrder,
    partition: PartitionId,
    scope: IdScope,
    /// The next trade of its bar.
    pub(crate) next: u32,
    rank: u8,
    source: u8,
    side: Side,
    updates: Updates,
    is_positional: bool,
    pub(crate) is_gone: bool,
}

/// A trade that was amended.
#[derive(Default)]
struct Amended {
    ids: Vec<TradeRef>,
    /// Per id, the `New` with the lowest origin.
    news: Vec<(Origin, Trade)>,
    /// The strongest correction.
    correction: Option<(Origin, Trade)>,
    is_cancelled: bool,
    /// What of it shows.
    shown: Option<u32>,
}

impl InstrumentTrades {
    pub(crate) fn new(instrument: InstrumentId, ladder: Ladder) -> InstrumentTrades {
        InstrumentTrades {
            instrument,
            is_dirty: false,
            spec: None,
            known: Vec::new(),
            kept: Vec::new(),
            amended: Vec::new(),
            bars: Bars::new(ladder),
        }
    }

    pub(crate) fn spec(&self) -> Option<InstrumentSpec> {
        self.spec
    }

    pub(crate) fn newest_close(&self) -> Option<Price> {
        self.bars.newest_close()
    }

    /// Applies a record; returns whether it was a duplicate.
    pub(crate) fn apply(&mut self, record: &Record) -> bool {
        let origin = record.origin;
        match record.event {
            Event::New(trade) => return self.add(origin, &trade),
            Event::Correct { of, with } => {
                self.spec = Some(with.spec);
                let one = self.amend(of);
                let other = self.amend(with.name());
                let number = self.join(one, other);
                let own = &mut self.amended[number as usize].correction;
                if own.is_none_or(|(known, other)| with.outranks(origin, (&other, known))) {
                    *own = Some((origin, with));
                    self.show(number);
                }
            }
            Event::Cancel { of, .. } => {
                let number = self.amend(of);
                if !std::mem::replace(&mut self.amended[number as usize].is_cancelled, true) {
                    self.show(number);
                }
            }
        }
        false
    }

    fn add(&mut self, origin: Origin, trade: &Trade) -> bool {
        self.spec = Some(trade.spec);
        let next = self.kept.len() as u32;
        let known = *self.known(trade.scope, trade.id).or_insert(next);
        if known == next {
            self.insert(origin, trade);
        } else if known & AMENDED != 0 {
            let number = known & !AMENDED;
            let news = &mut self.amended[number as usize].news;
            match news.iter_mut().find(|(_, own)| own.name() == trade.name()) {
                Some((own, _)) if *own <= origin => return true,
                Some(own) => *own = (origin, *trade),
                None => news.push((origin, *trade)),
            }
            self.show(number);
        } else {
            let kept = &self.kept[known as usize];
            if kept.origin() <= origin {
                return true;
            }
            self.remove(known);
            *self.known(trade.scope, trade.id).or_insert(next) = next;
            self.insert(origin, trade);
        }
        false
    }

    fn known(
        &mut self,
        scope: IdScope,
        id: TradeId,
    ) -> std::collections::hash_map::Entry<'_, u64, u32> {
        let (kind, number) = kind_and_number(id);
        let space = (scope, kind);
        let at = self.known.iter().position(|(own, _)| *own == space).unwrap_or_else(|| {
            self.known.push((space, ById::default()));
            self.known.len() - 1
        });
        self.known[at].1.entry(number)
    }

    /// Keeps a trade and shows it.
    fn insert(&mut self, origin: Origin, trade: &Trade) -> u32 {
        let number = self.kept.len() as u32;
        let next = self.bars.add(trade, number);
        self.kept.push(Kept::new(origin, trade, next));
        number
    }

    fn remove(&mut self, number: u32) {
        self.kept[number as usize].is_gone = true;
        let spec = self.spec.unwrap_or(InstrumentSpec::DEFAULT);
        let trade = self.kept[number as usize].trade(self.instrument, spec);
        self.bars.take(&trade);
    }

    /// The amended trade of this id; a plain one is promoted.
    fn amend(&mut self, id: TradeRef) -> u32 {
        let new = self.amended.len() as u32 | AMENDED;
        let entry = self.known(id.scope, id.id);
        let known = *entry.or_insert(new);
        if known == new {
            self.amended.push(Amended { ids: vec![id], ..Amended::default() });
        } else if known & AMENDED == 0 {
            *self.known(id.scope, id.id).or_insert(new) = new;
            let kept = self.kept[known as usize];
            let trade = kept.trade(self.instrument, self.spec.unwrap_or(InstrumentSpec::DEFAULT));
            let news = vec![(kept.origin(), trade)];
            let shown = Some(known);
            self.amended.push(Amended { ids: vec![id], news, shown, ..Amended::default() });
        } else {
            return known & !AMENDED;
        }
        new & !AMENDED
    }

    /// Makes two trades one.
    fn join(&mut self, one: u32, other: u32) -> u32 {
        if one == other {
            return one;
        }
        let is_larger = |number: u32| self.amended[number as usize].ids.len();
        let (into, from) =
            if is_larger(one) < is_larger(other) { (other, one) } else { (one, other) };
        let gone = std::mem::take(&mut self.amended[from as usize]);
        for id in &gone.ids {
            *self.known(id.scope, id.id).or_insert(0) = into | AMENDED;
        }
        if let Some(shown) = gone.shown {
            self.remove(shown);
        }
        let own = &mut self.amended[into as usize];
        own.ids.extend(gone.ids);
        own.news.extend(gone.news);
        own.is_cancelled |= gone.is_cancelled;
        own.correction = match (own.correction, gone.correction) {
            (Some((at, with)), Some((origin, other))) if other.outranks(origin, (&with, at)) => {
                Some((origin, other))
            }
            (correction, other) => correction.or(other),
        };
        self.show(into);
        into
    }

    /// Shows what survives of a trade.
    fn show(&mut self, number: u32) {
        let own = &self.amended[number as usize];
        let first = own.news.iter().min_by_key(|(origin, _)| *origin);
        let survivor = first
            .filter(|_| !own.is_cancelled)
            .map(|(origin, trade)| own.correction.unwrap_or((*origin, *trade)));
        let shown = own.shown;
        let is_shown = shown.map(|shown| {
            self.kept[shown as usize]
                .trade(self.instrument, self.spec.unwrap_or(InstrumentSpec::DEFAULT))
        });
        if survivor.map(|(_, trade)| trade) == is_shown {
            return;
        }
        if let Some(shown) = shown {
            self.remove(shown);
        }
        let shown = survivor.map(|(origin, trade)| self.insert(origin, &trade));
        self.amended[number as usize].shown = shown;
    }

    /// Brings all bars up to date; emits those that may have changed, from small to large.
    pub(crate) fn settle(&mut self, emit: impl FnMut(usize, i64, Option<&Bar>)) {
        let (instrument, spec) = (self.instrument, self.spec.unwrap_or(InstrumentSpec::DEFAULT));
        let kept = &mut self.kept;
        self.bars.settle(
            |first, bar| {
                // Those that are gone are left out of the list from now on.
                let (mut at, mut last) = (first, NONE);
                let mut head = NONE;
                while at != NONE {
                    let trade = kept[at as usize];
                    if !trade.is_gone {
                        bar.add(&trade.trade(instrument, spec));
                        match last {
                            NONE => head = at,
                            last => kept[last as usize].next = at,
                        }
                        last = at;
                    }
                    at = trade.next;
                }
                if last != NONE {
                    kept[last as usize].next = NONE;
                }
                head
            },
            spec,
            emit,
        );
    }
}

impl Kept {
    fn new(origin: Origin, trade: &Trade, next: u32) -> Kept {
        Kept {
            time: trade.time.0,
            sequence: trade.sequence,
            price: trade.price.0,
            quantity: trade.quantity.0,
            id: trade.id,
            position: origin.position,
            order: origin.order,
            partition: origin.partition,
            scope: trade.scope,
            next,
            rank: origin.rank,
            source: origin.source.0,
            side: trade.side,
            updates: trade.updates,
            is_positional: trade.is_positional,
            is_gone: false,
        }
    }

    fn origin(&self) -> Origin {
        let Kept { rank, order, source, partition, position, .. } = *self;
        Origin { rank, order, source: SourceId(source), partition, position }
    }

    fn trade(&self, instrument: InstrumentId, spec: InstrumentSpec) -> Trade {
        Trade {
            instrument,
            spec,
            scope: self.scope,
            id: self.id,
            time: market::EventTime(self.time),
            sequence: self.sequence,
            is_positional: self.is_positional,
            price: Price(self.price),
            quantity: Quantity(self.quantity),
            side: self.side,
            updates: self.updates,
        }
    }
}
