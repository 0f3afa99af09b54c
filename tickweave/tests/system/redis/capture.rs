//! Five minutes of trades of two instruments, as Binance sent them, and their candles.

use std::io::BufRead;

use redis::Connection;

use crate::expected::bars::{Bars, expected, trades};
use crate::expected::data::{gunzip, shared};

/// The real trades and what must come of them.
pub(super) struct Capture {
    /// The stream of each, and its frames in their order: one of twenty is none of a trade.
    pub(super) frames: Vec<(&'static str, Vec<String>)>,
    /// Bars of seconds and minutes.
    pub(super) bars: Bars,
}

impl Capture {
    /// None if the data or Redis is not here, which is said.
    pub(super) fn get(test: &str) -> Option<Capture> {
        if !super::server::is_here(test) {
            return None;
        }
        let Some(folder) = shared(test) else {
            eprintln!("SKIPPED: {test}, as the captures are not here");
            return None;
        };
        let (mut frames, mut bars) = (Vec::new(), Bars::new());
        for (stream, symbol) in [("ticks:BTC", "btcusdt"), ("ticks:ETH", "ethusdt")] {
            let name = format!("spot_{symbol}_20240809");
            for (length, timeframe) in [("1s", "1s"), ("60s", "1m")] {
                bars.extend(expected(
                    &folder,
                    &format!("binance_{name}_{length}"),
                    timeframe,
                    "binance",
                ));
            }
            let path = folder.join("binance_ws_raw_hftbacktest").join(format!("{name}.gz"));
            let mut others = 0;
            let lines = gunzip(&path).lines().map(Result::unwrap).filter(|line| {
                let is_trade = line.contains(r#""e":"trade""#);
                others += usize::from(!is_trade);
                is_trade || others % 20 == 0
            });
            frames.push((stream, lines.collect()));
        }
        Some(Capture { frames, bars })
    }

    pub(super) fn trades(&self) -> u64 {
        trades(&self.bars, "1s")
    }

    /// The frames of both in turn, a share of them: from so many thousandths to so many.
    pub(super) fn share(&self, from: usize, to: usize) -> Vec<(&'static str, &str)> {
        let mut share = Vec::new();
        for (stream, frames) in &self.frames {
            let part = &frames[frames.len() * from / 1_000..frames.len() * to / 1_000];
            share.extend(part.iter().enumerate().map(|(at, frame)| (at, *stream, frame.as_str())));
        }
        share.sort_by_key(|(at, ..)| *at);
        share.into_iter().map(|(_, stream, frame)| (stream, frame)).collect()
    }
}

/// Adds frames to streams; an error says that some may not have been added.
pub(super) fn try_add(server: &mut Connection, frames: &[(&str, &str)]) -> redis::RedisResult<()> {
    for some in frames.chunks(500) {
        let mut adding = redis::pipe();
        for (stream, frame) in some {
            adding.cmd("XADD").arg(*stream).arg("*").arg("data").arg(*frame).ignore();
        }
        adding.exec(server)?;
    }
    Ok(())
}

pub(super) fn add(server: &mut Connection, frames: &[(&str, &str)]) {
    try_add(server, frames).unwrap();
}
