//! What somebody's words over the agent's voice mean: do they want the floor, or do they only show that they listen?

use crate::words::{is_one_of, plain};

/// Whoever begins so wants the agent to stop, whatever follows.
const STOPS: &str = "stop wait cancel quiet enough pause no hey sorry excuse hold hang listen but";
/// Signs of listening. English; what Whisper writes for them.
const BACKCHANNELS: &str = "mm mmm mhm mmhm mmhmm hm hmm uh um huh uhhuh ah aha oh ooh yeah yes yep yup right okay ok sure exactly true \
    indeed wow nice cool great good fine alright absolutely definitely totally really well i see got it of \
    course a ha";
/// More words than this are a sentence, whichever they are.
const MOST_BACKCHANNEL_WORDS: usize = 4;
/// Of the words that the agent is saying, so many must come back, in their order, to be its echo.
const ECHO_SHARE: f32 = 0.7;
/// Of fewer words than these half will do: there will be more of them, and one that was misheard is no interruption.
const FEW_WORDS: usize = 4;
const ECHO_SHARE_OF_FEW: f32 = 0.5;

/// Whether the words are meant for the agent, which is saying `spoken` (the stretch around what is being heard).
pub fn is_meant(words: &str, spoken: &str) -> bool {
    let words = plain(words);
    let Some(first) = words.first() else { return false };
    if is_one_of(first, STOPS) {
        return true;
    }
    !is_backchannel(&words) && !is_echo(&words, &plain(spoken))
}

fn is_backchannel(words: &[String]) -> bool {
    words.len() <= MOST_BACKCHANNEL_WORDS && words.iter().all(|word| is_one_of(word, BACKCHANNELS))
}

/// A transcript of the agent's own voice drops and mishears words, but does not change their order.
fn is_echo(words: &[String], spoken: &[String]) -> bool {
    let share = if words.len() < FEW_WORDS { ECHO_SHARE_OF_FEW } else { ECHO_SHARE };
    let needed = ((words.len() as f32 * share).ceil() as usize).max(1);
    // Two words of slack, for those that are written differently.
    let reach = (words.len() + 2).min(spoken.len()).max(1);
    spoken.windows(reach).any(|stretch| common_in_order(words, stretch) >= needed)
}

/// The length of the longest common subsequence.
fn common_in_order(left: &[String], right: &[String]) -> usize {
    let mut row = vec![0; right.len() + 1];
    for one in left {
        let mut diagonal = 0;
        for (place, other) in right.iter().enumerate() {
            let above = row[place + 1];
            row[place + 1] = if one == other { diagonal + 1 } else { above.max(row[place]) };
            diagonal = above;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPOKEN: &str = "Once there was a lighthouse on a rock, and its keeper never slept at night.";

    #[test]
    fn what_is_meant_and_what_is_not() {
        for (words, meant) in [
            ("", false),
            ("...", false),
            ("Mm-hmm.", false),
            ("Uh-huh.", false),
            ("Yeah, right.", false),
            ("I see.", false),
            ("Oh, okay. Got it.", false),
            ("Stop.", true),
            ("Wait, wait.", true),
            ("Okay, but what about the keeper?", true),
            ("No.", true),
            ("What time is it?", true),
            ("Yeah yeah yeah yeah yeah", true),
            // The agent's own words.
            ("There was a lighthouse on a rock", false),
            ("Lighthouse on the rock, and it's keeper", false),
            ("lighthouse", false),
            ("Was there a ship on the rock?", true),
            // Misheard.
            ("was a light", false),
            ("never kept", false),
            ("What about tomorrow?", true),
        ] {
            assert_eq!(is_meant(words, SPOKEN), meant, "{words:?}");
        }
        assert!(is_meant("There was a lighthouse on a rock", ""), "nobody else is saying it");
    }

    proptest! {
        #[test]
        fn the_agents_own_words_are_never_meant(from in 0usize..8, count in 2usize..7) {
            let words: Vec<_> = SPOKEN.split(' ').skip(from).take(count).collect();
            prop_assert!(!is_meant(&words.join(" "), SPOKEN));
        }

        #[test]
        fn any_text_is_judged(words in ".{0,60}", spoken in ".{0,60}") {
            is_meant(&words, &spoken);
        }
    }
}
