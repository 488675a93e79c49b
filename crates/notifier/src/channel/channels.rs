use aether_identity::{Keyring, Secret};
use aether_proto::NotificationTarget;
use aether_settings::NotifierSettings;
use aether_store::TargetRow;

use super::{
    Address, ContactError, Email, EmailError, Failure, Http, Message, Push, Subscription, VapidKey, Webhook,
    WebhookTarget,
};

/// Why nothing can be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ChannelsError {
    #[error("the machine's root certificates can't be read")]
    Http(#[from] reqwest::Error),
    #[error("no key for web push can be made: choose another AETHER_NOTIFIER_SECRET")]
    Key,
    #[error("AETHER_NOTIFIER_CONTACT can't be used")]
    Contact(#[from] ContactError),
    #[error("SMTP_URL or SMTP_FROM can't be used")]
    Email(#[from] EmailError),
}

/// All ways to reach somebody who is neither in a room nor at the page.
pub struct Channels {
    keyring: Keyring,
    push: Push,
    /// `None`: no mail server is set.
    email: Option<Email>,
    webhook: Webhook,
}

impl Channels {
    pub fn new(settings: &NotifierSettings) -> Result<Self, ChannelsError> {
        let keyring = Keyring::new(settings.secret.expose());
        let http = Http::new()?;
        let key = VapidKey::derived(|number| keyring.derive("web push", &number.to_string()));
        let push = Push::new(http.clone(), key.ok_or(ChannelsError::Key)?, &settings.contact)?;
        let email = settings.smtp_url.as_ref().map(|url| Email::new(url.expose(), &settings.smtp_from)).transpose()?;
        Ok(Self { keyring, push, email, webhook: Webhook::new(http) })
    }

    /// What a page subscribes with, base64url.
    pub(crate) fn push_key(&self) -> String {
        self.push.public_key()
    }

    /// What a webhook checks our signatures with: derived from the target's id, kept nowhere.
    pub(crate) fn webhook_secret(&self, target: &str) -> Secret {
        Secret::new(self.keyring.derive("webhook", target))
    }

    /// Whether somebody can be told there; the error is for whoever adds it.
    pub(crate) fn check(&self, target: &NotificationTarget) -> Result<(), String> {
        match target.channel.as_str() {
            "push" => subscription(&target.address, &target.push_key, &target.push_auth).map(|_| ()),
            "email" if self.email.is_none() => {
                Err("no mail server is set here, so no e-mail can be sent: see SMTP_URL".to_owned())
            }
            "email" => address(&target.address).map(|_| ()),
            "webhook" => webhook(&target.address, self.webhook_secret("")).map(|_| ()),
            _ => Err("`channel` must be `push`, `email` or `webhook`".to_owned()),
        }
    }

    pub(crate) async fn send(&self, target: &TargetRow, message: &Message) -> Result<(), Failure> {
        match target.channel.as_str() {
            "push" => {
                let subscription = subscription(&target.address, &target.push_key, &target.push_auth);
                self.push.send(&subscription.map_err(Failure::permanent)?, message).await
            }
            "email" => match &self.email {
                Some(email) => email.send(&address(&target.address).map_err(Failure::permanent)?, message).await,
                None => Err(Failure::temporary("no mail server is set")),
            },
            _ => {
                let secret = self.webhook_secret(&target.target.to_string());
                let target = webhook(&target.address, secret).map_err(Failure::permanent)?;
                self.webhook.send(&target, message).await
            }
        }
    }
}

fn subscription(endpoint: &str, key: &str, auth: &str) -> Result<Subscription, String> {
    Subscription::new(endpoint, key, auth).map_err(|error| format!("`subscription`: {error}"))
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error: EmailError| format!("`address`: {error}"))
}

fn webhook(url: &str, secret: Secret) -> Result<WebhookTarget, String> {
    WebhookTarget::new(url, secret).map_err(|error| format!("`address`: {error}"))
}
