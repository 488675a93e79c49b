use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

pub use nix::sys::signal::Signal;
use nix::{
    sys::{
        signal::killpg,
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::{sync::watch, time::timeout};

use crate::{Error, spawner};

/// A log longer than this is set aside as `<name>.log.1` when its process is next started.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

/// How to launch one child.
#[derive(Debug, Clone)]
pub struct Launch {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Added to the environment of this process.
    pub environment: BTreeMap<String, OsString>,
    /// Both outputs are appended here.
    pub log: PathBuf,
    /// Run as another user inside a user namespace, or not at all: words put before the program.
    pub wrapper: Vec<OsString>,
    /// Asks for an orderly end.
    pub stop_signal: Signal,
    /// Sent by the kernel when this process dies without having stopped the child.
    pub death_signal: Signal,
    /// How long an orderly end may take before the group is killed.
    pub stop_within: Duration,
}

impl Launch {
    pub fn new(name: &str, program: PathBuf, log: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            program,
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            log,
            wrapper: Vec::new(),
            stop_signal: Signal::SIGTERM,
            death_signal: Signal::SIGKILL,
            stop_within: Duration::from_secs(10),
        }
    }

    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    fn command(&self) -> Result<Command, Error> {
        let log = open_log(&self.log)?;
        let again = log.try_clone().map_err(Error::file(&self.log))?;
        // `setpriv` asks for the parent-death signal after the last change of user, which would clear it. It then turns
        // into the program, so the process id stays the one that was forked.
        let mut words = self.wrapper.clone();
        words.extend(["setpriv".into(), "--pdeathsig".into(), pdeathsig(self.death_signal).into(), "--".into()]);
        words.push(self.program.clone().into_os_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&self.arguments).envs(&self.environment);
        command.stdin(Stdio::null()).stdout(log).stderr(again).process_group(0);
        Ok(command)
    }
}

fn pdeathsig(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

fn open_log(path: &Path) -> Result<File, Error> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT_BYTES) {
        fs::rename(path, path.with_extension("log.1")).map_err(Error::file(path))?;
    }
    OpenOptions::new().create(true).append(true).open(path).map_err(Error::file(path))
}

/// The last lines of a log, for an error message.
pub(crate) fn log_tail(path: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(8192)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// One running child, the leader of its own process group. Dropping it kills the group and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    stop_signal: Signal,
    stop_within: Duration,
    /// True once reaped: from then on the number may belong to somebody else and must not be signalled.
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<thread::JoinHandle<()>>,
}

impl Process {
    pub fn spawn(launch: &Launch) -> Result<Self, Error> {
        let failed = |source| Error::Launch { name: launch.name.clone(), source };
        let child = spawner::spawn(launch.command()?).map_err(failed)?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let reaped = Arc::new(Mutex::new(false));
        let (sender, exit) = watch::channel(None);
        let reaper = thread::Builder::new()
            .name(format!("reap {}", launch.name))
            .spawn({
                let reaped = reaped.clone();
                move || reap(child, pid, &reaped, &sender)
            })
            .map_err(failed)?;
        Ok(Self {
            name: launch.name.clone(),
            pid,
            stop_signal: launch.stop_signal,
            stop_within: launch.stop_within,
            reaped,
            exit,
            reaper: Some(reaper),
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    pub fn is_running(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Waits for the end and says how it came. Cancel-safe.
    pub async fn ended(&self) -> String {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.map_or_else(String::new, describe),
            Err(_) => "it could not be waited for".to_owned(),
        }
    }

    /// Sends a signal to the whole group; nothing happens once the process has ended.
    pub fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            let _ = killpg(self.pid, signal);
        }
    }

    /// Asks for an orderly end, waits for it, and kills what has not ended in time.
    pub async fn stop(&self) {
        self.signal(self.stop_signal);
        if timeout(self.stop_within, self.ended()).await.is_err() {
            tracing::warn!(process = self.name, "did not end in time and was killed");
            self.signal(Signal::SIGKILL);
            self.ended().await;
        }
    }

    /// Ends the group as a crash would.
    pub async fn kill(&self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
    }
}

/// Waits without reaping first: while the leader is a zombie its number still names the group, so that what it left behind
/// can be killed without hitting a stranger.
fn reap(mut child: Child, pid: Pid, reaped: &Mutex<bool>, exit: &watch::Sender<Option<ExitStatus>>) {
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = killpg(pid, Signal::SIGKILL);
    let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
    *reaped = true;
    exit.send_replace(Some(status));
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|signal| Signal::try_from(signal).ok())) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}
