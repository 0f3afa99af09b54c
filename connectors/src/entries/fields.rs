//! What an entry may be, and what each of its fields says: two lists, which decoders, errors and
//! documentation walk.

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented in TYPES")]
pub enum Type {
    Trade,
    Correct,
    Cancel,
    Fill,
    FillCorrect,
    Bust,
    Target,
    Fair,
}

/// A type of entries as it is written and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeDoc {
    /// The type.
    pub of: Type,
    /// What `type` holds.
    pub name: &'static str,
    /// Another word for it.
    pub alias: Option<&'static str>,
    /// What such an entry says.
    pub doc: &'static str,
}

/// Every type, in the order of their declaration.
pub const TYPES: &[TypeDoc] = &[
    typed(Type::Trade, "trade", "a trade happened"),
    TypeDoc {
        alias: Some("correction"),
        ..typed(Type::Correct, "correct", "a trade was really this one")
    },
    typed(Type::Cancel, "cancel", "a trade did not happen"),
    typed(Type::Fill, "fill", "so much was bought or sold for a portfolio"),
    typed(
        Type::FillCorrect,
        "fill_correct",
        "a fill was really this one; it may have another instrument",
    ),
    typed(Type::Bust, "bust", "a fill did not happen"),
    typed(Type::Target, "target", "a portfolio wants this share of it in an instrument"),
    typed(Type::Fair, "fair", "somebody thinks that an instrument is worth this"),
];

/// A field of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented in FIELDS")]
pub enum Field {
    Type,
    Instrument,
    Id,
    Scope,
    Of,
    Time,
    Sequence,
    Price,
    Quantity,
    Side,
    Updates,
    Portfolio,
    Fee,
    FeeCurrency,
    Weight,
    Model,
    Value,
}

/// A field as it is written, where it is needed, where else it may be, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDoc {
    /// The field.
    pub of: Field,
    /// Its name: a key of a JSON object, or a column of CSV.
    pub name: &'static str,
    /// Another word for it.
    pub alias: Option<&'static str>,
    /// The types that do not do without it.
    pub needed: &'static [Type],
    /// Further types in which it says something. In all others it must be absent or empty.
    pub optional: &'static [Type],
    /// What it says.
    pub doc: &'static str,
}

const TRADES: &[Type] = &[Type::Trade, Type::Correct];
const FILLS: &[Type] = &[Type::Fill, Type::FillCorrect];
const PRICED: &[Type] = &[Type::Trade, Type::Correct, Type::Fill, Type::FillCorrect];
const NONE: &[Type] = &[];

/// Every field, in the order of their declaration.
pub const FIELDS: &[FieldDoc] = &[
    FieldDoc {
        of: Field::Type,
        name: "type",
        alias: None,
        needed: NONE,
        optional: ALL,
        doc: "what the entry is; needed unless a default is configured",
    },
    FieldDoc {
        of: Field::Instrument,
        name: "instrument",
        alias: Some("symbol"),
        needed: &[
            Type::Trade,
            Type::Correct,
            Type::Cancel,
            Type::Fill,
            Type::FillCorrect,
            Type::Target,
            Type::Fair,
        ],
        optional: NONE,
        doc: "its name, such as `us:AAPL`; fills and targets need its `quote` to be configured",
    },
    FieldDoc {
        of: Field::Id,
        name: "id",
        alias: None,
        needed: &[Type::Fill, Type::FillCorrect, Type::Bust],
        optional: &[Type::Trade, Type::Correct, Type::Cancel],
        doc: "of a trade within its scope, or of a fill within its portfolio; a trade without one can be \
              neither recognised among its copies nor corrected",
    },
    FieldDoc {
        of: Field::Scope,
        name: "scope",
        alias: None,
        needed: NONE,
        optional: &[Type::Trade, Type::Correct, Type::Cancel],
        doc: "the space of a trade's id; by default the text before `:` of the instrument, as for feeds",
    },
    FieldDoc {
        of: Field::Of,
        name: "of",
        alias: None,
        needed: NONE,
        optional: &[Type::Correct, Type::Cancel],
        doc: "the id that a correction or cancel names; by default `id`",
    },
    FieldDoc {
        of: Field::Time,
        name: "time",
        alias: None,
        needed: &[
            Type::Trade,
            Type::Correct,
            Type::Fill,
            Type::FillCorrect,
            Type::Target,
            Type::Fair,
        ],
        optional: &[Type::Cancel, Type::Bust],
        doc: "when it happened or was sent: RFC 3339, or a number with its unit such as `1700000000s`, \
              `…ms`, `…us`, `…ns`",
    },
    FieldDoc {
        of: Field::Sequence,
        name: "sequence",
        alias: None,
        needed: NONE,
        optional: PRICED,
        doc: "a whole number: order within one time, and of several corrections the highest counts; without one \
              a trade is ordered by an integer id, else by its row's position, a fill and a fill_correct by that, and \
              of several corrections the last counts; \
              a position is no content, so copies of a row are duplicates wherever they lie",
    },
    FieldDoc {
        of: Field::Price,
        name: "price",
        alias: None,
        needed: PRICED,
        optional: NONE,
        doc: "exact, at most as many decimals as the instrument has",
    },
    FieldDoc {
        of: Field::Quantity,
        name: "quantity",
        alias: Some("size"),
        needed: PRICED,
        optional: NONE,
        doc: "exact; of a fill without `side`, below zero means sold; of a fill never zero; a trade of 0 shows in no \
              bar, unless its `updates` leave out the volume",
    },
    FieldDoc {
        of: Field::Side,
        name: "side",
        alias: None,
        needed: NONE,
        optional: &[Type::Trade, Type::Correct, Type::Fill, Type::FillCorrect, Type::Bust],
        doc: "`buy` or `sell`: of a trade who took liquidity (or `unknown`), of a fill what was done; of a bust that of \
              the fill, needed only where both sides of a trade with oneself have one id",
    },
    FieldDoc {
        of: Field::Updates,
        name: "updates",
        alias: None,
        needed: NONE,
        optional: TRADES,
        doc: "what a trade may change in a candle: `all` (default), `none`, or `volume`, `high_low`, \
              `open_close` joined by `+`; and what print of its session it is, if that is known: `+closing`, `+opening` \
              or `+ordinary`, such as `volume+ordinary`; `closing` alone updates all",
    },
    FieldDoc {
        of: Field::Portfolio,
        name: "portfolio",
        alias: None,
        needed: &[Type::Fill, Type::FillCorrect, Type::Bust, Type::Target],
        optional: NONE,
        doc: "its name: 1 to 128 visible ASCII characters",
    },
    FieldDoc {
        of: Field::Fee,
        name: "fee",
        alias: None,
        needed: NONE,
        optional: FILLS,
        doc: "what a fill cost besides, at most 9 decimals; below zero for a rebate",
    },
    FieldDoc {
        of: Field::FeeCurrency,
        name: "fee_currency",
        alias: None,
        needed: NONE,
        optional: FILLS,
        doc: "what the fee was paid in, such as `BNB`; by default the quote currency of the instrument",
    },
    FieldDoc {
        of: Field::Weight,
        name: "weight",
        alias: None,
        needed: &[Type::Target],
        optional: NONE,
        doc: "the target share, 1 being the whole portfolio, at most 9 decimals; `null`, or an empty column, \
              withdraws the target",
    },
    FieldDoc {
        of: Field::Model,
        name: "model",
        alias: None,
        needed: &[Type::Fair],
        optional: NONE,
        doc: "who or what says so: 1 to 128 visible ASCII characters",
    },
    FieldDoc {
        of: Field::Value,
        name: "value",
        alias: None,
        needed: &[Type::Fair],
        optional: NONE,
        doc: "the fair price; `null`, or an empty column, takes it back",
    },
];

const ALL: &[Type] = &[
    Type::Trade,
    Type::Correct,
    Type::Cancel,
    Type::Fill,
    Type::FillCorrect,
    Type::Bust,
    Type::Target,
    Type::Fair,
];

const fn typed(of: Type, name: &'static str, doc: &'static str) -> TypeDoc {
    TypeDoc { of, name, alias: None, doc }
}

impl Type {
    /// As in `type`.
    pub fn name(self) -> &'static str {
        TYPES[self as usize].name
    }

    /// The type of this name; an error names all.
    pub fn named(name: &str) -> Result<Type, String> {
        let found =
            TYPES.iter().find(|one| one.name == name || one.alias == Some(name)).map(|one| one.of);
        found.ok_or_else(|| {
            let names: Vec<_> = TYPES.iter().map(|one| one.name).collect();
            format!("is not a type of entries ({})", names.join(", "))
        })
    }
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = 17;

    /// Its names, as errors show them.
    pub(super) fn names(self) -> String {
        match self.doc() {
            FieldDoc { name, alias: Some(alias), .. } => format!("`{name}` (or `{alias}`)"),
            FieldDoc { name, .. } => format!("`{name}`"),
        }
    }

    /// What is known of it.
    pub fn doc(self) -> &'static FieldDoc {
        &FIELDS[self as usize]
    }

    /// The field of this name, if there is one.
    pub fn named(name: &str) -> Option<Field> {
        let is_it = |field: &&FieldDoc| field.name == name || field.alias == Some(name);
        FIELDS.iter().find(is_it).map(|field| field.of)
    }
}

/// The error of a name that no field has.
pub(super) fn unknown(name: &str) -> String {
    const SHOWN_MAX: usize = 64;
    let shown: String = name.chars().take(SHOWN_MAX).collect();
    let names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
    format!("`{shown}` is not a field of entries ({})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stand_in_the_order_of_their_declaration() {
        assert!(TYPES.iter().enumerate().all(|(at, one)| one.of as usize == at));
        assert!(FIELDS.iter().enumerate().all(|(at, one)| one.of as usize == at));
        assert_eq!((FIELDS.len(), ALL.len()), (Field::COUNT, TYPES.len()));
    }

    #[test]
    fn no_field_is_both_needed_and_optional() {
        for field in FIELDS {
            assert!(!field.needed.iter().any(|of| field.optional.contains(of)), "{}", field.name);
        }
    }
}
