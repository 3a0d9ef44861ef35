//! A line between two programs that stands still, or breaks, at the byte that it is told: so a test
//! strikes in the middle of something, whatever the speed of the machine.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long is waited for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Which bytes stand still; the others are carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Those of clients.
    Sent,
    /// Those of the server.
    Answered,
}

/// A line to a server, reached by an address of its own.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    pub(crate) behind: SocketAddr,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sent: u64,
    answered: u64,
    /// Up to how many bytes are carried.
    hold: Option<(Bytes, u64)>,
    /// Answers are held from when a client says this.
    question: Option<&'static [u8]>,
    /// Whether some bytes wait for the hold to end.
    is_held: bool,
    /// How often all connections were cut: those of before are no more.
    cuts: u64,
    open: Vec<TcpStream>,
}

impl State {
    fn carried(&mut self, what: Bytes) -> &mut u64 {
        match what {
            Bytes::Sent => &mut self.sent,
            Bytes::Answered => &mut self.answered,
        }
    }

    fn set_hold(&mut self, hold: Option<(Bytes, u64)>) {
        self.hold = hold.map(|(what, after)| (what, *self.carried(what) + after));
        self.question = None;
        self.is_held = false;
    }

    /// What a client says, before the server does.
    fn hear(&mut self, said: &[u8]) {
        let is_in = |question: &[u8]| said.windows(question.len()).any(|part| part == question);
        if self.question.is_some_and(is_in) {
            self.set_hold(Some((Bytes::Answered, 0)));
        }
    }
}

impl Line {
    /// A line to an address, at which there need not be anybody yet.
    pub(crate) fn to(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Way::default());
        let carrying = Arc::clone(&way);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(behind) else { continue };
                carrying.connect(client, server);
            }
        });
        Self { address, behind, way }
    }

    /// Bytes of the server that were carried so far.
    pub(crate) fn answered(&self) -> u64 {
        self.way.state().answered
    }

    /// Bytes of clients that were carried so far.
    pub(crate) fn sent(&self) -> u64 {
        self.way.state().sent
    }

    /// Stands still after so many more bytes. The hold of before, if there is one, is over.
    pub(crate) fn hold(&self, what: Bytes, after: u64) {
        self.way.state().set_hold(Some((what, after)));
        self.way.changed.notify_all();
    }

    /// Breaks all connections, with what they held.
    pub(crate) fn cut(&self) {
        self.way.cut(None, None);
    }

    /// Breaks all connections, and holds those that are made then.
    pub(crate) fn cut_and_hold(&self, what: Bytes, after: u64) {
        self.way.cut(Some((what, after)), None);
    }

    /// Breaks all connections, and holds what is answered once a client has said something.
    pub(crate) fn cut_and_hold_answers_to(&self, question: &'static [u8]) {
        self.way.cut(None, Some(question));
    }

    /// Waits until some bytes stand still; meanwhile the program must not end.
    pub(crate) fn wait_held(&self, program: &mut Child) {
        let begun = Instant::now();
        let mut state = self.way.state();
        while !state.is_held {
            assert!(program.try_wait().unwrap().is_none(), "the program ended before the hold");
            assert!(begun.elapsed() < PATIENCE, "nothing comes to the hold {:?}", state.hold);
            let pause = Duration::from_millis(20);
            state = self.way.changed.wait_timeout(state, pause).unwrap().0;
        }
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let copies = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let cuts = {
            let mut state = self.state();
            state.open.extend(copies);
            state.cuts
        };
        for (what, (from, to)) in [(Bytes::Sent, (client, server)), (Bytes::Answered, back)] {
            let way = Arc::clone(self);
            std::thread::spawn(move || way.carry(what, from, to, cuts));
        }
    }

    /// Carries bytes in one direction until either side ends.
    fn carry(&self, what: Bytes, mut from: TcpStream, mut to: TcpStream, cuts: u64) {
        let mut buffer = [0; 16 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 {
                // The other direction goes on.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            if self.pass(what, &buffer[..read], &mut to, cuts).is_none() {
                break;
            }
        }
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Writes all bytes as soon as they may go on; `None` if the connection is broken.
    fn pass(&self, what: Bytes, bytes: &[u8], to: &mut TcpStream, cuts: u64) -> Option<()> {
        if what == Bytes::Sent {
            self.state().hear(bytes);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, others) = rest.split_at(self.room(what, rest.len(), cuts)?);
            to.write_all(part).ok()?;
            rest = others;
        }
        Some(())
    }

    /// How many of so many bytes may go on, waiting if none; `None` if the connection was cut.
    fn room(&self, what: Bytes, bytes: usize, cuts: u64) -> Option<usize> {
        let mut state = self.state();
        loop {
            if state.cuts != cuts {
                return None;
            }
            let limit = state.hold.and_then(|(held, limit)| (held == what).then_some(limit));
            let carried = state.carried(what);
            let room = limit.map_or(bytes as u64, |limit| limit.saturating_sub(*carried));
            let room = room.min(bytes as u64);
            if room > 0 {
                *carried += room;
                return Some(room as usize);
            }
            state.is_held = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
    }

    fn cut(&self, hold: Option<(Bytes, u64)>, question: Option<&'static [u8]>) {
        let mut state = self.state();
        state.cuts += 1;
        state.set_hold(hold);
        state.question = question;
        for stream in std::mem::take(&mut state.open) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }
}
