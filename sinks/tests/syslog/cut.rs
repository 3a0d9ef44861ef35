//! A way between two that breaks now and then.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How a connection breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// It is reset, as by a crash.
    Reset,
    /// It is closed in good order, as by something between that has lost the other side.
    Close,
}

/// Starts a proxy to a port of this machine; two of three connections break after a random number of
/// bytes. It ends with the test.
pub(crate) async fn proxy(to: u16, most: usize, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((here, _)) = listener.accept().await else { return };
            let budget = if fastrand::u8(..3) == 0 { usize::MAX } else { fastrand::usize(..most) };
            tokio::spawn(pass(here, to, budget, cut));
        }
    });
    port
}

async fn pass(mut here: TcpStream, to: u16, mut budget: usize, cut: Cut) {
    let mut there = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
    let (mut from_here, mut to_here) = here.split();
    let (mut from_there, mut to_there) = there.split();
    let until_cut = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from_here.read(&mut buffer).await {
            let passed = read.min(budget);
            if to_there.write_all(&buffer[..passed]).await.is_err() || passed < read {
                return;
            }
            budget -= passed;
        }
        let _ = to_there.shutdown().await;
        std::future::pending::<()>().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_there, &mut to_here).await;
        let _ = to_here.shutdown().await;
    };
    tokio::select! {
        () = back => return,
        () = until_cut => {}
    }
    drop(there);
    match cut {
        Cut::Reset => here.set_zero_linger().unwrap(),
        Cut::Close => {
            let _ = here.shutdown().await;
            let _ = tokio::io::copy(&mut here, &mut tokio::io::sink()).await;
        }
    }
}
