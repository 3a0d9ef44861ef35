//! A receiver of OTLP that reads with the messages of the package `opentelemetry-proto`.

use std::process::{Child, Command, Stdio};

/// A receiver in Python; it ends with the test.
pub(crate) struct Receiver(pub(crate) Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Receiver {
    /// Starts one at a port, or at any if that is 0; `None`, said aloud, without the package. It tells
    /// its port, and then each record as a line of JSON.
    pub(crate) fn start(port: u16, told: impl Into<Stdio>) -> Option<Self> {
        let Some(python) = python() else {
            let what = "the Python package `opentelemetry-proto` is not installed";
            assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{what}");
            eprintln!("SKIPPED: {what}");
            return None;
        };
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM, &port.to_string()]);
        Some(Self(command.stdout(told).spawn().unwrap()))
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
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
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

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
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
