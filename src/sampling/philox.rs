//! Philox4x32-10, a counter-based generator: a number is a function of a counter and a key.
//!
//! Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3.
//! A counter instead of a state is what makes a draw depend on nothing that was drawn before.

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const N_ROUNDS: u32 = 10;

/// Four random words for a counter and a key.
pub(super) fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox4x32_lanes(counter.map(|word| [word]), key).map(|[word]| word)
}

/// The same for `N` counters, of which each array holds one word: a loop over them is compiled to vector instructions.
pub(super) fn philox4x32_lanes<const N: usize>(
    counter: [[u32; N]; 4],
    key: [u32; 2],
) -> [[u32; N]; 4] {
    let mut words = counter;
    let mut key = key;
    for _ in 0..N_ROUNDS {
        let [high0, low0] = multiply(MULTIPLIERS[0], words[0]);
        let [high1, low1] = multiply(MULTIPLIERS[1], words[2]);
        let mix = |high: [u32; N], word: [u32; N], key| {
            std::array::from_fn(|lane| high[lane] ^ word[lane] ^ key)
        };
        words = [
            mix(high1, words[1], key[0]),
            low1,
            mix(high0, words[3], key[1]),
            low0,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    words
}

/// The high and the low words of products.
fn multiply<const N: usize>(a: u32, b: [u32; N]) -> [[u32; N]; 2] {
    let products = b.map(|b| u64::from(a) * u64::from(b));
    [
        products.map(|product| (product >> 32) as u32),
        products.map(|product| product as u32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123 1.14, file tests/kat_vectors, generator philox4x32 with 10 rounds.
    #[test]
    fn known_answers() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }
}
