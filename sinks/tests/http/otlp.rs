//! A receiver of OTLP that reads with the messages of the package `opentelemetry-proto` and the
//! `ProtoJSON` reader of Google's `protobuf`, which refuses what it does not know.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{deliver, event, lines, open};

/// A receiver in Python; it ends with the test.
struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PROGRAM: &str = r#"
import gzip, http.server, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest, ExportLogsServiceResponse)

def plain(value):
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {member.key: plain(member.value) for member in value.kvlist_value.values}
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        assert (self.path, self.headers["content-type"]) == ("/v1/logs", "application/json")
        request = json_format.Parse(body, ExportLogsServiceRequest())
        for resource in request.resource_logs:
            shared = {a.key: plain(a.value) for a in resource.resource.attributes}
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    print(json.dumps({
                        "resource": shared, "scope": scope.scope.name, "body": plain(record.body),
                        "time": record.time_unix_nano, "severity": record.severity_number,
                        "attributes": {a.key: plain(a.value) for a in record.attributes},
                    }), flush=True)
        answer = json_format.MessageToJson(ExportLogsServiceResponse()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The Python that has the package: the one of a virtual environment, if it is named.
fn python() -> Option<String> {
    let python = std::env::var("SINKS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    command.args(["-c", "import opentelemetry.proto.collector.logs.v1.logs_service_pb2"]);
    let found = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    found.then_some(python)
}

#[tokio::test]
async fn the_published_messages_read_what_is_sent() {
    let Some(python) = python() else {
        let what = "the Python package `opentelemetry-proto` is not installed";
        assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{what}");
        eprintln!("SKIPPED: {what}");
        return;
    };
    let mut child =
        Command::new(python).args(["-c", PROGRAM]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let _receiver = Receiver(child);
    let port = told.next().unwrap().unwrap();
    for compress in ["", ", compress: gzip"] {
        let folder = tempfile::tempdir().unwrap();
        let section = format!("otlp: {{ url: 'http://127.0.0.1:{port}/'{compress} }}");
        let mut sink = open(folder.path(), &section).unwrap();
        deliver(&mut *sink, &lines(0..20)).await.unwrap();
        for number in 0..20 {
            let record: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
            let mut given: Value = serde_json::from_str(&event(number)).unwrap();
            // What does not fit into 64 bits with a sign.
            given["count"] = (u64::MAX as f64).into();
            assert_eq!(record["body"], given);
            assert_eq!(record["attributes"]["log.record.uid"], given["metadata"]["uid"]);
            assert_eq!(
                record["time"].as_i64().unwrap(),
                given["time"].as_i64().unwrap() * 1_000_000
            );
            assert_eq!(record["severity"], [0, 9, 10, 13, 17, 19, 21][number % 7]);
            assert_eq!(record["resource"]["service.name"], "longshore");
            assert_eq!(record["resource"]["service.instance.id"], "acme");
            assert_eq!(record["scope"], "sign_ins");
        }
    }
}
