//! Who logs in to Postgres.

use url::Url;

/// A service, as Postgres knows it: a role with the rights that `migrations/` grant this service and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Gateway,
    Brain,
    Scheduler,
    Notifier,
}

impl Login {
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Brain, Self::Scheduler, Self::Notifier];

    pub const fn service(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Brain => "brain",
            Self::Scheduler => "scheduler",
            Self::Notifier => "notifier",
        }
    }

    pub fn role(self) -> String {
        format!("aether_{}", self.service())
    }

    /// The database behind `url`, whoever that names, as this login reaches it; nothing where it is no URL of a server.
    pub fn url(self, url: &str, password: &str) -> Option<String> {
        let mut url = Url::parse(url).ok()?;
        url.set_username(&self.role()).ok()?;
        url.set_password(Some(password)).ok()?;
        Some(url.into())
    }
}
