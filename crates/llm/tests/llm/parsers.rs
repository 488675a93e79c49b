//! Both dialects' parsers: what they read, and that no cutting and no rubbish confuses them.

use aether_llm::{Delta, Dialect, FinishReason, ParseError, ToolCallPiece, Usage};
use proptest::prelude::*;

type Parsed = (Vec<Delta>, Result<(), ParseError>);

fn parse<'a>(dialect: Dialect, chunks: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
    let mut parser = dialect.parser();
    let mut deltas = Vec::new();
    for chunk in chunks {
        if let Err(error) = parser.push(chunk, &mut deltas) {
            return (deltas, Err(error));
        }
    }
    let end = parser.finish(&mut deltas);
    (deltas, end)
}

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

fn usage(model: &str, input_tokens: u32, output_tokens: u32, cached_input_tokens: Option<u32>) -> Delta {
    Delta::Usage(Usage { model: model.into(), input_tokens, output_tokens, cached_input_tokens })
}

fn piece(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Delta {
    let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
    Delta::ToolCall(ToolCallPiece { index, id, name, arguments: arguments.to_owned() })
}

const ASKS: Delta = Delta::Done(FinishReason::ToolCalls);
const STOP: Delta = Delta::Done(FinishReason::Stop);
const LENGTH: Delta = Delta::Done(FinishReason::Length);

#[test]
fn openai_answers() {
    let cases: &[(&str, &str, Vec<Delta>)] = &[
        (
            "llama.cpp's server",
            concat!(
                "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"model\":\"m\"}\n\n",
                "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"Hello\"}}],\"model\":\"m\"}\n\n",
                "data: {\"choices\":[{\"finish_reason\":\"length\",\"index\":0,\"delta\":{}}],\"model\":\"m\"}\n\n",
                "data: {\"choices\":[],\"model\":\"m\",\"usage\":{\"completion_tokens\":5,\"prompt_tokens\":31,\"total_tokens\":36,\"prompt_tokens_details\":{\"cached_tokens\":30}},\"timings\":{\"cache_n\":0}}\n\n",
                "data: [DONE]\n\n",
            ),
            vec![text("Hello"), usage("m", 31, 5, Some(30)), LENGTH],
        ),
        (
            "carriage returns, comments, other fields, no space after the colon, no [DONE], no last line end",
            concat!(
                ": ping\r\n\r\n",
                "event: message\r\nid: 1\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\r\n\r\n",
                "data:{\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":null}",
            ),
            vec![text("Hi"), STOP],
        ),
        (
            "one event over two data lines, after a byte order mark",
            "\u{feff}data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
            vec![text("Hi"), STOP],
        ),
        (
            "a reasoning model",
            "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\nrubbish after the end",
            vec![Delta::Thinking("hm".into()), text("Hi"), STOP],
        ),
        (
            "two calls, the second one in pieces",
            concat!(
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"clock\",\"arguments\":\"{}\"}}]}}]}\n\n",
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"note\",\"arguments\":\"\"}}]}}]}\n\n",
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"x\\\":\"}}]}}]}\n\n",
                "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"1}\"}}]}}]}\n\n",
                "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
            ),
            vec![
                piece(0, Some("a"), Some("clock"), "{}"),
                piece(1, Some("b"), Some("note"), ""),
                piece(1, None, None, "{\"x\":"),
                piece(1, None, None, "1}"),
                ASKS,
            ],
        ),
    ];
    for (name, bytes, expected) in cases {
        let bytes = bytes.as_bytes();
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(parse(Dialect::OpenAi, [head, tail]), (expected.clone(), Ok(())), "{name}, cut at {at}");
        }
    }
}

#[test]
fn ollama_answers() {
    let cases: &[(&str, &str, Vec<Delta>)] = &[
        (
            "an answer with counts",
            concat!(
                "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n",
                "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"lo\"},\"done\":false}\n",
                "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":2,\"total_duration\":1}\n",
            ),
            vec![text("Hel"), text("lo"), usage("m", 26, 2, None), STOP],
        ),
        (
            "cut at the limit, no last line end, no counts",
            "{\"message\":{\"content\":\"Hi\"},\"done\":false}\n{\"done\":true,\"done_reason\":\"length\"}",
            vec![text("Hi"), LENGTH],
        ),
        (
            "thoughts",
            "{\"message\":{\"content\":\"\",\"thinking\":\"hm\"}}\r\n\r\n{\"message\":{\"content\":\"Hi\"},\"done\":true}\n",
            vec![Delta::Thinking("hm".into()), text("Hi"), STOP],
        ),
        (
            "calls come whole, their arguments as objects",
            concat!(
                "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"note\",\"arguments\":{\"x\":1}}},{\"function\":{\"name\":\"clock\"}}]}}\n",
                "{\"done\":true,\"done_reason\":\"stop\"}\n",
            ),
            vec![piece(0, None, Some("note"), "{\"x\":1}"), piece(1, None, Some("clock"), "{}"), ASKS],
        ),
    ];
    for (name, bytes, expected) in cases {
        let bytes = bytes.as_bytes();
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(parse(Dialect::Ollama, [head, tail]), (expected.clone(), Ok(())), "{name}, cut at {at}");
        }
    }
}

#[test]
fn what_is_not_an_answer_is_named() {
    use Dialect::{Ollama, OpenAi};
    let not_json = |line, column, problem| ParseError::NotJson { line, column, problem };
    let reported = |message: &str| ParseError::Reported { message: message.into() };
    let cases = [
        (OpenAi, "", ParseError::Truncated),
        (OpenAi, "<html>Bad gateway</html>\n", ParseError::NotAnEvent { line: 1 }),
        (OpenAi, "{\"choices\":[]}\n", ParseError::NotAnEvent { line: 1 }),
        (OpenAi, "data: {\"choices\":[\n\n", not_json(2, 12, "JSON that breaks off")),
        (OpenAi, "data: {\"choices\":7}\n\n", not_json(2, 12, "JSON of an unexpected shape")),
        (OpenAi, ": ping\n\ndata: hello\n\n", not_json(4, 1, "not JSON")),
        (OpenAi, "data: {\"error\":{\"code\":500,\"message\":\"out\\nof memory\"}}\n\n", reported("out of memory")),
        (OpenAi, "error: {\"message\":\"slot unavailable\"}\n\n", reported("slot unavailable")),
        (OpenAi, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n", ParseError::Truncated),
        (Ollama, "", ParseError::Truncated),
        (Ollama, "<html>\n", not_json(1, 1, "not JSON")),
        (Ollama, "{\"message\":{\"content\":\"Hi\"},\"done\":false}\n", ParseError::Truncated),
        (Ollama, "\n{\"message\":{\"content\":7}}\n", not_json(2, 23, "JSON of an unexpected shape")),
        (Ollama, "{\"error\":\"model 'x' not found\"}\n", reported("model 'x' not found")),
    ];
    for (dialect, bytes, expected) in cases {
        assert_eq!(parse(dialect, [bytes.as_bytes()]).1, Err(expected), "{dialect}: {bytes:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_an_error() {
    for dialect in [Dialect::Ollama, Dialect::OpenAi] {
        let (_, end) = parse(dialect, [&b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}\n\n"[..]]);
        assert!(matches!(end, Err(ParseError::NotJson { .. })), "{end:?}");
    }
}

#[test]
fn a_line_that_never_ends_is_cut_off() {
    let chunk = [b'x'; 4096];
    for dialect in [Dialect::Ollama, Dialect::OpenAi] {
        let (_, end) = parse(dialect, std::iter::repeat_n(&chunk[..], 1000));
        assert_eq!(end, Err(ParseError::LineTooLong));
    }
}

/// Bytes as one of the dialects would send `pieces`.
fn encode(dialect: Dialect, pieces: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        let line = match dialect {
            Dialect::Ollama => format!("{}\n", serde_json::json!({ "message": { "content": piece } })),
            Dialect::OpenAi => {
                format!("data: {}\n\n", serde_json::json!({ "choices": [{ "delta": { "content": piece } }] }))
            }
        };
        bytes.extend(line.into_bytes());
    }
    bytes.extend_from_slice(match dialect {
        Dialect::Ollama => b"{\"done\":true,\"done_reason\":\"stop\"}\n",
        Dialect::OpenAi => b"data: [DONE]\n\n",
    });
    bytes
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Ollama), Just(Dialect::OpenAi)]
}

/// `bytes` cut at each of `cuts` (taken modulo the length).
fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_through_any_cutting(
        dialect in dialect(),
        pieces in proptest::collection::vec("\\PC{1,12}|[\\n\\r\\t\"{}:\\\\é😀]{1,4}", 0..8),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes = encode(dialect, &pieces);
        let chunks = cut(&bytes, &cuts);
        let (deltas, end) = parse(dialect, chunks.iter().map(Vec::as_slice));
        prop_assert_eq!(end, Ok(()));
        let expected: Vec<_> = pieces.into_iter().map(Delta::Text).chain([STOP]).collect();
        prop_assert_eq!(deltas, expected);
    }

    /// Broken answers, too: the same deltas and the same error however the network cuts them.
    #[test]
    fn rubbish_is_the_same_error_however_it_is_cut(
        dialect in dialect(),
        pieces in proptest::collection::vec("[a-z]{1,5}", 0..4),
        at in any::<usize>(),
        rubbish in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b':'), Just(b'{')], 0..20),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut bytes = encode(dialect, &pieces);
        let at = at % (bytes.len() + 1);
        bytes.splice(at..at, rubbish);
        let whole = parse(dialect, [bytes.as_slice()]);
        let chunks = cut(&bytes, &cuts);
        prop_assert_eq!(parse(dialect, chunks.iter().map(Vec::as_slice)), whole);
    }
}
