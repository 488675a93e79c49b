use serde_json::json;

use crate::{
    Context, Error,
    api::{self, Api},
    print, welcome,
};

/// Print a link that opens the page in a browser.
///
/// The link holds a token for one person, good for 12 hours: hand it to nobody else. `aether up` prints the first one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aether page\n  aether page --person ada\n  xdg-open \"$(aether page)\"")]
pub struct Arguments {
    /// For whom: what memories are kept under [default: AETHER_USER_ID, else `owner`]
    #[arg(long)]
    person: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    let api = Api::open(context)?;
    let named = arguments.person.as_deref();
    let person = if api.has_key() && named.is_none() { None } else { Some(api::person(context, named)?) };
    let link = welcome::link_for(context, &api, person.as_ref()).await?;
    // A link that nothing answers behind helps nobody.
    api.me().await?;
    if arguments.json {
        print::line(&json!({ "page": link, "valid_hours": api::LINK_LASTS.as_secs() / 3600 }).to_string())?;
    } else {
        print::line(&link.to_string())?;
    }
    Ok(())
}
