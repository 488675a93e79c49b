//! When and of what somebody asks to be reminded, from words as a recogniser writes them down. Pure.
//!
//! A time is looked for at the beginning of what is asked ("in ten minutes" …), then at its end, and only then in
//! between: numbers there mostly belong to what is to be done. `phrase` knows what people say about time, `moment` what
//! they mean by it now.

mod moment;
mod number;
mod opening;
mod phrase;
mod spoken;
mod word;

use std::ops::Range;

use jiff::Zoned;

use moment::Moment;
use opening::{Opening, adds_time, begins, without_politeness};
use phrase::phrase;
pub use spoken::spoken;
use word::{split, wording};

/// What somebody asks to be reminded of, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub about: String,
    pub when: When,
}

#[derive(Clone, Debug, PartialEq)]
pub enum When {
    Once(Zoned),
    /// Five-field cron expression in the zone of `now`, or `@every` and minutes such as `90m`.
    Repeatedly(String),
}

/// Why a wish could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// Nothing to be reminded of.
    Nothing,
    NoTime,
    Past,
    TooFar,
    /// At intervals of seconds, or of several days, weeks, months or years.
    Uneven,
    /// At more than one time.
    Several,
}

impl Unclear {
    /// What to ask the person.
    pub fn question(self) -> &'static str {
        match self {
            Self::Nothing => "What should I remind you of?",
            Self::NoTime => "When should I remind you?",
            Self::Past => "That time is already over. When should I remind you?",
            Self::TooFar => "I can't look more than five years ahead. When should I remind you?",
            Self::Uneven => "I can't remind you at such intervals. How often should it be?",
            Self::Several => "I can only take one time for each reminder. Which one should it be?",
        }
    }
}

/// After one of these a time is none to be reminded at: "before seven".
const BINDING: &str = "of|from|since|after|before|until|till|than|between|through|other";
/// What goes on after a time in the midst of it: "at seven because" …, but not "at seven bridges".
const GOING_ON: &str = "to|that|about|with|because|so|and|when|if|for|or|then|in|on";

/// `now` in the person's own zone.
pub fn read(text: &str, now: &Zoned) -> Result<Wish, Unclear> {
    let words = split(text);
    let plain: Vec<_> = words.iter().map(|word| word.plain.as_str()).collect();
    let opening = Opening::read(&plain)?;
    let end = without_politeness(&plain, opening.end);
    let is_pause = |word: usize| words[word].is_before_pause;
    let (moment, time) = time_in(&plain[..end], &opening, is_pause)?;
    let task = match plain[..time.start] {
        // "the rent is tomorrow"
        [.., "is" | "are"] if !time.is_empty() => time.start - 1,
        _ => time.start,
    };

    let task = without_politeness(&plain[..task], opening.end);
    let wording = |range: Range<usize>| words.get(range).map_or("", |words| wording(text, words));
    let about = format!("{} {}", wording(opening.end..task), wording(time.end..end)).trim().to_owned();
    if about.is_empty() {
        return Err(Unclear::Nothing);
    }
    Ok(Wish { about, when: moment.resolve(now)? })
}

/// What time is meant after an opening, and which words say so there.
fn time_in(
    plain: &[&str],
    opening: &Opening,
    is_pause: impl Fn(usize) -> bool,
) -> Result<(Moment, Range<usize>), Unclear> {
    let end = plain.len();
    let phrases = phrases(plain, opening.end);
    if opening.moment != Moment::default() {
        let rest = if opening.states { None } else { time_until(end, plain, &phrases, opening.moment)? };
        return Ok(rest.unwrap_or((opening.moment, end..end)));
    }
    let goes_on = |end: &usize| begins(&plain[*end..], GOING_ON).is_some() || is_pause(*end - 1);
    let inner = phrases.iter().rev().map(|(_, range)| range.end).filter(|inner| *inner < end).filter(goes_on);
    for end in std::iter::once(end).chain(inner) {
        if let Some(time) = time_until(end, plain, &phrases, Moment::default())? {
            return if adds_time(&plain[end..]) { Err(Unclear::Several) } else { Ok(time) };
        }
    }
    Ok((Moment::default(), end..end))
}

/// What the phrases just before a place add to what is known.
fn time_until(end: usize, plain: &[&str], phrases: &[Phrase], known: Moment) -> Result<Option<Phrase>, Unclear> {
    let mut moment = known;
    let mut start = end;
    for (next, range) in phrases.iter().rev().skip_while(|(_, range)| range.end > end) {
        if start < end && range.end + 1 == start && plain[range.end] == "and" {
            return Err(Unclear::Several);
        }
        let is_bound = range.start.checked_sub(1).is_some_and(|before| begins(&plain[before..], BINDING).is_some());
        if range.end != start || is_bound {
            break;
        }
        // Where a time is known already, "home by seven" and "a table for tomorrow" are parts of the task.
        let is_of_task = known != Moment::default() && matches!(plain[range.start], "for" | "by");
        match moment.and(*next).filter(|_| !is_of_task) {
            Some(both) => (moment, start) = (both, range.start),
            None if known != Moment::default() => return Ok(None),
            None => break,
        }
    }
    Ok((start < end).then_some((moment, start..end)))
}

type Phrase = (Moment, Range<usize>);

fn phrases(plain: &[&str], start: usize) -> Vec<Phrase> {
    let mut found = Vec::new();
    let mut at = start;
    while at < plain.len() {
        match phrase(&plain[at..], false) {
            Some((moment, taken)) => {
                found.push((moment, at..at + taken));
                at += taken;
            }
            None => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A Wednesday.
    const NOW: &str = "2026-11-25T10:00:00+01:00[Europe/Berlin]";

    fn at(now: &str, words: &str) -> Result<(String, String), Unclear> {
        let wish = read(words, &now.parse().unwrap())?;
        let when = match wish.when {
            When::Once(at) => at.strftime("%F %H:%M").to_string(),
            When::Repeatedly(cron) => cron,
        };
        Ok((wish.about, when))
    }

    #[test]
    fn wishes_are_read() {
        for (words, about, when) in [
            // lengths
            ("remind me in ten minutes to call mum", "call mum", "2026-11-25 10:10"),
            ("Remind me to call mum in 10 minutes.", "call mum", "2026-11-25 10:10"),
            ("In ten minutes, remind me to call mum.", "call mum", "2026-11-25 10:10"),
            ("remind me to call mum ten minutes from now", "call mum", "2026-11-25 10:10"),
            ("remind me to call mum in twenty-five minutes' time", "call mum", "2026-11-25 10:25"),
            ("remind me in half an hour to check the oven", "check the oven", "2026-11-25 10:30"),
            ("remind me to check the oven in an hour and a half", "check the oven", "2026-11-25 11:30"),
            ("remind me in 1.5 hours to check the oven", "check the oven", "2026-11-25 11:30"),
            ("remind me in two and a half hours to go", "go", "2026-11-25 12:30"),
            ("remind me in an hour and 20 minutes to go", "go", "2026-11-25 11:20"),
            ("remind me in a quarter of an hour to go", "go", "2026-11-25 10:15"),
            ("remind me in three quarters of an hour to go", "go", "2026-11-25 10:45"),
            ("remind me in two hours to stretch", "stretch", "2026-11-25 12:00"),
            ("remind me in three days to water the plants", "water the plants", "2026-11-28 10:00"),
            ("remind me in three days at seven pm to water the plants", "water the plants", "2026-11-28 19:00"),
            ("remind me in a week to renew my passport", "renew my passport", "2026-12-02 10:00"),
            ("remind me next week to renew my passport", "renew my passport", "2026-12-02 10:00"),
            ("remind me in a couple of days to renew it", "renew it", "2026-11-27 10:00"),
            ("remind me in half a year to see the dentist", "see the dentist", "2027-05-25 10:00"),
            ("remind me in five years to be proud", "be proud", "2031-11-25 10:00"),
            // clock times
            ("remind me at seven to take my pills", "take my pills", "2026-11-25 19:00"),
            ("remind me at eleven to take my pills", "take my pills", "2026-11-25 11:00"),
            ("remind me at ten to take my pills", "take my pills", "2026-11-25 22:00"),
            ("remind me at twelve to eat", "eat", "2026-11-25 12:00"),
            ("remind me at 12:30 to eat", "eat", "2026-11-25 12:30"),
            ("remind me at 7:30 to leave", "leave", "2026-11-25 19:30"),
            ("remind me at 7.30 to leave", "leave", "2026-11-25 19:30"),
            ("remind me at 07:30 to leave", "leave", "2026-11-26 07:30"),
            ("remind me at 19:30 to leave", "leave", "2026-11-25 19:30"),
            ("remind me at 1930 to leave", "leave", "2026-11-25 19:30"),
            ("remind me at 19 to leave", "leave", "2026-11-25 19:00"),
            ("remind me at nineteen thirty to leave", "leave", "2026-11-25 19:30"),
            ("remind me at seven thirty to leave", "leave", "2026-11-25 19:30"),
            ("remind me at seven oh five to leave", "leave", "2026-11-25 19:05"),
            ("remind me at 7 pm to leave", "leave", "2026-11-25 19:00"),
            ("remind me at 7pm to leave", "leave", "2026-11-25 19:00"),
            ("Remind me at 7 p.m. to leave.", "leave", "2026-11-25 19:00"),
            ("Remind me to leave at 7:30 P.M.", "leave", "2026-11-25 19:30"),
            ("remind me at seven a m to leave", "leave", "2026-11-26 07:00"),
            ("remind me at 12 am to leave", "leave", "2026-11-26 00:00"),
            ("remind me at 12 pm to leave", "leave", "2026-11-25 12:00"),
            ("remind me at 8 a.m. to leave", "leave", "2026-11-26 08:00"),
            ("remind me at seven o'clock to leave", "leave", "2026-11-25 19:00"),
            ("remind me at seven o’clock in the morning to leave", "leave", "2026-11-26 07:00"),
            ("remind me to leave at seven in the evening", "leave", "2026-11-25 19:00"),
            ("remind me to leave at 3 in the afternoon", "leave", "2026-11-25 15:00"),
            ("remind me to leave at ten at night", "leave", "2026-11-25 22:00"),
            ("remind me to leave at two at night", "leave", "2026-11-26 02:00"),
            ("remind me at half past seven to leave", "leave", "2026-11-25 19:30"),
            ("remind me at half-past seven to leave", "leave", "2026-11-25 19:30"),
            ("remind me at quarter to eight to leave", "leave", "2026-11-25 19:45"),
            ("remind me at a quarter past eight p.m. to leave", "leave", "2026-11-25 20:15"),
            ("remind me at ten to eight to leave", "leave", "2026-11-25 19:50"),
            ("remind me at quarter to one to leave", "leave", "2026-11-25 12:45"),
            ("remind me at noon to eat", "eat", "2026-11-25 12:00"),
            ("remind me at midnight to sleep", "sleep", "2026-11-26 00:00"),
            ("remind me around seven to leave", "leave", "2026-11-25 19:00"),
            // days
            ("remind me tomorrow at nine to call mum", "call mum", "2026-11-26 09:00"),
            ("Tomorrow at nine, please remind me to call mum.", "call mum", "2026-11-26 09:00"),
            ("remind me to call mum at nine tomorrow", "call mum", "2026-11-26 09:00"),
            ("remind me tomorrow to call mum at eleven", "call mum", "2026-11-26 11:00"),
            ("remind me at eleven to call mum tomorrow", "call mum", "2026-11-26 11:00"),
            ("remind me to call mum tomorrow morning", "call mum", "2026-11-26 09:00"),
            ("remind me to call mum tomorrow evening at eight", "call mum", "2026-11-26 20:00"),
            ("remind me to call mum tomorrow at 7 in the evening", "call mum", "2026-11-26 19:00"),
            ("remind me to call mum tomorrow", "call mum", "2026-11-26 09:00"),
            ("remind me the day after tomorrow to call mum", "call mum", "2026-11-27 09:00"),
            ("remind me this evening to call mum", "call mum", "2026-11-25 19:00"),
            ("remind me tonight to call mum", "call mum", "2026-11-25 20:00"),
            ("remind me tonight at eleven to call mum", "call mum", "2026-11-25 23:00"),
            ("remind me tonight at one to call mum", "call mum", "2026-11-26 01:00"),
            ("remind me tonight at midnight to call mum", "call mum", "2026-11-26 00:00"),
            ("remind me in the morning to call mum", "call mum", "2026-11-26 09:00"),
            ("remind me first thing tomorrow to call mum", "call mum", "2026-11-26 09:00"),
            ("remind me today at seven to call mum", "call mum", "2026-11-25 19:00"),
            ("remind me on Friday at noon to eat", "eat", "2026-11-27 12:00"),
            ("remind me on friday at twelve to eat", "eat", "2026-11-27 12:00"),
            ("remind me Friday morning to eat", "eat", "2026-11-27 09:00"),
            ("remind me next Monday at 8 to sign the contract", "sign the contract", "2026-11-30 08:00"),
            ("remind me on Wednesday at eleven to sign", "sign", "2026-11-25 11:00"),
            ("remind me next Wednesday at eleven to sign", "sign", "2026-12-02 11:00"),
            ("remind me on Wednesday at 9 am to sign", "sign", "2026-12-02 09:00"),
            ("remind me this weekend to clean", "clean", "2026-11-28 09:00"),
            ("remind me on the fifth of December at ten to pack", "pack", "2026-12-05 10:00"),
            ("remind me to pack on December 5th", "pack", "2026-12-05 09:00"),
            ("remind me to pack on December the fifth at noon", "pack", "2026-12-05 12:00"),
            ("remind me to pack on 5 December 2027", "pack", "2027-12-05 09:00"),
            ("remind me to pack on December 5th, 2027.", "pack", "2027-12-05 09:00"),
            ("remind me to pack on the twenty-first of January", "pack", "2027-01-21 09:00"),
            ("remind me to pack on the 31st", "pack", "2026-12-31 09:00"),
            ("remind me to pack on Saturday, December 5th at ten", "pack", "2026-12-05 10:00"),
            ("remind me to pack on Saturday the fifth at ten", "pack", "2026-12-05 10:00"),
            ("remind me to pack on February 29th", "pack", "2028-02-29 09:00"),
            ("remind me on November 25th to pack", "pack", "2027-11-25 09:00"),
            // again and again
            ("remind me every Monday at nine to file the report", "file the report", "0 9 * * 1"),
            ("remind me every day at 8 pm to take my pills", "take my pills", "0 20 * * *"),
            ("remind me daily at 8 pm to take my pills", "take my pills", "0 20 * * *"),
            ("remind me to get up every weekday at 7:30", "get up", "30 7 * * 1-5"),
            ("remind me every morning to meditate", "meditate", "0 9 * * *"),
            ("remind me every morning at seven to meditate", "meditate", "0 7 * * *"),
            ("remind me every evening at half past seven to meditate", "meditate", "30 19 * * *"),
            ("remind me every night to lock the door", "lock the door", "0 20 * * *"),
            ("remind me every day at midnight to sleep", "sleep", "0 0 * * *"),
            ("remind me every hour to stand up", "stand up", "0 * * * *"),
            ("remind me every two hours to stand up", "stand up", "0 */2 * * *"),
            ("remind me every ten minutes to blink", "blink", "*/10 * * * *"),
            ("remind me every half hour to blink", "blink", "*/30 * * * *"),
            ("remind me every 45 minutes to call mum", "call mum", "@every 45m"),
            ("remind me every hour and a half to call mum", "call mum", "@every 90m"),
            ("remind me every five hours to call mum", "call mum", "@every 300m"),
            ("remind me to blink every minute", "blink", "* * * * *"),
            ("remind me on Mondays and Thursdays at six to train", "train", "0 6 * * 1,4"),
            ("remind me to train on Mondays and Thursdays at six pm", "train", "0 18 * * 1,4"),
            ("remind me every Monday, Wednesday and Friday to train", "train", "0 9 * * 1,3,5"),
            ("remind me every Monday morning to train", "train", "0 9 * * 1"),
            ("remind me on weekends at noon to rest", "rest", "0 12 * * 6,0"),
            ("remind me every week to rest", "rest", "0 9 * * 3"),
            ("remind me every week on Monday to rest", "rest", "0 9 * * 1"),
            ("remind me on the first of every month to pay the rent", "pay the rent", "0 9 1 * *"),
            ("remind me every month on the 5th at noon to pay", "pay", "0 12 5 * *"),
            ("remind me every year on December 5th to send a card", "send a card", "0 9 5 12 *"),
            ("remind me every fifth of December to send a card", "send a card", "0 9 5 12 *"),
            // what it is about
            ("Remind me that the rent is due on Friday.", "the rent is due", "2026-11-27 09:00"),
            ("remind me that on Friday the rent is due", "the rent is due", "2026-11-27 09:00"),
            ("remind me that the rent is tomorrow", "the rent", "2026-11-26 09:00"),
            ("remind me about the dentist tomorrow", "the dentist", "2026-11-26 09:00"),
            ("remind me tomorrow about the Dentist", "the Dentist", "2026-11-26 09:00"),
            (
                "remind me at eight that the show starts tomorrow at nine",
                "the show starts tomorrow at nine",
                "2026-11-25 20:00",
            ),
            ("set a reminder for seven to take my pills", "take my pills", "2026-11-25 19:00"),
            ("set a reminder for tomorrow at seven to take my pills", "take my pills", "2026-11-26 07:00"),
            ("Set a reminder for every day at 8 PM: take my pills.", "take my pills", "0 20 * * *"),
            ("set a reminder for the dentist tomorrow", "the dentist", "2026-11-26 09:00"),
            ("Don't let me forget to water the plants this evening.", "water the plants", "2026-11-25 19:00"),
            ("don’t let me forget to water the plants tonight", "water the plants", "2026-11-25 20:00"),
            ("remind me to buy 2 litres of milk at seven", "buy 2 litres of milk", "2026-11-25 19:00"),
            (
                "remind me to buy two tickets for the 5 pm show tomorrow",
                "buy two tickets for the 5 pm show",
                "2026-11-26 09:00",
            ),
            ("remind me at seven to buy 12 eggs", "buy 12 eggs", "2026-11-25 19:00"),
            ("remind me tomorrow to book a table for two", "book a table for two", "2026-11-26 09:00"),
            ("remind me to book a table for two tomorrow", "book a table for two", "2026-11-26 09:00"),
            ("remind me tomorrow to be home by seven", "be home by seven", "2026-11-26 09:00"),
            (
                "remind me tomorrow to book the hotel on Friday at nine",
                "book the hotel on Friday at nine",
                "2026-11-26 09:00",
            ),
            (
                "remind me to prepare the meeting on Friday tomorrow at nine",
                "prepare the meeting on Friday",
                "2026-11-26 09:00",
            ),
            ("remind me to meditate for ten minutes at noon", "meditate for ten minutes", "2026-11-25 12:00"),
            ("remind me to pay before Friday at noon", "pay before Friday", "2026-11-25 12:00"),
            (
                "remind me to call mum at seven because she is alone",
                "call mum because she is alone",
                "2026-11-25 19:00",
            ),
            ("remind me to call mum tomorrow, she has a birthday", "call mum she has a birthday", "2026-11-26 09:00"),
            ("remind me to buy semi-skimmed milk at seven", "buy semi-skimmed milk", "2026-11-25 19:00"),
            ("remind me to read \"Dune\" tonight", "read \"Dune\"", "2026-11-25 20:00"),
            ("remind me tomorrow to say thank you", "say thank you", "2026-11-26 09:00"),
            ("remind me to pay $7 at seven", "pay $7", "2026-11-25 19:00"),
            ("remind me to pay $7 tomorrow", "pay $7", "2026-11-26 09:00"),
            // politeness
            (
                "Hey Aether, can you please remind me to call Mum at seven, please? Thank you.",
                "call Mum",
                "2026-11-25 19:00",
            ),
            ("Okay, could you remind me tomorrow to call Mum, thanks", "call Mum", "2026-11-26 09:00"),
            ("I have a headache. Remind me to take a pill at seven.", "take a pill", "2026-11-25 19:00"),
            ("It's seven o'clock. Please remind me to take a pill in an hour.", "take a pill", "2026-11-25 11:00"),
            ("Remind me to call mum. Tomorrow at nine.", "call mum", "2026-11-26 09:00"),
            ("REMIND ME AT SEVEN PM TO CALL MUM", "CALL MUM", "2026-11-25 19:00"),
            ("call mum tomorrow at nine", "call mum", "2026-11-26 09:00"),
        ] {
            assert_eq!(at(NOW, words), Ok((about.to_owned(), when.to_owned())), "{words:?}");
        }
    }

    #[test]
    fn what_is_unclear_is_said() {
        for (words, expected) in [
            ("", Unclear::Nothing),
            ("remind me", Unclear::Nothing),
            ("remind me tomorrow at nine, please", Unclear::Nothing),
            ("remind me to call mum", Unclear::NoTime),
            ("remind me to call mum today", Unclear::NoTime),
            ("remind me to buy 7 apples", Unclear::NoTime),
            ("remind me to book a table for two", Unclear::NoTime),
            ("remind me that tomorrow is Anna's birthday", Unclear::NoTime),
            ("remind me to pay before Friday", Unclear::NoTime),
            ("remind me to call mum in a few minutes", Unclear::NoTime),
            ("remind me to pack on February 30th", Unclear::NoTime),
            ("remind me at 25:00 to pack", Unclear::NoTime),
            ("remind me in zero minutes to call mum", Unclear::Past),
            ("remind me today at 9 am to call mum", Unclear::Past),
            ("remind me this morning to call mum", Unclear::Past),
            ("remind me yesterday at noon to call mum", Unclear::Past),
            ("remind me on December 5th 2025 to call mum", Unclear::Past),
            ("remind me in 99999999999 hours to call mum", Unclear::TooFar),
            ("remind me in 99999999999999999999999999 years to call mum", Unclear::TooFar),
            ("remind me in 99999999999999999999999999 days at noon to call mum", Unclear::TooFar),
            ("remind me in six years to call mum", Unclear::TooFar),
            ("remind me in 61 months to call mum", Unclear::TooFar),
            ("remind me on December 5th 2040 to call mum", Unclear::TooFar),
            ("remind me every other day at nine to call mum", Unclear::Uneven),
            ("remind me to call mum every second Monday at nine", Unclear::Uneven),
            ("remind me every zero minutes to call mum", Unclear::Uneven),
            ("remind me every ten seconds to call mum", Unclear::Uneven),
            ("remind me every day at eight and at ten to call mum", Unclear::Several),
            ("remind me to call mum at seven and tomorrow at nine", Unclear::Several),
            ("remind me to call mum every day at 8 and 20", Unclear::Several),
            ("remind me at seven and nine to call mum", Unclear::Several),
        ] {
            assert_eq!(at(NOW, words), Err(expected), "{words:?}");
        }
    }

    #[test]
    fn clocks_are_changed() {
        let before_gap = "2027-03-27T20:00:00+01:00[Europe/Berlin]";
        let in_first_of_two = "2026-10-25T02:10:00+02:00[Europe/Berlin]";
        for (now, words, when) in [
            (before_gap, "remind me tomorrow at 2:30 am to sleep", "2027-03-28 03:30"),
            (before_gap, "remind me tomorrow at 2:30 to sleep", "2027-03-28 14:30"),
            (before_gap, "remind me in seven hours to sleep", "2027-03-28 04:00"),
            (before_gap, "remind me in one day to sleep", "2027-03-28 20:00"),
            (in_first_of_two, "remind me in an hour to sleep", "2026-10-25 02:10"),
            (in_first_of_two, "remind me at 2:30 to sleep", "2026-10-25 02:30"),
            ("2026-10-25T02:40:00+01:00[Europe/Berlin]", "remind me at 2:50 to sleep", "2026-10-25 14:50"),
            ("2026-11-25T01:00:00+01:00[Europe/Berlin]", "remind me at two at night to sleep", "2026-11-25 02:00"),
        ] {
            assert_eq!(at(now, words), Ok(("sleep".to_owned(), when.to_owned())), "{words:?}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let now: Zoned = NOW.parse().unwrap();
        for (words, expected) in [
            ("in 20 seconds", "in 20 seconds"),
            ("in one minute", "in one minute"),
            ("in ten minutes", "in ten minutes"),
            ("in half an hour", "in 30 minutes"),
            ("in an hour", "in an hour"),
            ("at seven pm", "today at seven in the evening"),
            ("at 7:30 pm", "today at 7:30 PM"),
            ("at noon", "today at noon"),
            ("at midnight", "tonight at midnight"),
            ("tomorrow at 7:30", "tomorrow at 7:30 AM"),
            ("tomorrow at 9", "tomorrow at 9 AM"),
            ("on December 4th", "on Friday, 4 December at 9 AM"),
            ("on January 4th", "on Monday, 4 January 2027 at 9 AM"),
            ("every Monday at nine", "every Monday at 9 AM"),
            ("on Mondays and Thursdays at 6 pm", "every Monday and Thursday at 6 PM"),
            ("on weekends at 10:15", "every Saturday and Sunday at 10:15 AM"),
            ("every day at 8 pm", "every day at 8 PM"),
            ("every weekday at noon", "every weekday at noon"),
            ("every minute", "every minute"),
            ("every ten minutes", "every ten minutes"),
            ("every hour", "every hour"),
            ("every two hours", "every two hours"),
            ("every 45 minutes", "every 45 minutes"),
            ("every hour and a half", "every 90 minutes"),
            ("every five hours", "every five hours"),
            ("every month on the 22nd", "on the 22nd of every month at 9 AM"),
            ("every year on December 5th", "every year on 5 December at 9 AM"),
        ] {
            let wish = read(&format!("remind me {words} to smile"), &now).unwrap();
            assert_eq!(spoken(&wish.when, &now), expected, "{words:?}");
        }
        assert_eq!(spoken(&When::Repeatedly("*/5 9-17 * * *".to_owned()), &now), "again and again");
        assert_eq!(spoken(&When::Once(now.clone()), &now), "now");
    }

    /// Words of which sentences about time are made, in no order.
    fn babble() -> impl Strategy<Value = String> {
        let words = "remind me to that at in on for every and a half the of quarter past next this tomorrow tonight \
            morning night friday mondays december may fifth 5th 7 7:30 0 12 24 99999999999999999999 1930 seven thirty pm \
            a.m. minutes hours days months years other noon midnight please is, call. from now 2031 é";
        prop::collection::vec(prop::sample::select(words.split_whitespace().collect::<Vec<_>>()), 0..25)
            .prop_map(|words| words.join(" "))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_is_said_the_time_is_to_come(
            words in prop_oneof![".{0,300}", babble(), babble().prop_map(|words| format!("remind me {words}"))],
            second in jiff::Timestamp::MIN.as_second()..jiff::Timestamp::MAX.as_second(),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia", "America/St_Johns"]),
        ) {
            let now = jiff::Timestamp::from_second(second).unwrap().in_tz(zone).unwrap();
            if let Ok(wish) = read(&words, &now) {
                prop_assert!(!wish.about.is_empty());
                prop_assert!(!spoken(&wish.when, &now).is_empty());
                match &wish.when {
                    When::Once(at) => prop_assert!(*at > now),
                    When::Repeatedly(_) => prop_assert_ne!(spoken(&wish.when, &now), "again and again"),
                }
            }
        }
    }
}
