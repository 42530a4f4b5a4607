//! `/metrics` and `/vTPU/telemetry`: what the server tells of itself.
//!
//! On this machine they need no token, so that a collector needs none. From elsewhere they need the
//! key, and with --config they are refused: the figures are of all tenants together.

use super::{Answer, App, Refusal};
use crate::http::{Body, Method, Request, Response};
use crate::library::blocking;
use crate::telemetry::{CONTENT_TYPE, exposition};
use crate::tenants::Tenants;
use std::sync::Arc;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The latest line of metrics of the vTPU, as JSON.
    Latest,
    /// Everything, as Prometheus reads it.
    Metrics,
}

impl Told {
    /// What a request asks for, if it is any of this.
    pub(super) fn of(request: &Request) -> Option<Told> {
        if !matches!(request.method, Method::Get | Method::Head) {
            return None;
        }
        match request.path.as_ref() {
            b"/metrics" => Some(Told::Metrics),
            b"/vTPU/telemetry" => Some(Told::Latest),
            _ => None,
        }
    }
}

impl App {
    pub(super) async fn tell(&self, told: Told, request: &Request) -> Answer {
        self.may_be_told(request)?;
        match told {
            Told::Latest => match self.telemetry.latest() {
                Some(latest) => Ok(Response::json(200, latest.line.clone())),
                None => Err(Refusal::new(503, "the first sample is not taken yet")),
            },
            Told::Metrics => {
                let libraries = self.tenants.named_libraries();
                let telemetry = Arc::clone(&self.telemetry);
                // Statistics take locks that a commit may hold.
                let text = blocking(move || {
                    let stores = libraries.into_iter();
                    let stores = stores.map(|(name, library)| (name, library.store().statistics()));
                    Ok(exposition(&telemetry, &stores.collect::<Vec<_>>()))
                });
                Ok(Response::new(
                    200,
                    CONTENT_TYPE,
                    Body::Full(text.await?.into()),
                ))
            }
        }
    }

    fn may_be_told(&self, request: &Request) -> Result<(), Refusal> {
        if request.peer.ip().is_loopback() {
            return Ok(());
        }
        match &self.tenants {
            Tenants::Many(_) => {
                let text = "Forbidden: figures of all tenants are for this machine only";
                Err(Refusal::new(403, text))
            }
            single @ Tenants::Single { .. } => match single.authorise(request) {
                Ok(_) => Ok(()),
                Err(_) => Err(Refusal::new(401, "Unauthorized")),
            },
        }
    }
}

/// Routes by which requests are counted, apart from those of SQ.
const OTHERS: [&str; 4] = ["/livez", "/readyz", "/metrics", "/vTPU/telemetry"];

/// The route that a request is counted under: `other` where there is none.
pub(super) fn counted_as(path: &[u8], routes: &[&'static str]) -> &'static str {
    let route = super::route_of(path);
    let is_one = |name: &&&str| match route {
        Some(route) => name.as_bytes() == route,
        None => name.as_bytes() == path,
    };
    let mut known = routes.iter().chain(&OTHERS);
    known.find(is_one).copied().unwrap_or("other")
}
