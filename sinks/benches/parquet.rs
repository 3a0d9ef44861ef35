//! Events of two classes to Parquet files on a disk: events per second of processor time.
//!
//! ```text
//! cargo bench -p longshore-sinks --features parquet --bench parquet
//! ```

use std::fmt::Write as _;
use std::time::Instant;

use longshore_engine::connection::ConnectionFile;
use longshore_engine::sink::{Log, Portioned};

const EVENTS: u64 = 400_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // Tests of all targets run this too.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("connection.yaml");
    std::fs::write(
        &path,
        "name: acme\nmanifest: manifest.yaml\nsinks:\n  lake: { parquet: { to: lake } }\n",
    )?;
    let (file, source) = ConnectionFile::read(&path)?;
    let mut sinks = longshore_sinks::open(&file, &source)?;
    let (_, sink) = &mut sinks[0];
    let portion = sink.portion().bytes;
    let lines: Vec<String> = (0..EVENTS).map(event).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let log = Log { spool: "bench", connection: "acme", stream: "sign_ins" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (begun, before) = (Instant::now(), processor_seconds()?);
    let mut rest = lines.as_slice();
    let mut start = 0;
    while !rest.is_empty() {
        let mut size = 0;
        let taken = rest.iter().take_while(|line| {
            size += line.len();
            size <= portion
        });
        let (now, later) = rest.split_at(taken.count().max(1));
        rest = later;
        let text = now.concat();
        let events = Portioned { log, start, lines: text.as_bytes() };
        start = events.end();
        let taken = runtime.block_on(sink.deliver(events))?;
        assert!(taken.refused.is_empty());
    }
    let (wall, used) = (begun.elapsed().as_secs_f64(), processor_seconds()? - before);
    let written = size_of(folder.path().join("lake").as_path())?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{EVENTS} events, {} bytes each", bytes as u64 / EVENTS);
    println!("{:.0} events per second of processor time", EVENTS as f64 / used);
    println!("{:.0} events per second", EVENTS as f64 / wall);
    println!("{} bytes each in the files", written / EVENTS);
    println!("peak memory, {} MB of events included: {}", bytes / 1_000_000, peak.trim());
    Ok(())
}

/// An event as a connector writes it: every fourth is of another class.
fn event(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let user = random.u32(..2_000);
    let time = 1_790_848_800_000 + number * 750 + random.u64(..700);
    let uid = format!("{:032x}", random.u128(..));
    let address = format!("203.0.{}.{}", random.u8(..113), random.u8(1..));
    let mut line = String::with_capacity(1_200);
    let (class, caption, activity) = match number % 4 {
        0 => (6003, "API Activity", "Read"),
        _ => (3002, "Authentication", "Logon"),
    };
    let _ = write!(
        line,
        r#"{{"activity_id":1,"activity_name":"{activity}","category_uid":{},"category_name":"{}","class_uid":{class},"class_name":"{caption}","type_uid":{class}01,"type_name":"{caption}: {activity}","severity_id":1,"severity":"Informational","time":{time},"metadata":{{"version":"1.8.0","uid":"{uid}","log_name":"sign_ins","tenant_uid":"00Dsimulated","original_event_uid":"0Ya{number:015}","product":{{"name":"Salesforce","vendor_name":"Salesforce, Inc."}}}},"#,
        class / 1000,
        if class == 3002 { "Identity & Access Management" } else { "Application Activity" },
    );
    let person = format!(
        r#"{{"uid":"005{user:015}","name":"user{user}@example.com","email_addr":"user{user}@example.com","account":{{"type_id":14,"type":"Salesforce Account"}}}}"#
    );
    if class == 3002 {
        let _ = write!(line, r#""user":{person},"#);
        let _ = write!(
            line,
            r#""service":{{"name":"Salesforce"}},"auth_protocol_id":5,"auth_protocol":"SAML","#
        );
    } else {
        let _ = write!(line, r#""actor":{{"user":{person}}},"#);
        let _ = write!(
            line,
            r#""api":{{"operation":"query","service":{{"name":"REST"}}}},"resources":[{{"name":"Account","uid":"001{user:015}"}},{{"name":"Contact"}}],"#
        );
    }
    let _ = writeln!(
        line,
        r#""src_endpoint":{{"ip":"{address}","location":{{"city":"Oslo","country":"NO"}}}},"status_id":1,"status":"Success","status_detail":"Success","unmapped":{{"LoginGeo":{{"Latitude":59.9,"Longitude":10.7}},"Browser":"Chrome {}","Platform":"Windows 11","ApiVersion":67.0,"TlsProtocol":"TLS 1.3","CipherSuite":"TLS_AES_256_GCM_SHA384","LoginKey":"{:x}"}}}}"#,
        random.u32(100..140),
        random.u64(..)
    );
    line
}

fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no /proc/self/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // `utime` and `stime` in hundredths of a second (proc(5)).
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}

fn size_of(folder: &std::path::Path) -> Result<u64, Failure> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}
