//! Schema `notify`: what people are told without having asked, and what they wish about it.

mod delivery;
mod notification;
mod rule;
mod settings;
mod source;
mod target;

pub use delivery::DeliveryRow;
pub use notification::{NewNotification, NotificationPast, NotificationQuery, NotificationRow};
pub use rule::RuleRow;
pub use settings::NotifySettings;
pub(crate) use source::find;
pub use source::{FoundSource, SourceRow};
pub use target::{NewTarget, TargetRow};
