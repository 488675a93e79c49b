//! What a person's feedback about one kind of one source teaches. Pure.

use crate::decision::Learned;

/// How often in a row the same must be done before anything is learned from it; of muting, once.
pub(crate) const OFTEN: u32 = 3;

/// `feedback`: what they did, the newest first. `None`: nothing new.
pub(crate) fn learn(feedback: &[String]) -> Option<(Learned, String)> {
    let newest = feedback.first()?.as_str();
    let in_a_row = feedback.iter().take_while(|one| *one == newest).count();
    let often = OFTEN as usize;
    match newest {
        "muted" => Some((Learned::Never, "you muted it".to_owned())),
        "dismissed" if in_a_row >= often => Some((Learned::Digest, format!("you dismissed it {OFTEN} times in a row"))),
        "engaged" if in_a_row >= often => Some((Learned::Now, format!("you opened it {OFTEN} times in a row"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_learned_and_a_single_act_is_none_but_for_muting() {
        let (e, d, m) = ("engaged", "dismissed", "muted");
        for (feedback, learned) in [
            (vec![], None),
            (vec![d], None),
            (vec![d, d], None),
            (vec![d, d, d], Some(Learned::Digest)),
            (vec![d, d, e, d], None),
            (vec![d, d, d, e], Some(Learned::Digest)),
            (vec![m], Some(Learned::Never)),
            (vec![m, e, e, e], Some(Learned::Never)),
            (vec![e, e], None),
            (vec![e, e, e, m], Some(Learned::Now)),
        ] {
            let feedback: Vec<_> = feedback.into_iter().map(str::to_owned).collect();
            assert_eq!(learn(&feedback).map(|(learned, _)| learned), learned, "{feedback:?}");
        }
    }
}
