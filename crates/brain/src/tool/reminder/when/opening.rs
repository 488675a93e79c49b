//! What people say around that of which they are to be reminded.

use super::Unclear;
use super::moment::Moment;
use super::number::whole;
use super::phrase::phrase;

/// What asks for a reminder. Here and in the lists below, between bars.
const ASKING: &str = "remind me|set a reminder|set me a reminder|set up a reminder|set an alarm|create a reminder|\
    make a reminder|add a reminder|give me a reminder|i need a reminder|i want a reminder|i need to be reminded|\
    i want to be reminded|don't let me forget|dont let me forget|do not let me forget";
const BEFORE_ASKING: &str = "please|kindly|hey|hi|hello|aether|okay|ok|well|so|can you|could you|will you|would you|\
    i want you to|i need you to|i'd like you to|i would like you to";
const AT_THE_END: &str =
    "please|aether|thanks|thank you|thank you very much|can you|could you|will you|would you|if you can";

/// What comes before that of which somebody is to be reminded.
#[derive(Default)]
pub(super) struct Opening {
    pub moment: Moment,
    pub end: usize,
    asks: bool,
    /// "that the show starts at nine": whatever time is said there is a part of it.
    pub states: bool,
}

impl Opening {
    pub fn read(plain: &[&str]) -> Result<Self, Unclear> {
        let opening = Self::read_from(plain, 0)?;
        // There may be sentences before the one that asks.
        let asking = (0..plain.len()).find(|at| begins(&plain[*at..], ASKING).is_some());
        match asking {
            Some(at) if !opening.asks => Self::read_from(plain, at),
            _ => Ok(opening),
        }
    }

    fn read_from(plain: &[&str], start: usize) -> Result<Self, Unclear> {
        let mut opening = Self { end: start, ..Self::default() };
        loop {
            let rest = &plain[opening.end..];
            let asking = begins(rest, ASKING);
            opening.asks |= asking.is_some();
            match asking.or_else(|| begins(rest, BEFORE_ASKING)) {
                Some(taken) => opening.end += taken,
                None if opening.takes_time(rest) => {}
                None => break,
            }
        }
        let rest = &plain[opening.end..];
        if opening.moment != Moment::default() && adds_time(rest) {
            return Err(Unclear::Several);
        }
        if let ["to" | "that" | "about" | "of" | "for", next @ ..] = rest {
            opening.end += 1;
            opening.states = matches!(rest, ["that" | "about", ..]);
            // "that on Friday the rent is due", but not "that Friday is a holiday"
            if matches!(next, ["in" | "at" | "on", ..]) {
                opening.takes_time(next);
            }
        }
        Ok(opening)
    }

    fn takes_time(&mut self, words: &[&str]) -> bool {
        let both = phrase(words, true).and_then(|(moment, taken)| Some((self.moment.and(moment)?, taken)));
        if let Some((moment, taken)) = both {
            self.moment = moment;
            self.end += taken;
        }
        both.is_some()
    }
}

/// How many words the longest of a list takes, if they begin with one of it.
pub(super) fn begins(plain: &[&str], list: &str) -> Option<usize> {
    let taken = |text: &str| {
        let count = text.split(' ').count();
        plain.get(..count).filter(|words| words.iter().copied().eq(text.split(' '))).map(|_| count)
    };
    list.split('|').filter_map(taken).max()
}

/// "at eight" and what follows names one more time.
pub(super) fn adds_time(rest: &[&str]) -> bool {
    matches!(rest, ["and", next @ ..] if phrase(next, false).is_some() || whole(next).is_some())
}

/// Where words end without the politeness after them.
pub(super) fn without_politeness(plain: &[&str], start: usize) -> usize {
    let mut end = plain.len();
    let last = |end: usize| {
        (start..end).find(|at| begins(&plain[*at..end], AT_THE_END) == Some(end - at)).filter(|at| {
            // "to say thank you"
            at.checked_sub(1).is_none_or(|before| plain[before] != "say")
        })
    };
    while let Some(at) = last(end) {
        end = at;
    }
    end
}
