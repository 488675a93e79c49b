use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, RANGE},
};
use tokio::{
    fs::{File, OpenOptions},
    io::AsyncWriteExt,
    time::{sleep, timeout},
};
use url::Url;

use crate::{
    digest::{Hasher, Sha256},
    options::Options,
};

/// How long a host that could not be reached is not asked again by this process.
const UNREACHABLE_FOR: Duration = Duration::from_secs(300);
/// Getting this much further makes up for earlier faults of the same download.
const REAL_PROGRESS: u64 = 1 << 20;
const REPORT_EVERY: Duration = Duration::from_millis(100);
const LARGEST_PAGE: usize = 64 << 20;

static HOSTS: LazyLock<Mutex<HashMap<String, Reach>>> = LazyLock::new(Mutex::default);

/// What this process knows about a host.
#[derive(Debug, Clone, Copy)]
enum Reach {
    Answered,
    Unreachable { since: Instant },
}

/// HTTP downloads that resume, and believe nothing before its hash is right.
#[derive(Debug, Clone)]
pub(crate) struct Downloader {
    client: Client,
    options: Options,
}

/// Where a download goes and what it must be.
pub(crate) struct Target<'a> {
    /// Kept after a fault, so that the next attempt (or the next run) goes on from there.
    pub(crate) part: &'a Path,
    pub(crate) sha256: Sha256,
    /// Not every index states it.
    pub(crate) size: Option<u64>,
}

pub(crate) struct Page {
    /// After redirects.
    pub(crate) url: Url,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

pub(crate) enum Step<'a> {
    Received { bytes: u64, total: Option<u64> },
    Retrying(&'a Error),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{host} can't be reached ({reason})")]
    Unreachable { host: String, reason: String },
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("no data for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    #[error("the download ended after {received} of {expected} bytes")]
    Truncated { received: u64, expected: u64 },
    #[error("the server sends {found} bytes instead of {expected}")]
    WrongSize { found: u64, expected: u64 },
    #[error("the server resumed at the wrong place")]
    WrongRange,
    #[error("refused {name}: its SHA-256 is {found} instead of {expected}; the file was deleted")]
    WrongHash { name: String, found: Sha256, expected: Sha256, resumed: bool },
    #[error("the page is not text, or is too large")]
    Page,
    #[error("can't {action} {}: {source}", .path.display())]
    Storage { action: &'static str, path: PathBuf, source: io::Error },
}

impl Downloader {
    /// Blocks shortly: reads certificates.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        // Whoever came first has chosen the provider of the process; then there is nothing to do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.idle_timeout)
            .user_agent(concat!("aether/", env!("CARGO_PKG_VERSION")));
        let mut certificates = Vec::new();
        for path in &options.certificates {
            let unusable = |error: &dyn std::fmt::Display| {
                format!(
                    "PIP_CERT or SSL_CERT_FILE names {}, which is no bundle of certificates ({error})",
                    path.display()
                )
            };
            let bundle = std::fs::read(path).map_err(|error| unusable(&error))?;
            certificates.extend(reqwest::Certificate::from_pem_bundle(&bundle).map_err(|error| unusable(&error))?);
        }
        if !certificates.is_empty() {
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| cause(&error))?;
        Ok(Self { client, options: options.clone() })
    }

    /// Returns when `target.part` is complete and its hash is right.
    pub(crate) async fn file(
        &self,
        url: &Url,
        target: &Target<'_>,
        report: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), Error> {
        let mut faults = 0;
        loop {
            let before = length(target.part).await;
            let Err(error) = self.attempt(url, target, report).await else { return Ok(()) };
            if length(target.part).await >= before + REAL_PROGRESS {
                faults = 0;
            }
            faults += 1;
            if faults >= self.options.attempts || !error.is_passing() {
                return Err(error);
            }
            report(Step::Retrying(&error));
            sleep(self.pause(faults)).await;
        }
    }

    /// A small text, with the same patience.
    pub(crate) async fn page(&self, url: &Url, accept: &str) -> Result<Page, Error> {
        let mut faults = 0;
        loop {
            let error = match self.page_once(url, accept).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            faults += 1;
            if faults >= self.options.attempts || !error.is_passing() {
                return Err(error);
            }
            sleep(self.pause(faults)).await;
        }
    }

    async fn attempt(
        &self,
        url: &Url,
        target: &Target<'_>,
        report: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), Error> {
        let mut hasher = self.resume_point(target).await?;
        let resumed = hasher.length() > 0;
        if target.size != Some(hasher.length()) {
            let mut request = self.client.get(url.clone());
            if resumed {
                request = request.header(RANGE, format!("bytes={}-", hasher.length()));
            }
            let response = self.send(request, url).await?;
            match response.status() {
                StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(hasher.length()) => {}
                StatusCode::PARTIAL_CONTENT => {
                    remove(target.part).await?;
                    return Err(Error::WrongRange);
                }
                StatusCode::RANGE_NOT_SATISFIABLE => {
                    remove(target.part).await?;
                    return Err(Error::WrongRange);
                }
                // A server without ranges starts over.
                StatusCode::OK => hasher = Hasher::default(),
                status => return Err(Error::Status(status)),
            }
            self.receive(response, target, &mut hasher, report).await?;
        }
        let found = hasher.finish();
        if found == target.sha256 {
            return Ok(());
        }
        remove(target.part).await?;
        let name = target.part.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".part").unwrap_or(&name).to_owned();
        Err(Error::WrongHash { name, found, expected: target.sha256, resumed })
    }

    /// The hash of what is there already.
    async fn resume_point(&self, target: &Target<'_>) -> Result<Hasher, Error> {
        let there = length(target.part).await;
        if there == 0 {
            return Ok(Hasher::default());
        }
        if target.size.is_some_and(|size| there > size) {
            remove(target.part).await?;
            return Ok(Hasher::default());
        }
        let part = target.part.to_owned();
        let hashed = tokio::task::spawn_blocking(move || Hasher::of_file(&part)).await;
        hashed.unwrap_or_else(|failure| Err(io::Error::other(failure))).map_err(storage("read", target.part))
    }

    async fn receive(
        &self,
        mut response: Response,
        target: &Target<'_>,
        hasher: &mut Hasher,
        report: &mut (dyn FnMut(Step<'_>) + Send),
    ) -> Result<(), Error> {
        let start = hasher.length();
        let total = response.content_length().map(|rest| start + rest);
        if let (Some(found), Some(expected)) = (total, target.size)
            && found != expected
        {
            return Err(Error::WrongSize { found, expected });
        }
        let expected = target.size.or(total);
        let mut file = open_at(target.part, start).await.map_err(storage("write", target.part))?;
        let mut reported = Instant::now();
        let outcome = loop {
            let chunk = match timeout(self.options.idle_timeout, response.chunk()).await {
                Err(_) => break Err(Error::Stalled(self.options.idle_timeout)),
                Ok(Err(error)) if error.is_timeout() => break Err(Error::Stalled(self.options.idle_timeout)),
                Ok(Err(error)) => break Err(Error::Connection(cause(&error))),
                Ok(Ok(None)) => break Ok(()),
                Ok(Ok(Some(chunk))) => chunk,
            };
            let received = hasher.length() + chunk.len() as u64;
            if let Some(expected) = expected.filter(|expected| received > *expected) {
                break Err(Error::WrongSize { found: received, expected });
            }
            file.write_all(&chunk).await.map_err(storage("write", target.part))?;
            hasher.update(&chunk);
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                report(Step::Received { bytes: received, total: expected });
            }
        };
        // Also after a fault: what has arrived is where the next attempt goes on.
        file.flush().await.map_err(storage("write", target.part))?;
        file.sync_all().await.map_err(storage("write", target.part))?;
        report(Step::Received { bytes: hasher.length(), total: expected });
        outcome?;
        match expected {
            Some(expected) if hasher.length() < expected => {
                Err(Error::Truncated { received: hasher.length(), expected })
            }
            _ => Ok(()),
        }
    }

    async fn page_once(&self, url: &Url, accept: &str) -> Result<Page, Error> {
        let mut response = self.send(self.client.get(url.clone()).header(ACCEPT, accept), url).await?;
        if !response.status().is_success() {
            return Err(Error::Status(response.status()));
        }
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (content_type, url) = (header.unwrap_or_default().to_ascii_lowercase(), response.url().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Error::Connection(cause(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_PAGE {
                return Err(Error::Page);
            }
        }
        Ok(Page { url, content_type, body: String::from_utf8(body).map_err(|_| Error::Page)? })
    }

    /// A host that can't be reached is remembered: a machine without open internet must not wait for it at every file.
    async fn send(&self, request: reqwest::RequestBuilder, url: &Url) -> Result<Response, Error> {
        let host = host_of(url);
        let known = reach(&host);
        if let Some(Reach::Unreachable { since }) = known
            && since.elapsed() < UNREACHABLE_FOR
        {
            return Err(Error::Unreachable { host, reason: "tried a moment ago".to_owned() });
        }
        // Connecting has its own, shorter limit inside the client.
        let limit = self.options.connect_timeout + self.options.idle_timeout;
        match timeout(limit, request.send()).await {
            Err(_) => Err(Error::Stalled(limit)),
            Ok(Ok(response)) => {
                remember(host, Reach::Answered);
                Ok(response)
            }
            // It was there before: the network is faltering, so it is worth another attempt.
            Ok(Err(error)) if error.is_connect() && matches!(known, Some(Reach::Answered)) => {
                Err(Error::Connection(cause(&error)))
            }
            Ok(Err(error)) if error.is_connect() => {
                remember(host.clone(), Reach::Unreachable { since: Instant::now() });
                Err(Error::Unreachable { host, reason: cause(&error) })
            }
            Ok(Err(error)) if error.is_timeout() => Err(Error::Stalled(self.options.idle_timeout)),
            Ok(Err(error)) => Err(Error::Connection(cause(&error))),
        }
    }

    /// Doubles, varied by half so that many machines do not come back at once.
    fn pause(&self, faults: u32) -> Duration {
        let doubled = self.options.retry_pause * 2_u32.saturating_pow((faults - 1).min(6));
        doubled.mul_f64(rand::random_range(0.5..1.5))
    }
}

impl Error {
    /// Whether the same request may succeed a little later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Stalled(_) | Self::Truncated { .. } | Self::WrongRange => true,
            Self::Status(status) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            // What was left by an earlier run may be to blame; a clean download is not tried twice.
            Self::WrongHash { resumed, .. } => *resumed,
            Self::Unreachable { .. } | Self::WrongSize { .. } | Self::Page | Self::Storage { .. } => false,
        }
    }
}

/// An address as people may see it: no credentials, no query (which may be a signature).
pub(crate) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn reach(host: &str) -> Option<Reach> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
}

fn remember(host: String, reach: Reach) {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner).insert(host, reach);
}

/// `bytes 7-9/10` starts at 7.
fn range_start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// reqwest wraps the reason in several layers that say little; the innermost is the one to tell.
fn cause(error: &reqwest::Error) -> String {
    let layers = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    layers.last().map(ToString::to_string).unwrap_or_default()
}

async fn length(path: &Path) -> u64 {
    tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

async fn remove(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(storage("delete", path)(error)),
        _ => Ok(()),
    }
}

async fn open_at(path: &Path, start: u64) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path).await?;
    // Zero when the server starts over; otherwise what is there already, and nothing changes.
    file.set_len(start).await?;
    Ok(file)
}

fn storage(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Storage { action, path, source }
}
