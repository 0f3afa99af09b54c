//! Takes secrets out of what the other side says: it may repeat what it was sent, whole, in part, or encoded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use crate::secret::Secret;

/// Shorter parts of a secret are not looked for: they would hide parts of words.
const PART_MIN: usize = 4;

/// Texts that nobody is shown.
#[derive(Clone, Default)]
pub(super) struct Redaction(Vec<String>);

impl Redaction {
    /// Hides a secret, and its words: of `Bearer TOKEN` also the token.
    pub(super) fn hide(&mut self, secret: &Secret) {
        let text = secret.reveal();
        self.add(text);
        text.split_whitespace().for_each(|word| self.add_part(word));
    }

    /// Hides a URL whose parts are secrets.
    pub(super) fn hide_url(&mut self, url: &Url) {
        let path = url.path().trim_matches('/');
        let parts = [url.as_str(), path, url.query().unwrap_or_default(), url.username()];
        parts.into_iter().chain(url.password()).for_each(|part| self.add_part(part));
        path.split('/').for_each(|segment| self.add_part(segment));
        let raw = url.query().unwrap_or_default().split('&');
        raw.filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| self.add_part(value));
        url.query_pairs().for_each(|(_, value)| self.add_part(&value));
    }

    /// Hides what a login sends (RFC 4616, and `AUTH LOGIN`).
    pub(super) fn hide_login(&mut self, user: &str, password: &Secret) {
        let password = password.reveal();
        self.add(password);
        self.add(&STANDARD.encode(password));
        self.add(&STANDARD.encode(format!("\0{user}\0{password}")));
    }

    /// A text in which no secret is left.
    pub(super) fn of(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    fn add_part(&mut self, text: &str) {
        if text.len() >= PART_MIN {
            self.add(text);
        }
    }

    /// The longest first, so that no part of one is left.
    fn add(&mut self, text: &str) {
        if !text.is_empty() && !self.0.iter().any(|known| known == text) {
            self.0.push(text.to_owned());
            self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn what_is_repeated_is_hidden_whole_and_in_part() {
        let mut all = Redaction::default();
        all.hide_url(
            &Url::parse("https://u:pass4@h.test/T0/hunter2?tok=a%20topsecret&x=1").unwrap(),
        );
        all.hide(&secret("Bearer abcdefgh"));
        for (said, shown) in [
            ("no route /T0/hunter2 here", "no route /… here"),
            ("hunter2 and T0", "… and T0"),
            ("/T0/hunter2?tok=a%20topsecret&x=1", "/…?…"),
            ("tok is `a topsecret`, or a%20topsecret", "tok is `…`, or …"),
            ("token abcdefgh", "token …"),
            ("Bearer abcdefgh", "…"),
            ("pass4", "…"),
        ] {
            assert_eq!(all.of(said), shown);
        }
    }

    #[test]
    fn logins_are_hidden_as_they_are_sent() {
        let mut all = Redaction::default();
        all.hide_login("me", &secret("hunter2"));
        let sent = STANDARD.encode("\0me\0hunter2");
        assert_eq!(all.of(&format!("535 AUTH PLAIN {sent}?")), "535 AUTH PLAIN …?");
        assert_eq!(all.of(&STANDARD.encode("hunter2")), "…");
        assert_eq!(all.of("hunter2"), "…");
    }
}
