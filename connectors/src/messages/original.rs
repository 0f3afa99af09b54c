//! A message that was refused, as it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Tells how a message was as a JSON object, whatever its bytes are: bytes are base64.
///
/// It is bounded: of the payload there are [`Original::PAYLOAD_MAX`] bytes, of anything else [`Original::PART_MAX`], and
/// of headers and fields the first [`Original::PAIRS_MAX`]. If something was cut, `cut` is true.
#[derive(Debug, Default)]
pub struct Original {
    object: Map<String, Value>,
    is_cut: bool,
}

impl Original {
    /// The most bytes of a payload.
    pub const PAYLOAD_MAX: usize = 4_096;
    /// The most bytes of a key, a name or a value.
    pub const PART_MAX: usize = 256;
    /// The most headers or fields.
    pub const PAIRS_MAX: usize = 16;

    /// Nothing yet.
    pub fn new() -> Original {
        Original::default()
    }

    /// A number, or none.
    pub fn number(mut self, name: &str, number: impl Into<Option<i64>>) -> Original {
        self.object.insert(name.to_owned(), number.into().into());
        self
    }

    /// A text.
    pub fn text(mut self, name: &str, text: impl ToString) -> Original {
        self.object.insert(name.to_owned(), text.to_string().into());
        self
    }

    /// Bytes, or none.
    pub fn bytes(mut self, name: &str, bytes: Option<&[u8]>) -> Original {
        let bytes = self.cut(bytes, Original::PART_MAX);
        self.object.insert(name.to_owned(), bytes);
        self
    }

    /// The payload, and how many bytes it has.
    pub fn payload(mut self, payload: Option<&[u8]>) -> Original {
        let bytes = self.cut(payload, Original::PAYLOAD_MAX);
        self.object.insert("payload".to_owned(), bytes);
        let length = payload.map(<[u8]>::len);
        self.object.insert("payload_bytes".to_owned(), length.into());
        self
    }

    /// Names and values, in their order: a name may come twice. Names that are no text have U+FFFD in it.
    pub fn pairs<'a>(
        mut self,
        name: &str,
        pairs: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Original {
        let mut list = Vec::new();
        for (key, value) in pairs {
            if list.len() == Original::PAIRS_MAX {
                self.is_cut = true;
                break;
            }
            self.is_cut |= key.len() > Original::PART_MAX;
            let key = String::from_utf8_lossy(&key[..key.len().min(Original::PART_MAX)]);
            let value = self.cut(value, Original::PART_MAX);
            list.push(Value::Array(vec![key.into(), value]));
        }
        self.object.insert(name.to_owned(), list.into());
        self
    }

    /// The object as a text.
    pub fn finish(mut self) -> Box<str> {
        if self.is_cut {
            self.object.insert("cut".to_owned(), true.into());
        }
        Value::Object(self.object).to_string().into()
    }

    fn cut(&mut self, bytes: Option<&[u8]>, most: usize) -> Value {
        let Some(bytes) = bytes else { return Value::Null };
        self.is_cut |= bytes.len() > most;
        base64(&bytes[..bytes.len().min(most)]).into()
    }
}

/// The standard alphabet, padded (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_as_the_standard_has_it() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_message_is_told_as_it_was_and_is_bounded() {
        let header: [(&[u8], Option<&[u8]>); 3] =
            [(b"h", Some(b"\xff")), (b"h", None), (b"\xff", Some(b""))];
        let message = Original::new()
            .number("offset", 4)
            .number("time_ms", None)
            .bytes("key", Some(b"k"))
            .pairs("headers", header.into_iter())
            .payload(Some(b"\xff\xfe"));
        let want = r#"{"headers":[["h","/w=="],["h",null],["�",""]],"key":"aw==","offset":4,"payload":"//4=","payload_bytes":2,"time_ms":null}"#;
        assert_eq!(&*message.finish(), want);

        let large = vec![b'x'; 100_000];
        let many = (0..1_000).map(|_| (&large[..], Some(&large[..])));
        let message = Original::new().bytes("key", Some(&large)).pairs("headers", many);
        let text = message.payload(Some(&large)).finish();
        assert!(text.len() < 20_000 && text.contains(r#""cut":true"#), "{} bytes", text.len());
        assert!(text.contains(r#""payload_bytes":100000"#));
    }
}
