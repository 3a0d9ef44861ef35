//! A language server for Longshore manifests: what `longshore validate` says, while one types, and
//! what may be typed next.
//!
//! [`serve`] speaks the Language Server Protocol 3.17
//! (<https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/>)
//! over a pair of streams until the client ends it. All work is done on one thread, in the order in
//! which messages come; findings are published when no message waits, so that fast typing is
//! answered once, for its last version.
//!
//! The recorded responses beside a manifest are read by the caller's function, when a manifest is
//! opened or saved and when the client says that one of them has changed: never for a keystroke.
//!
//! The protocol's types come from `gen-lsp-types`, which is generated from the protocol's own
//! meta-model and needs nothing but serde; `lsp-types` has not been maintained since 2024. The
//! framing is our own (`wire`): `lsp-server` ends at the first message that is not JSON, allocates
//! whatever a header announces, and brings a channel of its own.

mod actions;
mod client;
mod completion;
mod cursor;
mod diagnostics;
mod document;
mod fixtures;
mod hover;
mod mapping;
mod names;
mod navigation;
mod outline;
mod paths;
mod server;
mod template;
mod text;
mod wire;

pub use server::{Beside, Outcome, serve};
