//! The routes of SQ's API, and sqd's additions.
//!
//! | route | methods | module |
//! |---|---|---|
//! | version status toc json-export list select | GET | [`read`] |
//! | get export checksum | GET | [`document`] |
//! | query | GET POST | [`query`] |
//! | delta | GET POST | [`delta`] |
//! | insert update | GET POST (PUT for update) | [`mod@write`] |
//! | delete | GET POST DELETE | [`mod@write`] |
//! | load | GET | [`mod@write`] |
//! | where | POST | [`hash`] |
//! | reload | POST | here |
//!
//! All are below `/api/v2/`; a path may go on after the route with `/...`. HEAD works where GET only
//! reads. `/livez` and `/readyz` (GET) are here too, beside that prefix, and need no token; so are
//! `/metrics` and `/vTPU/telemetry`, of which [`telemetry`] says who may see them.
//!
//! Reads look through a plan, here or on the core pool ([`cores`]), and their answers are put together of
//! chunks of rows ([`assembly`]). A read whose client goes away meanwhile ends; a write does not.
//!
//! What SQ answers with 404, a method that a route does not have, is 404 here too.
//!
//! Bad input is a 4xx with one sentence that says what is wrong and where; nothing is stored then.

mod arguments;
mod assembly;
mod cores;
mod delta;
mod document;
mod hash;
mod json_text;
mod query;
mod read;
mod rendered;
mod telemetry;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use query::{Asked, Misasked, Question, RowWriter};

use crate::http::{Body, Handler, Method, Request, Response};
use crate::library::{Library, LibraryError, blocking};
use crate::telemetry::Telemetry;
use crate::tenants::{TenantError, Tenants};
use arguments::Arguments;
pub(crate) use cores::Cores;
use phext_query::ExecuteError;
use phext_siw::execute::ExecuteError as StreamError;
use phext_storage::StoreError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Told;

const PREFIX: &[u8] = b"/api/v2/";

/// The routes below the prefix, by which requests are counted.
const ROUTES: [&str; 17] = [
    "version",
    "status",
    "toc",
    "get",
    "export",
    "checksum",
    "json-export",
    "list",
    "select",
    "query",
    "delta",
    "insert",
    "update",
    "delete",
    "load",
    "where",
    "reload",
];

/// The server's state.
#[derive(Debug)]
pub(crate) struct App {
    tenants: Tenants,
    telemetry: Arc<Telemetry>,
    cores: Arc<Cores>,
}

/// An answer that is not 200.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    text: String,
}

type Answer = Result<Response, Refusal>;

impl Refusal {
    fn new(status: u16, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            text: text.into(),
        }
    }

    fn bad_request(text: impl std::fmt::Display) -> Refusal {
        Refusal::new(400, format!("Bad Request: {text}"))
    }

    /// To a client that is not there to read it.
    fn gone() -> Refusal {
        Refusal::new(
            499,
            "the client ended the connection before its answer was ready",
        )
    }

    fn not_found() -> Refusal {
        Refusal::new(404, "Not Found")
    }
}

impl From<LibraryError> for Refusal {
    fn from(error: LibraryError) -> Refusal {
        let store = match &error {
            LibraryError::Store(store) | LibraryError::Execute(ExecuteError::Store(store)) => store,
            LibraryError::Execute(ExecuteError::Stream(
                StreamError::TooManyKeys | StreamError::TooManyRows { .. },
            )) => return Refusal::new(413, error.to_string()),
            _ => match error {
                LibraryError::Execute(ExecuteError::Pool(error)) => return error.into(),
                error => return Refusal::new(500, error.to_string()),
            },
        };
        let status = match store {
            StoreError::ScrollTooLarge { .. }
            | StoreError::BatchTooLarge { .. }
            | StoreError::TooManyNearest { .. } => 413,
            StoreError::Name { .. } => 403,
            StoreError::NoSuchSnapshot { .. } => 404,
            StoreError::DiskFull { .. } => 507,
            StoreError::Poisoned { .. } | StoreError::Closed => 503,
            _ => 500,
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<ExecuteError> for Refusal {
    fn from(error: ExecuteError) -> Refusal {
        LibraryError::from(error).into()
    }
}

impl App {
    pub(crate) fn new(tenants: Tenants, cores: Arc<Cores>) -> App {
        App {
            tenants,
            cores,
            telemetry: Arc::default(),
        }
    }

    /// What the server knows of itself.
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// All libraries that are open.
    pub(crate) fn libraries(&self) -> Vec<Arc<Library>> {
        self.tenants.libraries()
    }

    /// Makes the stores ready for a quick start. What was acknowledged is durable already.
    pub(crate) async fn close(&self) {
        for library in self.tenants.libraries() {
            library.stop_listening();
            let sealed = blocking(move || Ok(library.store().seal()?)).await;
            if let Err(error) = sealed {
                tracing::warn!(%error, "not sealed; the log is replayed at the next start");
            }
        }
    }

    async fn answer(&self, request: &Request) -> Answer {
        match &request.method {
            Method::Options => return Ok(preflight()),
            // SQ's own words, which leave no doubt in an answer to an unknown method.
            Method::Other(_) => return Err(Refusal::new(400, "Bad Request")),
            _ => {}
        }
        if let Some(told) = Told::of(request) {
            return self.tell(told, request).await;
        }
        let route = route_of(&request.path);
        match (&request.method, route) {
            (Method::Post, Some(b"reload")) => return self.reload(request).await,
            (Method::Get | Method::Head, _) if request.path.as_ref() == b"/livez" => {
                return Ok(Response::text(200, "ok"));
            }
            (Method::Get | Method::Head, _) if request.path.as_ref() == b"/readyz" => {
                return self.ready();
            }
            _ => {}
        }
        let library = self
            .tenants
            .authorise(request)
            .map_err(|error| match error {
                TenantError::Unauthorized => Refusal::new(401, "Unauthorized"),
                TenantError::Library(error) => error.into(),
                other => Refusal::new(500, other.to_string()),
            })?;
        let arguments = Arguments::of(request);
        arguments.check_name()?;
        dispatch(
            route.ok_or_else(Refusal::not_found)?,
            request,
            &arguments,
            &library,
            &self.cores,
        )
        .await
    }

    fn ready(&self) -> Answer {
        for library in self.tenants.libraries() {
            if let Some(cause) = library.store().poison() {
                return Err(Refusal::new(503, format!("writes are refused: {cause}")));
            }
        }
        Ok(Response::text(200, "ready"))
    }

    /// Reads the tenant file again: for an operator on this machine, without a token.
    async fn reload(&self, request: &Request) -> Answer {
        let Tenants::Many(many) = &self.tenants else {
            return Err(Refusal::not_found());
        };
        if !request.peer.ip().is_loopback() {
            let text = "Forbidden: Reload endpoint only accessible from localhost";
            return Err(Refusal::new(403, text));
        }
        let reloaded = tokio::task::block_in_place(|| many.reload());
        reloaded.map_err(|error| Refusal::new(500, error.to_string()))?;
        Ok(Response::text(200, "Config reload triggered"))
    }
}

impl Handler for App {
    async fn handle(&self, request: Request) -> Response {
        let start = Instant::now();
        let response = match self.answer(&request).await {
            Ok(response) => response,
            Err(refusal) => Response::text(refusal.status, refusal.text)
                .with_header("X-Request-Id", request.id.to_string()),
        };
        let took = start.elapsed();
        let route = telemetry::counted_as(&request.path, &ROUTES);
        self.telemetry.requests.count(route, response.status, took);
        log(&request, response.status, took);
        response
    }
}

/// Tells the log of a request that was answered. What is not logged is not put into words.
fn log(request: &Request, status: u16, took: Duration) {
    let (id, method, micros) = (request.id, request.method.as_str(), took.as_micros() as u64);
    let path = fmt::from_fn(|f| f.write_str(&String::from_utf8_lossy(&request.path)));
    match status {
        500.. => tracing::error!(id, method, %path, status, micros, "request failed"),
        400.. => tracing::info!(id, method, %path, status, micros, "request refused"),
        _ => {
            let version = &request.version;
            tracing::debug!(id, method, %path, ?version, status, micros, "request");
        }
    }
}

/// The route in a path: `select` of `/api/v2/select` and of `/api/v2/select/...`.
fn route_of(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(PREFIX)?;
    rest.split(|&byte| byte == b'/').next()
}

async fn dispatch(
    route: &[u8],
    request: &Request,
    arguments: &Arguments<'_>,
    library: &Arc<Library>,
    cores: &Arc<Cores>,
) -> Answer {
    use Method::{Delete, Get, Head, Post, Put};
    match (route, &request.method) {
        (b"version", Get | Head) => Ok(Response::text(200, env!("CARGO_PKG_VERSION"))),
        (b"select", Get | Head) => read::select(arguments, library).await,
        (b"status", Get | Head) => {
            let status = read::status(arguments, library, request.connection_id, cores);
            unless_gone(request, status).await
        }
        (b"toc", Get | Head) => unless_gone(request, read::toc(arguments, library, cores)).await,
        (b"get" | b"export", Get | Head) => {
            unless_gone(request, document::document(arguments, library, cores)).await
        }
        (b"checksum", Get | Head) => {
            unless_gone(request, document::checksum(arguments, library, cores)).await
        }
        (b"json-export", Get | Head) => {
            unless_gone(request, read::json_export(arguments, library, cores)).await
        }
        (b"list", Get | Head) => read::list(library),
        (b"query", Get | Head | Post) => {
            unless_gone(request, query::query(arguments, library, cores)).await
        }
        (b"delta", Get | Head) => {
            unless_gone(request, delta::delta(arguments, library, cores, false)).await
        }
        (b"delta", Post) => {
            unless_gone(request, delta::delta(arguments, library, cores, true)).await
        }
        (b"insert", Get) => write::insert(arguments, library, false).await,
        (b"insert", Post) => write::insert(arguments, library, true).await,
        (b"update", Get) => write::update(arguments, library, false).await,
        (b"update", Post | Put) => write::update(arguments, library, true).await,
        (b"delete", Get | Post | Delete) => write::delete(arguments, library).await,
        (b"load", Get) => write::load(arguments, library).await,
        (b"where", Post) => hash::coordinate_of_text(arguments),
        _ => Err(Refusal::not_found()),
    }
}

/// The answer to a read, which ends when its client goes away.
async fn unless_gone(request: &Request, answer: impl Future<Output = Answer>) -> Answer {
    tokio::select! {
        // A short read is answered before anybody looks for its client.
        biased;
        answer = answer => answer,
        () = request.client.gone() => Err(Refusal::gone()),
    }
}

fn preflight() -> Response {
    Response::new(
        204,
        "text/plain; charset=utf-8",
        Body::Full(Default::default()),
    )
    .with_header(
        "Access-Control-Allow-Methods",
        "GET, POST, PUT, DELETE, HEAD, OPTIONS",
    )
    .with_header(
        "Access-Control-Allow-Headers",
        "Authorization, X-SQ-API-Key, Content-Type",
    )
    .with_header("Access-Control-Max-Age", "86400")
}
