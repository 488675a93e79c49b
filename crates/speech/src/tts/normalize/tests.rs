use proptest::prelude::*;

use super::*;

fn spoken(text: &str) -> String {
    words(text).iter().map(|word| word.spoken.as_str()).collect::<Vec<_>>().join(" ")
}

/// The words with their pauses written behind them.
fn punctuated(text: &str) -> String {
    let mut out = String::new();
    for word in words(text) {
        out.push_str(&word.spoken);
        match word.pause {
            Pause::None => out.push(' '),
            Pause::Clause(sign) | Pause::Sentence(sign) => {
                out.push(sign);
                out.push(' ');
            }
        }
    }
    out.trim_end().to_owned()
}

#[test]
fn what_espeak_misreads_is_spelt_out() {
    for (written, said) in [
        ("It costs $5.20.", "It costs five dollars and twenty cents"),
        ("$1", "one dollar"),
        ("$0.50", "fifty cents"),
        ("£3.01", "three pounds and one penny"),
        ("20€", "twenty euros"),
        ("$1,200", "one thousand two hundred dollars"),
        ("$5 million now", "five million dollars now"),
        ("$2.5 billion", "two point five billion dollars"),
        ("at 10:05", "at ten oh five"),
        ("at 9:30pm", "at nine thirty PM"),
        ("at 10:00", "at ten o'clock"),
        ("at 10:00 am", "at ten am"),
        ("at 14:00", "at fourteen hundred"),
        ("on 2026-01-05", "on January fifth twenty twenty-six"),
        ("the 1990s", "the nineteen nineties"),
        ("the '80s", "the eighties"),
        ("1/2 cup", "one half cup"),
        ("3/4", "three quarters"),
        ("24/7", "twenty-four seven"),
        ("call 555-123-4567", "call five five five one two three four five six seven"),
        ("call (555) 123-4567", "call five five five one two three four five six seven"),
        ("see https://example.com/help", "see example dot com slash help"),
        ("www.example.org", "w w w dot example dot org"),
        ("mail ada@example.com", "mail ada at example dot com"),
        ("No. 5", "number 5"),
        ("1,000 people", "1000 people"),
        ("salt & pepper", "salt and pepper"),
        ("**bold** and `code`", "bold and code"),
    ] {
        assert_eq!(spoken(written), said, "{written}");
    }
}

#[test]
fn a_dot_that_abbreviates_is_no_pause() {
    for (written, said) in [
        ("Dr. Smith is in.", "Doctor Smith is in."),
        ("I live on Elm Dr. now.", "I live on Elm Drive now."),
        ("at St. Mary's, on Main St. today", "at Saint Mary's, on Main Street today"),
        ("Mr. and Mrs. Jones", "Mister and Missus Jones"),
        ("in the U.S. today", "in the U S today"),
        ("J. Smith", "J Smith"),
        ("fruit, e.g. apples", "fruit, for example apples"),
        ("Yes. No. Maybe.", "Yes. No. Maybe."),
        ("at 5 p.m. today", "at 5 PM today"),
        ("So do I. Then", "So do I. Then"),
    ] {
        assert_eq!(punctuated(written), said, "{written}");
    }
}

#[test]
fn terminators_survive() {
    assert_eq!(punctuated("Really? Yes, \"really!\" (I think); well: no…"), "Really? Yes, really! I think; well: no,");
    assert_eq!(punctuated("one—two -- three"), "one, two three");
    assert_eq!(punctuated("- milk\n- eggs\n"), "milk. eggs");
    assert_eq!(punctuated("pi is 3.14"), "pi is 3.14");
}

#[test]
fn commands_to_espeak_are_taken_out() {
    let said = spoken("say [[zzz]] and <b>bold</b> \u{1}");
    assert!(!said.contains(['[', ']', '<', '\u{1}']), "{said}");
}

#[test]
fn nothing_to_say_is_no_words() {
    for text in ["", "   ", "...", "—", "\n\n", "😀", "?!"] {
        assert_eq!(words(text), [], "{text:?}");
    }
}

proptest! {
    #[test]
    fn words_cover_any_text(text in "(\\PC|[ .,!?$£/:\n'\\[\\]\\-0-9A-Za-z]){0,120}") {
        let words = words(&text);
        let mut end = 0;
        for word in &words {
            prop_assert_eq!(word.given.start, end);
            prop_assert!(word.given.end > word.given.start);
            prop_assert!(text.is_char_boundary(word.given.end));
            prop_assert!(!word.spoken.trim().is_empty());
            prop_assert!(!word.spoken.contains(['\n', '\r', '[', ']']));
            prop_assert!(word.spoken.len() < 800, "{} bytes", word.spoken.len());
            end = word.given.end;
        }
        prop_assert!(words.is_empty() || end == text.len());
    }

    #[test]
    fn numbers_in_any_dress_are_read(text in "[$£€+(]?[0-9]{1,20}([.,:/\\-][0-9]{1,5}){0,3}(s|pm|%|\\)|€)?") {
        prop_assert!(!words(&text).is_empty());
    }
}
