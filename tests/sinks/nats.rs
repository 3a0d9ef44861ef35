//! NATS, read in its own words, which are few: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

#[path = "../../sinks/src/nats/tests/server.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod server;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use server::{Server, skipped};

use crate::line::Line;
use crate::local::parsed;
use crate::org::Org;
use crate::scenario::{Place, compare, survive};

/// What asks the server without the library that the sink is made with.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: SocketAddr) -> Self {
        let mut client = Self(BufReader::new(TcpStream::connect(server).unwrap()));
        assert!(client.line().starts_with("INFO "));
        client.write(b"CONNECT {\"verbose\":false}\r\nSUB answers 1\r\n");
        client
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What the API of JetStream answers.
    fn ask(&mut self, what: &str, request: &Value) -> Value {
        let request = request.to_string();
        let text = format!("PUB $JS.API.STREAM.{what} answers {}\r\n{request}\r\n", request.len());
        self.write(text.as_bytes());
        loop {
            let line = self.line();
            if line == "PING" {
                self.write(b"PONG\r\n");
            } else if let Some(message) = line.strip_prefix("MSG answers 1 ") {
                let mut answer = vec![0; message.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut answer).unwrap();
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                assert!(answer["error"].is_null(), "{what}: {answer}");
                return answer;
            } else {
                assert_eq!(line, "", "{what}");
            }
        }
    }

    /// How many messages there are, the first and the last one.
    fn state(&mut self) -> [u64; 3] {
        let answer = self.ask("INFO.EVENTS", &json!({}));
        ["messages", "first_seq", "last_seq"].map(|name| answer["state"][name].as_u64().unwrap())
    }
}

struct Stream {
    server: Server,
    line: Line,
}

impl Stream {
    fn new() -> Option<Self> {
        let server = Server::start("")?;
        let stream = json!({
            "name": "EVENTS", "subjects": ["longshore.>"], "storage": "file", "retention": "limits",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "num_replicas": 1,
        });
        Client::connect(server.address()).ask("CREATE.EVENTS", &stream);
        let line = Line::to(server.address());
        Some(Self { server, line })
    }
}

impl Place for Stream {
    fn section(&mut self, _: &Org) -> String {
        let address = self.line.address;
        format!("nats: {{ servers: ['nats://{address}'], subject: 'longshore.{{stream}}' }}")
    }

    fn arrived(&mut self) -> u64 {
        Client::connect(self.server.address()).state()[0]
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn start(&mut self) {
        self.server.run();
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        Some((&self.line, b"PUB "))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let mut client = Client::connect(self.server.address());
        let [messages, first, last] = client.state();
        let mut lines = Vec::new();
        for number in first..=last {
            let answer = client.ask("MSG.GET.EVENTS", &json!({ "seq": number }));
            lines.extend(STANDARD.decode(answer["message"]["data"].as_str().unwrap()).unwrap());
            lines.push(b'\n');
        }
        let events = parsed(&lines);
        assert_eq!(events.len() as u64, messages);
        compare(given, &events)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_has_everything() {
    let Some(mut stream) = Stream::new() else { return skipped() };
    survive(&mut stream).await;
}
