//! Whole records through whole mappings.
