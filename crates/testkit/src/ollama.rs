use std::{path::Path, process::Stdio, time::Duration};

use aether_supervisor::{Component, Error, Launch, Port, Probe};
use tokio::process::Command;

use crate::{
    free_port,
    server::{Server, layout},
};

const MODEL: &str = "smollm2-135m-instruct-q4_1";
/// An imported model has no template of its own: without this one Ollama would not tell it who speaks.
const MODELFILE: &str = r#"
TEMPLATE """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
PARAMETER stop <|im_end|>
"#;

/// An Ollama server with a small real model.
#[derive(Debug)]
pub struct Ollama {
    server: Server,
    pub model: String,
}

/// Ollama with SmolLM2 135M imported under its name in the manifest. `scripts/setup --tests` builds the program.
pub async fn ollama() -> Ollama {
    let server = Server::start(prepare).await;
    let program = layout().program("ollama", "run scripts/setup --tests").unwrap_or_else(|error| panic!("{error}"));
    let modelfile = server.dir().join("Modelfile");
    let weights = layout().model(MODEL, "model.gguf");
    let text = format!("FROM {}\n{MODELFILE}", weights.display());
    std::fs::write(&modelfile, text).unwrap_or_else(|error| panic!("{error}"));
    let created = Command::new(program)
        .args(["create", MODEL, "--file"])
        .arg(modelfile)
        .env("OLLAMA_HOST", &server.url)
        .env("HOME", server.dir())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    Ollama { server, model: MODEL.to_owned() }
}

fn prepare(dir: &Path) -> Result<Component, Error> {
    let program = layout().program("ollama", "run scripts/setup --tests")?;
    let port = free_port().unwrap_or_else(|error| panic!("{error}"));
    let url = format!("http://127.0.0.1:{port}");
    // Its settings and keys lie in the home folder: a test has its own.
    let launch = Launch::new("ollama", program, dir.join("ollama.log"))
        .arguments(["serve"])
        .environment("OLLAMA_HOST", url.clone())
        .environment("OLLAMA_MODELS", dir.join("models"))
        .environment("HOME", dir);
    Ok(Component {
        launch,
        ports: vec![Port::Tcp(port)],
        instead: String::new(),
        probe: Probe::Http(format!("{url}/api/version")),
        ready_within: Duration::from_secs(30),
        url,
    })
}

impl std::ops::Deref for Ollama {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl std::ops::DerefMut for Ollama {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
