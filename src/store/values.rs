//! How values that SQLite has no type for stand in its columns, and back.
//!
//! Owns the representations: unsigned integers, digests, lists of numbers, vectors of f32. Every way
//! back checks what it reads.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use super::error::Failure;
use crate::digest::Digest;

/// A count or index as SQLite's integer, which ends at 2^63 - 1.
pub(super) fn integer(value: impl TryInto<i64> + Copy + Debug) -> Result<i64, Failure> {
    value
        .try_into()
        .map_err(|_| Failure::Value(format!("the number {value:?} is too large")))
}

/// A count or index from SQLite's integer.
pub(super) fn unsigned<T: TryFrom<i64>>(value: i64) -> Result<T, Failure> {
    T::try_from(value).map_err(|_| Failure::Value(format!("the number {value} is out of range")))
}

/// Whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> Result<i64, Failure> {
    integer(duration.as_millis())
}

/// A digest from its hexadecimal form.
pub(super) fn digest(text: &str) -> Result<Digest, Failure> {
    text.parse()
        .map_err(|_| Failure::Value(format!("`{text}` is no sha256")))
}

/// Numbers as a JSON array, each in its shortest exact form; floats must be finite, which JSON demands.
pub(super) fn json_numbers<T: Debug>(numbers: &[T]) -> String {
    format!("{numbers:?}")
}

/// Numbers from a JSON array written by [`json_numbers`].
///
/// Parsing each as its own type is exact, where a way over f64 might round an f32 twice.
pub(super) fn numbers<T: FromStr>(json: &str) -> Result<Vec<T>, Failure> {
    let failure = || Failure::Value(format!("`{json}` is no list of numbers"));
    let inner = json
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(failure)?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let items = inner.split(',').map(|item| item.trim().parse());
    items.collect::<Result<_, _>>().map_err(|_| failure())
}

/// Texts from a JSON array.
pub(super) fn texts(json: &str) -> Result<Vec<String>, Failure> {
    serde_json::from_str(json).map_err(|_| Failure::Value(format!("`{json}` is no list of texts")))
}

/// A vector as little-endian f32, 4 bytes each.
pub(super) fn blob(vector: &[f32]) -> Result<Vec<u8>, Failure> {
    check_vector(vector)?;
    Ok(vector.iter().flat_map(|x| x.to_le_bytes()).collect())
}

/// The vector of `dim` components in a blob written by [`blob`].
pub(super) fn vector(blob: &[u8], dim: i64) -> Result<Vec<f32>, Failure> {
    let (components, rest) = blob.as_chunks();
    let vector: Vec<f32> = components
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if !rest.is_empty() || integer(vector.len())? != dim {
        let n_bytes = blob.len();
        return Err(Failure::Value(format!(
            "a vector of dim {dim} has {n_bytes} bytes"
        )));
    }
    check_vector(&vector)?;
    Ok(vector)
}

fn check_vector(vector: &[f32]) -> Result<(), Failure> {
    if vector.is_empty() {
        return Err(Failure::Value("a vector has no components".to_owned()));
    }
    let is_finite = vector.iter().all(|x| x.is_finite());
    let failure = || Failure::Value("a vector has a component that is no finite number".to_owned());
    is_finite.then_some(()).ok_or_else(failure)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_stored_differently_is_refused() {
        for json in [
            "",
            "[",
            "1,2",
            "[1,]",
            "[1 2]",
            "[a]",
            "[-1]",
            "[4294967296]",
        ] {
            assert!(numbers::<u32>(json).is_err(), "{json}");
        }
        for (bytes, dim) in [(&[][..], 0), (&[0; 4], 2), (&[0; 5], 1), (&[255; 4], 1)] {
            assert!(vector(bytes, dim).is_err(), "{bytes:?}");
        }
        for refused in [&[][..], &[1.0, f32::NAN], &[f32::INFINITY]] {
            assert!(blob(refused).is_err(), "{refused:?}");
        }
        assert!(unsigned::<u32>(-1).is_err() && integer(u64::MAX).is_err());
        assert!(digest("e3").is_err());
    }

    #[test]
    fn vectors_are_little_endian() {
        assert_eq!(
            blob(&[1.0, -2.5]).unwrap(),
            [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]
        );
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|x| x.to_bits()).collect()
    }

    /// Any finite f32, from the smallest to the largest.
    fn finite() -> impl Strategy<Value = f32> {
        any::<u32>()
            .prop_map(f32::from_bits)
            .prop_filter("finite", |x| x.is_finite())
    }

    proptest! {
        #[test]
        fn vectors_round_trip(found in prop::collection::vec(finite(), 1..50)) {
            let read = vector(&blob(&found).unwrap(), found.len() as i64).unwrap();
            prop_assert_eq!(bits(&read), bits(&found));
        }

        #[test]
        fn lists_round_trip(
            logprobs in prop::collection::vec(finite(), 0..50),
            tokens in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let read: Vec<f32> = numbers(&json_numbers(&logprobs)).unwrap();
            prop_assert_eq!(bits(&read), bits(&logprobs));
            prop_assert_eq!(numbers::<u32>(&json_numbers(&tokens)).unwrap(), tokens.clone());
            let json: Vec<u32> = serde_json::from_str(&json_numbers(&tokens)).unwrap();
            prop_assert_eq!(json, tokens);
            prop_assert!(serde_json::from_str::<Vec<f64>>(&json_numbers(&logprobs)).is_ok());
        }
    }
}
