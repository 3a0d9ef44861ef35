//! The life of a session: messages in, answers and findings out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use gen_lsp_types as lsp;
use gen_lsp_types::{
    Diagnostic, DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DidSaveTextDocumentParams, LspNotificationMethod, LspRequestMethod, PublishDiagnosticsParams,
    Request, TextDocumentContentChangeEvent, TextDocumentPositionParams, Uri,
};
use longshore_validator::{Fixture, Options};
use serde_json::{Value, json};

use crate::client::Client;
use crate::diagnostics::diagnostic;
use crate::document::Document;
use crate::fixtures::{self, Findings};
use crate::text::Text;
use crate::wire::{self, Failure, Malformed};
use crate::{actions, completion, hover, navigation, outline};

/// How a session ended. The protocol asks for exit code 0 after the first and 1 after the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client said that it would end it.
    Finished,
    /// The client left, or was told to, without a `shutdown`.
    Abandoned,
}

/// Messages that wait to be looked at; past that the client has to wait.
const MAX_WAITING: usize = 256;

/// What the reader hands over: a message, one that could not be read, or the end of the stream,
/// with the reason if it was no good one.
enum Incoming {
    Message(Value),
    Malformed(Malformed),
    End(Option<io::Error>),
}

/// Reads the recorded responses beside a manifest's file; `None` if there can be none yet.
pub type Beside<'b> = &'b dyn Fn(&Path) -> Option<Vec<Fixture>>;

/// Speaks the protocol until the client ends it or its stream ends.
///
/// # Errors
/// The client's messages cannot be told apart any more, or nothing can be written to it.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    options: Options,
    beside: Beside<'_>,
) -> io::Result<Outcome> {
    let (sender, receiver) = sync_channel(MAX_WAITING);
    // The thread ends with the stream, or with the process.
    std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let incoming = match wire::read(&mut input) {
                Ok(Some(Ok(message))) => Incoming::Message(message),
                Ok(Some(Err(malformed))) => Incoming::Malformed(malformed),
                Ok(None) => Incoming::End(None),
                Err(error) => Incoming::End(Some(error)),
            };
            let last = matches!(incoming, Incoming::End(_));
            if sender.send(incoming).is_err() || last {
                return;
            }
        }
    })?;
    let mut server = Server {
        output,
        options,
        beside,
        state: State::New,
        client: Client::default(),
        documents: HashMap::new(),
        stale: BTreeSet::new(),
        in_fixtures: HashMap::new(),
    };
    server.run(&receiver)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Initialized,
    ShutDown,
}

struct Server<'b, W> {
    output: W,
    options: Options,
    beside: Beside<'b>,
    state: State,
    client: Client,
    /// The open documents by their URI.
    documents: HashMap<String, Document>,
    /// Documents whose findings are not those of their newest version.
    stale: BTreeSet<String>,
    /// What the client shows in the fixtures of each manifest.
    in_fixtures: HashMap<String, Findings>,
}

impl<W: Write> Server<'_, W> {
    fn run(&mut self, receiver: &Receiver<Incoming>) -> io::Result<Outcome> {
        let mut waiting = VecDeque::new();
        loop {
            waiting.extend(receiver.try_iter());
            if waiting.is_empty() {
                self.publish()?;
                // The reader says when it ends before it goes.
                let Ok(incoming) = receiver.recv() else { return Ok(self.outcome()) };
                waiting.push_back(incoming);
            }
            self.cancel(&mut waiting)?;
            match waiting.pop_front() {
                Some(Incoming::Message(message)) => {
                    let ended = self.message(message)?;
                    if ended {
                        return Ok(self.outcome());
                    }
                }
                Some(Incoming::Malformed(Malformed(reason))) => {
                    let failure = Failure::new(Failure::PARSE, reason);
                    wire::write(&mut self.output, &wire::answer(&Value::Null, Err(failure)))?;
                }
                Some(Incoming::End(Some(error))) => return Err(error),
                Some(Incoming::End(None)) => return Ok(self.outcome()),
                None => {}
            }
        }
    }

    fn outcome(&self) -> Outcome {
        if self.state == State::ShutDown { Outcome::Finished } else { Outcome::Abandoned }
    }

    /// Answers waiting requests that the client no longer wants answered.
    fn cancel(&mut self, waiting: &mut VecDeque<Incoming>) -> io::Result<()> {
        let method = LspNotificationMethod::CancelRequest;
        let cancelled: Vec<Value> = waiting
            .iter()
            .filter_map(|incoming| match incoming {
                Incoming::Message(message) if message["method"] == method.as_str() => {
                    Some(message["params"]["id"].clone())
                }
                _ => None,
            })
            .collect();
        for id in cancelled.iter().filter(|id| !id.is_null()) {
            let asked = waiting.iter().position(|incoming| {
                matches!(incoming, Incoming::Message(message) if message["id"] == *id
                    && message.get("method").is_some())
            });
            if let Some(at) = asked {
                waiting.remove(at);
                let failure = Failure::new(Failure::CANCELLED, "cancelled");
                wire::write(&mut self.output, &wire::answer(id, Err(failure)))?;
            }
        }
        Ok(())
    }

    /// Handles one message; `true` ends the session.
    fn message(&mut self, mut message: Value) -> io::Result<bool> {
        let id = message.get("id").cloned();
        let Some(method) = message["method"].as_str().map(str::to_owned) else {
            // The one thing that is asked needs no answer: a client that does not watch is as before.
            if message.get("result").is_none() && message.get("error").is_none() {
                let failure = Failure::new(Failure::INVALID, "a message without a method");
                let id = id.unwrap_or_default();
                wire::write(&mut self.output, &wire::answer(&id, Err(failure)))?;
            }
            return Ok(false);
        };
        let params = message.get_mut("params").map(Value::take).unwrap_or_default();
        match id {
            Some(id) => {
                let result = self.request(&method, params);
                wire::write(&mut self.output, &wire::answer(&id, result))?;
                Ok(false)
            }
            None => self.notification(&method, params),
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let method_ = LspRequestMethod::from(method);
        match (self.state, method_) {
            (State::New, LspRequestMethod::Initialize) => {
                self.client = Client::new(&params);
                self.state = State::Initialized;
                return Ok(self.client.capabilities());
            }
            (State::New, _) => {
                return Err(Failure::new(Failure::NOT_INITIALIZED, "`initialize` comes first"));
            }
            (State::ShutDown, _) => {
                return Err(Failure::new(Failure::INVALID, "nothing comes after `shutdown`"));
            }
            (State::Initialized, LspRequestMethod::Initialize) => {
                return Err(Failure::new(Failure::INVALID, "`initialize` comes once"));
            }
            (State::Initialized, LspRequestMethod::Shutdown) => {
                self.state = State::ShutDown;
                return Ok(Value::Null);
            }
            (State::Initialized, _) => {}
        }
        match method_ {
            LspRequestMethod::TextDocumentDocumentSymbol => self
                .answer::<lsp::DocumentSymbolRequest>(params, |_, document, _| {
                    Ok(Some(outline::symbols(document).into()))
                }),
            LspRequestMethod::TextDocumentFoldingRange => self
                .answer::<lsp::FoldingRangeRequest>(params, |_, document, _| {
                    Ok(Some(outline::folds(document)))
                }),
            LspRequestMethod::TextDocumentFormatting => {
                self.answer::<lsp::DocumentFormattingRequest>(params, |_, document, _| {
                    // What cannot be read is left as it is; its findings say why.
                    let formatted = longshore_schema::format::format(document.source()).ok();
                    let changed = formatted.filter(|text| text != document.source());
                    Ok(changed.map(|text| vec![actions::replacement(document, &text)]))
                })
            }
            LspRequestMethod::TextDocumentCompletion => {
                self.answer::<lsp::CompletionRequest>(params, |server, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    Ok(Some(completion::complete(document, offset, server.client).into()))
                })
            }
            LspRequestMethod::TextDocumentHover => {
                self.answer::<lsp::HoverRequest>(params, |server, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    Ok(hover::hover(document, &server.options, offset))
                })
            }
            LspRequestMethod::TextDocumentDefinition => {
                self.answer::<lsp::DefinitionRequest>(params, |_, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    let found = navigation::definition(document, offset);
                    Ok(found.map(|location| lsp::Definition::from(location).into()))
                })
            }
            LspRequestMethod::TextDocumentReferences => {
                self.answer::<lsp::ReferencesRequest>(params, |_, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    let definition = params.context.include_declaration;
                    Ok(Some(navigation::references(document, offset, definition)))
                })
            }
            LspRequestMethod::TextDocumentPrepareRename => self
                .answer::<lsp::PrepareRenameRequest>(params, |_, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    Ok(Some(navigation::renamed(document, offset)?.into()))
                }),
            LspRequestMethod::TextDocumentRename => {
                self.answer::<lsp::RenameRequest>(params, |_, document, params| {
                    let offset = at(document, &params.text_document_position_params);
                    Ok(Some(navigation::rename(document, offset, &params.new_name)?))
                })
            }
            LspRequestMethod::TextDocumentCodeAction => {
                self.answer::<lsp::CodeActionRequest>(params, |server, document, params| {
                    let range = document.text.bytes(params.range);
                    let found = actions::actions(document, &server.options, range, &params.context);
                    Ok(Some(found.into_iter().map(Into::into).collect()))
                })
            }
            _ => Err(Failure::new(Failure::UNKNOWN, format!("`{method}` is not offered"))),
        }
    }

    /// Answers a request about one manifest. A document that is none, or is not open, has no
    /// answer.
    fn answer<R: Request>(
        &self,
        params: Value,
        work: impl FnOnce(&Self, &Document, R::Params) -> Result<R::Result, Failure>,
    ) -> Result<Value, Failure> {
        let document = params["textDocument"]["uri"].as_str();
        let document = document.and_then(|uri| self.documents.get(uri)).filter(|d| d.is_manifest());
        let params = serde_json::from_value(params)
            .map_err(|error| Failure::new(Failure::PARAMETERS, error.to_string()))?;
        let Some(document) = document else { return Ok(Value::Null) };
        let result = work(self, document, params)?;
        serde_json::to_value(result)
            .map_err(|error| Failure::new(Failure::REFUSED, error.to_string()))
    }

    /// Takes a notification in; `true` ends the session. One that cannot be read is said on
    /// standard error: there is no answer to a notification.
    fn notification(&mut self, method: &str, params: Value) -> io::Result<bool> {
        let known = LspNotificationMethod::from(method);
        if known == LspNotificationMethod::Exit {
            return Ok(true);
        }
        if self.state != State::Initialized {
            return Ok(false);
        }
        let taken = match known {
            LspNotificationMethod::TextDocumentDidOpen => {
                serde_json::from_value(params).map(|params| self.open(params))
            }
            LspNotificationMethod::TextDocumentDidChange => {
                serde_json::from_value(params).map(|params| self.change(params))
            }
            LspNotificationMethod::TextDocumentDidSave => serde_json::from_value(params)
                .map(|params: DidSaveTextDocumentParams| self.read(&params.text_document.uri.0)),
            LspNotificationMethod::WorkspaceDidChangeWatchedFiles => {
                let open: Vec<_> = self.documents.keys().cloned().collect();
                for uri in &open {
                    self.read(uri);
                }
                Ok(())
            }
            LspNotificationMethod::Initialized => {
                if let Some(params) = self.client.registration() {
                    let method = LspRequestMethod::ClientRegisterCapability;
                    let question = json!({
                        "jsonrpc": "2.0", "id": "fixtures", "method": method.as_str(), "params": params
                    });
                    wire::write(&mut self.output, &question)?;
                }
                Ok(())
            }
            LspNotificationMethod::TextDocumentDidClose => serde_json::from_value(params)
                .map(|params: DidCloseTextDocumentParams| self.touch_closed(params)),
            _ => Ok(()),
        };
        if let Err(error) = taken {
            eprintln!("longshore lsp: `{method}` cannot be read: {error}");
        }
        Ok(false)
    }

    fn open(&mut self, params: DidOpenTextDocumentParams) {
        let item = params.text_document;
        let text = Text::new(item.text, self.client.encoding);
        let uri = item.uri.0.clone();
        self.documents.insert(uri.clone(), Document::new(item.uri, item.version, text));
        self.touch(&uri);
        self.read(&uri);
    }

    /// Reads what lies beside a manifest anew.
    fn read(&mut self, uri: &str) {
        let Some(document) = self.documents.get_mut(uri).filter(|d| d.is_manifest()) else {
            return;
        };
        document.set_fixtures(fixtures::file(&document.uri).and_then(|file| (self.beside)(&file)));
        self.touch(uri);
    }

    fn change(&mut self, params: DidChangeTextDocumentParams) {
        let uri = params.text_document.text_document_identifier.uri;
        let Some(document) = self.documents.get_mut(&uri.0) else { return };
        let was_manifest = document.is_manifest();
        for change in params.content_changes {
            let (range, text) = match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
                    (Some(part.range), part.text)
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                    (None, whole.text)
                }
            };
            document.text.replace(range, &text);
        }
        document.changed(params.text_document.version);
        self.touch(&uri.0);
        if !was_manifest {
            self.read(&uri.0);
        }
    }

    fn touch(&mut self, uri: &str) {
        self.stale.insert(uri.to_owned());
    }

    fn touch_closed(&mut self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        if let Some(document) = self.documents.remove(&uri.0)
            && document.shown
        {
            self.stale.insert(uri.0);
        }
    }

    /// Publishes the findings of what has changed since.
    fn publish(&mut self) -> io::Result<()> {
        for uri in std::mem::take(&mut self.stale) {
            let related = self.client.related_information;
            let mut in_fixtures = Findings::new();
            let (version, found) = match self.documents.get_mut(&uri) {
                // Closed: what was shown is taken away.
                None => (None, Vec::new()),
                Some(document) => {
                    let manifest = document.is_manifest();
                    if !manifest && !document.shown {
                        continue;
                    }
                    document.shown = manifest;
                    let mut found = Vec::new();
                    if manifest {
                        let report = document.report(&self.options);
                        let shown = report.diagnostics.iter();
                        found.extend(shown.map(|finding| diagnostic(document, finding, related)));
                        let encoding = self.client.encoding;
                        in_fixtures =
                            fixtures::findings(&document.uri, &report.fixtures, encoding, related);
                    }
                    (Some(document.version), found)
                }
            };
            self.show(uri.clone(), version, found)?;
            self.show_in_fixtures(uri, in_fixtures)?;
        }
        Ok(())
    }

    /// Publishes what is new in the fixtures of a manifest, and takes away what is gone.
    fn show_in_fixtures(&mut self, manifest: String, now: Findings) -> io::Result<()> {
        let before = self.in_fixtures.remove(&manifest).unwrap_or_default();
        for uri in before.keys().filter(|uri| !now.contains_key(*uri)) {
            self.show(uri.clone(), None, Vec::new())?;
        }
        for (uri, found) in now.iter().filter(|(uri, found)| before.get(*uri) != Some(found)) {
            self.show(uri.clone(), None, found.clone())?;
        }
        if !now.is_empty() {
            self.in_fixtures.insert(manifest, now);
        }
        Ok(())
    }

    fn show(
        &mut self,
        uri: String,
        version: Option<i32>,
        diagnostics: Vec<Diagnostic>,
    ) -> io::Result<()> {
        let params = PublishDiagnosticsParams { uri: Uri(uri), version, diagnostics };
        let method = LspNotificationMethod::TextDocumentPublishDiagnostics;
        let message = json!({ "jsonrpc": "2.0", "method": method.as_str(), "params": params });
        wire::write(&mut self.output, &message)
    }
}

/// The byte at a position of a document.
fn at(document: &Document, params: &TextDocumentPositionParams) -> usize {
    document.text.offset(params.position)
}
