//! What a record says, column by column.

/// What a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented at its namesake in ColumnsConfig")]
pub enum Field {
    Time,
    Price,
    Size,
    Symbol,
    Id,
    /// The next two are the further columns of an id of several.
    IdSecond,
    IdThird,
    Sequence,
    Side,
    Maker,
    Kind,
    Of,
    OfSymbol,
    Updates,
    /// The time of day, of a time of two columns.
    TimeOfDay,
    /// The column that `where` looks at.
    Where,
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = 16;

    /// Every field, in the order of their declaration.
    pub const ALL: [Field; Field::COUNT] = [
        Field::Time,
        Field::Price,
        Field::Size,
        Field::Symbol,
        Field::Id,
        Field::IdSecond,
        Field::IdThird,
        Field::Sequence,
        Field::Side,
        Field::Maker,
        Field::Kind,
        Field::Of,
        Field::OfSymbol,
        Field::Updates,
        Field::TimeOfDay,
        Field::Where,
    ];
}
