//! Numbers as they are heard: in digits or in words.

/// Something read at the beginning of words, and how many of them it takes.
pub(super) type Taken<T> = Option<(T, usize)>;

pub(super) const SMALL: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen \
    fifteen sixteen seventeen eighteen nineteen";
const TENS: &str = "ten twenty thirty forty fifty sixty seventy eighty ninety";
const ORDINALS: &str = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth \
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth";

/// A whole number: of any size in digits, below a hundred in words.
pub(super) fn whole(words: &[&str]) -> Taken<u64> {
    let first = words.first()?;
    if !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((first.parse().unwrap_or(u64::MAX), 1));
    }
    if let Some(number) = place(first, SMALL) {
        return Some((number, 1));
    }
    let tens = (place(first, TENS)? + 1) * 10;
    let ones = words.get(1).and_then(|word| place(word, SMALL)).filter(|ones| (1..10).contains(ones));
    Some(ones.map_or((tens, 1), |ones| (tens + ones, 2)))
}

/// "5th", "fifth", "twenty-first".
pub(super) fn ordinal(words: &[&str]) -> Taken<u64> {
    match words {
        [number, "st" | "nd" | "rd" | "th", ..] => Some((whole(&[number])?.0, 2)),
        ["thirtieth", ..] => Some((30, 1)),
        [tens @ ("twenty" | "thirty"), ones, ..] => {
            let ones = place(ones, ORDINALS).filter(|ones| *ones < 9)? + 1;
            Some(((place(tens, TENS)? + 1) * 10 + ones, 2))
        }
        [word, ..] => Some((place(word, ORDINALS)? + 1, 1)),
        [] => None,
    }
}

/// How many of something: also "a", "half a", "two and a half", "1.5".
pub(super) fn amount(words: &[&str]) -> Taken<f64> {
    match words {
        ["half", "a" | "an", ..] | ["a", "half", ..] => Some((0.5, 2)),
        ["half", ..] => Some((0.5, 1)),
        ["a", rest @ ..] if rest.first() == Some(&"quarter") => amount(rest).map(|(amount, taken)| (amount, taken + 1)),
        ["quarter", "of", "a" | "an", ..] => Some((0.25, 3)),
        ["quarter", ..] => Some((0.25, 1)),
        ["three", "quarters", "of", "a" | "an", ..] => Some((0.75, 4)),
        ["a", "couple", "of", ..] => Some((2.0, 3)),
        ["a" | "an", ..] => Some((1.0, 1)),
        [word, ..] if is_decimal(word) => Some((word.parse().ok()?, 1)),
        _ => {
            let (number, taken) = whole(words)?;
            match words.get(taken..) {
                Some(["and", "a", "half", ..]) => Some((number as f64 + 0.5, taken + 3)),
                _ => Some((number as f64, taken)),
            }
        }
    }
}

/// What `f64` takes for a number is more than that: "inf", "1e9".
fn is_decimal(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.').is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}

/// Where a word is in a list that is written with spaces.
pub(super) fn place(word: &str, list: &str) -> Option<u64> {
    list.split(' ').position(|one| one == word).and_then(|place| place.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_digits_and_in_words() {
        for (text, expected) in [
            ("7", Some((7, 1))),
            ("seven", Some((7, 1))),
            ("twenty five", Some((25, 2))),
            ("twenty thirty", Some((20, 1))),
            ("99999999999999999999999", Some((u64::MAX, 1))),
            ("7.5", None),
            ("many", None),
            ("", None),
        ] {
            assert_eq!(whole(&text.split(' ').collect::<Vec<_>>()), expected, "{text:?}");
        }
        for (text, expected) in [
            ("5 th", Some((5, 2))),
            ("fifth", Some((5, 1))),
            ("thirty first", Some((31, 2))),
            ("twentieth", Some((20, 1))),
            ("twenty one", None),
            ("five", None),
        ] {
            assert_eq!(ordinal(&text.split(' ').collect::<Vec<_>>()), expected, "{text:?}");
        }
        for (text, expected) in [
            ("an hour", Some((1.0, 1))),
            ("half an hour", Some((0.5, 2))),
            ("a quarter of an hour", Some((0.25, 4))),
            ("two and a half hours", Some((2.5, 4))),
            ("1.5 hours", Some((1.5, 1))),
            ("inf hours", None),
        ] {
            assert_eq!(amount(&text.split(' ').collect::<Vec<_>>()), expected, "{text:?}");
        }
    }
}
