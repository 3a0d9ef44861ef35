//! A NATS server of its own for each test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nkeys::KeyPair;
use tempfile::TempDir;

/// A process of `nats-server` on a loopback port.
pub(super) struct Server {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

/// Says that there is no server to test with, and fails where that is not allowed.
pub(super) fn skipped() {
    assert!(std::env::var_os("SKIP_NOTHING").is_none(), "nats-server is not installed");
    eprintln!("SKIPPED: nats-server is not installed (Debian: apt-get install nats-server)");
}

impl Server {
    /// Starts a server with JetStream; `None` if the program is not installed.
    pub(super) fn start(configuration: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let jetstream = format!("jetstream {{ store_dir: '{}' }}\n", store.display());
        Self::start_in(folder, &format!("{jetstream}{configuration}"))
    }

    pub(super) fn start_without_jetstream() -> Option<Self> {
        Self::start_in(tempfile::tempdir().unwrap(), "")
    }

    fn start_in(folder: TempDir, configuration: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .map(|folder| folder.join("nats-server"))
            .find(|program| program.exists())?;
        // Free now; the server takes it a moment later.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!("listen: \"{address}\"\n{configuration}");
        std::fs::write(folder.path().join("server.conf"), text).unwrap();
        let mut server = Self { program, folder, address, process: None };
        server.run();
        Some(server)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// A text without the port, which is another each time.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.address.port().to_string(), "PORT")
    }

    /// Runs the server on what is in its folder.
    pub(super) fn run(&mut self) {
        let log: &Path = &self.folder.path().join("log");
        let process = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("server.conf"))
            .arg("-l")
            .arg(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        for _ in 0..100 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no server:\n{}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Stops it or lets it go on.
    pub(super) fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        let done = Command::new("kill").arg(format!("-{signal}")).arg(process).status().unwrap();
        assert!(done.success());
    }

    /// Ends it with SIGKILL.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An operator, an account and a user whose keys live as long as the test.
pub(super) struct Operated {
    pub(super) configuration: String,
    pub(super) credentials: String,
}

impl Operated {
    pub(super) fn new() -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let operator_token = token(&operator, &operator, r#""type":"operator","version":2"#);
        let limits = r#""limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1,"mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1},"type":"account","version":2"#;
        let account_token = token(&operator, &account, limits);
        let user_token = token(
            &account,
            &user,
            r#""pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2"#,
        );
        // JetStream needs an account for the system beside those of users.
        let system = KeyPair::new_account();
        let system_token = token(&operator, &system, limits_of_system());
        let configuration = format!(
            "operator: {operator_token}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n  {}: {account_token}\n  {}: {system_token}\n}}\n",
            system.public_key(),
            account.public_key(),
            system.public_key(),
        );
        let credentials = format!(
            "-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        );
        Self { configuration, credentials }
    }
}

fn limits_of_system() -> &'static str {
    r#""limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1},"type":"account","version":2"#
}

/// A JSON Web Token as NATS has them, signed with an Ed25519 key.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = base64.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let claims = base64.encode(format!(
        r#"{{"jti":"simulated","iat":1700000000,"iss":"{}","name":"simulated","sub":"{}","nats":{{{claims}}}}}"#,
        issuer.public_key(),
        subject.public_key()
    ));
    let signed = format!("{header}.{claims}");
    let signature = base64.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}
