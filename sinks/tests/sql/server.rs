//! A PostgreSQL server of our own, in a temporary folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It is sent to a server that lives for a test.
pub(crate) const PASSWORD: &str = "simulated-p@ss/word";
/// The same as a part of a URL.
const ENCODED: &str = "simulated-p%40ss%2Fword";
const USER: &str = "collector";
/// PostgreSQL refuses to run as root: nobody, then.
const NOBODY: u32 = 65534;

/// A server, ended with its value.
pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    process: Option<Child>,
}

impl Server {
    /// Starts a server; `None` if none is installed. `prepare` may change its folder before.
    pub(crate) fn start(prepare: impl FnOnce(&Path)) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("password");
        std::fs::write(&secret, PASSWORD).unwrap();
        own(folder.path());
        own(&secret);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { programs, folder, port, process: None };
        let made = server
            .command("initdb")
            .args(["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=scram-sha-256"])
            .args(["--username", USER, "--pwfile"])
            .arg(&secret)
            .arg("--pgdata")
            .arg(server.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        prepare(&server.data());
        server.run();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
            command.arg("--clear-groups").arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }

    /// Starts it, again if it was killed, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let process = self
                .command("postgres")
                .arg("-D")
                .arg(self.data())
                .args(["-p", &self.port.to_string()])
                .args(["-c", "listen_addresses=127.0.0.1", "-k"])
                .arg(self.folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            self.process = Some(process);
            while self.process.as_mut().unwrap().try_wait().unwrap().is_none() {
                let asked = self.psql("SELECT 1");
                if asked.is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(30));
            }
            // What was killed has not gone away yet.
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("PostgreSQL does not start");
    }

    /// SIGKILL: what it had not synchronized is lost with its memory.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// What psql, another program, reads: a line per row.
    pub(crate) fn psql(&self, sql: &str) -> Result<Vec<String>, String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "-d", "postgres"])
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "5")
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // At once, but with its children.
            let quit = ["-QUIT", &process.id().to_string()];
            let _ = Command::new("kill").args(quit).status();
            let _ = process.wait();
        }
    }
}

/// The sink's part of a connection file.
pub(crate) fn config(host: &str, port: u16, query: &str) -> String {
    format!("postgres: {{ url: \"postgresql://{USER}:{ENCODED}@{host}:{port}/postgres{query}\" }}")
}

/// Where initdb and postgres are: in the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    folders
        .into_iter()
        .find(|folder| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists()))
}

fn is_root() -> bool {
    let probe = tempfile::tempfile().unwrap().metadata().unwrap();
    std::os::unix::fs::MetadataExt::uid(&probe) == 0
}

/// Gives a file to the user that the server runs as.
pub(crate) fn own(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
