//! Which tool a person's words ask for. Pure, but for making the vectors once.
//!
//! A small model is confused by tools that it doesn't need, and tools change the beginning of a prompt, so that the server
//! reads all of it again. Therefore a tool is offered only where the words begin as one asks for it, or are near enough to a
//! phrase that does, and nearer to it than to any phrase that merely sounds so. Nearness alone would not do: for MiniLM
//! "remember that my cat is called Minka" is about a cat. The words' vector is made for recalling anyway.

use std::cmp::Ordering;

use aether_memory::{EmbedError, Embedder};
use aether_store::Embedding;

use super::{ALL, Tool};

/// Cosine from which words are another way to say a phrase. Of the sentences in `tests`, those that ask are at 0.70 and more,
/// ordinary ones at 0.56 and less or nearer to a counterexample.
const NEAR: f32 = 0.65;
/// What people put before what they ask for.
const OPENINGS: [&str; 33] = [
    "please",
    "kindly",
    "hey",
    "hi",
    "hello",
    "aether",
    "ok",
    "okay",
    "well",
    "so",
    "now",
    "and",
    "also",
    "but",
    "then",
    "oh",
    "yes",
    "no",
    "thanks",
    "thank you",
    "just",
    "can you",
    "could you",
    "would you",
    "will you",
    "you can",
    "you should",
    "i want you to",
    "i need you to",
    "i'd like you to",
    "i would like you to",
    "would you mind to",
    "let's",
];
/// Without a person nothing is recalled, and a vector would be made for the tools alone: only for words with one of these.
const ABOUT_TIME: [&str; 14] = [
    "time",
    "date",
    "day",
    "today",
    "tomorrow",
    "yesterday",
    "weekday",
    "clock",
    "hour",
    "late",
    "month",
    "year",
    "morning",
    "week",
];

/// The phrases of all tools as vectors.
#[derive(Debug)]
pub struct Phrases {
    asking: Vec<Vec<Embedding>>,
    other: Vec<Embedding>,
}

impl Phrases {
    pub async fn embed(embedder: &Embedder) -> Result<Self, EmbedError> {
        let texts = |phrases: &[&str]| phrases.iter().map(|&phrase| phrase.to_owned()).collect::<Vec<_>>();
        let mut asking = Vec::with_capacity(ALL.len());
        let mut other = Vec::new();
        for tool in ALL {
            asking.push(embedder.embed(texts(tool.examples())).await?);
            other.extend(embedder.embed(texts(tool.counterexamples())).await?);
        }
        Ok(Self { asking, other })
    }

    /// The tool that words ask for by their meaning, if they ask for any.
    pub fn choose(&self, words: &Embedding) -> Option<&'static dyn Tool> {
        let nearest = |phrases: &[Embedding]| {
            phrases.iter().map(|phrase| phrase.similarity(words)).max_by(f32::total_cmp).unwrap_or(-1.0)
        };
        let scores = self.asking.iter().map(|phrases| nearest(phrases));
        let (tool, score) = ALL.into_iter().zip(scores).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let is_asked = score >= NEAR && score.total_cmp(&nearest(&self.other)) == Ordering::Greater;
        is_asked.then_some(tool)
    }
}

/// The tool that words ask for by their beginning, or by that of one of their sentences.
pub fn by_beginning(words: &str) -> Option<&'static dyn Tool> {
    words.split(['.', '!', '?', ',', ';', ':', '\n']).find_map(|sentence| {
        let sentence = plain(sentence);
        let mut rest = sentence.as_str();
        // Whatever is asked for comes after any number of openings: "hey aether can you remember that my" …
        loop {
            let begins = |tool: &&dyn Tool| tool.beginnings().iter().any(|text| is_followed(rest, text).is_some());
            if let Some(tool) = ALL.into_iter().find(|tool| begins(tool)) {
                return Some(tool);
            }
            rest = OPENINGS.iter().find_map(|opening| is_followed(rest, opening))?;
        }
    })
}

/// What of a sentence comes after these words, if it begins with them.
fn is_followed<'a>(sentence: &'a str, words: &str) -> Option<&'a str> {
    let rest = sentence.strip_prefix(words)?;
    (rest.is_empty() || rest.starts_with([' ', '\''])).then(|| rest.trim_start())
}

/// Lower case, one blank between words, no signs but the apostrophe, which is always the straight one.
fn plain(sentence: &str) -> String {
    let sentence = sentence.to_lowercase().replace('’', "'");
    let words = sentence.split(|character: char| !character.is_alphanumeric() && character != '\'');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether words of nobody in particular are worth a look at their meaning.
pub fn may_ask(words: &str) -> bool {
    let words = words.to_lowercase();
    words.split(|character: char| !character.is_alphabetic()).any(|word| ABOUT_TIME.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_memory::EmbedderOptions;

    const ORDINARY: [&str; 53] = [
        "What is the capital of France?",
        "Tell me a joke.",
        "How are you?",
        "My name is Ada.",
        "What is my name?",
        "What's my dog called?",
        "My dog is called Rex and he is afraid of thunder.",
        "My favourite colour is green.",
        "What is my favourite colour?",
        "I like tea more than coffee.",
        "Tell me a long story about the sea.",
        "How do I boil an egg?",
        "Explain photosynthesis.",
        "What should I cook tonight?",
        "Who wrote Faust?",
        "Are you there?",
        "Thank you, that was helpful.",
        "Go on.",
        "Stop.",
        "And of Spain?",
        "Never mind.",
        "Good morning, Aether.",
        "How long does a flight to Rome take?",
        "When was the printing press invented?",
        "What time does the museum close on Sundays?",
        "How many days does February have?",
        "I forgot where I put my glasses.",
        "I can't remember the word for it.",
        "Write a Python function that adds two numbers.",
        "Translate good night into Spanish.",
        "What is two plus two?",
        "Have you ever been to the mountains?",
        "Do you like music?",
        "Why is the sky blue?",
        "What did Napoleon do in Egypt?",
        "Hello, my name is Ada and I live in Berlin.",
        "I have an appointment with the dentist on Monday.",
        "Count from one to ten.",
        "What do you think about winter?",
        "Where is my locker?",
        "I can't remember that word.",
        "I remember my first day at school.",
        "Do you remember the Beatles?",
        "Forget it, never mind.",
        "Don't forget the milk.",
        "I forgot my keys.",
        "My locker number is 42.",
        "What do you know about Rome?",
        "Tell me about dogs.",
        "What time is dinner?",
        "That reminds me of my grandmother.",
        "You remind me of somebody.",
        "Cancel the meeting, I am ill.",
    ];

    const ASKING: [(&str, &str); 44] = [
        ("What time is it?", "current_time"),
        ("what time is it", "current_time"),
        ("What day is it today?", "current_time"),
        ("Do you know what time it is?", "current_time"),
        ("Tell me the time, please.", "current_time"),
        ("What's today's date?", "current_time"),
        ("What is the date today?", "current_time"),
        ("Which day of the week is it?", "current_time"),
        ("Hey Aether, what's the time?", "current_time"),
        ("What year are we in?", "current_time"),
        ("Remember that my locker number is 42.", "remember"),
        ("remember that my locker number is 42", "remember"),
        ("Please remember that my cat is called Minka.", "remember"),
        ("Remember I parked on level three.", "remember"),
        ("Keep in mind that I'm a vegetarian.", "remember"),
        ("Make a note that the spare key is under the mat.", "remember"),
        ("Please note that my appointment is on Tuesday.", "remember"),
        ("Don't forget that I am allergic to penicillin.", "remember"),
        ("Forget that my bike is green.", "forget"),
        ("Forget what I told you about my locker.", "forget"),
        ("forget what i told you about my locker", "forget"),
        ("Please forget everything about my job.", "forget"),
        ("Forget my phone number.", "forget"),
        ("Delete what you know about my family.", "forget"),
        ("Can you forget what I said about my boss?", "forget"),
        ("Erase everything you remember about my health.", "forget"),
        ("What did I tell you about my dog?", "recall"),
        ("what did i tell you about my dog", "recall"),
        ("What have I told you about my sister?", "recall"),
        ("Do you remember what I told you about the car?", "recall"),
        ("What did I say about my holiday plans?", "recall"),
        ("What do you remember about me?", "recall"),
        ("What do you know about my work?", "recall"),
        ("Hey Aether, can you remember that I moved to Hamburg?", "remember"),
        ("Thank you. Now forget my old address, please.", "forget"),
        ("What do you know about me?", "recall"),
        ("Remind me at seven to call mum.", "set_reminder"),
        ("remind me in ten minutes to take the cake out", "set_reminder"),
        ("Can you remind me every Monday at nine of the bins?", "set_reminder"),
        ("Please set a reminder for tomorrow morning to call Ben.", "set_reminder"),
        ("What are my reminders?", "list_reminders"),
        ("Do I have any reminders for today?", "list_reminders"),
        ("Cancel the reminder about mum.", "cancel_reminder"),
        ("Please delete all my reminders.", "cancel_reminder"),
    ];

    /// With these phrases and this threshold: no ordinary sentence of 53 is taken for asking, and each of 44 that ask gets
    /// its tool. The margin is printed, for whoever changes either.
    #[tokio::test]
    async fn ordinary_sentences_get_no_tool_and_asking_ones_the_right_one() {
        let layout = aether_testkit::layout();
        aether_onnx::init(&layout.library("libonnxruntime.so")).unwrap();
        let file = |name| layout.model("all-MiniLM-L6-v2", name);
        let options = EmbedderOptions::mini_lm(file("model.onnx"), file("tokenizer.json"));
        let embedder = Embedder::load(&options).unwrap();
        let phrases = Phrases::embed(&embedder).await.unwrap();
        let mut wrong = Vec::new();
        let cases = ORDINARY.iter().map(|words| (*words, None));
        for (words, expected) in cases.chain(ASKING.iter().map(|(words, tool)| (*words, Some(*tool)))) {
            let vector = embedder.embed_one(words).await.unwrap();
            let chosen = by_beginning(words).or_else(|| phrases.choose(&vector)).map(Tool::name);
            let near =
                |phrases: &[Embedding]| phrases.iter().map(|phrase| phrase.similarity(&vector)).fold(-1.0, f32::max);
            let asking: Vec<_> = phrases.asking.iter().map(|phrases| format!("{:.2}", near(phrases))).collect();
            println!("{chosen:?} {} other {:.2}: {words}", asking.join(" "), near(&phrases.other));
            if chosen != expected {
                wrong.push((words, chosen, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn only_words_about_time_are_worth_a_look() {
        assert!(may_ask("What TIME is it?") && may_ask("today's date"));
        assert!(!may_ask("What is the capital of France?") && !may_ask("Sometimes"));
    }
}
