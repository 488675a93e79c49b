use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::OnceCell, time::sleep};

use crate::{
    digest::{Hasher, Sha256},
    download::Downloader,
    error::{Error, SourceFailure},
    event::Event,
    manifest::{Content, Manifest, Model, ModelFile},
    options::Options,
    package_index::PackageIndex,
    provider::Provider,
};

/// Unfinished downloads and locks, below the store's folder.
const WORKSPACE: &str = ".partial";
const LOCK_POLL: Duration = Duration::from_millis(200);

/// The folder with the models: `<folder>/<model id>/<file>`. Cheap to clone; several processes may share one folder.
#[derive(Debug, Clone)]
pub struct ModelStore {
    folder: PathBuf,
    manifest: Arc<Manifest>,
    options: Options,
    connections: Arc<OnceCell<(Downloader, PackageIndex)>>,
}

/// What a request for a model ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obtained {
    pub requested: String,
    /// Differs from `requested` when a smaller model had to do.
    pub model: String,
    /// In the manifest's order.
    pub files: Vec<PathBuf>,
    /// False when everything was there already.
    pub fetched: bool,
}

/// What [`ModelStore::verify`] found out about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCheck {
    pub file: String,
    pub path: PathBuf,
    pub state: FileState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FileState {
    /// `official` is false for the output of a conversion.
    Sound {
        content: Content,
        official: bool,
    },
    Missing,
    WrongSize {
        found: u64,
        expected: u64,
    },
    WrongHash {
        found: Sha256,
        expected: Sha256,
    },
}

impl ModelStore {
    /// The built-in manifest, and downloads as the environment (pip's variables) says. Touches nothing yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let options = Options::from_environment(|name| std::env::var(name).ok());
        Self::with(folder, Manifest::builtin().clone(), options)
    }

    pub fn with(folder: impl Into<PathBuf>, manifest: Manifest, options: Options) -> Self {
        Self { folder: folder.into(), manifest: Arc::new(manifest), options, connections: Arc::default() }
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file is, or would be.
    pub fn path(&self, model: &Model, file: &str) -> PathBuf {
        self.folder.join(&model.id).join(file)
    }

    /// The path of a file that is there with a size it may have. Cheap: hashes were checked when it came here, and
    /// [`verify`](Self::verify) checks them again.
    pub fn require(&self, id: &str, file: &str) -> Result<PathBuf, Error> {
        let model = self.model(id)?;
        let entry = model.file(file).ok_or_else(|| Error::UnknownFile { id: id.to_owned(), file: file.to_owned() })?;
        let path = self.path(model, file);
        let Some(found) = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file) else {
            return Err(Error::Missing { id: id.to_owned(), path });
        };
        if entry.accepted().all(|content| content.size != found.len()) {
            return Err(Error::Damaged { id: id.to_owned(), path, found: found.len() });
        }
        Ok(path)
    }

    /// [`require`](Self::require) for every file of the model, in the manifest's order: the weights come first.
    pub fn require_all(&self, id: &str) -> Result<Vec<PathBuf>, Error> {
        self.model(id)?.files.iter().map(|file| self.require(id, &file.name)).collect()
    }

    /// Whether the model can be used without fetching anything.
    pub fn is_present(&self, model: &Model) -> bool {
        self.require_all(&model.id).is_ok()
    }

    /// The model if it is present, else the first of its fallbacks that is: what a start without downloads can use.
    pub fn present_or_fallback(&self, id: &str) -> Option<&Model> {
        self.manifest.with_fallbacks(id).find(|model| self.is_present(model))
    }

    /// Hashes every file of the model.
    pub async fn verify(&self, id: &str) -> Result<Vec<FileCheck>, Error> {
        let model = self.model(id)?;
        let mut checks = Vec::with_capacity(model.files.len());
        for file in &model.files {
            let path = self.path(model, &file.name);
            let state = inspect(&path, file).await?;
            checks.push(FileCheck { file: file.name.clone(), path, state });
        }
        Ok(checks)
    }

    /// Makes the model present and sound: hashes what is there, fetches what is not. Exactly this model, or an error that
    /// names every source and why it could not be used.
    pub async fn get(&self, id: &str, progress: impl Fn(Event) + Send + Sync) -> Result<Obtained, Error> {
        self.get_model(self.model(id)?, &progress).await
    }

    /// Like [`get`](Self::get), but when no source of the model can be used, the next smaller model has to do; the events
    /// and the result say so.
    pub async fn get_or_fallback(&self, id: &str, progress: impl Fn(Event) + Send + Sync) -> Result<Obtained, Error> {
        let mut model = self.model(id)?;
        loop {
            let error = match self.get_model(model, &progress).await {
                Ok(obtained) => return Ok(Obtained { requested: id.to_owned(), ..obtained }),
                Err(error) => error,
            };
            let smaller = model.fallback.as_deref().and_then(|id| self.manifest.model(id));
            let (Some(smaller), Error::Unobtainable { .. }) = (smaller, &error) else { return Err(error) };
            tracing::warn!(model = model.id, fallback = smaller.id, "no source of the model could be used");
            progress(Event::FellBack {
                wanted: model.id.clone(),
                instead: smaller.id.clone(),
                reason: error.to_string(),
            });
            model = smaller;
        }
    }

    /// The default model of every kind, one after another.
    pub async fn get_defaults(&self, progress: impl Fn(Event) + Send + Sync) -> Result<Vec<Obtained>, Error> {
        let mut all = Vec::new();
        for model in self.manifest.default_models() {
            all.push(self.get_or_fallback(&model.id, &progress).await?);
        }
        Ok(all)
    }

    fn model(&self, id: &str) -> Result<&Model, Error> {
        self.manifest.model(id).ok_or_else(|| Error::UnknownModel { id: id.to_owned() })
    }

    async fn get_model(&self, model: &Model, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<Obtained, Error> {
        progress(Event::Started { model: model.id.clone(), files: model.files.len(), bytes: model.size() });
        let workspace = self.folder.join(WORKSPACE).join(&model.id);
        for folder in [&workspace, &self.folder.join(&model.id)] {
            tokio::fs::create_dir_all(folder).await.map_err(Error::storage("create", folder))?;
        }
        // Held until the end: whoever waits for it finds the files in place.
        let _lock = self.lock(model, progress).await?;
        let (downloader, index) = self.connections().await?;
        let provider = Provider::new(downloader, index, model, &workspace, progress);
        let mut fetched = false;
        for file in &model.files {
            fetched |= self.get_file(&provider, file).await?;
        }
        // Another process may have taken the last file out already.
        let _ = tokio::fs::remove_dir_all(&workspace).await;
        progress(Event::Finished { model: model.id.clone() });
        let files = model.files.iter().map(|file| self.path(model, &file.name)).collect();
        Ok(Obtained { requested: model.id.clone(), model: model.id.clone(), files, fetched })
    }

    /// False when the file was there.
    async fn get_file(&self, provider: &Provider<'_>, file: &ModelFile) -> Result<bool, Error> {
        let path = self.path(provider.model, &file.name);
        let names = || (provider.model.id.clone(), file.name.clone());
        let (model, name) = names();
        match inspect(&path, file).await? {
            FileState::Sound { .. } => {
                (provider.progress)(Event::AlreadyPresent { model, file: name });
                return Ok(false);
            }
            FileState::Missing => {}
            damage => {
                let reason = damage.to_string();
                (provider.progress)(Event::Discarded { model, file: name, reason });
                tokio::fs::remove_file(&path).await.map_err(Error::storage("delete", &path))?;
            }
        }
        let mut failures = Vec::new();
        for source in &file.sources {
            let (model, name) = names();
            let shown = source.to_string();
            (provider.progress)(Event::TryingSource {
                model: model.clone(),
                file: name.clone(),
                source: shown.clone(),
            });
            match provider.deliver(file, source).await {
                Ok(delivered) => {
                    tokio::fs::rename(&delivered, &path).await.map_err(Error::storage("rename", &delivered))?;
                    (provider.progress)(Event::Verified { model, file: name, bytes: source.content.size });
                    return Ok(true);
                }
                Err(error) => {
                    let reason = match error.storage() {
                        Ok((action, path, source)) => return Err(Error::Storage { action, path, source }),
                        Err(error) => error.to_string(),
                    };
                    tracing::info!(model, file = name, source = shown, reason, "a source could not be used");
                    failures.push(SourceFailure { source: shown.clone(), reason: reason.clone() });
                    (provider.progress)(Event::SourceFailed { model, file: name, source: shown, reason });
                }
            }
        }
        let (id, file) = names();
        Err(Error::Unobtainable { id, file, failures })
    }

    async fn connections(&self) -> Result<&(Downloader, PackageIndex), Error> {
        let connect = || async {
            let downloader = Downloader::new(&self.options).map_err(|reason| Error::Client { reason })?;
            Ok((downloader, PackageIndex::new(self.options.package_index.clone())))
        };
        self.connections.get_or_try_init(connect).await
    }

    /// One process at a time works on a model. The system releases the lock of a process that dies.
    async fn lock(&self, model: &Model, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<File, Error> {
        let path = self.folder.join(WORKSPACE).join(format!("{}.lock", model.id));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::storage("open", &path))?;
        let mut waiting = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(Error::Storage { action: "lock", path, source }),
            }
            if !waiting {
                progress(Event::Waiting { model: model.id.clone() });
                waiting = true;
            }
            sleep(LOCK_POLL).await;
        }
    }
}

impl FileState {
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::Sound { .. })
    }
}

impl std::fmt::Display for FileState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sound { official: true, .. } => formatter.write_str("sound"),
            Self::Sound { official: false, .. } => formatter.write_str("sound (converted)"),
            Self::Missing => formatter.write_str("missing"),
            Self::WrongSize { found, expected } => write!(formatter, "{found} bytes instead of {expected}"),
            Self::WrongHash { found, expected } => {
                write!(formatter, "refused: its SHA-256 is {found} instead of {expected}")
            }
        }
    }
}

/// Only a size that is possible is worth hashing.
async fn inspect(path: &Path, file: &ModelFile) -> Result<FileState, Error> {
    let found = match tokio::fs::metadata(path).await {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => return Err(Error::storage("read", path)(error)),
    };
    let candidates: Vec<Content> = file.accepted().filter(|content| content.size == found).collect();
    let Some(expected) = candidates.first().map(|content| content.sha256) else {
        return Ok(FileState::WrongSize { found, expected: file.official.size });
    };
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || Hasher::of_file(&owned).map(Hasher::finish)).await;
    let found =
        hashed.unwrap_or_else(|failure| Err(io::Error::other(failure))).map_err(Error::storage("read", path))?;
    Ok(match candidates.into_iter().find(|content| content.sha256 == found) {
        Some(content) => FileState::Sound { official: content == file.official, content },
        None => FileState::WrongHash { found, expected },
    })
}
