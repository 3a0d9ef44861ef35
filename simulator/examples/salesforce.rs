//! Serves a default Salesforce org: `cargo run -p longshore-simulator --example salesforce`.
//! Takes the address to listen on; without one, 127.0.0.1:8300.

use longshore_simulator::salesforce::{Config, serve};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8300".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    serve(Config::default(), listener).await
}
