//! What a request says: its parameters, and the text in its body.

use super::Refusal;
use crate::http::{Parameters, Request};
use phext_storage::coordinate::Coordinate;
use phext_storage::phext::validate_text;
use phext_storage::validate_name;
use std::borrow::Cow;

/// The parameters of a request.
pub(super) struct Arguments<'a> {
    parameters: Parameters<'a>,
    body: &'a [u8],
    /// Whether the parameters are those of a form in the body.
    is_form: bool,
}

/// How much of an offending text an error repeats, in bytes.
const EXCERPT_BYTES: usize = 64;

/// At most [`EXCERPT_BYTES`] bytes of `text`, marked when cut: it comes from a client and may be of
/// any length.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    if text.len() <= EXCERPT_BYTES {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!(
        "{}...",
        &text[..text.floor_char_boundary(EXCERPT_BYTES)]
    ))
}

impl<'a> Arguments<'a> {
    /// The arguments of a request. A form in the body stands in for a query string that is not
    /// there; otherwise the body is text, whatever its content type says, because `curl -d` calls
    /// every body a form.
    pub(super) fn of(request: &'a Request) -> Arguments<'a> {
        if request.query.is_empty() && is_form(request) {
            let parameters = Parameters::parse(&request.body);
            if parameters.get("p").is_some() || parameters.get("c").is_some() {
                return Arguments {
                    parameters,
                    body: &[],
                    is_form: true,
                };
            }
        }
        Arguments {
            parameters: Parameters::parse(&request.query),
            body: &request.body,
            is_form: false,
        }
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)
    }

    /// All values of a parameter, in the order that they were sent.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.parameters.all(name)
    }

    /// The phext's name; without one, the phext named "".
    pub(super) fn phext(&self) -> &str {
        self.get("p").unwrap_or("")
    }

    /// Refuses a name that no phext can have.
    pub(super) fn check_name(&self) -> Result<(), Refusal> {
        let name = self.phext();
        validate_name(name).map_err(|error| Refusal::new(403, format!("Forbidden: {error}")))?;
        match self.parameters.invalid_utf8_at("p") {
            Some(at) => Err(Refusal::new(
                403,
                format!("Forbidden: invalid phext name: it is not UTF-8 at byte {at}"),
            )),
            None => Ok(()),
        }
    }

    /// The coordinate `c`, read as leniently as SQ's clients need.
    pub(super) fn coordinate(&self) -> Result<Coordinate, Refusal> {
        let text = self.get("c").unwrap_or("");
        Coordinate::parse_lenient(text)
            .map_err(|error| Refusal::bad_request(format_args!("coordinate `c`: {error}")))
    }

    /// The body as text, or the parameter `content` in its place; `None` where both are absent.
    pub(super) fn content(&self) -> Result<Option<Cow<'_, str>>, Refusal> {
        if self.body.is_empty() {
            return Ok(self.get("content").map(Cow::Borrowed));
        }
        match std::str::from_utf8(self.body) {
            Ok(text) => Ok(Some(Cow::Borrowed(text))),
            Err(error) => {
                let at = error.valid_up_to();
                let byte = self.body[at];
                let text = format!("the body is not UTF-8: byte 0x{byte:02X} at offset {at}");
                Err(Refusal::bad_request(text))
            }
        }
    }

    /// The text of a request: its content where `with_content` and there is any, else `s`.
    pub(super) fn text(&self, with_content: bool) -> Result<Cow<'_, str>, Refusal> {
        self.check_form()?;
        if with_content && let Some(content) = self.content()? {
            return Ok(content);
        }
        Ok(Cow::Borrowed(self.get("s").unwrap_or("")))
    }

    /// Refuses the text of a form that is not UTF-8: a form is a body. In a query string such bytes
    /// become U+FFFD, as in SQ.
    fn check_form(&self) -> Result<(), Refusal> {
        for name in ["content", "s"] {
            if self.is_form
                && let Some(at) = self.parameters.invalid_utf8_at(name)
            {
                let text = format!("the form's `{name}` is not UTF-8 at offset {at}");
                return Err(Refusal::bad_request(text));
            }
        }
        Ok(())
    }

    /// Refuses values of these parameters that are not UTF-8: with U+FFFD in place of a byte another
    /// question would be answered.
    pub(super) fn check_utf8(&self, names: &[&str]) -> Result<(), Refusal> {
        for name in names {
            if let Some(at) = self.parameters.any_invalid_utf8_at(name) {
                let text = format!("`{name}` is not UTF-8 at byte {at}");
                return Err(Refusal::bad_request(text));
            }
        }
        Ok(())
    }

    /// The text of a scroll to be stored: one without phext breaks.
    pub(super) fn scroll(&self, with_content: bool) -> Result<Cow<'_, str>, Refusal> {
        let text = self.text(with_content)?;
        validate_text(text.as_bytes())
            .map_err(|error| Refusal::bad_request(format_args!("scroll text: {error}")))?;
        Ok(text)
    }

    /// The parameter `limit` as a number of rows, if it is given and not empty.
    pub(super) fn limit(&self) -> Result<Option<u64>, Refusal> {
        match self
            .get("limit")
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(limit) => Ok(Some(limit)),
                Err(_) => Err(Refusal::bad_request(format_args!(
                    "invalid limit: {}",
                    excerpt(text)
                ))),
            },
        }
    }
}

fn is_form(request: &Request) -> bool {
    request.header("content-type").is_some_and(|value| {
        let kind = value
            .split(|&byte| byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}
