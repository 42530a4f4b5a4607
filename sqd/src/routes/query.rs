//! `query`: coordinate ranges and sets, as SQ 0.6 answers them.

use super::arguments::{Arguments, excerpt};
use super::read::{phext_of, write_json_text};
use super::render::{self, Render};
use super::{Answer, Refusal};
use crate::library::Library;
use phext_query::{ExecuteError, Fields, Flow, Output, Plan, Query, ResultRow, Target, run_plan};
use phext_storage::Phext;
use phext_storage::coordinate::Coordinate;
use std::sync::Arc;

/// A JSON array of coordinates and scrolls: all of a range, and each of a set, empty or not.
pub(super) async fn query(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let plan = Plan::new(&parse(arguments)?);
    let phext = phext_of(arguments, library).await?;
    let short = match phext.as_deref() {
        Some(phext) => {
            let lanes = plan.estimate_lanes(phext, render::INLINE_SCROLLS);
            render::is_short_part(phext, lanes.map_err(ExecuteError::from)?)
        }
        None => true,
    };
    let render: Arc<Render> = Arc::new(move |out| {
        out.write_all(b"[").map_err(ExecuteError::Sink)?;
        let mut separator = "";
        let mut sink = |row: &ResultRow<'_>| {
            if let Some(coordinate) = row.coordinate {
                write!(
                    out,
                    "{separator}{{\"coordinate\":\"{coordinate}\",\"scroll\":"
                )?;
                write_json_text(out, row.text.unwrap_or_default())?;
                out.write_all(b"}")?;
                separator = ",";
            }
            Ok(Flow::Continue)
        };
        run_plan(&plan, phext.as_deref().unwrap_or(Phext::empty()), &mut sink)?;
        Ok(out.write_all(b"]")?)
    });
    render::respond(short, "application/json", render).await
}

fn parse(arguments: &Arguments<'_>) -> Result<Query, Refusal> {
    let bound = |name| {
        arguments
            .get(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let range = match (bound("from"), bound("to")) {
        (Some(from), Some(to)) => Some(parse_range(from, to)?),
        (None, None) => None,
        _ => return Err(Refusal::bad_request("a range needs both 'from' and 'to'")),
    };
    let points = match arguments.get("set") {
        Some(set) => parse_set(set)?,
        None => parse_set(&arguments.content()?.unwrap_or_default())?,
    };
    let target = match range {
        None if points.is_empty() => {
            let text = "query needs a range (from + to) or a set of coordinates";
            return Err(Refusal::bad_request(text));
        }
        None => Target::Points(points),
        Some((from, to)) if points.is_empty() => Target::Range { from, to },
        Some((from, to)) => Target::Union { from, to, points },
    };
    Ok(Query {
        target,
        output: Output::Rows(Fields::TEXT),
        limit: arguments.limit()?,
    })
}

fn parse_range(from: &str, to: &str) -> Result<(Coordinate, Coordinate), Refusal> {
    let parse = |name: &str, text: &str| {
        Coordinate::parse(text).map_err(|_| {
            let text = excerpt(text);
            Refusal::bad_request(format_args!("invalid '{name}' coordinate: {text}"))
        })
    };
    let (first, last) = (parse("from", from)?, parse("to", to)?);
    if first > last {
        let (from, to) = (excerpt(from), excerpt(to));
        let text = format!("'from' ({from}) is after 'to' ({to})");
        return Err(Refusal::bad_request(text));
    }
    Ok((first, last))
}

fn parse_set(text: &str) -> Result<Vec<Coordinate>, Refusal> {
    let items = text
        .split([',', '\n', ';'])
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let parse = |item: &str| {
        Coordinate::parse(item).map_err(|_| {
            let item = excerpt(item);
            Refusal::bad_request(format_args!("invalid coordinate in set: {item}"))
        })
    };
    items.map(parse).collect()
}
