//! q7 vectors: embeddings as texts.
//!
//! A vector is a text with a byte a component, from `0x20` (' ') to `0x7E` ('~'); a byte is the
//! number byte - `0x4F`, from -47 to 47. No such byte is a break of a phext, and the text is ASCII.

use bytes::Bytes;

/// The byte of the number 0.
const ZERO: i8 = 0x4F;
/// The greatest number; the least is its negative.
const GREATEST: f32 = 47.0;

/// Why numbers make no vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantiseError {
    /// A component that is no number.
    #[error("component {0} is not finite")]
    NotFinite(usize),
    /// The least number that is still to be represented is not above 0.
    #[error("the largest component must be a number above 0")]
    Range,
}

/// Makes q7 vectors of floats. Vectors that are compared with each other have one scale.
///
/// A component within the range, `-largest..=largest`, is off by half a [`Quantiser::step`] at most;
/// one beyond is taken as the nearest end of it. The dot product of two vectors of `n` components
/// within the range, divided by the square of 47 / largest, is therefore off by
/// `step / 2 * (|a| + |b|) + n * step * step / 4` at most, with `|a|` the sum of magnitudes; errors
/// have either sign, and are far smaller in practice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiser {
    largest: f32,
}

impl Quantiser {
    /// For components up to `largest` in magnitude. For unit vectors of `n` components, 3 to 4 times
    /// `1 / n.sqrt()` leaves few components out.
    ///
    /// # Errors
    /// `largest` is not a number above 0.
    pub fn new(largest: f32) -> Result<Quantiser, QuantiseError> {
        match largest.is_finite() && largest > 0.0 {
            true => Ok(Quantiser { largest }),
            false => Err(QuantiseError::Range),
        }
    }

    /// What components differ by whose bytes differ by one.
    pub fn step(&self) -> f32 {
        self.largest / GREATEST
    }

    /// The text of a vector.
    ///
    /// # Errors
    /// A component is infinite or no number.
    pub fn quantise(&self, vector: &[f32]) -> Result<Bytes, QuantiseError> {
        if let Some(component) = vector.iter().position(|x| !x.is_finite()) {
            return Err(QuantiseError::NotFinite(component));
        }
        let scale = GREATEST / self.largest;
        let byte = |&x: &f32| {
            let number = (x * scale).round().clamp(-GREATEST, GREATEST) as i8;
            (number + ZERO).cast_unsigned()
        };
        Ok(vector.iter().map(byte).collect())
    }

    /// A score, which is the dot product of two texts, as the dot product of the vectors.
    pub fn dot(&self, score: i64) -> f32 {
        score as f32 * self.step() * self.step()
    }
}

/// The numbers of a text, if it is a vector.
pub fn numbers(text: &[u8]) -> Option<Vec<i8>> {
    is_vector(text).then(|| {
        let number = |&byte: &u8| byte.cast_signed() - ZERO;
        text.iter().map(number).collect()
    })
}

/// Whether a text is a vector.
pub(super) fn is_vector(text: &[u8]) -> bool {
    text.iter().all(|byte| (0x20..=0x7E).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_of_the_range_are_the_ends_of_the_alphabet() {
        let quantiser = Quantiser::new(0.5).unwrap();
        let text = quantiser.quantise(&[-0.5, 0.0, 0.5, 9.0, -9.0]).unwrap();
        assert_eq!(&text[..], b" O~~ ");
        assert_eq!(numbers(&text).unwrap(), [-47, 0, 47, 47, -47]);
        assert_eq!(numbers(b"O\n"), None);
        let error = quantiser.quantise(&[0.0, f32::NAN]);
        assert_eq!(error, Err(QuantiseError::NotFinite(1)));
        assert_eq!(Quantiser::new(0.0), Err(QuantiseError::Range));
    }

    proptest! {
        #[test]
        fn errors_stay_within_what_is_said(
            pairs in proptest::collection::vec((-1_f32..=1.0, -1_f32..=1.0), 1..64)
        ) {
            let quantiser = Quantiser::new(1.0).unwrap();
            let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let texts = [&a, &b].map(|v| numbers(&quantiser.quantise(v).unwrap()).unwrap());
            let step = quantiser.step();
            for (&x, &number) in a.iter().zip(&texts[0]) {
                prop_assert!((x - f32::from(number) * step).abs() <= step / 2.0 + 1e-6);
            }
            let exact: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            let pairs = texts[0].iter().zip(&texts[1]);
            let score = pairs.map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            let magnitude: f32 = a.iter().chain(&b).map(|x| x.abs()).sum();
            let bound = step / 2.0 * magnitude + a.len() as f32 * step * step / 4.0;
            prop_assert!((quantiser.dot(score) - exact).abs() <= bound + 1e-4);
        }
    }
}
