//! Numbers in English words.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u64, &str); 5] = [
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

/// 21 → "twenty-one".
pub(super) fn cardinal(number: u64) -> String {
    if let Some((scale, name)) = SCALES.iter().find(|(scale, _)| number >= *scale) {
        return join(cardinal(number / scale) + " " + name, number % scale);
    }
    match number {
        0..20 => ONES[number as usize].to_owned(),
        20..100 if number.is_multiple_of(10) => TENS[number as usize / 10].to_owned(),
        20..100 => format!("{}-{}", TENS[number as usize / 10], ONES[number as usize % 10]),
        _ => join(cardinal(number / 100) + " hundred", number % 100),
    }
}

fn join(head: String, rest: u64) -> String {
    if rest == 0 { head } else { head + " " + &cardinal(rest) }
}

/// 21 → "twenty-first".
pub(super) fn ordinal(number: u64) -> String {
    let cardinal = cardinal(number);
    let last_at = cardinal.rfind(['-', ' ']).map_or(0, |at| at + 1);
    let (head, last) = cardinal.split_at(last_at);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    format!("{head}{last}")
}

/// 1999 → "nineteen ninety-nine", 2005 → "two thousand five".
pub(super) fn year(year: u64) -> String {
    let (century, rest) = (year / 100, year % 100);
    match (century, rest) {
        _ if !(1_000..10_000).contains(&year) => cardinal(year),
        (_, 0) if century.is_multiple_of(10) => cardinal(year),
        (20, 1..10) => cardinal(year),
        (_, 0) => format!("{} hundred", cardinal(century)),
        (_, 1..10) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        _ => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

/// Each digit by itself: "40" → "four zero".
pub(super) fn digits(digits: &str) -> String {
    let words: Vec<&str> = digits.chars().filter_map(|c| c.to_digit(10)).map(|digit| ONES[digit as usize]).collect();
    words.join(" ")
}

/// The plural of a number's last word: "nineteen ninety" → "nineteen nineties".
pub(super) fn plural(words: &str) -> String {
    match words.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{words}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        for (number, words) in [
            (0, "zero"),
            (13, "thirteen"),
            (21, "twenty-one"),
            (100, "one hundred"),
            (342, "three hundred forty-two"),
            (1_005, "one thousand five"),
            (2_000_000, "two million"),
            (1_234_567, "one million two hundred thirty-four thousand five hundred sixty-seven"),
        ] {
            assert_eq!(cardinal(number), words);
        }
        for (number, words) in
            [(1, "first"), (12, "twelfth"), (20, "twentieth"), (31, "thirty-first"), (100, "one hundredth")]
        {
            assert_eq!(ordinal(number), words);
        }
        for (number, words) in [
            (1_999, "nineteen ninety-nine"),
            (1_900, "nineteen hundred"),
            (1_905, "nineteen oh five"),
            (2_000, "two thousand"),
            (2_005, "two thousand five"),
            (2_026, "twenty twenty-six"),
            (800, "eight hundred"),
        ] {
            assert_eq!(year(number), words);
        }
        assert_eq!(digits("40-2"), "four zero two");
        assert_eq!(plural("ninety"), "nineties");
        assert!(!cardinal(u64::MAX).is_empty());
    }
}
