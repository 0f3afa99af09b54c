//! Fills of one time: what a position is does not follow from how ids are spelled.

use std::fmt::Write;
use std::fs;

use super::binary::tickweave;

/// Numbers that look random, the same in every run.
fn shuffled(seed: u64, count: usize) -> Vec<usize> {
    let mut places: Vec<_> = (0..count)
        .map(|place| {
            let hash =
                (place as u64 + 1).wrapping_mul(seed * 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (hash.rotate_left(29).wrapping_mul(0xD6E8_FEB8_6659_FD93), place)
        })
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}

/// A hundred fills: bought and sold, never flat for long.
fn quantity_and_price(number: usize) -> (i64, i64) {
    let quantity = (number as i64 * 37 % 17 - 7) * 2 + 1;
    (quantity, 100 + number as i64 * 53 % 41)
}

/// Basis and realised profit of fills in this order; all amounts are whole numbers below 2^53.
fn folded(order: impl Iterator<Item = usize>) -> (i64, i128, i128) {
    let (mut held, mut basis, mut realised) = (0_i64, 0_i128, 0_i128);
    for (quantity, price) in order.map(quantity_and_price) {
        let scale = 10_i128.pow(17);
        let close = if (held > 0) == (quantity > 0) { 0 } else { quantity.abs().min(held.abs()) };
        if close > 0 {
            let (numerator, divisor) = (basis * i128::from(close), i128::from(held.abs()));
            let (down, rest) = (numerator.div_euclid(divisor), numerator.rem_euclid(divisor));
            let up = rest * 2 > divisor || (rest * 2 == divisor && down % 2 != 0);
            let cost = down + i128::from(up);
            basis -= cost;
            realised += i128::from(close * held.signum() * price) * scale - cost;
        }
        let opened = quantity - quantity.signum() * close;
        basis += i128::from(opened * price) * scale;
        held += quantity;
    }
    (held, basis, realised)
}

#[test]
fn both_sides_of_a_trade_with_oneself_count() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = [
        "fill,q,195673,x:OPT,2022-10-24T09:47:05Z,sell,3,0.0488",
        "fill,q,195673,x:OPT,2022-10-24T09:47:05Z,buy,3,0.0488",
        "fill,q,195674,x:OPT,2022-10-24T09:47:05Z,buy,1,0.0488",
        // A correction that turns a purchase into a sale, and a bust of one side.
        "fill,r,1,x:OPT,2022-10-24T09:47:05Z,buy,2,1",
        "fill_correct,r,1,x:OPT,2022-10-24T09:47:05Z,sell,2,1",
        "fill,s,1,x:OPT,2022-10-24T09:47:05Z,buy,2,1",
        "fill,s,1,x:OPT,2022-10-24T09:47:05Z,sell,5,1",
        "bust,s,1,,,sell,,",
    ];
    let csv =
        format!("type,portfolio,id,instrument,time,side,quantity,price\n{}\n", rows.join("\n"));
    fs::write(folder.join("fills.csv"), csv).unwrap();
    let held = |settings: &str| {
        let job = format!(
            "[job]\ntimeframes = [\"1m\"]\n[portfolios]\n{settings}\n[[instrument]]\npattern = \"*\"\nquote = \"USD\"\n\
             [[source]]\nname = \"desk\"\nkind = \"entries\"\npaths = [\"fills.csv\"]\n"
        );
        fs::write(folder.join("job.toml"), job).unwrap();
        tickweave(folder, &["replay", "job.toml", "--out", "views", "--json"]).json();
        let view =
            |name: &str| fs::read_to_string(folder.join(format!("views/{name}.csv"))).unwrap();
        let (views, faults) = (view("positions"), view("fill_faults").lines().count() - 1);
        let mut rows: Vec<Vec<&str>> =
            views.lines().skip(1).map(|line| line.split(',').collect()).collect();
        rows.sort();
        (rows.iter().map(|row| row[2].to_owned()).collect::<Vec<_>>(), faults)
    };
    assert_eq!(held(""), (["1", "-2", "2"].map(str::to_owned).to_vec(), 0));
    let (held, faults) = held("ids_by_side = false");
    assert_eq!((&held[..2], faults), (&["-2", "-2"].map(str::to_owned)[..], 2));
}

#[test]
fn a_hundred_fills_of_one_time_are_folded_by_sequence_else_by_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut csv = String::from("type,portfolio,id,instrument,time,sequence,quantity,price\n");
    let mut wanted = Vec::new();
    for seed in 0..1_000 {
        let order = shuffled(seed, 100);
        // Integers that fall, texts, or numbers that are texts.
        let id = |number: usize| match seed % 3 {
            0 => format!("{}", 1_000 - number),
            1 => format!("{:x}-fill", (number as u64 + seed) * 7_919),
            _ => format!("0{}", number * 31 % 101),
        };
        for number in &order {
            let (quantity, price) = quantity_and_price(*number);
            let (id, time) = (id(*number), "2026-01-05T14:31:00Z");
            let sequence = number + 1;
            writeln!(csv, "fill,told-{seed:04},{id},x:A,{time},{sequence},{quantity},{price}")
                .unwrap();
            writeln!(csv, "fill,rows-{seed:04},{id},x:A,{time},,{quantity},{price}").unwrap();
        }
        wanted.push((format!("rows-{seed:04}"), folded(order.into_iter())));
        wanted.push((format!("told-{seed:04}"), folded(0..100)));
    }
    let job = r#"
[job]
timeframes = ["1m"]
[[instrument]]
pattern = "*"
quote = "USD"
[[source]]
name = "desk"
kind = "entries"
paths = ["fills.csv"]
"#;
    fs::write(folder.join("fills.csv"), csv).unwrap();
    fs::write(folder.join("job.toml"), job).unwrap();
    tickweave(folder, &["replay", "job.toml", "--out", "views", "--json"]).json();
    let views = fs::read_to_string(folder.join("views/positions.csv")).unwrap();
    let number = |text: &str| {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{part:0<17}");
        digits.parse::<i128>().unwrap()
    };
    let mut lines = views.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (quantity, basis, realised) = (column("quantity"), column("basis"), column("realised"));
    let mut got: Vec<_> = lines
        .map(|row| {
            let held = row[quantity].parse::<i64>().unwrap();
            (row[0].to_owned(), (held, number(row[basis]), number(row[realised])))
        })
        .collect();
    got.sort();
    wanted.sort();
    assert_eq!(got, wanted);
    let by_rows: std::collections::BTreeSet<_> =
        got.iter().filter(|(name, _)| name.starts_with("rows")).map(|(_, row)| row).collect();
    assert!(by_rows.len() > 900, "orders of rows that give one result show nothing");
}
