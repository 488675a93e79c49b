use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::{Error, Launch, Port, Probe, Process, process::log_tail};

/// One process that can be started, and how to tell that it is ready.
#[derive(Debug, Clone)]
pub struct Component {
    pub launch: Launch,
    pub ports: Vec<Port>,
    /// What a person does when a port is taken: "set NATS_URL to use the server that is already there".
    pub instead: String,
    pub probe: Probe,
    pub ready_within: Duration,
    /// Where others reach it; holds a password where the part wants one.
    pub url: String,
}

impl Component {
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Starts the process and returns when the part answers, or tells why it does not.
    pub async fn start(&self) -> Result<Process, Error> {
        for port in &self.ports {
            port.check(self.name(), &self.instead)?;
        }
        let process = Process::spawn(&self.launch)?;
        self.ready(&process).await?;
        Ok(process)
    }

    /// Probes until the part answers, its process ends or the time is up.
    pub(crate) async fn ready(&self, process: &Process) -> Result<(), Error> {
        let deadline = Instant::now() + self.ready_within;
        loop {
            let last = tokio::select! {
                // Both arms only look, so dropping the other loses nothing.
                how = process.ended() => return Err(self.ended(how)),
                answer = timeout(Duration::from_secs(2), self.probe.check()) => match answer {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(why)) => why,
                    Err(_) => "it accepts connections but does not answer".to_owned(),
                },
            };
            if Instant::now() >= deadline {
                let name = self.name().to_owned();
                return Err(Error::NotReady { name, within: self.ready_within, last, log: self.launch.log.clone() });
            }
            tokio::select! {
                how = process.ended() => return Err(self.ended(how)),
                () = sleep(Duration::from_millis(25)) => {}
            }
        }
    }

    fn ended(&self, how: String) -> Error {
        let log = self.launch.log.clone();
        Error::Ended { name: self.name().to_owned(), how, tail: log_tail(&log, 12), log }
    }
}
