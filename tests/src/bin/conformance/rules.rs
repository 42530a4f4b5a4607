//! Where sqd means to differ from SQ, and what it must answer there instead.
//!
//! Each rule quotes the line of the design it comes from. A rule never excuses an answer: it
//! replaces SQ's answer by another that is as exact. The first rule that applies decides; where
//! none applies, sqd's status and body must be SQ's.

use std::collections::BTreeSet;

use phext_tests::http::Response;

use crate::model::Prediction;
use crate::request::{Action, Request};

/// A request and all that is known about its answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// The request.
    pub(crate) request: &'a Request,
    /// What sqd must answer by the model.
    pub(crate) prediction: &'a Prediction,
    /// SQ's answer, where it was asked.
    pub(crate) sq: Option<&'a Response>,
    /// sqd's answer.
    pub(crate) sqd: &'a Response,
    /// Whether SQ holds empty scrolls of the phext in question.
    pub(crate) sq_holds_empties: bool,
}

/// What a rule or comparison found: nothing, or what is wrong.
pub(crate) type Finding = Result<(), String>;

/// One intended difference.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name, for the report.
    pub(crate) name: &'static str,
    /// The line of the design, word for word.
    #[expect(dead_code, reason = "it is there for the reader of the table")]
    pub(crate) quote: &'static str,
    /// Whether it decides this case.
    pub(crate) applies: fn(&Case<'_>) -> bool,
    /// What sqd must answer.
    pub(crate) expects: fn(&Case<'_>) -> Finding,
}

/// The intended differences. Quotes are of the API description (40), except as marked.
pub(crate) const RULES: [Rule; 17] = [
    Rule {
        name: "head",
        quote: "Methods: GET and POST; others 400. *sqd:* HEAD works everywhere GET does",
        applies: |case| case.request.sqd.method == "HEAD",
        expects: head_of_get,
    },
    Rule {
        name: "preflight",
        quote: "OPTIONS answers preflight with GET, POST, PUT, DELETE, HEAD, OPTIONS and headers \
                Authorization, X-SQ-API-Key, Content-Type, in single and multi-tenant mode.",
        applies: |case| matches!(case.request.action, Action::Preflight),
        expects: preflight,
    },
    Rule {
        name: "exact-path",
        quote: "Routes match by prefix (`/api/v2/selectXYZ` is select). *sqd:* exact path or path \
                plus `/...`; unknown is 404.",
        applies: |case| matches!(case.request.action, Action::LongerPath),
        expects: as_predicted,
    },
    Rule {
        name: "bad-name",
        quote: "Names are 1-255 bytes without `/`, `\\`, NUL, `..` [...] Bad names: 403.",
        applies: |case| matches!(case.request.action, Action::BadName),
        expects: as_predicted,
    },
    Rule {
        name: "bad-utf8",
        quote: "Invalid UTF-8 in a body becomes U+FFFD in SQ. *sqd:* 400 with the offset, nothing \
                stored.",
        applies: |case| matches!(case.request.action, Action::WriteBadUtf8 { .. }),
        expects: as_predicted,
    },
    Rule {
        name: "bad-coordinate-or-text",
        quote: "10: Until then such a field is a 400 that says so. [...] A write that holds one \
                [break] is a 400 that names byte and offset: SQ accepts it and splits the scroll \
                at the next load.",
        applies: |case| matches!(case.prediction, Prediction::Refused { .. }),
        expects: as_predicted,
    },
    Rule {
        name: "list",
        quote: "`GET /api/v2/list` (JSON array of names) and `GET /api/v2/export?p=` expected: \
                *sqd* has both [...] reads never create a phext; writes do.",
        applies: |case| matches!(case.request.action, Action::List),
        expects: as_predicted,
    },
    Rule {
        name: "export",
        quote: "`GET /api/v2/list` (JSON array of names) and `GET /api/v2/export?p=` expected: \
                *sqd* has both",
        applies: |case| matches!(case.request.action, Action::Export),
        expects: as_predicted,
    },
    Rule {
        name: "large-components",
        quote: "agents' mailboxes | components 2026, 20260222, message numbers without bound [SQ: \
                components above 999 lost at restart]",
        applies: |case| case.sq.is_none(),
        expects: as_predicted,
    },
    Rule {
        name: "version",
        quote: "GET version | version text, no newline",
        applies: |case| authorised(case, |action| matches!(action, Action::Version)),
        expects: own_version,
    },
    Rule {
        name: "status-of-empties",
        quote: "10: Text between two breaks is the scroll at the coordinate reached; empty \
                scrolls are not stored.",
        applies: |case| {
            case.sq_holds_empties && authorised(case, |action| matches!(action, Action::Status))
        },
        expects: as_predicted,
    },
    Rule {
        name: "connection-id",
        quote: "`Hosting: <p>.phext\\nConnection ID: N\\nPhext Size: B\\nScrolls: S` [...] *sqd:* \
                real keep-alive",
        applies: |case| authorised(case, |action| matches!(action, Action::Status)),
        expects: as_sq_but_connection,
    },
    Rule {
        name: "toc-narrowed",
        quote: "*sqd:* [...] `c=` prefix and `limit=` honoured when given",
        applies: |case| authorised(case, is_narrowed_toc),
        expects: as_predicted,
    },
    Rule {
        name: "toc-of-empty",
        quote: "empty phext: empty body (SQ prints one line for a scroll that is not there)",
        applies: |case| {
            authorised(case, |action| matches!(action, Action::Toc { .. }))
                && case
                    .sq
                    .is_some_and(|sq| sq.body == b"* 1.1.1/1.1.1/1.1.1: \n")
        },
        expects: as_predicted,
    },
    Rule {
        name: "json-export",
        quote: "`[\\n   { \"coord\": \"..\", \"scroll\": \"..\" }\\n,...]\\n`. *sqd:* coordinate \
                order, valid JSON escapes, no side file",
        applies: |case| authorised(case, |action| matches!(action, Action::JsonExport)),
        expects: as_predicted,
    },
    Rule {
        name: "delta-of-empties",
        quote: "answers phext bytes of scrolls that differ, and `---sq:Scroll-Missing---` at \
                coordinates the client has and the server lacks",
        applies: |case| {
            case.sq_holds_empties
                && authorised(case, |action| matches!(action, Action::Delta { .. }))
        },
        expects: as_predicted,
    },
    Rule {
        name: "same-by-other-means",
        quote: "DELETE and POST work on delete; PUT on update [...] chunked request bodies decoded \
                [...] a form-encoded POST with `p`, `c`, `content` in the body and no query string \
                must be decoded",
        applies: |case| case.request.is_translated(),
        expects: as_sq,
    },
];

/// Judges a case: the rule that decided, if any, and what is wrong.
pub(crate) fn judge(case: &Case<'_>) -> (Option<&'static str>, Finding) {
    let rule = RULES.iter().find(|rule| (rule.applies)(case));
    let finding = rule.map_or_else(|| as_sq(case), |rule| (rule.expects)(case));
    (rule.map(|rule| rule.name), finding)
}

fn authorised(case: &Case<'_>, is: fn(&Action) -> bool) -> bool {
    case.request.authorised && is(&case.request.action)
}

fn is_narrowed_toc(action: &Action) -> bool {
    matches!(action, Action::Toc { prefix, limit } if !prefix.is_empty() || limit.is_some())
}

/// sqd answers as SQ does.
pub(crate) fn as_sq(case: &Case<'_>) -> Finding {
    let Some(sq) = case.sq else {
        return Err("SQ was not asked, and no rule says what sqd must answer".to_owned());
    };
    same(sq.status, &sq.body, case.sqd)
}

/// sqd answers as SQ does, apart from the number of the connection.
pub(crate) fn as_sq_but_connection(case: &Case<'_>) -> Finding {
    let sq = case.sq.ok_or("SQ was not asked")?;
    same_status_text(sq.status, &without_connection(&sq.body)?, case.sqd)
}

/// sqd answers as the model does.
pub(crate) fn as_predicted(case: &Case<'_>) -> Finding {
    match case.prediction {
        Prediction::AsSq => as_sq(case),
        Prediction::Exact { status, body } if matches!(case.request.action, Action::Status) => {
            same_status_text(*status, body, case.sqd)
        }
        Prediction::Exact { status, body } => same(*status, body, case.sqd),
        Prediction::Refused { status, naming } => refusal(*status, naming, case.sqd),
        Prediction::Json(scrolls) => json_export(scrolls, case.sqd),
        Prediction::Names { required, allowed } => names(required, allowed, case.sqd),
    }
}

fn same(status: u16, body: &[u8], answer: &Response) -> Finding {
    if answer.status != status {
        return Err(format!("status {} instead of {status}", answer.status));
    }
    if answer.body != body {
        let at = answer
            .body
            .iter()
            .zip(body)
            .take_while(|(one, other)| one == other)
            .count();
        let (is, should) = (answer.body.len(), body.len());
        let first: String = body
            .iter()
            .skip(at)
            .take(80)
            .flat_map(|byte| byte.escape_ascii())
            .map(char::from)
            .collect();
        return Err(format!(
            "the body has {is} bytes where {should} are expected, and differs from byte {at} on, \
             where it should read: {first}"
        ));
    }
    Ok(())
}

fn same_status_text(status: u16, expected: &[u8], answer: &Response) -> Finding {
    let mut numberless = answer.clone();
    numberless.body = without_connection(&answer.body)?;
    same(status, expected, &numberless)
}

/// A status body with `#` for the number of the connection, which must be one.
fn without_connection(body: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(body);
    let mark = "\nConnection ID: ";
    let start = text.find(mark).ok_or("no line `Connection ID: N`")? + mark.len();
    let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err("the connection ID is not a number".to_owned());
    }
    Ok(format!("{}#{}", &text[..start], &text[start + digits..]).into_bytes())
}

fn refusal(status: u16, naming: &[String], answer: &Response) -> Finding {
    if answer.status != status {
        return Err(format!("status {} instead of {status}", answer.status));
    }
    let text = answer.text();
    let lower = text.to_lowercase();
    match naming
        .iter()
        .find(|name| !lower.contains(&name.to_lowercase()))
    {
        Some(missing) => Err(format!("the refusal does not name {missing:?}")),
        None if text.trim().is_empty() => Err("the refusal says nothing".to_owned()),
        None => Ok(()),
    }
}

fn head_of_get(case: &Case<'_>) -> Finding {
    let (status, length) = match (case.prediction, case.sq) {
        (Prediction::Exact { status, body }, _) => (*status, body.len()),
        (_, Some(sq)) => (sq.status, sq.body.len()),
        _ => return Err("nothing to compare a HEAD with".to_owned()),
    };
    same(status, b"", case.sqd)?;
    let announced = case.sqd.header("content-length").unwrap_or("none");
    if announced != length.to_string() {
        return Err(format!(
            "HEAD announces {announced} bytes where GET has {length}"
        ));
    }
    Ok(())
}

fn preflight(case: &Case<'_>) -> Finding {
    let sq = case.sq.ok_or("SQ was not asked")?;
    same(sq.status, &sq.body, case.sqd)?;
    let lists = [
        (
            "access-control-allow-methods",
            "GET POST PUT DELETE HEAD OPTIONS",
        ),
        (
            "access-control-allow-headers",
            "Authorization X-SQ-API-Key Content-Type",
        ),
    ];
    for (header, wanted) in lists {
        let value = case.sqd.header(header).unwrap_or_default();
        let listed: BTreeSet<String> = value
            .split(',')
            .map(|item| item.trim().to_lowercase())
            .collect();
        let missing = wanted
            .split(' ')
            .find(|item| !listed.contains(&item.to_lowercase()));
        if let Some(missing) = missing {
            return Err(format!("{header} is {value:?} and lacks {missing}"));
        }
    }
    Ok(())
}

fn own_version(case: &Case<'_>) -> Finding {
    let text = case.sqd.text();
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let is_version = numbers.split('.').count() == 3
        && numbers
            .split('.')
            .all(|number| number.parse::<u32>().is_ok());
    if case.sqd.status != 200 || !is_version || text.contains('\n') {
        return Err(format!(
            "{text:?} with status {} is not a version",
            case.sqd.status
        ));
    }
    Ok(())
}

/// The layout is fixed byte for byte; the scrolls are compared as decoded, because JSON has more
/// than one escape for a character.
fn json_export(scrolls: &[(String, String)], answer: &Response) -> Finding {
    if answer.status != 200 {
        return Err(format!("status {} instead of 200", answer.status));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
    let lines: Vec<&str> = text.split('\n').collect();
    if lines.len() != scrolls.len() + 3 || lines[0] != "[" || !text.ends_with("]\n") {
        return Err(format!(
            "not `[`, {} scrolls a line each, `]`",
            scrolls.len()
        ));
    }
    for (at, ((coordinate, scroll), line)) in scrolls.iter().zip(&lines[1..]).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let start = format!("{comma}   {{ \"coord\": \"{coordinate}\", \"scroll\": ");
        let value = line
            .strip_prefix(&start)
            .and_then(|rest| rest.strip_suffix(" }"));
        let decoded = value.and_then(|value| serde_json::from_str::<String>(value).ok());
        if decoded.as_ref() != Some(scroll) {
            return Err(format!(
                "line {} is not scroll {at}, at {coordinate}",
                at + 2
            ));
        }
    }
    Ok(())
}

fn names(required: &BTreeSet<String>, allowed: &BTreeSet<String>, answer: &Response) -> Finding {
    if answer.status != 200 {
        return Err(format!("status {} instead of 200", answer.status));
    }
    let listed: Vec<String> = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("not a JSON array of names: {error}"))?;
    let distinct: BTreeSet<String> = listed.iter().cloned().collect();
    if distinct.len() != listed.len() {
        return Err("a name is listed twice".to_owned());
    }
    if let Some(missing) = required.difference(&distinct).next() {
        return Err(format!("{missing:?} holds scrolls and is not listed"));
    }
    match distinct.difference(allowed).next() {
        Some(extra) => Err(format!("{extra:?} is listed and nothing was written to it")),
        None => Ok(()),
    }
}
