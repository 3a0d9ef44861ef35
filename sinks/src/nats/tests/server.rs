//! A NATS server of its own for each test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
