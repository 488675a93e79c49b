use std::{env, ffi::OsString, fs, path::PathBuf, time::Duration};

use crate::{Component, Error, Launch, Layout, Port, Probe};

/// Small enough to be carried inside the program, so that it runs wherever the program is.
const LAUNCHER: &str = include_str!("../../../../deploy/llama_server.py");

/// llama.cpp's OpenAI-compatible server, from its Python wheel.
#[derive(Debug, Clone)]
pub struct Llm {
    pub port: u16,
    /// A GGUF file.
    pub model: PathBuf,
    /// The name under which the model is served.
    pub model_name: String,
    /// For decoding. As many as there are cores collapses under load: leave one free.
    pub threads: usize,
    /// For reading prompts.
    pub batch_threads: usize,
    /// Conversations whose prompts stay cached at the same time.
    pub parallel: usize,
    /// Tokens that each of them may hold.
    pub context: usize,
    pub log: PathBuf,
}

impl Llm {
    /// Threads for this machine, and the defaults that suit a small model on it.
    pub fn new(port: u16, model: PathBuf, model_name: &str, log: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            port,
            model,
            model_name: model_name.to_owned(),
            threads: (cores / 2).clamp(1, 8),
            batch_threads: cores.clamp(2, 16),
            parallel: 4,
            context: 4096,
            log,
        }
    }

    pub fn component(self, layout: &Layout) -> Result<Component, Error> {
        let instead = "set LLM_ENDPOINT to a running Ollama or OpenAI-compatible server";
        let python = layout.program("python3", instead)?;
        if !self.model.is_file() {
            return Err(Error::Prepare {
                what: format!("the language model {}", self.model_name),
                why: format!("{} is missing; run `aether models get {}`", self.model.display(), self.model_name),
            });
        }
        let launcher = layout.run("llama_server.py");
        if let Some(dir) = launcher.parent() {
            fs::create_dir_all(dir).map_err(Error::file(dir))?;
        }
        fs::write(&launcher, LAUNCHER).map_err(Error::file(&launcher))?;
        let mut packages = OsString::from(layout.parts().join("python"));
        if let Some(more) = env::var_os("PYTHONPATH").filter(|more| !more.is_empty()) {
            packages.push(":");
            packages.push(more);
        }
        let number = |name: &str, value: usize| [OsString::from(name), value.to_string().into()];
        let launch = Launch::new("llm", python, self.log)
            .arguments([launcher.into_os_string(), "--model".into(), self.model.into_os_string()])
            .arguments(["--name", &self.model_name, "--host", "127.0.0.1", "--port", &self.port.to_string()])
            .arguments(number("--threads", self.threads))
            .arguments(number("--batch-threads", self.batch_threads))
            .arguments(number("--parallel", self.parallel))
            .arguments(number("--context", self.context))
            .environment("PYTHONPATH", packages)
            .environment("PYTHONUNBUFFERED", "1");
        let url = format!("http://127.0.0.1:{}", self.port);
        Ok(Component {
            launch,
            ports: vec![Port::Tcp(self.port)],
            instead: format!("set LLM_ENDPOINT={url} to use it"),
            probe: Probe::Http(format!("{url}/health")),
            ready_within: Duration::from_secs(120),
            url,
        })
    }
}
