use std::io::{Read, Write};
use std::net::TcpListener;

use artifact_datafusion::{Packs, register, register_s3};
use datafusion::arrow::array::RecordBatch;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::support::{RECORDS, fails, options, packs, printed, session, sql, table};

/// The server that `s3.sh` starts; without it these tests say so and end.
fn endpoint() -> Option<String> {
    let endpoint = std::env::var("S3_ENDPOINT").ok();
    if endpoint.is_none() {
        #[expect(clippy::print_stderr, reason = "a test that was not run is said to be so")]
        {
            eprintln!("not run: S3_ENDPOINT names no server; s3.sh starts one");
        }
    }
    endpoint
}

/// A session with a bucket at that server.
fn session_at(endpoint: &str, bucket: &str) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    register(&context, Packs::new(options())).unwrap();
    reaches(&context, endpoint, bucket);
    context
}

/// Registers the bucket.
fn reaches(context: &SessionContext, endpoint: &str, bucket: &str) {
    let options = [
        ("endpoint", endpoint),
        ("allow_http", "true"),
        ("access_key_id", "test"),
        ("secret_access_key", "test"),
        ("region", "us-east-1"),
    ];
    register_s3(context, bucket, &options).unwrap();
}

/// Makes a bucket, in the fewest words of HTTP.
fn bucket(endpoint: &str, name: &str) {
    request(endpoint, "PUT", name);
}

fn request(endpoint: &str, method: &str, path: &str) {
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}

const COPY: &str = "COPY (SELECT * FROM t) TO 's3://notes/copy/' STORED AS CART OPTIONS ('metric' 'l2')";
const SEARCH: &str =
    "SELECT key, score FROM cart_search('s3://notes/copy/', 'small cat', 16) ORDER BY score DESC, key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_copied_to_a_bucket_is_scanned_searched_and_named_where_it_is_gone_or_damaged() {
    let Some(endpoint) = endpoint() else { return };
    bucket(&endpoint, "notes");
    let temp = tempfile::tempdir().unwrap();
    let context = session_at(&endpoint, "notes");
    let location = packs(temp.path(), 4);
    table(&context, "t", &location).await;
    sql(&context, COPY).await;
    sql(&context, COPY).await;
    table(&context, "copied", "s3://notes/copy/").await;
    let rows = sql(&context, "SELECT key FROM copied").await;
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), RECORDS);
    let local = SEARCH.replace("s3://notes/copy/", &location);
    assert_eq!(printed(&sql(&context, SEARCH).await), printed(&sql(&session(), &local).await));

    // The same by ranges, of the versions that were opened.
    let ranged = SessionContext::new();
    let by_ranges = register(&ranged, Packs::new(options()).read_ranges(true)).unwrap();
    reaches(&ranged, &endpoint, "notes");
    assert_eq!(printed(&sql(&ranged, SEARCH).await), printed(&sql(&session(), &local).await));
    let opened = by_ranges.traffic();
    sql(&ranged, &SEARCH.replace("small cat", "dog")).await;
    assert!(opened.requests > 4 && by_ranges.traffic().requests >= opened.requests);

    // One pack is exchanged for something else, then removed: by a session that keeps none of them.
    let found = sql(&context, "SELECT DISTINCT pack FROM copied").await;
    let found = printed(&found);
    let name = found.lines().find(|line| line.contains(".cart")).unwrap();
    let name = name.trim_matches(['|', ' ']).trim_start_matches("s3://").to_owned();
    request(&endpoint, "PUT", &name);
    let error = fails(&session_at(&endpoint, "notes"), SEARCH).await;
    assert!(error.contains(name.rsplit('/').next().unwrap()), "{error}");
    request(&endpoint, "DELETE", &name);
    let error = fails(&session_at(&endpoint, "notes"), SEARCH).await;
    assert!(error.contains(name.rsplit('/').next().unwrap()), "{error}");
    let error = fails(&session_at(&endpoint, "none"), &SEARCH.replace("notes", "none")).await;
    assert!(error.contains("none"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_to_one_folder_of_a_bucket_the_last_one_wins_as_a_whole() {
    let Some(endpoint) = endpoint() else { return };
    bucket(&endpoint, "raced");
    crate::write::race(|| session_at(&endpoint, "raced"), "s3://raced/r/").await;
}

/// A server that answers all requests with that.
fn refusing(code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let mut request = vec![0; 64 << 10];
            let read = stream.read(&mut request);
            let len = body.len();
            let answer =
                format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}");
            if read.and_then(|_| stream.write_all(answer.as_bytes())).is_err() {
                return;
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_and_a_clock_that_is_off_are_errors_that_say_so() {
    for code in ["InvalidAccessKeyId", "RequestTimeTooSkewed"] {
        let context = session_at(&refusing(code), "notes");
        register(&context, Packs::new(options()).leave_out_unreadable(true)).unwrap();
        let copy = "COPY (SELECT 'a text' AS text) TO 's3://notes/copy/' STORED AS CART";
        for text in [SEARCH, copy, "CREATE EXTERNAL TABLE t STORED AS CART LOCATION 's3://notes/copy/'"] {
            let error = fails(&context, text).await;
            assert!(error.contains("notes") || error.contains("copy/packs.json"), "{error}");
            assert!(error.contains("403") || error.contains(code), "{error}");
        }
    }
}
