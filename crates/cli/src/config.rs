use aether_settings::{NatsSettings, Problem, Row, Source};
use serde_json::json;

use crate::{Context, Error, print};

/// Show every setting, its value and where it came from.
///
/// Secrets are shown as ***. While `aether up` runs, what it gave to its services is shown too. Fails when a setting is
/// wrong, and says what was expected.
///
/// With --nats it prints who you are on the bus that `aether up` runs, password included, for the `nats` command line.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aether config\n  aether config --json | jq '.settings[] | select(.source != \"default\")'\n  \
    AETHER_LOG_FORMAT=json aether config\n  eval \"$(aether config --nats)\" && nats sub 'room.>'"
)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print two lines for a shell to evaluate, with which the `nats` command line is let in
    #[arg(long, conflicts_with = "json")]
    nats: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    if arguments.nats {
        return exports(context);
    }
    let (rows, problems) = context.describe()?;
    if arguments.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let (name, env, about) = (row.name, row.env, row.about);
                json!({ "name": name, "env": env, "value": row.value, "source": source(context, row), "about": about })
            })
            .collect();
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        print::line(&json!({ "settings": rows, "problems": problems }).to_string())?;
    } else {
        let width = |of: fn(&Row) -> &str| rows.iter().map(of).map(str::len).max().unwrap_or(0);
        let (name, env) = (width(|row| row.name), width(|row| row.env));
        for row in &rows {
            let value = row.value.as_deref().unwrap_or("-");
            print::line(&format!("{:name$}  {:env$}  {value}  ({})", row.name, row.env, source(context, row)))?;
        }
        for problem in &problems {
            eprintln!("aether: {problem}");
        }
    }
    // What only `aether up` can say is missing until it runs; that is nobody's mistake.
    let mistakes = problems.iter().any(|problem| !matches!(problem, Problem::Missing { .. }));
    if mistakes { Err(Error::Told) } else { Ok(()) }
}

/// No more than these two: in a shell with the other variables, `aether up` would take the parts for somebody else's.
fn exports(context: &Context) -> Result<(), Error> {
    let NatsSettings { user, password, .. } = context.settings(NatsSettings::read)?;
    let (Some(user), Some(password)) = (user, password) else { return Err(Error::NotUp) };
    print::line(&export("NATS_USER", &user))?;
    print::line(&export("NATS_PASSWORD", password.expose()))
}

/// For any shell, whatever is in the value.
fn export(name: &str, value: &str) -> String {
    format!("export {name}='{}'", value.replace('\'', r"'\''"))
}

fn source(context: &Context, row: &Row) -> &'static str {
    match row.source {
        Source::Environment if context.is_given(row.env) => "aether up",
        source => source.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_a_value_as_it_is() {
        for value in ["hunter2", "it's $HOME", "`id`\\\"\n*"] {
            let script = format!("{}; printf %s \"$NATS_PASSWORD\"", export("NATS_PASSWORD", value));
            let printed = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
            assert_eq!(String::from_utf8(printed).unwrap(), value);
        }
    }
}
