//! The server: pages of records in four shapes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;

use crate::{Failure, tls};

/// When the first record happened; the last one is 50 days later.
const START: &str = "2026-08-01T00:00:00Z";
const SPAN: u64 = 50 * 86_400;

/// What the server answers with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 15 flat fields, 2,000 records a page, the next page's URL in the response.
    Salesforce,
    /// Nested records of 1.7 KB, 1,000 a page, a `Link` header.
    Nested,
    /// Records of 300 bytes, 100 a page.
    Small,
    /// One CSV file of 25 quoted columns.
    Csv,
    /// The records of `Salesforce` in one response.
    Body,
}

impl Shape {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("salesforce", Self::Salesforce),
        ("nested", Self::Nested),
        ("small", Self::Small),
        ("csv", Self::Csv),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let more = [("body", Self::Body)];
        Self::ALL.into_iter().chain(more).find(|(known, _)| *known == name).map(|(_, shape)| shape)
    }

    /// How many records there are unless said otherwise.
    pub(crate) fn records(self) -> u64 {
        match self {
            Self::Salesforce => 500_000,
            Self::Nested => 100_000,
            Self::Small => 200_000,
            Self::Csv => 80_000,
            Self::Body => 150_000,
        }
    }

    /// How many records a page has; for CSV how many rows are written at once.
    pub(crate) fn page(self) -> u64 {
        match self {
            Self::Salesforce | Self::Body => 2_000,
            Self::Nested | Self::Csv => 1_000,
            Self::Small => 100,
        }
    }

    /// A record with its number and time filled in.
    fn filled(self, record: u64, total: u64) -> Result<String, Failure> {
        let time = Timestamp::from_second(start()? + (record * SPAN / total) as i64)?;
        let time = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let text = self.record(record).replace("~~~~~~~~", &format!("{record:08}"));
        Ok(text.replace("@@@@@@@@@@@@@@@@@@@", &time))
    }

    fn open(self) -> &'static str {
        match self {
            Self::Salesforce | Self::Body => {
                "{\"totalSize\":TOTAL,\"done\":DONE,\"nextRecordsUrl\":NEXT,\"records\":["
            }
            Self::Small => "{\"next\":NEXT,\"items\":[",
            Self::Nested => "[",
            Self::Csv => "",
        }
    }

    fn close(self) -> &'static str {
        match self {
            Self::Salesforce | Self::Small | Self::Body => "]}",
            Self::Nested => "]",
            Self::Csv => "",
        }
    }

    /// A record with `~` for the digits of its number and `@` for those of its time.
    fn record(self, record: u64) -> String {
        let status = if record.is_multiple_of(17) { "FAILURE" } else { "SUCCESS" };
        let (user, host) = (record * 7 % 5000, record % 250);
        match self {
            Self::Salesforce | Self::Body => format!(
                r#"{{"attributes":{{"type":"LoginHistory","url":"/services/data/v67.0/sobjects/LoginHistory/0Ya"}},"Id":"0YaDn~~~~~~~~QAC","UserId":"005Dn00000{user:05}IAC","LoginTime":"@@@@@@@@@@@@@@@@@@@.000+0000","LoginType":"Application","LoginSubType":"UI Login","LoginUrl":"demo.my.salesforce.com","SourceIp":"203.0.113.{host}","Status":"{}","Browser":"Chrome 129","Platform":"Windows 10","Application":"Browser","ClientVersion":"N/A","CountryIso":"NO","TlsProtocol":"TLS 1.3","CipherSuite":"TLS_AES_256_GCM_SHA384"}}"#,
                if status == "SUCCESS" { "Success" } else { "Invalid Password" },
            ),
            Self::Nested => format!(
                r#"{{"actor":{{"id":"00u1a2b3c4d5e{user:05}","type":"User","alternateId":"person{user}@demo.example.com","displayName":"Person Number {user}","detailEntry":null}},"client":{{"userAgent":{{"rawUserAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36","os":"Mac OS X","browser":"CHROME"}},"zone":"null","device":"Computer","id":null,"ipAddress":"203.0.113.{host}","geographicalContext":{{"city":"Oslo","state":"Oslo County","country":"Norway","postalCode":"0150","geolocation":{{"lat":59.9127,"lon":10.7461}}}}}},"device":null,"authenticationContext":{{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":"102abcdefghijklmno{user:05}","externalSessionId":"102abcdefghijklmno{user:05}"}},"displayMessage":"User login to the dashboard","eventType":"user.session.start","outcome":{{"result":"{status}","reason":null}},"published":"@@@@@@@@@@@@@@@@@@@.000Z","securityContext":{{"asNumber":64500,"asOrg":"example networks","isp":"example carrier","domain":"example.net","isProxy":false}},"severity":"INFO","debugContext":{{"debugData":{{"requestId":"abcdefghijklmnopqrstuvwxyz","dtHash":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","requestUri":"/idp/idx/identify","threatSuspected":"false","url":"/idp/idx/identify?"}}}},"legacyEventType":"core.user_auth.login_success","transaction":{{"type":"WEB","id":"abcdefghijklmnopqrstuvwxyz","detail":{{}}}},"uuid":"~~~~~~~~-1f2e-11f1-9abc-0123456789ab","version":"0","request":{{"ipChain":[{{"ip":"203.0.113.{host}","geographicalContext":{{"city":"Oslo","state":"Oslo County","country":"Norway","postalCode":"0150","geolocation":{{"lat":59.9127,"lon":10.7461}}}},"version":"V4","source":null}}]}},"target":[{{"id":"0oa1a2b3c4d5e6f7g8h9","type":"AppInstance","alternateId":"Dashboard","displayName":"Dashboard","detailEntry":null}}]}}"#,
            ),
            Self::Small => format!(
                r#"{{"id":"~~~~~~~~","time":"@@@@@@@@@@@@@@@@@@@.000Z","user":{{"id":"u{user:05}","email":"person{user}@demo.example.com"}},"ip":"203.0.113.{host}","country":"Norway","result":"{status}","app":"Dashboard","agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","host":"demo.example.com","type":"session.start"}}"#,
            ),
            Self::Csv => format!(
                "\"Login\",\"@@@@@@@@@@@@@@@@@@@.000Z\",\"~~~~~~~~\",\"00D000000000001\",\"005{user:05}IAC\",\"120\",\"45\",\"/index.jsp\",\"session{user:05}\",\"login{user:05}\",\"{status}\",\"203.0.113.{host}\",\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0\",\"TLSv1.3\",\"TLS_AES_256_GCM_SHA384\",\"Application\",\"UI\",\"67.0\",\"Browser\",\"demo.my.salesforce.com\",\"NO\",\"Oslo\",\"1024\",\"person{user}@demo.example.com\",\"a \"\"quoted\"\" word, and more of a text that is there to fill the row up to its usual length, as rows of logs have it: {user} {host}, {user} {host}, {user} {host}, {user} {host}, {user} {host}, and more\"\n",
            ),
        }
    }
}

const COLUMNS: &str = "\"EVENT_TYPE\",\"TIMESTAMP\",\"REQUEST_ID\",\"ORGANIZATION_ID\",\"USER_ID\",\"RUN_TIME\",\"CPU_TIME\",\"URI\",\"SESSION_KEY\",\"LOGIN_KEY\",\"STATUS\",\"SOURCE_IP\",\"USER_AGENT\",\"TLS_PROTOCOL\",\"CIPHER_SUITE\",\"LOGIN_TYPE\",\"LOGIN_SUB_TYPE\",\"API_VERSION\",\"APPLICATION\",\"LOGIN_URL\",\"COUNTRY\",\"CITY\",\"BYTES\",\"USER_NAME\",\"DETAIL\"\n";

/// The records of a page, with the places of what differs from page to page.
struct Template {
    shape: Shape,
    total: u64,
    records: Vec<u8>,
    ids: Vec<usize>,
    times: Vec<usize>,
}

impl Template {
    fn new(shape: Shape, total: u64) -> Self {
        let mut records = Vec::new();
        let (mut ids, mut times) = (Vec::new(), Vec::new());
        for record in 0..shape.page() {
            if record > 0 && shape != Shape::Csv {
                records.push(b',');
            }
            let text = shape.record(record);
            ids.push(records.len() + text.find('~').unwrap_or_default());
            times.push(records.len() + text.find("@@@").unwrap_or_default());
            records.extend_from_slice(text.as_bytes());
        }
        Self { shape, total, records, ids, times }
    }

    /// What comes before the records of a page; `next` is JSON.
    fn open(&self, is_last: bool, next: &str) -> String {
        let done = if is_last { "true" } else { "false" };
        let open = self.shape.open().replace("TOTAL", &self.total.to_string());
        open.replace("DONE", done).replace("NEXT", next)
    }

    /// Fills in what is particular to a page.
    fn fill(&self, page: u64, records: &mut [u8]) -> Result<(), Failure> {
        let start = start()?;
        let (mut second, mut text) = (i64::MIN, String::new());
        for (index, (id, time)) in self.ids.iter().zip(&self.times).enumerate() {
            let number = page * self.shape.page() + index as u64;
            records[*id..id + 8].copy_from_slice(format!("{number:08}").as_bytes());
            let at = start + (number * SPAN / self.total) as i64;
            if at != second {
                second = at;
                text = Timestamp::from_second(at)?.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            }
            records[*time..time + 19].copy_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

/// When the first record happened, in seconds since 1970.
fn start() -> Result<i64, Failure> {
    Ok(START.parse::<Timestamp>()?.as_second())
}

/// Serves until it is killed, by TLS if it has a certificate. Prints its address.
pub(crate) fn serve(
    shape: Shape,
    records: u64,
    config: Option<&Arc<ServerConfig>>,
) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let template = Arc::new(Template::new(shape, records));
    for stream in listener.incoming() {
        let (stream, template, config) = (stream?, Arc::clone(&template), config.cloned());
        stream.set_nodelay(true)?;
        std::thread::spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _ = match config {
                None => answer(stream, &template),
                Some(config) => {
                    tls::accept(stream, config).and_then(|stream| answer(stream, &template))
                }
            };
        });
    }
    Ok(())
}

fn answer(stream: impl Read + Write, template: &Template) -> Result<(), Failure> {
    let mut reader = BufReader::new(stream);
    let mut records = template.records.clone();
    let shape = template.shape;
    let pages = template.total / shape.page();
    loop {
        let (mut page, mut is_item) = (0_u64, false);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(path) = line.split_whitespace().nth(1) {
            let path = path.split('?').next().unwrap_or_default();
            page = path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            is_item = path.starts_with("/item/");
        }
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let writer = reader.get_mut();
        if is_item {
            let item = shape.filled(page, template.total)?;
            let open = template.open(true, "null");
            let body = format!("{open}{item}{}", shape.close());
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            writer.write_all(answer.as_bytes())?;
            continue;
        }
        if let Shape::Csv | Shape::Body = shape {
            let (kind, open, between) = match shape {
                Shape::Csv => ("text/csv", COLUMNS.to_owned(), ""),
                _ => ("application/json", template.open(true, "null"), ","),
            };
            let close = shape.close();
            let parts = records.len() as u64 * pages + between.len() as u64 * (pages - 1);
            let length = open.len() as u64 + parts + close.len() as u64;
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{open}"
            )?;
            for page in 0..pages {
                template.fill(page, &mut records)?;
                writer.write_all(if page == 0 { "" } else { between }.as_bytes())?;
                writer.write_all(&records)?;
            }
            writer.write_all(close.as_bytes())?;
            continue;
        }
        template.fill(page, &mut records)?;
        let is_last = page + 1 >= pages;
        let next = format!("/query/{:06}", page + 1);
        let (quoted, link) = if is_last {
            ("null".to_owned(), String::new())
        } else {
            let link = format!("Link: <https://api.bench.test{next}>; rel=\"next\"\r\n");
            (format!("\"{next}\""), link)
        };
        let link = if shape == Shape::Nested { link } else { String::new() };
        let open = template.open(is_last, &quoted);
        let close = shape.close();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{link}Content-Length: {}\r\n\r\n{open}",
            open.len() + records.len() + close.len()
        )?;
        writer.write_all(&records)?;
        writer.write_all(close.as_bytes())?;
    }
}
