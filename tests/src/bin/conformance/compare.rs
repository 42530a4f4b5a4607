//! The verdict on a pair of answers, in a proper run and in a self-test.

use phext_tests::http::Response;

use crate::model::Prediction;
use crate::request::Action;
use crate::rules::{self, Case, Finding};

/// The rule that decided, if any, and what is wrong.
pub(crate) type Verdict = (Option<&'static str>, Finding);

/// Judges sqd's answer by SQ's, the rules, and what every head must hold.
pub(crate) fn judge(case: &Case<'_>) -> Verdict {
    let (rule, finding) = rules::judge(case);
    (rule, finding.and_then(|()| head(case)))
}

/// Compares two SQs, and the model with SQ where no rule would decide.
pub(crate) fn self_test(case: &Case<'_>) -> Verdict {
    let finding = match case.request.action {
        Action::Status if case.request.authorised => rules::as_sq_but_connection(case),
        Action::JsonExport if case.request.authorised => same_lines(case),
        _ => rules::as_sq(case),
    };
    let rule = rules::RULES
        .iter()
        .find(|rule| (rule.applies)(case))
        .map(|rule| rule.name);
    let model_must_agree = matches!(rule, None | Some("connection-id" | "same-by-other-means"))
        && matches!(case.prediction, Prediction::Exact { .. });
    let model = if model_must_agree {
        rules::as_predicted(case)
    } else {
        Ok(())
    };
    (
        rule,
        finding.and(model.map_err(|problem| format!("the model disagrees: {problem}"))),
    )
}

/// SQ exports in the order of a hash map with a random seed.
fn same_lines(case: &Case<'_>) -> Finding {
    let lines = |answer: &Response| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let mut lines: Vec<String> = text
            .split('\n')
            .map(|line| line.trim_start_matches(',').to_owned())
            .collect();
        lines.sort();
        lines
    };
    let sq = case.sq.ok_or("SQ was not asked")?;
    if lines(sq) == lines(case.sqd) {
        Ok(())
    } else {
        Err("other lines".to_owned())
    }
}

/// What the head of every answer of sqd must hold.
fn head(case: &Case<'_>) -> Finding {
    let answer = case.sqd;
    if answer.header("access-control-allow-origin") != Some("*") {
        return Err("no `Access-Control-Allow-Origin: *`".to_owned());
    }
    if answer.status == 204 {
        return Ok(());
    }
    if answer.header("content-length").is_none() {
        return Err("no Content-Length, by which raw-TCP clients read".to_owned());
    }
    let is_json = answer.status == 200
        && matches!(
            case.request.action,
            Action::Query(_) | Action::JsonExport | Action::List
        );
    let expected = if is_json {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    let sent = answer.header("content-type").unwrap_or("none");
    if sent == expected || (is_json && sent.starts_with("application/json;")) {
        return Ok(());
    }
    Err(format!("Content-Type is {sent} instead of {expected}"))
}
