//! Who may, and which library they see.

use crate::http::Request;
use crate::library::{Library, LibraryError};
use phext_storage::Options;
use phext_storage::vfs::{RealVfs, Vfs};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// Who is let in.
#[derive(Debug)]
pub(crate) enum Tenants {
    /// One library, behind a token if there is one.
    Single {
        key: Option<String>,
        library: Arc<Library>,
    },
    /// A library for each tenant of a file.
    Many(Many),
}

/// The tenants of a file.
#[derive(Debug)]
pub(crate) struct Many {
    file: PathBuf,
    options: Options,
    tenants: RwLock<HashMap<String, TenantRecord>>,
    /// Libraries by data directory: tenants may share one.
    libraries: Mutex<BTreeMap<PathBuf, Opened>>,
}

/// A library that is open.
#[derive(Debug, Clone)]
struct Opened {
    /// How many were opened before.
    number: usize,
    /// The tenant that it was opened for first.
    tenant: String,
    library: Arc<Library>,
}

/// What the library of a server without tenants is called.
const ONLY: &str = "default";

/// Why a request is not let in, or a tenant file is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TenantError {
    #[error("Unauthorized")]
    Unauthorized,
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("{path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {source}", path = .path.display())]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{path}: tenant {name:?} has an empty token, which would let everybody in", path = .path.display())]
    EmptyToken { path: PathBuf, name: String },
}

#[derive(Debug, Deserialize)]
struct TenantFile {
    tenants: HashMap<String, TenantRecord>,
}

#[derive(Debug, Clone, Deserialize)]
struct TenantRecord {
    name: String,
    data_dir: PathBuf,
}

impl Tenants {
    /// The tenants of a file, with their libraries opened.
    pub(crate) fn from_file(file: &Path, options: Options) -> Result<Tenants, TenantError> {
        let many = Many {
            file: file.to_path_buf(),
            options,
            tenants: RwLock::default(),
            libraries: Mutex::default(),
        };
        many.reload()?;
        Ok(Tenants::Many(many))
    }

    /// The library that a request may use.
    pub(crate) fn authorise(&self, request: &Request) -> Result<Arc<Library>, TenantError> {
        match self {
            Tenants::Single { key: None, library } => Ok(Arc::clone(library)),
            Tenants::Single {
                key: Some(key),
                library,
            } => {
                // As in SQ, where the first header decides, even a wrong one.
                let is_known = tokens(request)
                    .next()
                    .is_some_and(|token| same(token, key.as_bytes()));
                if is_known {
                    Ok(Arc::clone(library))
                } else {
                    Err(TenantError::Unauthorized)
                }
            }
            Tenants::Many(many) => many.authorise(request),
        }
    }

    /// All libraries that are open.
    pub(crate) fn libraries(&self) -> Vec<Arc<Library>> {
        let named = self.named_libraries().into_iter();
        named.map(|(_, library)| library).collect()
    }

    /// All libraries that are open, in the order in which they were opened, each with the name of the
    /// tenant that it was opened for first.
    pub(crate) fn named_libraries(&self) -> Vec<(String, Arc<Library>)> {
        match self {
            Tenants::Single { library, .. } => vec![(ONLY.to_owned(), Arc::clone(library))],
            Tenants::Many(many) => {
                let mut opened: Vec<Opened> = lock(&many.libraries).values().cloned().collect();
                opened.sort_unstable_by_key(|opened| opened.number);
                let named = opened.into_iter();
                named.map(|one| (one.tenant, one.library)).collect()
            }
        }
    }
}

impl Many {
    /// Reads the tenant file again. On an error everything stays as it was.
    pub(crate) fn reload(&self) -> Result<(), TenantError> {
        let file = read_file(&self.file)?;
        let mut tenants: Vec<&TenantRecord> = file.tenants.values().collect();
        tenants.sort_unstable_by_key(|tenant| (&tenant.name, &tenant.data_dir));
        for tenant in tenants {
            self.library(tenant)?;
        }
        tracing::info!(tenants = file.tenants.len(), "tenant file read");
        *self.tenants.write().unwrap_or_else(PoisonError::into_inner) = file.tenants;
        Ok(())
    }

    fn authorise(&self, request: &Request) -> Result<Arc<Library>, TenantError> {
        let tenant = {
            let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
            // Every token is compared in full, so that time tells nothing about any of them.
            let mut found = None;
            for token in tokens(request) {
                for (known, tenant) in tenants.iter() {
                    if same(token, known.as_bytes()) {
                        found = Some(tenant.clone());
                    }
                }
            }
            found.ok_or(TenantError::Unauthorized)?
        };
        Ok(self.library(&tenant)?)
    }

    fn library(&self, tenant: &TenantRecord) -> Result<Arc<Library>, LibraryError> {
        let mut libraries = lock(&self.libraries);
        if let Some(opened) = libraries.get(&tenant.data_dir) {
            return Ok(Arc::clone(&opened.library));
        }
        let directory = &tenant.data_dir;
        let library = Library::open(directory, directory, self.options.clone())?;
        tracing::info!(tenant = tenant.name, data_dir = %directory.display(), "tenant opened");
        let library = Arc::new(library);
        library.listen(directory);
        let opened = Opened {
            number: libraries.len(),
            tenant: tenant.name.clone(),
            library: Arc::clone(&library),
        };
        libraries.insert(directory.clone(), opened);
        Ok(library)
    }
}

fn read_file(path: &Path) -> Result<TenantFile, TenantError> {
    let read_error = |source| TenantError::Read {
        path: path.to_path_buf(),
        source,
    };
    let mut text = String::new();
    let mut file = RealVfs.read(path).map_err(read_error)?;
    file.read_to_string(&mut text).map_err(read_error)?;
    let parsed: TenantFile = serde_json::from_str(&text).map_err(|source| TenantError::Parse {
        path: path.to_path_buf(),
        source,
    })?;
    if let Some(tenant) = parsed.tenants.get("") {
        let name = tenant.name.clone();
        return Err(TenantError::EmptyToken {
            path: path.to_path_buf(),
            name,
        });
    }
    Ok(parsed)
}

/// The tokens that a request carries: `Authorization`, with or without `Bearer`, and `X-SQ-API-Key`.
fn tokens(request: &Request) -> impl Iterator<Item = &[u8]> {
    let authorization = request.header("authorization").map(|value| {
        let value = value.trim_ascii();
        match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
            _ => value,
        }
    });
    let key = request.header("x-sq-api-key").map(<[u8]>::trim_ascii);
    authorization.into_iter().chain(key)
}

fn same(token: &[u8], known: &[u8]) -> bool {
    bool::from(token.ct_eq(known))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_either_header() {
        let check = |headers: &str, expected: &[&str]| {
            let head = format!("GET / HTTP/1.1\r\n{headers}\r\n");
            let request = Request::for_test(&head, "");
            let expected: Vec<&[u8]> = expected.iter().map(|token| token.as_bytes()).collect();
            assert_eq!(tokens(&request).collect::<Vec<_>>(), expected, "{headers}");
        };
        check("", &[]);
        check("Authorization: abc\r\n", &["abc"]);
        check("authorization: Bearer abc\r\n", &["abc"]);
        check("Authorization: bEaReR  abc \r\n", &["abc"]);
        check("Authorization: Basic abc\r\n", &["Basic abc"]);
        check("X-SQ-API-Key: k\r\n", &["k"]);
        check(
            "X-SQ-API-Key: k\r\nAuthorization: Bearer abc\r\n",
            &["abc", "k"],
        );
    }
}
