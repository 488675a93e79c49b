use std::{path::PathBuf, time::Duration};

use crate::{Component, Error, Launch, Layout, Port, Probe, Secrets, write_private};

/// The LiveKit server, on loopback for native clients and for browsers on the same machine.
#[derive(Debug, Clone)]
pub struct LiveKit {
    pub port: u16,
    pub rtc_tcp_port: u16,
    pub rtc_udp_port: u16,
    /// Who is told, signed with the API key, that somebody came or went.
    pub webhook: Option<String>,
    /// Where the generated configuration goes; it holds the API secret.
    pub config: PathBuf,
    pub log: PathBuf,
}

impl LiveKit {
    pub fn component(self, layout: &Layout, secrets: &Secrets) -> Result<Component, Error> {
        let instead = "set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET to a LiveKit server";
        let program = layout.program("livekit-server", instead)?;
        write_private(&self.config, &self.text(secrets))?;
        let launch = Launch::new("livekit", program, self.log.clone()).arguments(["--config".into(), self.config]);
        let url = format!("ws://127.0.0.1:{}", self.port);
        Ok(Component {
            launch,
            ports: vec![Port::Tcp(self.port), Port::Tcp(self.rtc_tcp_port), Port::Udp(self.rtc_udp_port)],
            instead: format!("set LIVEKIT_URL={url}, LIVEKIT_API_KEY and LIVEKIT_API_SECRET to use it"),
            probe: Probe::Http(format!("http://127.0.0.1:{}/", self.port)),
            ready_within: Duration::from_secs(30),
            url,
        })
    }

    /// - The only candidates are loopback addresses, which browsers and native clients on this machine both accept.
    /// - The STUN server is an IP literal on purpose: without one every client resolves public names for ten seconds when
    ///   the machine is offline. Nothing needs to listen there.
    /// - One UDP port serves all rooms.
    /// - A room's name holds its tenant's, escaped, and so is longer than what the server allows by itself.
    fn text(&self, secrets: &Secrets) -> String {
        let Self { port, rtc_tcp_port, rtc_udp_port, .. } = self;
        let Secrets { livekit_api_key, livekit_api_secret, .. } = secrets;
        let webhook = self
            .webhook
            .as_ref()
            .map_or_else(String::new, |url| format!("webhook:\n  api_key: {livekit_api_key}\n  urls: [\"{url}\"]\n"));
        format!(
            r#"# Written by `aether up` on every start; changes are lost.
port: {port}
bind_addresses: ["127.0.0.1"]
rtc:
  tcp_port: {rtc_tcp_port}
  udp_port: {rtc_udp_port}
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  interfaces:
    includes: [lo]
  ips:
    includes: [127.0.0.1/32]
  stun_servers: ["127.0.0.1:3478"]
keys:
  {livekit_api_key}: {livekit_api_secret}
{webhook}limit:
  max_room_name_length: 513
agents:
  # An agent reports sessions/capacity as its load and is full at 1.
  target_load: 1.0
logging:
  level: info
"#
        )
    }
}
