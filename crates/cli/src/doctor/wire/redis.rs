//! Redis's protocol, as far as `INFO` and its like go.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Error, MOST_BYTES, connect, credentials};

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub async fn connect(url: &str) -> Result<Self, Error> {
        if url.starts_with("rediss:") {
            return Err(Error::NotLookedInto("it asks for TLS, and is looked into only without"));
        }
        let mut client = Self { stream: BufReader::new(connect(url, 6379).await?) };
        if let (user, Some(password)) = credentials(url) {
            let user = if user.is_empty() { "default" } else { &user };
            client.ask(&["AUTH", user, &password]).await?;
        }
        Ok(client)
    }

    /// One command. A list is given line by line.
    pub async fn ask(&mut self, words: &[&str]) -> Result<String, Error> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(command.as_bytes()).await?;
        let line = self.line().await?;
        match line.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(rest.to_owned()),
            Some(("-", rest)) => Err(Error::Refused(rest.to_owned())),
            Some(("$", length)) => self.text(length).await,
            Some(("*", count)) => {
                let count: usize = count.parse().map_err(|_| Error::OtherProtocol("Redis's protocol"))?;
                let mut lines = Vec::new();
                for _ in 0..count.min(1024) {
                    let line = self.line().await?;
                    lines.push(match line.strip_prefix('$') {
                        Some(length) => self.text(length).await?,
                        None => line,
                    });
                }
                Ok(lines.join("\n"))
            }
            _ => Err(Error::OtherProtocol("Redis's protocol")),
        }
    }

    async fn text(&mut self, length: &str) -> Result<String, Error> {
        let Ok(length) = length.parse::<usize>() else { return Ok(String::new()) };
        if length > MOST_BYTES {
            return Err(Error::OtherProtocol("Redis's protocol"));
        }
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MOST_BYTES as u64).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Err(Error::HungUp);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// The answer to `INFO`: a name and a value a line, headings between them.
pub fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.trim_end().split_once(':')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_by_name() {
        let fields = fields(
            "# Server\r\nredis_version:7.0.15\r\nconfig_file:\r\n\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n",
        );
        assert_eq!((fields["redis_version"], fields["config_file"]), ("7.0.15", ""));
        assert_eq!((fields["maxmemory_policy"], fields.len()), ("noeviction", 3));
    }
}
