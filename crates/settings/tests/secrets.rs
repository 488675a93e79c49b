//! Whatever is written, nothing panics and no secret is shown.

use std::collections::HashMap;
use std::fmt::Debug;

use aether_settings::{
    ALL, HttpSettings, Invalid, LiveKitSettings, LlmSettings, Loader, NatsSettings, PostgresSettings, RedisSettings,
    Shown, TelemetrySettings, describe,
};
use proptest::prelude::*;

/// Appears in every secret that the tests make and nowhere else.
const MARK: &str = "hunter2";

fn names() -> Vec<&'static str> {
    ALL.iter().copied().flatten().flat_map(|setting| setting.env).copied().collect()
}

/// All that a process could show of what it was given.
fn everything_shown(environment: &HashMap<&str, String>, toml: &str) -> String {
    fn shown<T: Debug>(
        environment: &HashMap<&str, String>,
        toml: &str,
        read: impl FnOnce(&mut Loader<'_>) -> Result<T, Invalid>,
    ) -> String {
        match Loader::new(|name| environment.get(name).cloned(), Some(toml)).load(read) {
            Ok(settings) => format!("{settings:?}"),
            Err(error) => format!("{error} {error:?}"),
        }
    }
    let (rows, problems) = describe(Loader::new(|name| environment.get(name).cloned(), Some(toml)));
    [
        format!("{rows:?} {problems:?} {:?}", serde_json::to_string(&rows)),
        shown(environment, toml, NatsSettings::read),
        shown(environment, toml, PostgresSettings::read),
        shown(environment, toml, RedisSettings::read),
        shown(environment, toml, LiveKitSettings::read),
        shown(environment, toml, LlmSettings::read),
        shown(environment, toml, TelemetrySettings::read),
        shown(environment, toml, HttpSettings::tts),
    ]
    .join("\n")
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_environment_and_any_file_are_answered(
        values in prop::collection::vec("\\PC{0,24}|[0-9]{1,12}|[a-z]{2,8}://[a-z0-9:@/?]{0,24}", names().len()),
        toml in "\\PC{0,60}|[a-z.]{1,12} = [0-9'a-z{}]{0,8}\n",
    ) {
        let environment = names().into_iter().zip(values).collect();
        everything_shown(&environment, &toml);
    }

    #[test]
    fn a_secret_is_never_shown(
        before in "[a-zA-Z0-9@:/?#%!$ -]{0,8}",
        after in "[a-zA-Z0-9@:/?#%!$ -]{0,40}",
        scheme in "nats://|postgres://|redis://|ws://|http://|://|//|",
        host in "[a-z]{1,8}(:[0-9]{1,6})?",
        query in "(/db)?([?&#]password=hunter2)?",
        in_file in any::<bool>(),
    ) {
        let secret = format!("{before}{MARK}{after}");
        let mut environment = HashMap::new();
        let mut toml = String::new();
        for setting in ALL.iter().copied().flatten() {
            let value = match setting.shown {
                Shown::All => continue,
                Shown::Nothing => secret.clone(),
                Shown::Url => format!("{scheme}user:{secret}@{host}{query}"),
            };
            if in_file {
                toml.push_str(&format!("{} = {}\n", setting.key, toml_string(&value)));
            } else {
                environment.insert(setting.env[0], value);
            }
        }
        let shown = everything_shown(&environment, &toml);
        prop_assert!(!shown.contains(MARK), "{}", shown);
    }

    #[test]
    fn a_broken_file_does_not_quote_its_secrets(cut in 0_usize..90, junk in "[\"'=\\[\\]{} a-z\n]{0,6}") {
        let mut toml = format!("[livekit]\napi_secret = \"{MARK}\"\n[nats]\npassword = '{MARK}'\nurl = 'nats://u:{MARK}@h'\n");
        let cut = cut.min(toml.len());
        toml.insert_str(cut, &junk);
        let shown = everything_shown(&HashMap::new(), &toml);
        prop_assert!(!shown.contains(MARK), "{}\n{}", toml, shown);
    }
}
