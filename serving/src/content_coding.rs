//! How bodies with rows are compressed.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use warp::http::HeaderMap;
use warp::http::header::ACCEPT_ENCODING;

use crate::parameter::{ParameterType, RouteParameter};

/// Shorter bodies are sent as they are: a packet holds them anyway.
const LEAST_BYTES: usize = 1_024;

/// The parameter that asks for compression.
pub(super) const ACCEPTED_CODINGS: RouteParameter = RouteParameter::header(
    "Accept-Encoding",
    ParameterType::ContentCodings(&["zstd", "gzip"]),
    "how rows of 1 KiB or more may be compressed",
);

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentCoding {
    Zstd,
    Gzip,
}

impl ContentCoding {
    /// All, the best one first.
    const ALL: [ContentCoding; 2] = [ContentCoding::Zstd, ContentCoding::Gzip];

    /// What a client takes and likes best; none if it wants bodies as they are.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<ContentCoding> {
        let given = headers.get_all(ACCEPT_ENCODING).iter();
        let given: Vec<(String, u16)> = given
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(coding)
            .collect();
        let quality = |coding: ContentCoding| {
            let named = given.iter().find(|(name, _)| name == coding.name());
            named.or_else(|| given.iter().find(|(name, _)| name == "*")).map_or(0, |(_, q)| *q)
        };
        let best = ContentCoding::ALL.into_iter().rev().max_by_key(|coding| quality(*coding))?;
        Some(best).filter(|best| quality(*best) > 0)
    }

    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            ContentCoding::Zstd => "zstd",
            ContentCoding::Gzip => "gzip",
        }
    }

    /// A body and how it is compressed, if it is long enough.
    pub(super) fn encode(
        of: Option<ContentCoding>,
        body: Vec<u8>,
    ) -> io::Result<(Vec<u8>, Option<ContentCoding>)> {
        let Some(coding) = of.filter(|_| body.len() >= LEAST_BYTES) else {
            return Ok((body, None));
        };
        let encoded = match coding {
            ContentCoding::Zstd => zstd::bulk::compress(&body, 1)?,
            ContentCoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body)?;
                encoder.finish()?
            }
        };
        Ok((encoded, of))
    }
}

/// The name of a coding and its quality in thousandths, of `gzip;q=0.5`.
fn coding(text: &str) -> (String, u16) {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok());
    (name, (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1_000.0) as u16)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use warp::http::HeaderValue;

    use super::*;

    #[test]
    fn a_client_gets_what_it_likes_best() {
        use ContentCoding::{Gzip, Zstd};
        for (given, want) in [
            ("", None),
            ("identity", None),
            ("br", None),
            ("gzip", Some(Gzip)),
            ("GZIP, deflate, br, zstd", Some(Zstd)),
            ("gzip;q=1, zstd;q=0.5", Some(Gzip)),
            ("gzip;q=0, *", Some(Zstd)),
            ("*", Some(Zstd)),
            ("*;q=0", None),
            ("gzip; q=0", None),
            ("gzip;q=much", Some(Gzip)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(given));
            assert_eq!(ContentCoding::accepted(&headers), want, "{given}");
        }
        assert_eq!(ContentCoding::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn long_bodies_are_compressed() {
        let long = "row after row ".repeat(1_000).into_bytes();
        for coding in ContentCoding::ALL {
            let (short, none) = ContentCoding::encode(Some(coding), b"short".to_vec()).unwrap();
            assert_eq!((&*short, none), (&b"short"[..], None));
            let (encoded, is) = ContentCoding::encode(Some(coding), long.clone()).unwrap();
            assert_eq!(is, Some(coding));
            assert!(encoded.len() * 10 < long.len());
            let decoded = match coding {
                ContentCoding::Zstd => zstd::bulk::decompress(&encoded, long.len()).unwrap(),
                ContentCoding::Gzip => {
                    let mut decoded = Vec::new();
                    flate2::read::GzDecoder::new(&*encoded).read_to_end(&mut decoded).unwrap();
                    decoded
                }
            };
            assert_eq!(decoded, long);
        }
    }
}
