//! Where a copy is: URLs, and what is known of a store besides.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::CopyError;

/// What is known of a store besides the URL. The rest is in the usual variables of the environment
/// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …), which
/// these replace. Secrets are only there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The URL of a server that is not Amazon's.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Whether a server that is not on this machine may be spoken to without TLS.
    pub allow_http: bool,
}

/// Whether a text names a place for copies rather than a folder.
pub fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// A parsed URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Bucket { bucket: String, prefix: String },
    Folder(PathBuf),
}

impl Location {
    pub(crate) fn parse(url: &str) -> Result<Location, CopyError> {
        let error =
            |problem: &str| CopyError::Url { url: url.to_owned(), problem: problem.to_owned() };
        match url.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_matches('/');
                if bucket.is_empty() {
                    return Err(error("it names no bucket"));
                }
                if bucket.contains('@') || prefix.contains(['?', '#']) {
                    return Err(error("it holds more than a bucket and a prefix"));
                }
                if prefix.split('/').any(|part| part == "." || part == "..")
                    || prefix.contains("//")
                {
                    return Err(error("a part of its prefix is empty, `.` or `..`"));
                }
                Ok(Location::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            Some(("file", path)) if path.len() > 1 && Path::new(path).is_absolute() => {
                Ok(Location::Folder(PathBuf::from(path)))
            }
            Some(("file", _)) => Err(error("its folder does not begin with `/`")),
            Some((scheme, _)) => Err(error(&format!("`{scheme}` is not known"))),
            None => Err(error("it is no URL")),
        }
    }
}

/// Whether an endpoint may be spoken to; `allow_http` as the options say.
pub(crate) fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), String> {
    let Some(rest) = endpoint.strip_prefix("http://") else {
        return match endpoint.strip_prefix("https://") {
            Some(host) if !host.is_empty() => Ok(()),
            _ => Err(format!(
                "the endpoint `{endpoint}` does not begin with `https://` or `http://`"
            )),
        };
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(host) => host.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_loopback =
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    match is_loopback || allow_http {
        true => Ok(()),
        false => Err(format!(
            "the endpoint `{endpoint}` is on another machine and speaks no TLS: say `https://`, or allow that \
             (`state.copy_allow_http`, `--allow-http`)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_bucket_or_a_folder() {
        let bucket = |bucket: &str, prefix: &str| Location::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        assert_eq!(Location::parse("s3://b/jobs/one/").unwrap(), bucket("b", "jobs/one"));
        assert_eq!(Location::parse("s3://b").unwrap(), bucket("b", ""));
        assert_eq!(Location::parse("file:///a b/c").unwrap(), Location::Folder("/a b/c".into()));
        for wrong in
            ["s3://", "s3:///x", "s3://b/a/../c", "s3://k@b/a", "file://a", "gs://b/x", "/a"]
        {
            let error = Location::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("say `s3://BUCKET/PREFIX`"), "{wrong}: {error}");
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        for own in
            ["http://127.0.0.1:9", "http://localhost", "http://[::1]:9/x", "https://s3.example"]
        {
            check_endpoint(own, false).unwrap();
        }
        let other = "http://127.0.0.1.example:9";
        assert!(check_endpoint(other, false).unwrap_err().contains("speaks no TLS"));
        check_endpoint(other, true).unwrap();
        assert!(check_endpoint("s3.example", true).is_err());
    }
}
