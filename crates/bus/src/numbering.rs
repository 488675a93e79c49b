//! The numbers on a call's frames: each direction counts from 0, and none may be missing or come twice.

use crate::error::Error;

/// What the receiving side expects next.
#[derive(Debug, Default)]
pub(crate) struct Expected(u64);

impl Expected {
    pub(crate) fn accept(&mut self, got: u64) -> Result<(), Error> {
        if got != self.0 {
            return Err(Error::Gap { expected: self.0, got });
        }
        self.0 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lost_and_a_repeated_frame_are_both_gaps() {
        let mut expected = Expected::default();
        expected.accept(0).unwrap();
        assert!(matches!(expected.accept(2), Err(Error::Gap { expected: 1, got: 2 })));
        assert!(matches!(expected.accept(0), Err(Error::Gap { expected: 1, got: 0 })));
        expected.accept(1).unwrap();
    }

    proptest! {
        #[test]
        fn only_the_unbroken_count_is_accepted(numbers in proptest::collection::vec(0u64..6, 1..12)) {
            let mut expected = Expected::default();
            let accepted = numbers.iter().take_while(|number| expected.accept(**number).is_ok()).count();
            let unbroken = numbers.iter().enumerate().take_while(|(index, number)| *index as u64 == **number).count();
            prop_assert_eq!(accepted, unbroken);
        }
    }
}
