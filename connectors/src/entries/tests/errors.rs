//! Rows that are refused, and the errors of them.

use proptest::prelude::*;

use super::*;

/// A row that is right, and one thing about it that is wrong: the text that is replaced and by what.
const TRADE: &str =
    r#"{"type":"trade","instrument":"us:AAPL","id":17,"time":"1s","price":1.5,"quantity":3}"#;
const FILL: &str = r#"{"type":"fill","portfolio":"p1","id":17,"instrument":"us:AAPL","time":"1s","price":1.5,"quantity":3}"#;
const TARGET: &str =
    r#"{"type":"target","portfolio":"p1","instrument":"us:AAPL","time":"1s","weight":0.5}"#;
const FAIR: &str =
    r#"{"type":"fair","model":"dcf","instrument":"us:AAPL","time":"1s","value":1.5}"#;

#[test]
fn every_fault_names_its_field() {
    use RejectionReason::*;
    let long = format!(r#""portfolio":"{}""#, "x".repeat(129));
    for (row, from, to, reason, field, detail) in [
        (
            TRADE,
            r#""trade""#,
            r#""tirade""#,
            BadField,
            "type",
            "is not a type of entries (trade, correct,",
        ),
        (TRADE, r#""type":"trade","#, "", MissingField, "type", "`type` is absent"),
        (
            TRADE,
            r#""price""#,
            r#""prise""#,
            BadField,
            "prise",
            "`prise` is not a field of entries (type,",
        ),
        (
            TRADE,
            r#""us:AAPL""#,
            r#""us AAPL""#,
            BadInstrument,
            "instrument",
            "`us AAPL` is not an instrument name",
        ),
        (TRADE, r#""us:AAPL""#, "null", MissingField, "instrument", "`instrument` is empty"),
        (
            TRADE,
            r#""1s""#,
            "1700000000",
            BadTime,
            "time",
            "or a number with its unit, such as 1700000000s",
        ),
        (TRADE, r#""1s""#, r#""1e99s""#, BadTime, "time", "outside the years 1700 to 2200"),
        (TRADE, "1.5", r#""1,5""#, BadPrice, "price", r#"price: "1,5" is not a decimal number"#),
        (TRADE, "1.5", "1.505", BadPrice, "price", "has more than 2 decimals"),
        (TRADE, "1.5", "0", PriceNotPositive, "price", "is not a positive price"),
        (TRADE, ":3}", ":0.5}", BadSize, "quantity", "has more than 0 decimals"),
        (TRADE, ":3}", ":-3}", BadSize, "quantity", "is below zero; `side` says"),
        (
            TRADE,
            r#"1.5,"quantity":3"#,
            r#"92233720368547758.07,"quantity":10000000000"#,
            NotionalTooLarge,
            "quantity",
            "92233720368547758.07 times 10000000000 is more than sums can hold",
        ),
        (TRADE, ":3}", r#":3,"side":"long"}"#, BadField, "side", "is not a side"),
        (TRADE, ":3}", r#":3,"sequence":-1}"#, BadField, "sequence", "unsigned integer"),
        (TRADE, ":3}", r#":3,"updates":"some"}"#, BadField, "updates", "is not a set of updates"),
        (
            TRADE,
            ":3}",
            r#":3,"weight":1}"#,
            BadField,
            "weight",
            "`weight` says nothing in a `trade`",
        ),
        (TRADE, ":3}", r#":3,"price":2}"#, Malformed, "", "`price` appears twice"),
        (TRADE, ":3}", ":[3]}", Malformed, "", "`quantity` holds an object or an array"),
        (TRADE, ":3}", ":3", Malformed, "", "not a JSON object that can be read"),
        (
            r#"{"type":"cancel","instrument":"us:AAPL"}"#,
            "",
            "",
            MissingField,
            "id",
            "`id` is absent",
        ),
        (FILL, r#""id":17,"#, "", MissingField, "id", "`id` is absent"),
        (
            FILL,
            r#""portfolio":"p1""#,
            r#""portfolio":"p 1""#,
            BadField,
            "portfolio",
            "is not a name of a portfolio",
        ),
        (FILL, r#""portfolio":"p1""#, &long, BadField, "portfolio", "1 to 128 visible"),
        (
            FILL,
            "us:AAPL",
            "x:Y",
            BadInstrument,
            "instrument",
            "set `quote` in its [[instrument]], such as \"USD\"",
        ),
        (FILL, ":3}", ":0}", BadSize, "quantity", "is zero"),
        (FILL, ":3}", r#":-3,"side":"sell"}"#, BadSize, "quantity", "`side` says what was done"),
        (FILL, ":3}", r#":3,"side":"unknown"}"#, BadField, "side", "is neither buy nor sell"),
        (FILL, ":3}", r#":3,"fee":0.0000000001}"#, BadField, "fee", "has more than 9 decimals"),
        (FILL, ":3}", r#":3,"fee_currency":"bnb"}"#, BadField, "fee_currency", "such as BNB"),
        (FILL, ":3}", r#":3,"fee_currency":"WRAPPEDBTC"}"#, BadField, "fee_currency", "1 to 8 of"),
        (TARGET, "0.5", r#"0.5,"fee_currency":"BNB""#, BadField, "fee_currency", "says nothing"),
        (FILL, ":3}", r#":3,"of":1}"#, BadField, "of", "`of` says nothing in a `fill`"),
        (TARGET, r#","weight":0.5"#, "", MissingField, "weight", "`weight` is absent"),
        (TARGET, "0.5", r#""half""#, BadField, "weight", "is not a decimal number"),
        (TARGET, "us:AAPL", "x:Y", BadInstrument, "instrument", "set `quote`"),
        (FAIR, r#","value":1.5"#, "", MissingField, "value", "`value` is absent"),
        (FAIR, "1.5", "1.555", BadPrice, "value", "has more than 2 decimals"),
        (FAIR, r#""dcf""#, r#""""#, MissingField, "model", "`model` is empty"),
    ] {
        assert!(row.contains(from), "{row} lacks {from}");
        let json = row.replacen(from, to, 1);
        let error = read(&json).expect_err(&json);
        assert_eq!((error.reason, &*error.field), (reason, field), "{json}: {error:?}");
        assert!(error.detail.contains(detail), "{json}: `{}` lacks `{detail}`", error.detail);
    }
}

#[test]
fn the_largest_fill_counts_its_multiplier() {
    // 2⁹⁶ is 79,228,162,514,264,337,593,543,950,336.
    let row = |instrument: &str, price: &str| {
        FILL.replace("us:AAPL", instrument).replace("1.5", price).replace(":3}", ":1000000000000}")
    };
    assert!(read(&row("us:AAPL", "792281625142643.37")).is_ok());
    let error = read(&row("us:AAPL", "792281625142643.38")).unwrap_err();
    assert_eq!(error.reason, RejectionReason::NotionalTooLarge);
    // Fifty units of the underlying for one of quantity.
    assert!(read(&row("fut:ES", "15845632502852.86")).is_ok());
    assert!(read(&row("fut:ES", "-15845632502852.87")).is_err());
}

#[test]
fn a_row_that_is_wrong_leaves_no_name() {
    let catalog = Arc::new(Catalog::new(Vec::new(), 9).with_room_for(1, 1));
    let decoder = Decoder::new(Arc::clone(&catalog), None, "a");
    for (row, from, to) in [
        (TRADE, r#""price":1.5"#, r#""price":"bad""#),
        (FILL, r#""id":17"#, r#""id":"""#),
        (FAIR, r#""value":1.5"#, r#""value":"bad""#),
        (FAIR, r#""time":"1s""#, r#""time":"bad""#),
    ] {
        assert!(row.contains(from), "{row} lacks {from}");
        let json = row.replace("us:AAPL", "x:A").replacen(from, to, 1);
        assert!(decoder.decode(&Texts::of_object(&json).unwrap(), 1).is_err(), "{json}");
    }
    assert!(catalog.all().is_empty() && catalog.models.all().is_empty());
    assert!(catalog.portfolios.all().is_empty());
}

#[test]
fn names_are_bounded() {
    let catalog = Arc::new(Catalog::new(Vec::new(), 9).with_room_for(1, 1));
    catalog.models.keep("mean").unwrap();
    let decoder = Decoder::new(Arc::clone(&catalog), None, "a");
    let read = |json: &str| decoder.decode(&Texts::of_object(json).unwrap(), 1);
    let bind =
        |json: &str| read(json).unwrap().unknown.map_or(Ok(()), |names| catalog.register(&names));
    let bust = r#"{"type":"bust","portfolio":"p1","id":1}"#;
    assert!(bind(bust).is_ok() && bind(bust).is_ok());
    let full = bind(&bust.replace("p1", "p2")).unwrap_err().to_string();
    assert!(full.contains("one more than the 1 that `limits.portfolios` allows"), "{full}");
    let fair = FAIR.replace("us:", "x:");
    assert!(bind(&fair).unwrap_err().to_string().contains("`limits.models`"));
    assert!(catalog.all().is_empty(), "nor has the row's instrument a place");
    let kept = read(&fair.replace("dcf", "mean")).unwrap_err().detail;
    assert!(kept.contains("model `mean` is computed"), "{kept}");
}

proptest! {
    #[test]
    fn no_text_panics(field in 0..Field::COUNT, text in r#"[-+0-9a-z.:" {}\[\],]{0,30}"#, of in 0..8_usize) {
        let row = [TRADE, FILL, TARGET, FAIR][of % 4];
        let text = serde_json::to_string(&text).unwrap();
        let mut row: serde_json::Value = serde_json::from_str(row).unwrap();
        row[FIELDS[field].name] = serde_json::from_str(&text).unwrap();
        let _ = read(&row.to_string());
        let _ = read(&text);
    }
}

#[test]
fn all_faults_of_a_row_are_told() {
    for (row, fields) in [
        (r#"{"type":"trade"}"#, &["instrument", "time", "price", "quantity"][..]),
        (
            r#"{"type":"trade","instrument":"us:AAPL","time":"noon","price":"x","quantity":"y","side":"up","fee":1}"#,
            &["fee", "time", "side", "price", "quantity"],
        ),
        (
            r#"{"type":"trade","instrumet":"us:AAPL","prise":1,"prise":2,"quantity":3}"#,
            &["instrumet", "prise"],
        ),
        (
            r#"{"type":"fill","instrument":"us:AAPL","time":"1s","price":1,"quantity":0}"#,
            &["quantity", "id", "portfolio"],
        ),
        (r#"{"type":"target","portfolio":"p","instrument":"us:AAPL","weight":null}"#, &["time"]),
        (r#"{"type":"tirade","price":"x"}"#, &["type"]),
        // What fields say together is looked at only where each is right.
        (
            r#"{"type":"trade","instrument":"us:AAPL","time":"x","price":1,"quantity":-1}"#,
            &["quantity", "time"],
        ),
    ] {
        let error = read(row).unwrap_err();
        let mut told = vec![&*error.field];
        told.extend(error.further.iter().map(|further| &*further.field));
        assert_eq!(told, fields, "{row}: {error:#?}");
        assert!(error.further.iter().all(|further| further.further.is_empty()), "{row}");
    }
    // Of many keys that are no fields the first are named.
    let keys: Vec<String> = (0..100).map(|number| format!(r#""k{number}":1"#)).collect();
    let error = read(&format!("{{{}}}", keys.join(","))).unwrap_err();
    assert_eq!((&*error.field, error.further.len()), ("k0", 15));
}
