use std::{
    env,
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::unistd::Uid;

use crate::{Component, Error, Launch, Layout, Port, Probe, Signal, write_private};

const INSTEAD: &str = "set POSTGRES_URL to a Postgres server that has pgvector";
/// The traditional user and group without rights.
const NOBODY: &str = "65534";

/// Postgres with pgvector and one database, `aether`, owned by the user `aether`.
#[derive(Debug, Clone)]
pub struct Postgres {
    pub port: u16,
    pub state: PathBuf,
    pub password: String,
    /// Whether a commit must survive a power cut; tests do without.
    pub durable: bool,
    pub log: PathBuf,
}

impl Postgres {
    /// Creates the database cluster on the first start, which takes about a second: call it off the runtime's threads.
    pub fn component(self, layout: &Layout) -> Result<Component, Error> {
        let programs = Programs::find(layout)?;
        let wrapper =
            if self.state.join("PG_VERSION").is_file() { wrapper(&self.state)? } else { self.create(&programs)? };
        let port = self.port.to_string();
        let mut launch = Launch::new("postgres", programs.postgres, self.log)
            .arguments([OsString::from("-D"), self.state.into_os_string()])
            .arguments(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .environment("LD_LIBRARY_PATH", programs.libraries);
        if !self.durable {
            launch =
                launch.arguments(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]);
        }
        launch.wrapper = wrapper;
        // A fast shutdown: open transactions are rolled back. The same when this process dies, so that the data set is
        // left whole.
        launch.stop_signal = Signal::SIGINT;
        launch.death_signal = Signal::SIGINT;
        let url = format!("postgres://aether:{}@127.0.0.1:{port}/aether", self.password);
        Ok(Component {
            launch,
            ports: vec![Port::Tcp(self.port)],
            instead: format!("set POSTGRES_URL=postgres://USER:PASSWORD@127.0.0.1:{port}/DATABASE to use it"),
            probe: Probe::Postgres(url.clone()),
            ready_within: Duration::from_secs(60),
            url,
        })
    }

    /// Builds the cluster beside its place and moves it there whole, so that an interrupted first start leaves nothing
    /// half made.
    fn create(&self, programs: &Programs) -> Result<Vec<OsString>, Error> {
        let new = self.state.with_extension("new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(Error::file(&new))?;
        }
        fs::create_dir_all(&new).map_err(Error::file(&new))?;
        let wrapper = wrapper(&new)?;
        let password = self.state.with_extension("password");
        write_private(&password, &self.password)?;
        if wrapper.first().is_some_and(|word| word == "setpriv") {
            give_to_nobody(&password)?;
        }
        let initdb = programs.run(
            &wrapper,
            &programs.initdb,
            |command| {
                command.arg("-D").arg(&new).arg("--pwfile").arg(&password);
                command.args(["-U", "aether", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]);
            },
            "",
        );
        let _ = fs::remove_file(&password);
        initdb?;
        // One user's own session does what a client would, without a server, a port or a password.
        for (database, statement) in [("postgres", "CREATE DATABASE aether;"), ("aether", "CREATE EXTENSION vector;")] {
            programs.run(
                &wrapper,
                &programs.postgres,
                |command| {
                    command.arg("--single").arg("-D").arg(&new).arg(database);
                },
                statement,
            )?;
        }
        // What an earlier start left without a version file was never a cluster.
        if self.state.exists() {
            fs::remove_dir(&self.state).map_err(Error::file(&self.state))?;
        }
        fs::rename(&new, &self.state).map_err(Error::file(&self.state))?;
        Ok(wrapper)
    }
}

struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    libraries: OsString,
}

impl Programs {
    fn find(layout: &Layout) -> Result<Self, Error> {
        let dir = layout.parts().join("postgres");
        let program = |name: &str| {
            let file = dir.join("bin").join(name);
            if file.is_file() {
                return Ok(file);
            }
            let looked_in = dir.join("bin").display().to_string();
            Err(Error::Missing { program: name.to_owned(), looked_in, instead: INSTEAD.to_owned() })
        };
        let mut libraries = OsString::from(dir.join("lib"));
        if let Some(more) = env::var_os("LD_LIBRARY_PATH").filter(|more| !more.is_empty()) {
            libraries.push(":");
            libraries.push(more);
        }
        Ok(Self { initdb: program("initdb")?, postgres: program("postgres")?, libraries })
    }

    /// Runs a program to its end with `input`. A single-user session reports errors only in its output.
    fn run(
        &self,
        wrapper: &[OsString],
        program: &Path,
        arguments: impl FnOnce(&mut Command),
        input: &str,
    ) -> Result<(), Error> {
        let what = || format!("the database ({})", program.display());
        let failed = |why: String| Error::Prepare { what: what(), why };
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        arguments(&mut command);
        command
            .env("LD_LIBRARY_PATH", &self.libraries)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ended early is reported by its status below.
            let _ = stdin.write_all(format!("{input}\n").as_bytes());
        }
        let Output { status, stdout, stderr } = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        let error = text.lines().find(|line| line.contains("ERROR:") || line.contains("FATAL:"));
        match error {
            Some(line) => Err(failed(line.to_owned())),
            None if status.success() => Ok(()),
            None => Err(failed(format!("{status}: {}", text.trim()))),
        }
    }
}

/// Postgres refuses to run as root. As root it runs as nobody inside a user namespace, where root's files belong to nobody,
/// so nothing changes hands; where namespaces are not allowed, as nobody itself, to whom the data folder is given.
fn wrapper(data: &Path) -> Result<Vec<OsString>, Error> {
    if !Uid::effective().is_root() {
        return Ok(Vec::new());
    }
    let namespace = ["unshare", "--user", "--map-user", NOBODY, "--map-group", NOBODY, "--"];
    if runs(&namespace) {
        return Ok(namespace.map(OsString::from).to_vec());
    }
    let nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    if runs(&nobody) {
        give_to_nobody(data)?;
        return Ok(nobody.map(OsString::from).to_vec());
    }
    Err(Error::Prepare {
        what: "the database".into(),
        why: format!(
            "Postgres refuses to run as root and this machine lets it run as nobody else; run as another user, or {INSTEAD}"
        ),
    })
}

fn runs(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg("true").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn give_to_nobody(path: &Path) -> Result<(), Error> {
    let status = Command::new("chown").args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Error::Prepare {
            what: "the database".into(),
            why: format!("{} can't be given to nobody", path.display()),
        }),
    }
}
