//! Rows of event log files, in the CSV dialect of the files: every field quoted, quotes
//! doubled, line feeds inside fields left as they are.

use std::fmt::Write;

use fastrand::Rng;
use jiff::Timestamp;

use super::directory::{ORGANIZATION, user_id};
use super::log_files::Part;
use super::log_types::{EventType, TYPES};
use crate::salesforce::ids::{Id, suffix};
use crate::salesforce::random::{pick, rng};

/// What all rows of an org have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) users: u64,
    /// Some rows are written twice.
    pub(crate) identical: bool,
    /// The first row of a `Report` file misses its last field.
    pub(crate) ragged: bool,
}

/// The header line.
pub(crate) fn header(kind: usize) -> String {
    format!("\"{}\"\n", TYPES[kind].columns.join("\",\""))
}

/// The value of `LogFileFieldTypes`.
pub(crate) fn types(kind: usize) -> String {
    let types: Vec<&str> = TYPES[kind]
        .columns
        .iter()
        .map(|column| match *column {
            "TIMESTAMP_DERIVED" => "DateTime",
            "CLIENT_IP" | "SOURCE_IP" => "IP",
            name if name.ends_with("_ID") || name.ends_with("_ID_DERIVED") => "Id",
            name if name.ends_with("_TIME") || name.ends_with("_SIZE") => "Number",
            "STACK_TRACE" | "EXCEPTION_MESSAGE" | "MESSAGE" => "EscapedString",
            _ => "String",
        })
        .collect();
    types.join(",")
}

/// Whether row `row` of a part repeats the one before it, byte for byte.
pub(crate) const fn repeats(shape: &Shape, row: u32) -> bool {
    shape.identical && row % 16 == 5
}

/// Whether row `row` shares `REQUEST_ID` and `TIMESTAMP` with the one before it: one request
/// can log several rows. Only in types whose other columns keep the two rows apart.
fn shares_request(event_type: &EventType, row: u32) -> bool {
    row % 12 == 3 && matches!(event_type.name, "API" | "RestApi" | "URI" | "ApexExecution")
}

/// Appends row `row` of `part`, line feed included.
pub(crate) fn write_row(out: &mut String, shape: &Shape, part: &Part, row: u32) {
    let row = if repeats(shape, row) { row - 1 } else { row };
    let event_type = &TYPES[part.kind];
    let request = if shares_request(event_type, row) { row - 1 } else { row };
    let mut shared = rng(part.seed, &[u64::from(request)]);
    let millisecond = part.hour * 3_600_000 + shared.i64(0..3_600_000);
    let mut event = Event {
        kind: event_type.name,
        moment: Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::UNIX_EPOCH),
        // Two draws make collisions within an org's life practically impossible.
        request: format!("4Ysim{:011x}{:06x}", shared.u64(..1 << 44), shared.u32(..1 << 24)),
        user: shared.u64(1..=shape.users),
        address: shared.u8(1..255),
        rng: rng(part.seed, &[u64::from(row), 1]),
    };
    let ragged = shape.ragged && row == 0 && event_type.name == "Report";
    let columns = event_type.columns.len() - usize::from(ragged);
    for (place, column) in event_type.columns[..columns].iter().enumerate() {
        out.push_str(if place == 0 { "\"" } else { ",\"" });
        event.write(out, column);
        out.push('"');
    }
    out.push('\n');
}

struct Event {
    kind: &'static str,
    moment: Timestamp,
    request: String,
    user: u64,
    address: u8,
    rng: Rng,
}

const ENTITIES: &[&str] = &["Account", "Contact", "Opportunity", "Lead", "Case", "LoginHistory"];
const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "PATCH"];
const AGENTS: &[&str] = &["Mozilla/5.0 (X11; Linux x86_64)", "Go-http-client/1.1"];
const TRANSFERS: &[&str] =
    &["VersionDownloadAction", "VersionDownloadApi", "VersionRenditionDownload", "saveVersion"];
const TRACE: &str = "Class.Demo.run: line 18, column 1\nClass.Demo.main: line 3, column 1";

impl Event {
    fn number(&mut self, out: &mut String, below: u64) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", self.rng.u64(..below));
    }

    fn id(out: &mut String, id: Id, derived: bool) {
        let short = id.short();
        out.push_str(&short);
        if derived {
            out.push_str(&suffix(&short));
        }
    }

    /// A record id that follows from the event, so that `X_ID` and `X_ID_DERIVED` agree.
    fn related(&self, prefix: [u8; 3]) -> Id {
        Id::new(prefix, self.moment.as_second() as u64 % 5000 + 1)
    }

    fn write(&mut self, out: &mut String, column: &str) {
        let derived = column.ends_with("_DERIVED");
        match column {
            "EVENT_TYPE" => out.push_str(self.kind),
            "TIMESTAMP" => {
                let _ = write!(out, "{}", self.moment.strftime("%Y%m%d%H%M%S.%3f"));
            }
            "TIMESTAMP_DERIVED" => {
                let _ = write!(out, "{}", self.moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"));
            }
            "REQUEST_ID" => out.push_str(&self.request),
            "ORGANIZATION_ID" => Self::id(out, ORGANIZATION, false),
            "USER_ID" | "USER_ID_DERIVED" => Self::id(out, user_id(self.user), derived),
            "DELEGATED_USER_ID" | "DELEGATED_USER_ID_DERIVED" => {
                Self::id(out, user_id(self.user % 7 + 1), derived);
            }
            "SHARED_WITH_ENTITY_ID" => Self::id(out, user_id(self.user % 9 + 1), false),
            "DOCUMENT_ID" | "DOCUMENT_ID_DERIVED" => Self::id(out, self.related(*b"069"), derived),
            "VERSION_ID" | "VERSION_ID_DERIVED" => Self::id(out, self.related(*b"068"), derived),
            "REPORT_ID" | "REPORT_ID_DERIVED" => Self::id(out, self.related(*b"00O"), derived),
            "DELIVERY_ID" => Self::id(out, self.related(*b"05D"), false),
            "JOB_ID" => Self::id(out, self.related(*b"750"), false),
            "BATCH_ID" => Self::id(out, self.related(*b"751"), false),
            "CONNECTED_APP_ID" => Self::id(out, self.related(*b"0H4"), false),
            "CLIENT_IP" | "SOURCE_IP" => match self.address % 25 {
                0 => out.push_str("Salesforce.com IP"),
                1 => {}
                _ => {
                    let _ = write!(out, "203.0.113.{}", self.address);
                }
            },
            "USER_NAME" | "DELEGATED_USER_NAME" => {
                let _ = write!(out, "user{}@example.test", self.user);
            }
            "DB_TOTAL_TIME" => self.number(out, 900_000_000),
            "SESSION_KEY" | "LOGIN_KEY" => {
                let _ = write!(out, "sim{:013x}", self.user * 7_919 + u64::from(self.address));
            }
            "LOGIN_STATUS" => out.push_str(if self.rng.u32(..10) == 0 {
                "LOGIN_ERROR_INVALID_PASSWORD"
            } else {
                "LOGIN_NO_ERROR"
            }),
            _ => self.write_rest(out, column),
        }
    }

    /// Columns that only colour the picture.
    fn write_rest(&mut self, out: &mut String, column: &str) {
        let text = match column {
            "URI" => match self.kind {
                "RestApi" => "/services/data/v67.0/query",
                "Login" => "/services/oauth2/token",
                "ReportExport" => "/00ODn0000000001MAA",
                "API" => "Api",
                "BulkApi" | "ApexExecution" => "",
                _ => "/aura",
            },
            "REQUEST_STATUS" if self.kind != "Login" => "S",
            "ENTITY_NAME" | "ENTITY_TYPE" => pick(&mut self.rng, ENTITIES),
            "METHOD" | "HTTP_METHOD" => pick(&mut self.rng, METHODS),
            "METHOD_NAME" | "OPERATION_TYPE" => "query",
            "MEDIA_TYPE" => "application/json;charset=UTF-8",
            "STATUS_CODE" => "200",
            "USER_AGENT" => "9999",
            "BROWSER_TYPE" | "CLIENT_INFO" => pick(&mut self.rng, AGENTS),
            "API_TYPE" if self.kind == "API" => "P",
            "API_VERSION" if self.kind == "Login" => "9998.0",
            "API_VERSION" => "67.0",
            "API_FAMILY" => "REST",
            "API_RESOURCE" => "/v67.0/query",
            "CLIENT_NAME" => "simulated-client/1.0",
            "CONNECTED_APP_NAME" => "Simulated Connector",
            "COUNTS_AGAINST_API_LIMIT" | "SUCCESS" | "USER_INITIATED_LOGOUT" => "1",
            "TLS_PROTOCOL" => "TLSv1.3",
            "CIPHER_SUITE" => "TLS_AES_256_GCM_SHA384",
            "USER_TYPE" => "Standard(db=S,api=Standard)",
            "SESSION_TYPE" => "UI",
            "SESSION_LEVEL" => "STANDARD(db=1,api=STANDARD)",
            "PLATFORM_TYPE" => "1015",
            "TRANSACTION_TYPE" => pick(&mut self.rng, TRANSFERS),
            "FILE_TYPE" | "FILE_PREVIEW_TYPE" => "PDF",
            "ACTION" => "VIEW",
            "DELIVERY_LOCATION" | "DISPLAY_TYPE" => "H",
            "SHARING_PERMISSION" => pick(&mut self.rng, &["V", "C", "I"]),
            "SHARING_OPERATION" => pick(&mut self.rng, &["INSERT", "UPDATE", "DELETE"]),
            "ENTRY_POINT" => "DemoController.load",
            "QUIDDITY" => "L",
            "SORT" => "CREATED_DATE.down",
            "ORIGIN" => "ReportRunFromLightning",
            "REPORT_DESCRIPTION" => {
                "?export=Export&enc=UTF-8&xf=csv\n&runReportJson=%7B%22a%22%3A1%7D"
            }
            "MESSAGE" => "\"\"Batch \"\"\"\"1\"\"\"\" done\"\"",
            "EXCEPTION_TYPE" => "System.NullPointerException",
            "EXCEPTION_MESSAGE" => "Attempt to de-reference \"\"a null object\"\", line 18",
            "STACK_TRACE" => TRACE,
            "SIMULATED_NEW_COLUMN" => "a value, with a comma",
            "REFERRER_URI" => "demo-lightning-force-com/lightning/r/Case/view",
            "RUN_TIME"
            | "CPU_TIME"
            | "EXEC_TIME"
            | "CALLOUT_TIME"
            | "DB_CPU_TIME"
            | "DB_BLOCKS"
            | "ROWS_PROCESSED"
            | "ROW_COUNT"
            | "REQUEST_SIZE"
            | "RESPONSE_SIZE"
            | "SIZE_BYTES"
            | "AVERAGE_ROW_SIZE"
            | "NUMBER_FIELDS"
            | "NUMBER_COLUMNS"
            | "NUMBER_SOQL_QUERIES"
            | "NUMBER_FAILURES" => return self.number(out, 5000),
            "NUMBER_EXCEPTION_FILTERS" | "NUMBER_BUCKETS" | "IS_LONG_RUNNING_REQUEST" => "0",
            _ => "",
        };
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::log_types::kind;
    use super::*;

    const SHAPE: Shape = Shape { users: 50, identical: false, ragged: false };

    fn row(shape: &Shape, kind: usize, row: u32) -> String {
        let part = Part { kind, hour: 497_000, available: 0, rows: 100, seed: 9 };
        let mut text = String::new();
        write_row(&mut text, shape, &part, row);
        text
    }

    /// The fields of one record; panics where the quoting is wrong.
    fn fields(record: &str) -> Vec<String> {
        let mut fields = Vec::new();
        let mut rest = record;
        loop {
            rest = rest.strip_prefix('"').expect("a field begins with a quote");
            let mut field = String::new();
            loop {
                let end = rest.find('"').expect("a field ends");
                field.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                match rest.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        rest = more;
                    }
                    None => break,
                }
            }
            fields.push(field);
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        assert_eq!(rest, "\n");
        fields
    }

    #[test]
    fn every_row_has_every_column() {
        for (kind, event_type) in TYPES.iter().enumerate() {
            assert_eq!(fields(&header(kind)), event_type.columns);
            for number in 0..50 {
                let fields = fields(&row(&SHAPE, kind, number));
                assert_eq!(fields.len(), event_type.columns.len(), "{}", event_type.name);
                assert_eq!(fields[0], event_type.name);
            }
        }
    }

    #[test]
    fn awkward_text_is_there() {
        let trace = fields(&row(&SHAPE, kind("ApexUnexpectedException").unwrap(), 0)).join("|");
        assert!(trace.contains('\n') && trace.contains("\"a null object\""));
        let message = fields(&row(&SHAPE, kind("BulkApi").unwrap(), 0)).join("|");
        assert!(message.contains("|\"Batch \"\"1\"\" done\"|"), "{message}");
    }

    #[test]
    fn rows_lie_within_their_hour() {
        let part = Part { kind: 0, hour: 497_000, available: 0, rows: 50, seed: 9 };
        let shape = Shape { users: 5, identical: false, ragged: false };
        let hour =
            Timestamp::from_second(497_000 * 3600).unwrap().strftime("\"%Y%m%d%H").to_string();
        for row in 0..part.rows {
            let mut text = String::new();
            write_row(&mut text, &shape, &part, row);
            assert!(text.contains(&hour), "{text}");
        }
    }

    #[test]
    fn rows_differ_even_where_the_request_is_shared() {
        for (kind, event_type) in TYPES.iter().enumerate() {
            let rows: Vec<String> = (0..100).map(|number| row(&SHAPE, kind, number)).collect();
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), 100, "{}", event_type.name);
            let requests: BTreeSet<String> =
                rows.iter().map(|row| fields(row)[1..3].join("|")).collect();
            let shared = matches!(event_type.name, "API" | "RestApi" | "URI" | "ApexExecution");
            assert_eq!(requests.len() < 100, shared, "{}", event_type.name);
        }
    }

    #[test]
    fn worse_rows_come_on_demand() {
        let shape = Shape { identical: true, ragged: true, ..SHAPE };
        let uri = kind("URI").unwrap();
        assert_eq!(row(&shape, uri, 5), row(&shape, uri, 4));
        let report = kind("Report").unwrap();
        assert_eq!(
            fields(&row(&shape, report, 0)).len() + 1,
            fields(&row(&shape, report, 1)).len()
        );
    }
}
