//! docs/nats.md names every subject that `subject.rs` knows, and no other.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/nats.md");
const SUBJECTS: &str = include_str!("../src/subject.rs");

#[test]
fn the_page_names_every_subject_and_no_other() {
    assert_eq!(on_the_page(), in_code());
}

#[test]
fn every_subject_has_a_line_to_paste_and_what_it_prints() {
    for (subject, section) in sections() {
        for fence in ["```sh\nnats ", "```text\n"] {
            assert!(section.contains(fence), "{subject} has no {fence:?}");
        }
        assert!(section.contains(subject.split_once('<').map_or(&*subject, |(begin, _)| begin)), "{subject}");
    }
}

/// The headings that are a subject, each with what stands below it.
fn sections() -> impl Iterator<Item = (String, &'static str)> {
    PAGE.split("\n### `").skip(1).filter_map(|section| {
        let (subject, text) = section.split_once("`\n")?;
        let text = text.split_once("\n## ").map_or(text, |(text, _)| text);
        Some((subject.to_owned(), text))
    })
}

fn on_the_page() -> BTreeSet<String> {
    sections().map(|(subject, _)| pattern(&subject)).collect()
}

/// Of constants what they are, of functions the format, with `*` for each name in it. What matches several subjects is none
/// itself, but for the prefix of the inboxes that carry audio.
fn in_code() -> BTreeSet<String> {
    let code = SUBJECTS.split_once("#[cfg(test)]").map_or(SUBJECTS, |(code, _)| code);
    let mut subjects = BTreeSet::new();
    for line in code.lines() {
        let Some(text) = line.split('"').nth(1) else { continue };
        if line.starts_with("pub const AUDIO_PREFIX") {
            subjects.insert(format!("{text}.>"));
        } else if line.starts_with("pub const") && !line.starts_with("pub const ALL_")
            || line.trim_start().starts_with("format!(")
        {
            subjects.insert(pattern(text));
        }
    }
    subjects
}

fn pattern(subject: &str) -> String {
    let tokens = subject.split('.').map(|token| if token.starts_with(['<', '{']) { "*" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}
