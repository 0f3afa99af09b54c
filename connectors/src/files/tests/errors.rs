//! Rows that are refused, and in which words.

use super::*;

#[test]
fn bad_rows_say_what_is_wrong() {
    let config = json!({
        "instrument": "future:{symbol}",
        "columns": {
            "time": "t", "price": "p", "size": "q", "symbol": "s", "sequence": "n", "side": "side",
            "updates": "u",
        },
        "units": {"time": "ms"},
    });
    for (line, want) in [
        ("1,2,3,A,5,b,none", "2 1970-01-01T00:00:00.001Z 2 3 buy"),
        ("1,-37.63,3,A,5,,", "2 1970-01-01T00:00:00.001Z -37.63 3 unknown"),
        ("1,12x,3,A,5,b,", "2 bad_price: column \"p\": \"12x\" is not a decimal number"),
        (
            "1,0.125,3,A,5,b,",
            "2 bad_price: column \"p\": \"0.125\" has more than 2 decimals; `price_decimals` of its [[instrument]] (--price-scale) says how many are kept",
        ),
        (
            "1,1e30,3,A,5,b,",
            "2 bad_price: column \"p\": \"1e30\" does not fit in 64 bits at 2 decimals; `price_decimals` of its [[instrument]] (--price-scale) says how many are kept",
        ),
        (
            "1,2,0.5,A,5,b,",
            "2 bad_size: column \"q\": \"0.5\" has more than 0 decimals; `size_decimals` of its [[instrument]] (--size-scale) says how many are kept",
        ),
        (
            "1,2,-3,A,5,b,",
            "2 bad_size: column \"q\": \"-3\" is negative, and `units.signed_size` (--signed-size) is not set",
        ),
        (
            "1,90000000000000000,9000000000000000000,A,5,b,",
            "2 notional_too_large: 90000000000000000 times 9000000000000000000 is more than sums can hold at this instrument's decimals; `price_decimals` and `size_decimals` of its [[instrument]] (--price-scale, --size-scale) say how many are kept",
        ),
        (
            "x,2,3,A,5,b,",
            "2 bad_time: column \"t\": \"x\" as a number of ms since 1970 is not a decimal number; `units.time` (--time-unit) and `units.time_format` (--time-format) say how times are written",
        ),
        (",2,3,A,5,b,", "2 missing_field: column \"t\" is empty"),
        ("1, ,3,A,5,b,", "2 missing_field: column \"p\" is empty"),
        ("1,2,3,,5,b,", "2 missing_field: column \"s\" is empty"),
        (
            "1,2,3,A B,5,b,",
            "2 bad_instrument: `future:A B` is not an instrument name (1 to 128 visible ASCII characters)",
        ),
        (
            "1,2,3,A,-5,b,",
            "2 bad_field: column \"n\": \"-5\" is not an unsigned integer of 64 bits",
        ),
        ("1,2,3,A,,b,", "2 missing_field: column \"n\" is empty"),
        (
            "1,2,3,A,5,1,",
            "2 bad_field: column \"side\": \"1\" is not a side (buy, b, bid, buyer; sell, s, ask, a, seller; unknown, n, none, any)",
        ),
        (
            "1,2,3,A,5,b,volume+",
            "2 bad_field: column \"u\": \"volume+\" is not a set of updates (all, none, or volume, high_low, open_close joined by +; with +opening, +closing or +ordinary, if it is known what print of its session it is)",
        ),
        ("1,2,3,A,5", "2 malformed: 7 fields expected, 5 found"),
        (
            "1,2,3,A,5,b,,",
            "2 malformed: 7 fields expected, 8 found, the last of them empty; `csv.trailing_delimiter` (--trailing-delimiter) says that lines end with a delimiter",
        ),
        ("1,2,3,A,5,\"b,", "2 malformed: a quote is opened and not closed"),
        ("1,2,3,A,5,\"b\",", "2 1970-01-01T00:00:00.001Z 2 3 buy"),
    ] {
        let file = format!("t,p,q,s,n,side,u\n{line}\n");
        assert_eq!(describe(&rows_of("f.csv", file.as_bytes(), &config)), [want], "{line}");
    }
    let not_utf8 = rows_of("f.csv", b"t,p,q,s,n,side,u\n1,2,3,A\xff,5,b,\n", &config);
    assert_eq!(describe(&not_utf8), ["2 malformed: byte 8 is not UTF-8"]);
    assert_eq!(not_utf8[0].event.as_ref().unwrap_err().raw, "1,2,3,A\u{fffd},5,b,");
    for price in ["0", "-1"] {
        let rows =
            rows_of("f.csv", format!("timestamp,price,size\n1,{price},1").as_bytes(), &bitmex());
        assert_eq!(
            describe(&rows),
            [format!(
                "2 price_not_positive: column \"price\": \"{price}\" is not a positive price; `negative_prices = true` of its [[instrument]] (--negative-prices) allows others"
            )]
        );
    }
}

#[test]
fn bad_json_says_what_is_wrong() {
    let config = json!({
        "instrument": "a:B",
        "columns": {"time": "t", "price": "p", "size": "d.q"},
        "units": {"time": "s"},
    });
    for (line, want) in [
        (r#"{"t":1,"p":"2","d":{"q":3}}"#, "1 1970-01-01T00:00:01Z 2 3 unknown"),
        (r#"{"t":1,"p":null,"d":{"q":3}}"#, "1 missing_field: column \"p\" is absent"),
        (r#"{"t":1,"p":2,"d":7}"#, "1 missing_field: column \"d.q\" is absent"),
        (
            r#"{"t":1,"p":true,"d":{"q":3}}"#,
            "1 bad_price: column \"p\": \"true\" is not a decimal number",
        ),
        (
            r#"{"t":1,"p":{"q":3}}"#,
            "1 malformed: not a JSON object that can be read: a column holds an object or an array at byte 19",
        ),
        (
            "[1]",
            "1 malformed: not a JSON object that can be read: invalid type: sequence, expected an object at byte 0; of an array, `rows = [\"$\"]` (`--rows '$'`) reads each element as a row",
        ),
        (
            r#"{"t":1"#,
            "1 malformed: not a JSON object that can be read: EOF while parsing an object at byte 6",
        ),
    ] {
        assert_eq!(describe(&rows_of("f.jsonl", line.as_bytes(), &config)), [want], "{line}");
    }
}

#[test]
fn names_go_with_rows_that_are_right_and_are_not_registered() {
    let folder = TempDir::new().unwrap();
    let lines = "t,p,q,s\n1,ten,1,A\nx,1,1,B\n1,1,1,C\n1,1,1,C\n";
    fs::write(folder.path().join("f.csv"), lines).unwrap();
    let config = json!({
        "instrument": "{symbol}",
        "columns": {"time": "t", "price": "p", "size": "q", "symbol": "s", "id": "t"},
        "units": {"time": "s"},
    });
    let context = context(folder.path());
    let catalog = Arc::clone(&context.catalog);
    let source = crate::sources().build("file", with_path(&config, "f.csv"), context).unwrap();
    let names = || {
        let rows = read_from(source.as_ref(), 0);
        rows.into_iter().map(|row| row.unknown.map(|unknown| *unknown)).collect::<Vec<_>>()
    };
    let unknown = names();
    let [None, None, Some(first), Some(second)] = &unknown[..] else { panic!("{unknown:?}") };
    assert_eq!(first, second);
    assert_eq!(first.instrument.as_ref().map(|instrument| &*instrument.name), Some("C"));
    assert_eq!(first.scope, Some((Arc::from("C"), false)));
    assert!(catalog.all().is_empty());
    catalog.register(first).unwrap();
    assert_eq!(names(), vec![None; 4]);
    assert!(catalog.scopes.check("C", true).is_err(), "its scope is known too");
}
