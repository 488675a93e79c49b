//! The body of a request, read field by field, so that what is wrong with it can be said of the field that is.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aether_proto::ErrorCode;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use futures::StreamExt as _;
use serde_json::{Map, Value};

use crate::app::App;
use crate::problem::Problem;

/// What is read, and thrown away, of a body that is too large: a client that is still sending would not hear the answer.
const DISCARDED: usize = 64 << 20;

/// A JSON body: an extractor for handlers. No body at all is `null`.
#[derive(Debug)]
pub(crate) struct Body(Value);

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bytes = read(request, app.options.body_limit).await?;
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::new(ErrorCode::InvalidArgument, format_args!("the body is not JSON: {error}")))?;
        Ok(Self(value))
    }
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut chunks = request.into_body().into_data_stream();
    let (mut bytes, mut length) = (Vec::with_capacity(announced.unwrap_or(0).min(limit)), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::new(ErrorCode::InvalidArgument, "the body ended before its end"))?;
        length += chunk.len();
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > DISCARDED {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if length > limit {
        let message = format!("the body is larger than the {limit} bytes that a request may have");
        return Err(Problem::new(ErrorCode::TooLarge, message));
    }
    Ok(bytes)
}

impl Body {
    pub fn object(&self) -> Result<Object<'_>, Problem> {
        Field { path: String::new(), value: &self.0 }.object()
    }

    /// The same, where no body means that nothing is wished for.
    pub fn object_if_any(&self) -> Result<Object<'_>, Problem> {
        static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        match &self.0 {
            Value::Null => Ok(Object { path: String::new(), fields: &NOTHING }),
            _ => self.object(),
        }
    }

    pub const fn of(value: Value) -> Self {
        Self(value)
    }
}

/// One value, and where in the body it stands: `messages[2].content`.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    path: String,
    value: &'a Value,
}

/// A value that is an object. A field that is `null` is not there.
#[derive(Debug, Clone)]
pub(crate) struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub fn get(&self, name: &str) -> Option<Field<'a>> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(Field { path: self.path_of(name), value })
    }

    /// The first of these names that is there.
    pub fn any(&self, names: &[&str]) -> Option<Field<'a>> {
        names.iter().find_map(|name| self.get(name))
    }

    pub fn required(&self, name: &str) -> Result<Field<'a>, Problem> {
        let missing = || {
            let path = self.path_of(name);
            Problem::field(&*path, format_args!("`{path}` is missing"))
        };
        self.get(name).ok_or_else(missing)
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.fields.keys().map(String::as_str)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'a> Field<'a> {
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// A problem with this field; `message` goes on after its name: "must be …".
    pub fn wrong(&self, message: impl Display) -> Problem {
        if self.path.is_empty() {
            return Problem::new(ErrorCode::InvalidArgument, format_args!("the body {message}"));
        }
        Problem::field(&*self.path, format_args!("`{}` {message}", self.path))
    }

    pub fn object(&self) -> Result<Object<'a>, Problem> {
        let fields = self.value.as_object().ok_or_else(|| self.unlike("an object"))?;
        Ok(Object { path: self.path.clone(), fields })
    }

    pub fn list(&self) -> Result<Vec<Self>, Problem> {
        let values = self.value.as_array().ok_or_else(|| self.unlike("a list"))?;
        let field = |(index, value)| Self { path: format!("{}[{index}]", self.path), value };
        Ok(values.iter().enumerate().map(field).collect())
    }

    pub fn text(&self) -> Result<&'a str, Problem> {
        self.value.as_str().ok_or_else(|| self.unlike("a text"))
    }

    pub fn flag(&self) -> Result<bool, Problem> {
        self.value.as_bool().ok_or_else(|| self.unlike("true or false"))
    }

    pub fn number(&self, range: RangeInclusive<f64>) -> Result<f64, Problem> {
        let number = self.value.as_f64().ok_or_else(|| self.unlike("a number"))?;
        if range.contains(&number) {
            return Ok(number);
        }
        Err(self.wrong(format_args!("must be between {} and {}, not {number}", range.start(), range.end())))
    }

    pub fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, Problem> {
        match self.value.as_u64() {
            Some(number) if range.contains(&number) => Ok(number),
            _ if self.value.is_number() => {
                let (least, most) = range.into_inner();
                Err(self.wrong(format_args!("must be a whole number between {least} and {most}, not {}", self.value)))
            }
            _ => Err(self.unlike("a whole number")),
        }
    }

    /// A text that stands for something else, such as an id.
    pub fn parse<T: FromStr<Err: Display>>(&self) -> Result<T, Problem> {
        self.text()?.parse().map_err(|error: T::Err| self.wrong(format_args!("is not valid: {error}")))
    }

    fn unlike(&self, expected: &str) -> Problem {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.wrong(format_args!("must be {expected}, not {found}"))
    }
}

/// The part of the path that a route leaves open: an extractor. What is no text names nothing that there is.
#[derive(Debug)]
pub(crate) struct Segment(pub String);

impl FromRequestParts<App> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::not_found(format_args!("there is no {}", parts.uri.path())))?;
        Ok(Self(text))
    }
}

/// A name for people to read: not empty, on one line, at most 128 bytes.
pub(crate) fn display_name(field: &Field<'_>) -> Result<String, Problem> {
    let name = field.text()?.trim();
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(field.wrong("must be a name of at most 128 bytes on one line"));
    }
    Ok(name.to_owned())
}

/// A header that says yes or no.
pub(crate) fn switch(headers: &HeaderMap, name: &'static str) -> Result<bool, Problem> {
    match headers.get(name).map(HeaderValue::as_bytes) {
        None | Some(b"false" | b"0") => Ok(false),
        Some(b"true" | b"1") => Ok(true),
        // Whoever meant yes must not be taken to have said no.
        Some(_) => Err(Problem::field(name, format_args!("the header {name} must be `true` or `false`"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(problem: Problem) -> serde_json::Value {
        serde_json::to_value(problem.object()).unwrap()["error"].clone()
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field_that_is() {
        let body = Body::of(json!({ "a": [{ "b": 1 }, { "b": "x" }], "n": null, "t": 3.5 }));
        let object = body.object().unwrap();
        let list = object.required("a").unwrap().list().unwrap();
        assert_eq!(list[0].object().unwrap().required("b").unwrap().integer(1..=9), Ok(1));
        let wrong = message(list[1].object().unwrap().required("b").unwrap().integer(1..=9).unwrap_err());
        assert_eq!(wrong["param"], "a[1].b");
        assert_eq!(wrong["message"], "`a[1].b` must be a whole number, not a text");
        assert!(object.get("n").is_none());
        assert_eq!(message(object.required("n").unwrap_err())["message"], "`n` is missing");
        assert_eq!(
            message(object.required("t").unwrap().number(0.0..=2.0).unwrap_err())["message"],
            "`t` must be between 0 and 2, not 3.5"
        );
    }

    #[test]
    fn no_body_is_an_empty_one_where_nothing_need_be_said() {
        let nothing = Body::of(Value::Null);
        assert!(nothing.object_if_any().unwrap().names().next().is_none());
        assert_eq!(message(nothing.object().unwrap_err())["message"], "the body must be an object, not nothing");
    }
}
