//! What the client can do, and what it is told that the server can do.

use gen_lsp_types::{
    CodeActionKind, CodeActionOptions, CompletionOptions, InitializeResult, LspNotificationMethod,
    PositionEncodingKind, RenameOptions, SaveOptions, ServerCapabilities, ServerInfo,
    TextDocumentSyncKind, TextDocumentSyncOptions,
};
use serde_json::{Value, json};

use crate::text::Encoding;

/// What the client can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client {
    /// What it counts in a line.
    pub(crate) encoding: Encoding,
    /// Whether it shows the second places of a finding.
    pub(crate) related_information: bool,
    /// Whether completions may have places to fill in.
    pub(crate) snippets: bool,
    /// Whether it watches files when it is asked to.
    pub(crate) watches: bool,
}

impl Client {
    /// Reads the parameters of `initialize`. Each capability is looked up by itself, so that one
    /// that is written in an unknown way takes away nothing else.
    pub(crate) fn new(params: &Value) -> Self {
        let capabilities = &params["capabilities"];
        let encodings = capabilities["general"]["positionEncodings"].as_array();
        let bytes = encodings.is_some_and(|known| known.iter().any(|name| name == "utf-8"));
        let document = &capabilities["textDocument"];
        let has = |value: &Value| value.as_bool().unwrap_or(false);
        Self {
            encoding: if bytes { Encoding::Utf8 } else { Encoding::Utf16 },
            related_information: has(&document["publishDiagnostics"]["relatedInformation"]),
            watches: has(
                &capabilities["workspace"]["didChangeWatchedFiles"]["dynamicRegistration"],
            ),
            snippets: has(&document["completion"]["completionItem"]["snippetSupport"]),
        }
    }

    /// What it is asked after `initialized`: to watch recorded responses.
    pub(crate) fn registration(self) -> Option<Value> {
        let method = LspNotificationMethod::WorkspaceDidChangeWatchedFiles;
        let watched = json!({ "watchers": [{ "globPattern": "**/fixtures/**/*.json" }] });
        let registration = json!({
            "id": "fixtures", "method": method.as_str(), "registerOptions": watched
        });
        self.watches.then(|| json!({ "registrations": [registration] }))
    }

    /// The answer to `initialize`.
    pub(crate) fn capabilities(self) -> Value {
        let sync = TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::Incremental),
            save: Some(SaveOptions { include_text: Some(false) }.into()),
            ..TextDocumentSyncOptions::default()
        };
        let result = InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(match self.encoding {
                    Encoding::Utf8 => PositionEncodingKind::UTF8,
                    Encoding::Utf16 => PositionEncodingKind::UTF16,
                }),
                text_document_sync: Some(sync.into()),
                completion_provider: Some(CompletionOptions {
                    trigger_characters: Some([".", "{", "$", ":", " "].map(str::to_owned).into()),
                    ..CompletionOptions::default()
                }),
                hover_provider: Some(true.into()),
                definition_provider: Some(true.into()),
                references_provider: Some(true.into()),
                rename_provider: Some(
                    RenameOptions { prepare_provider: Some(true), ..RenameOptions::default() }
                        .into(),
                ),
                code_action_provider: Some(
                    CodeActionOptions {
                        code_action_kinds: Some(vec![
                            CodeActionKind::QuickFix,
                            CodeActionKind::SourceFixAll,
                        ]),
                        ..CodeActionOptions::default()
                    }
                    .into(),
                ),
                document_formatting_provider: Some(true.into()),
                document_symbol_provider: Some(true.into()),
                folding_range_provider: Some(true.into()),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo {
                name: "longshore".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        };
        serde_json::to_value(result).unwrap_or_default()
    }
}
