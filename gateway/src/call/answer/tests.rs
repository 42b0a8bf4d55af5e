use super::*;

fn answer(status: u16, kind: &str, body: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, kind.parse().unwrap());
    let body = Bytes::copy_from_slice(body.as_bytes());
    Answer { status: StatusCode::from_u16(status).unwrap(), headers, body }
}

fn result(kind: &str, body: &str) -> String {
    answer(200, kind, body).outcome().unwrap().result.get().to_owned()
}

#[test]
fn body_of_a_success_is_the_result() {
    assert_eq!(result("application/json", "{ \"id\": 1 }"), "{ \"id\": 1 }");
    assert_eq!(result("text/plain", "charged"), "\"charged\"");
    assert_eq!(result("text/plain", ""), "null");
    assert!(answer(204, "text/plain", "").outcome().is_ok());
}

#[test]
fn outcome_names_result_events_and_push() {
    let body = r#"{"result":{"n":1},"emit":[{"topic":"mail","type":"mail.due.v1","key":"a","data":{}}],"push":"soon"}"#;
    let outcome = answer(200, "Application/Vnd.Headgate.Outcome+json; charset=utf-8", body);
    let outcome = outcome.outcome().unwrap();
    assert_eq!(outcome.result.get(), "{\"n\":1}");
    let emit = &outcome.emit[0];
    assert_eq!(
        (&*emit.topic, &*emit.kind, emit.key.as_deref()),
        ("mail", "mail.due.v1", Some("a"))
    );
    assert_eq!(outcome.push.unwrap().get(), "\"soon\"");
    assert_eq!(answer(200, OUTCOME, "{}").outcome().unwrap().result.get(), "null");
}

#[test]
fn outcome_that_is_none_is_tried_again() {
    for body in ["", "[]", "{\"results\":1}", "{\"emit\":[{\"topic\":\"t\"}]}"] {
        let fault = answer(200, OUTCOME, body).outcome().unwrap_err();
        assert!(matches!(fault, Fault::Retry { .. }), "{body}: {fault}");
    }
}

#[test]
fn status_says_whether_to_try_again() {
    for status in [409, 425, 429, 500, 503] {
        let fault = answer(status, "text/plain", "no\n").outcome().unwrap_err();
        let expected = Fault::retry(format!("the function answered {status}: no"));
        assert_eq!(fault, expected);
    }
    for status in [400, 404, 408, 422, 301] {
        let fault = answer(status, "text/plain", "").outcome().unwrap_err();
        assert_eq!(fault, Fault::terminal(format!("the function answered {status}")));
    }
    let mut busy = answer(503, "text/plain", "");
    busy.headers.insert(RETRY_AFTER, "7".parse().unwrap());
    let after = Fault::retry_after(Duration::from_secs(7), "the function answered 503");
    assert_eq!(busy.outcome().unwrap_err(), after);
}
