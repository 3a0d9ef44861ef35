//! Randomness that can be entered at any point: the seed and a few coordinates give
//! the same numbers in any order of asking, so nothing has to be kept in memory.

use fastrand::Rng;

/// Folds coordinates into a seed. The rounds are those of `SplitMix64` (Steele, Lea, Flood, 2014).
pub(crate) fn mix(seed: u64, coordinates: &[u64]) -> u64 {
    let mut state = seed;
    for coordinate in coordinates {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15)
            ^ coordinate.wrapping_mul(0xd6e8_feb8_6659_fd93);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

/// A generator for one place of the org's history.
pub(crate) fn rng(seed: u64, coordinates: &[u64]) -> Rng {
    Rng::with_seed(mix(seed, coordinates))
}

/// One of `choices`, which is never empty: every caller passes a constant table.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}
