//! The language server as a program: a session over its pipes, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
            .args(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { input: child.stdin.take(), output, child }
    }

    fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    fn send_text(&mut self, body: &str) {
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        input.flush().unwrap();
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params }));
        let answer = self.next();
        assert_eq!(answer["id"], method, "{answer}");
        answer
    }

    fn initialize(&mut self) -> Value {
        let answer = self.ask("initialize", &json!({ "capabilities": {} }));
        self.notify("initialized", &json!({}));
        answer["result"].clone()
    }

    fn open(&mut self, text: &str) -> Value {
        let document = json!({ "uri": URI, "languageId": "yaml", "version": 1, "text": text });
        self.notify("textDocument/didOpen", &json!({ "textDocument": document }));
        let published = self.next();
        assert_eq!(published["method"], "textDocument/publishDiagnostics");
        published["params"]["diagnostics"].clone()
    }

    fn next(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the server has ended");
            if let Some(number) = line.strip_prefix("Content-Length: ") {
                length = number.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// Closes standard input and gives the exit code and what was said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let code = self.child.wait().unwrap().code();
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (code, complaints)
    }
}

const URI: &str = "file:///connectors/acme/manifest.yaml";

fn manifest() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/salesforce/manifest.yaml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn findings_follow_the_text() {
    let mut session = Session::start();
    let agreed = session.initialize();
    assert_eq!(agreed["capabilities"]["positionEncoding"], "utf-16");
    assert_eq!(session.open(&manifest()), json!([]));
    let line = manifest().lines().position(|line| line.starts_with("version:")).unwrap();
    let at = json!({ "line": line, "character": 0 });
    let change = json!({ "range": { "start": at, "end": at }, "text": "verzion: 1\n" });
    session.notify(
        "textDocument/didChange",
        &json!({ "textDocument": { "uri": URI, "version": 2 }, "contentChanges": [change] }),
    );
    let published = session.next();
    let params = &published["params"];
    assert_eq!(
        (&params["version"], &params["diagnostics"][0]["code"]),
        (&json!(2), &json!("LS0101"))
    );
    assert_eq!(params["diagnostics"][0]["range"]["end"], json!({ "line": line, "character": 7 }));
    session.ask("shutdown", &Value::Null);
    session.notify("exit", &Value::Null);
    assert_eq!(session.end(), (Some(0), String::new()));
}

#[test]
fn a_session_ends_as_the_protocol_says() {
    // Exit without shutdown.
    let mut session = Session::start();
    session.initialize();
    session.notify("exit", &Value::Null);
    assert_eq!(session.end().0, Some(1));
    // The stream ends without anything.
    assert_eq!(Session::start().end().0, Some(1));
    // The stream ends after shutdown.
    let mut session = Session::start();
    session.initialize();
    assert_eq!(session.ask("shutdown", &Value::Null)["result"], Value::Null);
    assert_eq!(session.ask("textDocument/hover", &json!({}))["error"]["code"], -32600);
    assert_eq!(session.end().0, Some(0));
    // What is no message at all.
    let mut session = Session::start();
    session.input.as_mut().unwrap().write_all(b"hello\r\n\r\n").unwrap();
    let (code, complaint) = session.end();
    assert_eq!(code, Some(1));
    assert!(complaint.contains("Content-Length"), "{complaint}");
}

#[test]
fn what_cannot_be_answered_is_refused_by_its_code() {
    let mut session = Session::start();
    assert_eq!(session.ask("textDocument/hover", &json!({}))["error"]["code"], -32002);
    session.initialize();
    assert_eq!(session.ask("initialize", &json!({}))["error"]["code"], -32600);
    assert_eq!(session.ask("acme/unknown", &json!({}))["error"]["code"], -32601);
    assert_eq!(session.ask("textDocument/documentSymbol", &json!([1]))["error"]["code"], -32602);
    let document = json!({ "textDocument": { "uri": "file:///not/open.yaml" } });
    assert_eq!(session.ask("textDocument/documentSymbol", &document)["result"], Value::Null);
    session.send_text("{ not JSON");
    assert_eq!(session.next()["error"]["code"], -32700);
    session.send(&json!([1, 2]));
    assert_eq!(session.next()["error"]["code"], -32600);
    // Notifications that make no sense are not answered, and end nothing.
    session.notify("textDocument/didChange", &json!({ "textDocument": 7 }));
    session.notify("acme/unknown", &Value::Null);
    assert_eq!(session.open(&manifest()), json!([]));
    session.ask("shutdown", &Value::Null);
    let (code, complaint) = session.end();
    assert_eq!(code, Some(0));
    assert!(complaint.contains("textDocument/didChange"), "{complaint}");
}
