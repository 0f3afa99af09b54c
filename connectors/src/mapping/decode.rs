//! From columns of text to an event. Values in, value out: no input, no lock, no clock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use market::{Event, IdScope, InstrumentId, RejectionReason, UnknownNames};

use super::check::Mapping;
use super::error::DecodeError;
use super::field::Field;
use super::left_out::LeftOut;
use super::plain::PlainDecoder;
use super::readings::Given;
use super::record::Record;
use super::scales::ScaleNeeds;
use super::symbol_map::{LookedUp, SymbolMap};
use super::times::TimeNotes;
use super::vocabulary::Kind;
use crate::source::Decoded;

/// Decodes the records of one partition.
pub struct Decoder {
    mapping: Arc<Mapping>,
    symbol_map: SymbolMap,
    /// The space of positions, for feeds without ids.
    partition: IdScope,
    given: Given,
    plain: PlainDecoder,
    notes: RefCell<TimeNotes>,
    /// What numbers need, if that is what is looked for.
    needs: Option<AllNeeds>,
    left_out: LeftOut,
}

/// What the numbers of instruments need; bounded by the catalog.
pub type AllNeeds = HashMap<InstrumentId, ScaleNeeds>;

impl Decoder {
    /// A decoder for the partition of this name (with its source, so that it is unique).
    pub fn new(mapping: Arc<Mapping>, partition: &str) -> Decoder {
        let partition = IdScope::of(partition);
        Decoder {
            symbol_map: mapping.symbol_map.clone(),
            plain: PlainDecoder::new(Arc::clone(&mapping), partition),
            mapping,
            partition,
            given: Given::default(),
            notes: RefCell::default(),
            needs: None,
            left_out: LeftOut::default(),
        }
    }

    /// Gives no record from now on, and looks what the numbers of each instrument need, besides `needs`.
    pub(crate) fn scan(&mut self, needs: AllNeeds) {
        self.needs = Some(needs);
    }

    /// What was found.
    pub(crate) fn take_needs(&mut self) -> AllNeeds {
        self.needs.take().unwrap_or_default()
    }

    /// What was seen since this was last asked and somebody should know.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.notes.get_mut().take()
    }

    /// With what is the same for all records of the partition.
    #[must_use]
    pub fn given(mut self, given: Given) -> Decoder {
        self.given = given;
        self
    }

    /// The event of one record, or nothing if `where` leaves it out.
    ///
    /// `text` gives a field's text: none, and text of blanks, is an absent field. It is asked only for
    /// fields that the mapping has a column for. `position` must be unique in the partition.
    ///
    /// Registers no name: those that the catalog does not know come with the event. Allocates only for refusals, for
    /// ids that are texts, and for symbols whose names were not registered before.
    pub fn decode<'a, F>(
        &mut self,
        text: F,
        position: u64,
    ) -> Result<Option<Decoded<Event>>, DecodeError>
    where
        F: Fn(Field) -> Option<&'a str>,
    {
        let Decoder { mapping, given, partition, notes, .. } = self;
        let id_texts = RefCell::default();
        let record =
            Record { mapping, given, partition: *partition, position, text, notes, id_texts };
        if !record.counts() {
            self.left_out.note(record.get(Field::Where).unwrap_or_default());
            return Ok(None);
        }
        let kind = record.kind()?;
        if kind == Kind::Skip {
            return Ok(None);
        }
        let LookedUp { mapped, unknown } = match self.symbol_map.constant() {
            Some(mapped) => LookedUp { mapped, unknown: None },
            None => match &given.symbol {
                Some(symbol) => self.symbol_map.find(symbol, &"of the file's name")?,
                None => {
                    let symbol = record.need(Field::Symbol)?;
                    self.symbol_map.find(symbol, record.column(Field::Symbol))?
                }
            },
        };
        if let Some(needs) = &mut self.needs {
            // What does not fit into the catalog is refused when it is read.
            if unknown.is_none_or(|unknown| self.symbol_map.register_found(&unknown)) {
                record.note_needs(needs.entry(mapped.id).or_default());
            }
            return Ok(None);
        }
        if kind == Kind::Trade {
            let says = Event::New(record.trade(mapped, kind)?);
            return Ok(Some(Decoded { says, unknown, id_texts: record.id_texts.into_inner() }));
        }
        if let Some(symbol) = record.get(Field::OfSymbol) {
            let column = record.column(Field::OfSymbol);
            let other = self.symbol_map.find(symbol, column)?;
            if other.mapped.id != mapped.id || !same_names(&other.unknown, &unknown) {
                let problem = &"is another instrument than that of the record";
                let reason = RejectionReason::MovesInstrument;
                return Err(DecodeError::value(reason, column, symbol, problem));
            }
        }
        let of = record.named(mapped)?;
        let says = match kind {
            Kind::Correct => Event::Correct { of, with: record.trade(mapped, kind)? },
            _ => Event::Cancel { of, time: record.time_if_any()? },
        };
        Ok(Some(Decoded { says, unknown, id_texts: record.id_texts.into_inner() }))
    }

    /// Whether `where` keeps a record; `text` gives a field's text.
    pub(crate) fn counts<'a, F>(&self, text: F) -> bool
    where
        F: Fn(Field) -> Option<&'a str>,
    {
        let Decoder { mapping, given, partition, notes, .. } = self;
        let id_texts = RefCell::default();
        Record { mapping, given, partition: *partition, position: 0, text, notes, id_texts }
            .counts()
    }

    /// The records that `where` has left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Whether [`Self::decode_plain`] may give anything.
    pub(crate) fn reads_plain(&self) -> bool {
        self.plain.may_decode()
    }

    /// Whether price and size are written plainly and fit at the default scales; `bytes` gives a field's bytes.
    pub(crate) fn is_common<'a, F>(&self, bytes: F) -> bool
    where
        F: Fn(Field) -> Option<&'a [u8]>,
    {
        self.plain.is_common(bytes)
    }

    /// The event of a record if it is plain; `bytes` gives a field's bytes.
    pub(crate) fn decode_plain<'a, F>(&self, bytes: F, position: u64) -> Option<Decoded<Event>>
    where
        F: Fn(Field) -> Option<&'a [u8]>,
    {
        self.plain.decode(&self.symbol_map, bytes, position)
    }
}

/// Whether two instruments of one id are called alike, as far as they are not registered.
fn same_names(one: &Option<Box<UnknownNames>>, other: &Option<Box<UnknownNames>>) -> bool {
    let name = |unknown: &Option<Box<UnknownNames>>| {
        let instrument = unknown.as_ref().and_then(|names| names.instrument.clone());
        instrument.map(|instrument| Arc::clone(&instrument.name))
    };
    match (name(one), name(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true, // a registered one has been compared with the catalog
    }
}
