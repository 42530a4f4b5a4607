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
use super::cores::{Cores, Reading};
use super::json_text::write_json_text;
use super::read::{JSON, phext_of};
use super::rendered::{Format, Rendering};
use super::{Answer, Refusal};
use crate::http::Response;
use crate::library::Library;
use columns::Columns;
use phext_query::explain::explain_with;
use phext_query::{Fields, Flow, Plan, Query, QueryError, ResultRow, Target};
use phext_storage::Phext;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Answers a query in SQ's form or in the extended one.
pub(super) async fn query(
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    if question::is_extended(arguments) {
        return extended(arguments, library, cores).await;
    }
    let plan = Plan::new(&parse(arguments)?)?;
    let phext = phext_of(arguments, library).await?;
    let scrolls = Rendering::new(Scrolls);
    cores.answer(plan, phext, library, JSON, scrolls).await
}

/// Objects as SQ writes them.
struct Scrolls;

impl Format for Scrolls {
    const BEGIN: &'static str = "[";
    const END: &'static str = "]";
    const SEPARATOR: &'static str = ",";

    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(coordinate) = row.coordinate {
            out.extend_from_slice(b"{\"coordinate\":\"");
            coordinate.write_text(out)?;
            out.extend_from_slice(b"\",\"scroll\":");
            write_json_text(out, row.text.unwrap_or_default())?;
            out.push(b'}');
        }
        Ok(())
    }
}

/// A JSON array of objects with the columns that are selected, or how they are found.
async fn extended(arguments: &Arguments<'_>, library: &Arc<Library>, cores: &Arc<Cores>) -> Answer {
    let start = Instant::now();
    arguments.check_utf8(&question::TEXTS)?;
    let question = Question::parse(arguments, &set(arguments)?)?;
    let parsing = start.elapsed();
    let plan = Plan::new(&question.query)?;
    let phext = phext_of(arguments, library).await?;
    if question.explain {
        return explain(question.query, parsing, phext, library, cores).await;
    }
    let objects = Rendering::new(question.columns);
    cores.answer(plan, phext, library, JSON, objects).await
}

impl Format for Columns {
    const BEGIN: &'static str = "[";
    const END: &'static str = "]";
    const SEPARATOR: &'static str = ",";

    fn write(&self, row: &ResultRow<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        rows::write_object(self, row, out)
    }
}

/// How a query is answered. It runs on one thread, whose cycles are counted, and not on that of the
/// connection: the compiler may have to measure what operations cost, which takes a while.
async fn explain(
    query: Query,
    parsing: Duration,
    phext: Option<Arc<Phext>>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    let phext = phext.unwrap_or_else(|| Arc::new(Phext::empty().clone()));
    let reading = Reading::new(cores, Arc::clone(&phext), library);
    let explained = reading.blocking(true, move |alone| {
        let mut no_rows = |_: &ResultRow<'_>| Ok(Flow::Continue);
        explain_with(alone, &query, &phext, &mut no_rows)
    });
    Ok(Response::json(
        200,
        explained::json(&explained.await?, parsing),
    ))
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
