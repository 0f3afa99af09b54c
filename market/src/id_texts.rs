//! What sources wrote of ids that travel as hashes, so that people can find the trade again at its venue.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::id::TradeId;
use crate::printable::is_format;

/// A text id: its hash, and what is shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdText {
    /// What [`TradeId::Text`] holds.
    pub hash: u64,
    /// What its source wrote, harmless and of at most [`IdText::BYTES_MAX`] bytes. Texts of two hashes differ.
    pub text: Box<str>,
}

/// The texts of the ids that were bound last. Ids are told apart by their hashes; of two texts that have one hash the
/// later is refused.
///
/// Bounded in bytes: there are two halves, and when the newer one is full the older one goes. So the ids of the last
/// half are always there. What is gone shows as `text:` with its hash.
#[derive(Default)]
pub struct IdTexts {
    halves: RwLock<Halves>,
}

/// Two texts have one hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id `{new}` has the same hash as `{other}`, so the two cannot be told apart; the venue has to write one differently"
)]
pub struct IdCollision {
    /// The new text.
    pub new: Box<str>,
    /// The one that was bound before.
    pub other: Box<str>,
}

#[derive(Default)]
struct Halves {
    /// The most bytes of one half.
    bytes_max: usize,
    newer: Half,
    older: Half,
}

/// Texts, one after the other with a byte before each that says how long it is.
#[derive(Default)]
struct Half {
    places: HashMap<u64, u32, BuildHasherDefault<HashAsIs>>,
    texts: Vec<u8>,
}

/// The keys are hashes already.
#[derive(Default)]
struct HashAsIs(u64);

impl Hasher for HashAsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys are `u64`; this is never called for them.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl IdText {
    /// The most bytes that are shown of an id.
    pub const BYTES_MAX: usize = 96;

    /// The id that these parts are together, and its text if it is one. Of several parts it is a text in any case, and
    /// shows with `|` between them; a `|` or `\` inside a part has a `\` before it.
    ///
    /// Of an id that is too long, or holds characters that do not show, the beginning is shown, with the latter as U+FFFD, and
    /// `…#` with its hash at the end.
    ///
    /// ```
    /// use market::{IdText, TradeId};
    /// let text = |parts: &[&str]| IdText::of(parts).1.map(|id| id.text.to_string());
    /// assert_eq!(text(&["17"]), None, "a number");
    /// assert_eq!(text(&["t-1"]).as_deref(), Some("t-1"));
    /// assert_eq!(text(&["NYSE", "123"]).as_deref(), Some("NYSE|123"));
    /// assert_ne!(text(&["a|b", "c"]), text(&["a", "b|c"]));
    /// assert!(text(&["a\nb"]).unwrap().starts_with("a\u{FFFD}b…#"));
    /// ```
    pub fn of(parts: &[&str]) -> (TradeId, Option<IdText>) {
        let id = match parts {
            [whole] => TradeId::of(whole),
            _ => TradeId::of_parts(parts),
        };
        let TradeId::Text(hash) = id else { return (id, None) };
        (id, Some(IdText { hash, text: shown(parts, hash).into_boxed_str() }))
    }
}

impl TradeId {
    /// Whether people call this id so: by the text of its source, its parts between `|`, or its hash.
    ///
    /// ```
    /// use market::{IdText, TradeId};
    /// let (id, text) = IdText::of(&["2021-03-01", "a|b"]);
    /// assert!(id.is_called(&text.unwrap().text) && id.is_called(&id.to_string()));
    /// assert!(TradeId::of("17").is_called("17") && !TradeId::of("17").is_called("017"));
    /// ```
    pub fn is_called(self, name: &str) -> bool {
        match self {
            TradeId::Number(_) => TradeId::of(name) == self,
            TradeId::OfDay(_) => TradeId::of(name).integer() == self.integer(),
            TradeId::Position(_) => name == self.to_string(),
            TradeId::Text(hash) => {
                let is_hash = |text: &str| u64::from_str_radix(text, 16) == Ok(hash);
                TradeId::of(name) == self
                    || name.contains('|') && TradeId::of_parts(&parts(name)) == self
                    || name.strip_prefix("text:").is_some_and(is_hash)
                    || name.rsplit_once("…#").is_some_and(|(_, hash)| is_hash(hash))
            }
        }
    }
}

/// The parts between `|`, where `\` makes a letter of what follows it.
fn parts(shown: &str) -> Vec<String> {
    let (mut parts, mut letters) = (vec![String::new()], shown.chars());
    while let Some(letter) = letters.next() {
        match (letter, parts.last_mut()) {
            ('\\', Some(part)) => part.extend(letters.next()),
            ('|', _) => parts.push(String::new()),
            (letter, Some(part)) => part.push(letter),
            (_, None) => {}
        }
    }
    parts
}

/// See [`IdText::of`].
fn shown(parts: &[&str], hash: u64) -> String {
    if let [whole] = parts
        && whole.len() <= IdText::BYTES_MAX
        && whole.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return (*whole).to_owned();
    }
    /// What `…#` and a hash leave room for.
    const CUT: usize = IdText::BYTES_MAX - "…#0123456789abcdef".len();
    let (mut text, mut is_whole, mut cut) = (String::new(), true, 0);
    for (at, part) in parts.iter().enumerate() {
        text.extend((at > 0).then_some('|'));
        for char in part.chars() {
            if parts.len() > 1 && matches!(char, '|' | '\\') {
                text.push('\\');
            }
            let is_seen =
                char == ' ' || !(char.is_control() || char.is_whitespace() || is_format(char));
            text.push(if is_seen { char } else { char::REPLACEMENT_CHARACTER });
            // What is replaced cannot be told from what was sent so.
            is_whole &= is_seen && char != char::REPLACEMENT_CHARACTER;
            cut = if text.len() <= CUT { text.len() } else { cut };
            if text.len() > IdText::BYTES_MAX {
                text.truncate(cut);
                return format!("{text}…#{hash:016x}");
            }
        }
    }
    if is_whole && text.len() <= IdText::BYTES_MAX {
        return text;
    }
    text.truncate(cut);
    format!("{text}…#{hash:016x}")
}

impl IdTexts {
    /// No texts, and room for so many bytes; without room, ids show as their hashes.
    pub fn with_bytes(bytes: usize) -> IdTexts {
        let halves = Halves { bytes_max: bytes / 2, ..Halves::default() };
        IdTexts { halves: RwLock::new(halves) }
    }

    /// Keeps the text of an id that is being bound; returns whether it was not among the newer half.
    ///
    /// # Errors
    /// Another text has its hash.
    pub fn keep(&self, id: &IdText) -> Result<bool, IdCollision> {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        let Halves { newer, older, bytes_max } = &mut *halves;
        let is_newer = match newer.get(id.hash).or_else(|| older.get(id.hash)) {
            Some(other) if other != &*id.text => {
                return Err(IdCollision { new: id.text.clone(), other: other.into() });
            }
            _ => newer.get(id.hash).is_some(),
        };
        if !is_newer {
            if newer.bytes_with(id) > *bytes_max {
                *older = mem::take(newer);
            }
            if newer.bytes_with(id) <= *bytes_max {
                newer.insert(id);
            }
        }
        Ok(!is_newer)
    }

    /// An id as people read it: a number as such, a position as `at:` with the number, a text as its source wrote it (see
    /// [`IdText::of`]) or, if that is gone, as `text:` with its hash.
    ///
    /// ```
    /// use market::{IdText, IdTexts};
    /// let texts = IdTexts::with_bytes(10_000);
    /// let (id, text) = IdText::of(&["t-1"]);
    /// assert!(texts.show(id).starts_with("text:"));
    /// assert_eq!(texts.keep(&text.unwrap()), Ok(true));
    /// assert_eq!(texts.show(id), "t-1");
    /// ```
    pub fn show(&self, id: TradeId) -> String {
        if let TradeId::Text(hash) = id {
            let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(text) = halves.newer.get(hash).or_else(|| halves.older.get(hash)) {
                return text.to_owned();
            }
        }
        id.to_string()
    }

    /// All texts, those that go first before others: kept in this order, they are there again.
    pub fn all(&self) -> Vec<IdText> {
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        let of = |half: &Half| {
            let hashes = half.places.keys().copied();
            let texts =
                hashes.filter_map(|hash| Some(IdText { hash, text: half.get(hash)?.into() }));
            texts.collect::<Vec<_>>()
        };
        [of(&halves.older), of(&halves.newer)].concat()
    }

    /// The bytes that are taken.
    pub fn bytes(&self) -> usize {
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        halves.newer.bytes() + halves.older.bytes()
    }
}

impl Half {
    /// The least room that is made for texts.
    const LEAST: usize = 4_096;

    fn get(&self, hash: u64) -> Option<&str> {
        let at = *self.places.get(&hash)? as usize;
        let len = usize::from(*self.texts.get(at)?);
        str::from_utf8(self.texts.get(at + 1..at + 1 + len)?).ok()
    }

    fn insert(&mut self, id: &IdText) {
        let (Ok(at), Ok(len)) = (u32::try_from(self.texts.len()), u8::try_from(id.text.len()))
        else {
            return; // a half is below 4 GiB, and an id below 256 bytes
        };
        self.texts.reserve_exact(self.text_room(id) - self.texts.len());
        self.texts.push(len);
        self.texts.extend_from_slice(id.text.as_bytes());
        self.places.insert(id.hash, at);
    }

    fn bytes(&self) -> usize {
        table_bytes(self.places.capacity()) + self.texts.capacity()
    }

    /// How many bytes it takes with one more text.
    fn bytes_with(&self, id: &IdText) -> usize {
        let full = self.places.len() == self.places.capacity();
        let places =
            if full { (2 * self.places.capacity()).max(3) } else { self.places.capacity() };
        table_bytes(places) + self.text_room(id)
    }

    /// The room for texts with one more: it grows by a quarter.
    fn text_room(&self, id: &IdText) -> usize {
        let (need, room) = (self.texts.len() + 1 + id.text.len(), self.texts.capacity());
        if need <= room { room } else { need.max(room / 4 * 5).max(Half::LEAST) }
    }
}

/// What a hash table with room for so many takes: a power of two of slots, of which seven in eight may be taken, each
/// with a byte of control.
fn table_bytes(room: usize) -> usize {
    match room {
        0 => 0,
        _ => (room * 8 / 7).next_power_of_two().max(4) * (size_of::<(u64, u32)>() + 1),
    }
}

impl fmt::Debug for IdTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdTexts({} bytes)", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(texts: &IdTexts, id: &str) -> TradeId {
        let (id, text) = IdText::of(&[id]);
        texts.keep(&text.unwrap()).unwrap();
        id
    }

    #[test]
    fn the_newest_are_kept_within_the_bytes() {
        let bytes = 1 << 20;
        let texts = IdTexts::with_bytes(bytes);
        let uuid =
            |n: u64| format!("{:08x}-1c4f-4b1e-9d3a-{:012x}", n.wrapping_mul(0x9e37_79b9), n);
        let ids: Vec<TradeId> = (0..50_000)
            .map(|n| {
                let id = kept(&texts, &uuid(n));
                assert!(texts.bytes() <= bytes);
                id
            })
            .collect();
        let is_shown = |n: usize| texts.show(ids[n]) == uuid(n as u64);
        let kept_ids = (0..ids.len()).filter(|n| is_shown(*n)).count();
        assert!(!is_shown(0) && (ids.len() - kept_ids..ids.len()).all(is_shown), "the last ones");
        // A half holds as many as its hash table with room for them beside their texts: 73 bytes each.
        assert!(kept_ids >= 7_168, "{kept_ids}");
        assert_eq!(texts.show(ids[0]), ids[0].to_string());
    }

    #[test]
    fn without_room_none_is_kept() {
        let texts = IdTexts::default();
        let id = kept(&texts, "t-1");
        assert_eq!((texts.show(id), texts.bytes()), (id.to_string(), 0));
    }

    #[test]
    fn of_two_texts_with_one_hash_the_later_is_refused() {
        let texts = IdTexts::with_bytes(1 << 16);
        let of = |text: &str| IdText { hash: 5, text: text.into() };
        assert_eq!(texts.keep(&of("a")), Ok(true));
        assert_eq!(texts.keep(&of("a")), Ok(false));
        let collision = IdCollision { new: "b".into(), other: "a".into() };
        assert_eq!(texts.keep(&of("b")), Err(collision));
        assert_eq!(texts.show(TradeId::Text(5)), "a");
    }

    #[test]
    fn a_long_id_shows_its_beginning_and_its_hash() {
        let (one, other) = ("é".repeat(60) + "1", "é".repeat(60) + "2");
        let shown = |text: &str| IdText::of(&[text]).1.unwrap().text;
        assert!(shown(&one).starts_with("éé") && shown(&one).len() <= IdText::BYTES_MAX);
        assert_ne!(shown(&one), shown(&other));
        let longest = "x".repeat(IdText::BYTES_MAX);
        assert_eq!(&*shown(&longest), longest);
    }

    proptest! {
        /// Equal texts are of equal ids, whatever the parts.
        #[test]
        fn what_is_shown_tells_ids_apart(
            one in prop::collection::vec("[a|\\\\\u{FFFD}\n]{0,3}", 2..4),
            other in prop::collection::vec("[a|\\\\\u{FFFD}\n]{0,3}", 2..4),
        ) {
            let of = |parts: &[String]| IdText::of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            let ((one, shown_one), (other, shown_other)) = (of(&one), of(&other));
            prop_assert_eq!(one == other, shown_one == shown_other);
        }

        #[test]
        fn what_is_shown_is_harmless_and_bounded(text in "\\PC{0,200}|.{0,200}") {
            if let (_, Some(id)) = IdText::of(&[&text]) {
                prop_assert!(id.text.len() <= IdText::BYTES_MAX);
                prop_assert!(!id.text.chars().any(char::is_control));
            }
        }
    }
}
