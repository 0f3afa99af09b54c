//! Account rows: fills, target weights, fair values.

use market::price::NOTIONAL_LIMIT;
use market::{
    Contract, Currency, FairValue, Fill, FillRef, Instrument, MONEY_SCALE, PortfolioId, Price,
    RejectionReason, Side, Target, WEIGHT_SCALE, decimal,
};

use super::decode::{Row, missing};
use super::error::{FieldError, error, wrong};
use super::fields::{Field, Type};
use super::texts::RawField;
use crate::mapping::vocabulary;

impl Row<'_> {
    pub(super) fn fill(&self) -> Result<Fill, FieldError> {
        let instrument = self.instrument()?;
        let contract = contract(&instrument)?;
        let price = self.price(&instrument)?;
        let quantity = self.signed_quantity(&instrument)?;
        let amount = contract.amount(i128::from(quantity), price);
        if amount.is_none_or(|amount| amount.abs() >= NOTIONAL_LIMIT) {
            return Err(self.too_large());
        }
        Ok(Fill {
            name: self.fill_ref()?,
            instrument: instrument.id,
            contract,
            time: self.time()?,
            // Without a word, of two corrections the one that was received later counts. Fills are ordered by their
            // origins then, and where one lies is no content.
            sequence: self.sequence(match self.of {
                Type::FillCorrect => self.position,
                _ => 0,
            })?,
            price,
            quantity,
            fee: self.number(Field::Fee, MONEY_SCALE)?.unwrap_or(0),
            fee_currency: self.fee_currency()?.unwrap_or(contract.quote),
        })
    }

    /// The name of a fill.
    pub(super) fn fill_ref(&self) -> Result<FillRef, FieldError> {
        Ok(FillRef { portfolio: self.portfolio()?, id: self.id(self.need(Field::Id)?) })
    }

    pub(super) fn target(&self) -> Result<Target, FieldError> {
        let instrument = self.instrument()?;
        Ok(Target {
            portfolio: self.portfolio()?,
            instrument: instrument.id,
            contract: contract(&instrument)?,
            time: self.time()?,
            weight: match self.texts.raw(Field::Weight) {
                RawField::Absent => return Err(missing(self.texts, Field::Weight)),
                _ => self.number(Field::Weight, WEIGHT_SCALE)?,
            },
        })
    }

    pub(super) fn fair(&self) -> Result<FairValue, FieldError> {
        let instrument = self.instrument()?;
        let spec = instrument.spec;
        let value = match self.texts.raw(Field::Value) {
            RawField::Absent => return Err(missing(self.texts, Field::Value)),
            RawField::Empty => None,
            RawField::Text(text) => {
                let price = Price::parse(text, spec.price_scale);
                let bad = |why| error(RejectionReason::BadPrice, Field::Value, text, &why);
                Some(price.map_err(bad)?)
            }
        };
        let model = self.catalog.models.find(self.need(Field::Model)?);
        let model = model.map_err(|error| bad_name(Field::Model, &error))?;
        self.unknown.borrow_mut().model = model.unknown;
        Ok(FairValue {
            instrument: instrument.id,
            spec,
            model: model.id,
            time: self.time()?,
            value,
        })
    }

    fn portfolio(&self) -> Result<PortfolioId, FieldError> {
        let found = self.catalog.portfolios.find(self.need(Field::Portfolio)?);
        let found = found.map_err(|error| bad_name(Field::Portfolio, &error))?;
        self.unknown.borrow_mut().portfolio = found.unknown;
        Ok(found.id)
    }

    /// What a fee was paid in, if that is said.
    fn fee_currency(&self) -> Result<Option<Currency>, FieldError> {
        let Some(text) = self.texts.get(Field::FeeCurrency) else { return Ok(None) };
        let why = "is not a currency (1 to 8 of A–Z and 0–9, such as BNB)";
        Currency::of(text).map(Some).ok_or_else(|| wrong(Field::FeeCurrency, text, &why))
    }

    /// The quantity of a fill, whose sign or side says what was done.
    fn signed_quantity(&self, instrument: &Instrument) -> Result<i64, FieldError> {
        let quantity = self.quantity(instrument)?;
        let text = self.need(Field::Quantity)?;
        let bad = |why: &str| Err(error(RejectionReason::BadSize, Field::Quantity, text, &why));
        let side = self.texts.get(Field::Side);
        match side.map(|word| (word, vocabulary::side(word))) {
            _ if quantity == 0 => bad("is zero"),
            None => Ok(quantity),
            Some(_) if quantity < 0 => bad("is below zero, and `side` says what was done"),
            Some((_, Ok(Side::Buy))) => Ok(quantity),
            Some((_, Ok(Side::Sell))) => Ok(-quantity),
            Some((word, _)) => Err(wrong(Field::Side, word, &"is neither buy nor sell")),
        }
    }

    /// An exact number, if there is one.
    fn number(&self, field: Field, scale: u8) -> Result<Option<i64>, FieldError> {
        let text = self.texts.get(field);
        let number =
            text.map(|text| decimal::parse(text, scale).map_err(|why| wrong(field, text, &why)));
        number.transpose()
    }
}

/// What has to be known to value a holding.
fn contract(instrument: &Instrument) -> Result<Contract, FieldError> {
    if instrument.is_inverse {
        let Instrument { name, quote, .. } = instrument;
        let detail = format!(
            "`{name}` is an inverse contract, whose profit in {quote} goes with 1 / price: such cannot be valued \
             here. If its prices are in {quote} all the same, set `inverse = false` in its [[instrument]]"
        );
        return Err(FieldError::of(RejectionReason::BadInstrument, Field::Instrument, detail));
    }
    instrument.contract().ok_or_else(|| {
        let detail = format!(
            "it is not known what prices of `{}` are in; set `quote` in its [[instrument]], such as \"USD\"",
            instrument.name
        );
        FieldError::of(RejectionReason::BadInstrument, Field::Instrument, detail)
    })
}

fn bad_name(field: Field, error: &market::NameError) -> FieldError {
    FieldError::of(RejectionReason::BadField, field, error.to_string())
}
