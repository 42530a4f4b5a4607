//! `query`: which scrolls, as SQ 0.6 is asked, and everything else that can be asked.
//!
//! | question | module |
//! |---|---|
//! | What do SQ's clients ask, and what do they get? | here |
//! | How are ranges and sets of coordinates read? | [`places`] |
//! | Which parameters are there beside SQ's? | [`question`] |
//! | Which columns may be selected? | [`columns`] |
//! | What does an answer look like? | [`rows`], [`explained`] |
//!
//! A request without any of the parameters that only sqd knows is answered as SQ answers it, byte by
//! byte.

mod columns;
mod explained;
mod places;
mod question;
mod rows;

pub(crate) use question::{Asked, Misasked, Question};
pub(crate) use rows::RowWriter;

use super::arguments::Arguments;
use super::read::{phext_of, write_json_text};
use super::render::{self, Render};
use super::{Answer, Refusal};
use crate::http::Response;
use crate::library::Library;
use phext_query::{
    ExecuteError, Fields, Flow, Plan, Query, QueryError, ResultRow, Target, explain, run_plan,
};
use phext_storage::Phext;
use std::borrow::Cow;
use std::sync::Arc;

/// Answers a query in SQ's form or in the extended one.
pub(super) async fn query(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    if question::is_extended(arguments) {
        return extended(arguments, library).await;
    }
    let plan = Plan::new(&parse(arguments)?)?;
    let phext = phext_of(arguments, library).await?;
    let short = is_short(&plan, phext.as_deref())?;
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

/// Whether a plan runs over so little that it may do so on the thread that serves the connection.
fn is_short(plan: &Plan, phext: Option<&Phext>) -> Result<bool, Refusal> {
    let Some(phext) = phext else {
        return Ok(true);
    };
    let lanes = plan.estimate_lanes(phext, render::INLINE_SCROLLS);
    Ok(render::is_short_part(
        phext,
        lanes.map_err(ExecuteError::from)?,
    ))
}

/// A JSON array of objects with the columns that are selected, or how they are found.
async fn extended(arguments: &Arguments<'_>, library: &Arc<Library>) -> Answer {
    let question = Question::parse(arguments, &set(arguments)?)?;
    let plan = Plan::new(&question.query)?;
    let phext = phext_of(arguments, library).await?;
    if question.explain {
        // The compiler may have to measure what operations cost, which takes a while.
        let explained = render::run(false, move || {
            let phext = phext.as_deref().unwrap_or(Phext::empty());
            let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
            explain(&question.query, phext, &mut no_rows)
        });
        return Ok(Response::json(200, explained::json(&explained.await?)));
    }
    let short = is_short(&plan, phext.as_deref())?;
    let columns = question.columns;
    let render: Arc<Render> = Arc::new(move |out| {
        let mut rows = RowWriter::new(out, &columns)?;
        let phext = phext.as_deref().unwrap_or(Phext::empty());
        run_plan(&plan, phext, &mut |row: &ResultRow<'_>| rows.row(row))?;
        Ok(rows.finish()?)
    });
    render::respond(short, "application/json", render).await
}

/// The text of `set`, or of the body where that is not there.
fn set<'a>(arguments: &'a Arguments<'_>) -> Result<Cow<'a, str>, Refusal> {
    match arguments.get("set") {
        Some(set) => Ok(Cow::Borrowed(set)),
        None => Ok(arguments.content()?.unwrap_or_default()),
    }
}

impl Asked for Arguments<'_> {
    fn values(&self, name: &str) -> Vec<&str> {
        self.all(name)
    }
}

impl From<Misasked> for Refusal {
    fn from(error: Misasked) -> Refusal {
        Refusal::bad_request(error)
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        Refusal::bad_request(error)
    }
}

/// The query of SQ's form.
fn parse(arguments: &Arguments<'_>) -> Result<Query, Refusal> {
    let target = match (places::range(arguments)?, places::points(&set(arguments)?)?) {
        (None, points) if points.is_empty() => {
            let text = "query needs a range (from + to) or a set of coordinates";
            return Err(Refusal::bad_request(text));
        }
        (None, points) => Target::Points(points),
        (Some((from, to)), points) if points.is_empty() => Target::Range { from, to },
        (Some((from, to)), points) => Target::Union { from, to, points },
    };
    Ok(Query {
        limit: arguments.limit()?,
        ..Query::rows(target, Fields::TEXT)
    })
}
