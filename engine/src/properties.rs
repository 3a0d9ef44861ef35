//! How many cases a property test tries.

use proptest::prelude::ProptestConfig;

/// So many cases as the environment variable `PROPERTY_CASES` says, or the `usual` number, which
/// takes a few seconds at most.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: wanted.unwrap_or(usual), ..ProptestConfig::default() }
}
