use super::*;

const TERMS: &str = r#"scope = "s", on = "t/k""#;

fn expanded(arguments: &str, function: &str) -> Result<String> {
    let tokens = expand(arguments.parse().unwrap(), function.parse().unwrap())?;
    Ok(tokens.to_string())
}

fn fault(arguments: &str, function: &str) -> String {
    expanded(arguments, function).unwrap_err().to_string()
}

#[test]
fn a_function_gives_the_handler_of_its_name() {
    let code =
        expanded(TERMS, "pub async fn f(e: Event<In>, cx: &mut Tx) -> Result<Out, Fault> { body }")
            .unwrap();
    for part in [
        "pub fn f () -> f { f { } }",
        "pub struct f { }",
        "type Data = In ;",
        "type Output = Out ;",
        "type Mode = :: headgate_idempotency :: Transactional ;",
        "Terms :: new (\"s\" , \"t\" , \"k\")",
        "async fn handle (& self , e : Event < In > , cx : & mut Tx)",
        "Result < Out , Fault > { body }",
    ] {
        assert!(code.contains(part), "{part} in {code}");
    }
    assert!(!code.contains("fn key"), "without a key the event's own is taken");
}

#[test]
fn what_is_shared_is_held_by_the_handler() {
    let code = expanded(
        TERMS,
        "async fn f(e: Event<In>, cx: &mut Tx, (a, b): &(A, B)) -> Result<Out, Fault> { body }",
    )
    .unwrap();
    for part in [
        "fn f (shared : impl :: std :: convert :: Into < :: std :: sync :: Arc < (A , B) > >) -> f",
        "struct f { shared : :: std :: sync :: Arc < (A , B) > }",
        "let (a , b) : & (A , B) = & self . shared ;",
    ] {
        assert!(code.contains(part), "{part} in {code}");
    }
}

#[test]
fn a_signature_of_another_shape_is_answered_with_the_right_one() {
    let right = "expected `async fn f(e: Event<T>, cx: &mut Tx) -> Result<R, Fault>`";
    let cases = [
        ("fn f(e: Event<In>, cx: &mut Tx) -> Result<Out, Fault> {}", "a handler is async"),
        ("async fn f<T>(e: Event<T>, cx: &mut Tx) -> Result<O, F> {}", "has no generic parameters"),
        ("async fn f(&self, cx: &mut Tx) -> Result<Out, Fault> {}", "takes no self"),
        ("async fn f(e: Event<In>) -> Result<Out, Fault> {}", "takes an event, a context"),
        ("async fn f(e: In, cx: &mut Tx) -> Result<Out, Fault> {}", "is an event"),
        ("async fn f(e: Event, cx: &mut Tx) -> Result<Out, Fault> {}", "is an event"),
        ("async fn f(e: Event<In>, cx: &mut Tx, c: C) -> Result<O, F> {}", "a shared reference"),
        ("async fn f(e: Event<In>, cx: &mut Tx, c: &mut C) -> Result<O, F> {}", "a shared"),
        ("async fn f(e: Event<In>, cx: &mut Tx) {}", "returns a result"),
        ("async fn f(e: Event<In>, cx: &mut Tx) -> Out {}", "returns a result"),
    ];
    for (function, expected) in cases {
        let told = fault(TERMS, function);
        assert!(told.contains(expected) && told.contains(right), "{function}: {told}");
    }
}

#[test]
fn a_context_of_another_mode_is_refused() {
    let told = fault(
        r#"scope = "s", on = "t/k", mode = keyed"#,
        "async fn f(e: Event<In>, cx: &mut Tx) -> Result<Out, Fault> {}",
    );
    assert_eq!(
        told,
        "mode keyed has no context `Tx`: expected `async fn f(e: Event<T>, cx: &mut Keyed) -> \
         Result<R, Fault>`"
    );
}
