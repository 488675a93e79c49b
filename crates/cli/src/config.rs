use aether_settings::{Problem, Row, Source};
use serde_json::json;

use crate::{Context, Error, print};

/// Show every setting, its value and where it came from.
///
/// Secrets are shown as ***. While `aether up` runs, what it gave to its services is shown too. Fails when a setting is
/// wrong, and says what was expected.
///
/// With --shell it prints what programs such as `nats` need to reach the parts that `aether up` runs, passwords included.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aether config\n  aether config --json | jq '.settings[] | select(.source != \"default\")'\n  \
    AETHER_LOG_FORMAT=json aether config\n  eval \"$(aether config --shell)\" && nats sub 'room.>'"
)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print lines for a shell to evaluate, secrets included: where the running parts are, and who you are there
    #[arg(long, conflicts_with = "json")]
    shell: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<(), Error> {
    if arguments.shell {
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

fn exports(context: &Context) -> Result<(), Error> {
    if !context.is_up() {
        return Err(Error::NotUp);
    }
    for (name, value) in context.given() {
        let quoted = value.replace('\'', r"'\''");
        print::line(&format!("export {name}='{quoted}'"))?;
    }
    Ok(())
}

fn source(context: &Context, row: &Row) -> &'static str {
    match row.source {
        Source::Environment if context.is_given(row.env) => "aether up",
        source => source.as_str(),
    }
}
