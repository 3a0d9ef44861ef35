//! rsyslog in a temporary folder, which writes each message as it parsed it, as JSON, to a file before
//! it reads the next one.

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    Tls,
    Tcp,
    Udp,
}

impl Ways {
    pub(crate) const ALL: [Self; 3] = [Self::Tls, Self::Tcp, Self::Udp];
}

/// A receiver; it ends with the test.
pub(crate) struct Rsyslog {
    folder: TempDir,
    tls: u16,
    tcp: u16,
    child: Child,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Rsyslog {
    /// Starts it; `None`, with a word, if it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let installed = ["/usr/sbin/rsyslogd", "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so"];
        if !installed.iter().all(|file| Path::new(file).exists()) {
            let what = "rsyslog (Debian: rsyslog, rsyslog-openssl) is not installed";
            assert!(std::env::var_os("SKIP_NOTHING").is_none(), "{what}");
            eprintln!("SKIPPED: {what}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let (tls, tcp) = (free_port(), free_port());
        let conf = CONFIGURATION
            .replace("DIR", folder.path().to_str().unwrap())
            .replace("TLS", &tls.to_string())
            .replace("TCP", &tcp.to_string());
        std::fs::write(folder.path().join("rsyslog.conf"), conf).unwrap();
        let child = spawn(folder.path());
        let rsyslog = Self { folder, tls, tcp, child };
        rsyslog.ready().await;
        Some(rsyslog)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn port(&self, way: Ways) -> u16 {
        match way {
            Ways::Tls => self.tls,
            Ways::Tcp | Ways::Udp => self.tcp,
        }
    }

    /// The section of a connection file.
    pub(crate) fn section(&self, way: Ways) -> String {
        Self::section_at(way, self.port(way))
    }

    pub(crate) fn section_at(way: Ways, port: u16) -> String {
        match way {
            Ways::Tls => {
                format!("syslog: {{ to: 'tls://localhost:{port}', authority: ca.pem }}")
            }
            Ways::Tcp => format!("syslog: {{ to: 'tcp://127.0.0.1:{port}' }}"),
            Ways::Udp => format!("syslog: {{ to: 'udp://127.0.0.1:{port}' }}"),
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) async fn start_again(&mut self) {
        // What it was writing is cut off, and must not take the next line with it.
        let out = self.folder.path().join("out");
        let mut out = std::fs::File::options().append(true).create(true).open(out).unwrap();
        out.write_all(b"\n").unwrap();
        self.child = spawn(self.folder.path());
        self.ready().await;
    }

    async fn ready(&self) {
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", self.tls)).await.is_ok()
                && TcpStream::connect(("127.0.0.1", self.tcp)).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!(
            "rsyslog does not start: {:?}",
            std::fs::read_to_string(self.folder.path().join("log"))
        );
    }

    /// What it parsed so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
        // A line may have been cut off when it was killed; what follows begins in the middle then.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            if self.records().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        self.records()
    }

    pub(crate) fn forget(&self) {
        let out = self.folder.path().join("out");
        if out.exists() {
            std::fs::File::options().write(true).open(out).unwrap().set_len(0).unwrap();
        }
    }
}

fn spawn(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new("/usr/sbin/rsyslogd")
        .arg("-n")
        .arg("-f")
        .arg(folder.join("rsyslog.conf"))
        .arg("-i")
        .arg(folder.join("pid"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// A certificate for `localhost` and its authority.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority, &authority_key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// A port that was free a moment ago, by TCP and by UDP.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Messages are written in the thread that reads them (`queue.type="direct"`), so what was read is in
/// the file even if the process is killed then.
const CONFIGURATION: &str = r#"
global(workDirectory="DIR" maxMessageSize="1m"
  defaultNetstreamDriverCAFile="DIR/ca.pem"
  defaultNetstreamDriverCertFile="DIR/cert.pem"
  defaultNetstreamDriverKeyFile="DIR/key.pem"
  parser.escapeControlCharactersOnReceive="off")
main_queue(queue.type="direct")
module(load="imudp")
module(load="imtcp")
template(name="json" type="list" option.jsonf="on") {
  property(outname="msg" name="msg" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="severity" name="syslogseverity" format="jsonf")
  property(outname="facility" name="syslogfacility" format="jsonf")
}
ruleset(name="here") {
  action(type="omfile" file="DIR/out" template="json" queue.type="direct")
}
input(type="imtcp" port="TCP" ruleset="here")
input(type="imudp" port="TCP" address="127.0.0.1" ruleset="here")
input(type="imtcp" port="TLS" ruleset="here" streamDriver.name="ossl" streamDriver.mode="1"
  streamDriver.authMode="anon")
"#;
