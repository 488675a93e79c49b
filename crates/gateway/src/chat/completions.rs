//! The handler: who asks, in which conversation, and in which shape the answer goes back.

use std::time::Instant;

use aether_proto::{ErrorCode, TurnId};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use super::answer::{Answer, MOST_WORDS};
use super::request::Request;
use super::turn::Turn;
use super::{stream, whole, wire};
use crate::access::{Caller, now_unix};
use crate::app::App;
use crate::fields::{Body, switch};
use crate::models;
use crate::problem::Problem;
use crate::trace::concerns;

/// Asks for a stored conversation (`new`, or the id of one); says in the response which one it was.
const CONVERSATION: HeaderName = HeaderName::from_static("x-conversation-id");
const OFF_THE_RECORD: &str = "X-Off-The-Record";

/// `POST /v1/chat/completions`
pub(crate) async fn completions(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let arrived = Instant::now();
    let request = Request::read(&body.object()?)?;
    drop(body);
    models::check(&app, &caller, &request.model)?;
    let off_the_record = switch(&headers, OFF_THE_RECORD)?;
    let conversation = headers.get(CONVERSATION);
    let turn = turn(&app, &caller, &request, conversation, off_the_record).await?;

    let (id, session) = (turn.id, turn.session);
    concerns("turn", id);
    concerns("session", session);
    let shape = wire::Response {
        id: format!("chatcmpl-{}", id.as_uuid().simple()),
        created: now_unix(),
        model: request.model.clone(),
    };
    let answer = Answer::ask(&app, turn, &request, conversation.is_some(), arrived).await?;
    let mut response = if request.stream {
        let (patience, keep_alive) = (app.options.first_word, app.options.keep_alive);
        stream::respond(answer, shape, request.include_usage, patience, keep_alive).await?
    } else {
        whole::respond(answer, shape).await?
    };
    if let Ok(session) = HeaderValue::from_str(&session.to_string()) {
        response.headers_mut().insert(CONVERSATION, session);
    }
    Ok(response)
}

async fn turn(
    app: &App,
    caller: &Caller,
    request: &Request,
    conversation: Option<&HeaderValue>,
    off_the_record: bool,
) -> Result<Turn, Problem> {
    let person = caller.person.clone().or_else(|| request.user.clone());
    let tenant = &caller.tenant;
    let errand = match conversation {
        Some(_) => None,
        None if off_the_record => None,
        None => app.errands.take(tenant, person.as_ref(), request.answered_calls()),
    };
    if conversation.is_some() {
        fits_a_stored_conversation(request)?;
    }
    let person_name = match &person {
        Some(person) => app.names.of(app, tenant, person).await,
        None => String::new(),
    };
    let (session, id, generation, answered_before) = match (errand, conversation.map(HeaderValue::to_str)) {
        (Some(errand), _) => (errand.session, errand.turn, errand.generation, errand.answered),
        (None, Some(Ok(id))) if id != "new" => {
            let session = app.conversations.find(app, caller, person.as_ref(), id).await?;
            (session, TurnId::generate(), 0, 0)
        }
        (None, Some(Err(_))) => {
            return Err(Problem::not_found("this is no id of a conversation").at(CONVERSATION.as_str()));
        }
        (None, None | Some(Ok(_))) => (app.conversations.begin(tenant, person.as_ref()), TurnId::generate(), 0, 0),
    };
    Ok(Turn {
        context: app.context(caller).with_session(session),
        session,
        id,
        generation,
        person,
        person_name,
        answered_before,
        off_the_record,
    })
}

/// What was said before comes from the store, which knows words and answers: for anything else a client keeps its own
/// messages.
fn fits_a_stored_conversation(request: &Request) -> Result<(), Problem> {
    if let Some(field) = request.not_for_a_stored_conversation() {
        let message = format!("`{field}` has no place in a stored conversation: leave `X-Conversation-Id` away");
        return Err(Problem::field(field, message));
    }
    let length = request.words.len();
    if length > MOST_WORDS {
        let field = format!("messages[{}].content", request.words_at);
        let message =
            format!("`{field}` has {length} bytes, more than the {MOST_WORDS} of one turn of a stored conversation");
        return Err(Problem::new(ErrorCode::TooLarge, message).at(field));
    }
    Ok(())
}
