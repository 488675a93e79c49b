//! The two forms in which a Python package index lists the files of a package: JSON and HTML.

use serde::Deserialize;
use url::Url;

use crate::digest::Sha256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) filename: String,
    pub(crate) url: Url,
    /// As the index states it; what counts is the manifest's.
    pub(crate) sha256: Option<Sha256>,
}

/// Links that can't be understood are left out: an index lists much that nobody asked for.
pub(crate) fn parse(content_type: &str, page: &Url, body: &str) -> Result<Vec<Link>, serde_json::Error> {
    if content_type.contains("json") { parse_json(page, body) } else { Ok(parse_html(page, body)) }
}

fn parse_json(page: &Url, body: &str) -> Result<Vec<Link>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Page {
        files: Vec<File>,
    }
    #[derive(Deserialize)]
    struct File {
        filename: String,
        url: String,
        #[serde(default)]
        hashes: Hashes,
    }
    #[derive(Deserialize, Default)]
    struct Hashes {
        sha256: Option<String>,
    }

    let files = serde_json::from_str::<Page>(body)?.files.into_iter();
    let link = |file: File| {
        let sha256 = file.hashes.sha256.and_then(|digits| digits.parse().ok());
        Some(Link { url: page.join(&file.url).ok()?, filename: file.filename, sha256 })
    };
    Ok(files.filter_map(link).collect())
}

/// Every anchor of the page: its text is the file's name, the fragment of its address the hash.
fn parse_html(page: &Url, body: &str) -> Vec<Link> {
    let mut base = page.clone();
    let mut links = Vec::new();
    let mut rest = body;
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let (tag, after) = split_tag(after);
        rest = after;
        let name: String = tag.chars().take_while(|character| character.is_ascii_alphanumeric()).collect();
        let Some(href) = attribute(&tag[name.len()..], "href") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "base" => base = page.join(&href).unwrap_or(base),
            "a" => {
                let filename = unescape(rest.split('<').next().unwrap_or_default()).trim().to_owned();
                if let Ok(mut url) = base.join(&href) {
                    let sha256 = url.fragment().and_then(|hash| hash.strip_prefix("sha256=")?.parse().ok());
                    url.set_fragment(None);
                    links.push(Link { filename, url, sha256 });
                }
            }
            _ => {}
        }
    }
    links
}

/// What is inside the tag and what follows it; a `>` inside quotes does not end a tag.
fn split_tag(text: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return (&text[..at], &text[at + 1..]),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    (text, "")
}

fn attribute(mut attributes: &str, wanted: &str) -> Option<String> {
    let space_or_slash = |character: char| character.is_ascii_whitespace() || character == '/';
    loop {
        attributes = attributes.trim_start_matches(space_or_slash);
        let end = attributes
            .find(|character: char| character == '=' || space_or_slash(character))
            .unwrap_or(attributes.len());
        let (name, after) = attributes.split_at(end);
        if attributes.is_empty() {
            return None;
        }
        let Some(value) = after.trim_start().strip_prefix('=') else {
            attributes = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|character: char| character.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(unescape(value));
        }
        attributes = after;
    }
}

/// Character references: the numeric ones and those that appear in addresses and file names.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = after.split_once(';').and_then(|(name, after)| Some((referenced(name)?, after)));
        match reference {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain + rest
}

fn referenced(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac";

    fn page() -> Url {
        Url::parse("https://index.example/simple/thing/").unwrap()
    }

    fn link(filename: &str, url: &str, sha256: Option<&str>) -> Link {
        let sha256 = sha256.map(|digits| digits.parse().unwrap());
        Link { filename: filename.to_owned(), url: Url::parse(url).unwrap(), sha256 }
    }

    #[test]
    fn html_in_its_many_spellings() {
        let wheel = "thing-1-py3-none-any.whl";
        let expected = |sha| link(wheel, "https://index.example/files/thing-1-py3-none-any.whl", sha);
        let hashed = format!("../../files/{wheel}#sha256={SHA}");
        for (body, sha) in [
            (format!("<a href=\"{hashed}\">{wheel}</a>"), Some(SHA)),
            (format!("<A data-requires-python=\"&gt;=3.9\" HREF='{hashed}' >\n {wheel}\n</A>"), Some(SHA)),
            (format!("<a data-x=\"a>b\" href = \"{hashed}\">{wheel}</a>"), Some(SHA)),
            (format!("<!-- <a href=\"old.whl\">old.whl</a> --><a href={hashed}>{wheel}</a>"), Some(SHA)),
            (format!("<base href=\"/files/\"><a href=\"{wheel}\" data-yanked>{wheel}</a>"), None),
            (format!("<a href=\"&#x2f;files/{wheel}#md5=0\">{wheel}</a>"), None),
        ] {
            assert_eq!(parse("text/html", &page(), &body).unwrap(), [expected(sha)], "{body}");
        }
        assert!(parse("text/html", &page(), "<p>nothing</p><a name=top>").unwrap().is_empty());
    }

    #[test]
    fn json_with_and_without_hashes() {
        let body = format!(
            r#"{{"meta": {{"api-version": "1.1"}}, "name": "thing", "files": [
                {{"filename": "a.whl", "url": "/a.whl", "hashes": {{"sha256": "{SHA}"}}, "size": 3, "yanked": false}},
                {{"filename": "b.whl", "url": "https://other.example/b.whl", "hashes": {{}}}}]}}"#
        );
        let links = parse("application/vnd.pypi.simple.v1+json", &page(), &body).unwrap();
        let expected = [
            link("a.whl", "https://index.example/a.whl", Some(SHA)),
            link("b.whl", "https://other.example/b.whl", None),
        ];
        assert_eq!(links, expected);
        assert!(parse("application/json", &page(), "<html>").is_err());
    }

    fn escape(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    }

    proptest! {
        #[test]
        fn every_listed_link_is_found(
            entries in proptest::collection::vec(("[a-z0-9_.-]{1,20}", "[a-z0-9/]{0,20}", any::<Option<[u8; 32]>>(), "[ -~]{0,20}"), 0..8)
        ) {
            let mut body = "<!DOCTYPE html><html><body>".to_owned();
            let mut expected = Vec::new();
            for (name, path, digest, attribute) in &entries {
                let sha256 = digest.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                let fragment = sha256.as_ref().map(|digits| format!("#sha256={digits}")).unwrap_or_default();
                let url = format!("https://files.example/{path}?a=1&b=2");
                body += &format!("<a data-x=\"{}\" href=\"{}\">{name}</a><br/>\n", escape(attribute), escape(&(url.clone() + &fragment)));
                expected.push(link(name, &url, sha256.as_deref()));
            }
            prop_assert_eq!(parse_html(&page(), &body), expected);
        }

        #[test]
        fn rubbish_never_panics(body in "(<|>|a|A| |=|\"|'|href|base|&|#|;|x2f|!--|-->|é|/){0,60}") {
            let _ = parse_html(&page(), &body);
        }
    }
}
