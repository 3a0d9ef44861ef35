//! The Longshore manifest language: types, loader with source positions, published JSON Schema.
