use super::*;
use crate::canonical::parse;

const NOON: Timestamp = Timestamp::from_millis(1_795_600_000_000);

fn object(text: &str) -> Option<Value<'static>> {
    Some(parse(text.as_bytes()).unwrap().into_owned())
}

fn resource(text: &str) -> Option<GroupVersionResource> {
    Some(crate::cli::kinds::parse_resource(text, &GroupVersionKind::default()).unwrap())
}

/// The request in one line, or why there is none.
fn line(parts: Parts) -> Result<String, String> {
    parts.build(NOON).map(|case| {
        let request = &case.request;
        let slash = if request.sub_resource.is_empty() { "" } else { "/" };
        format!(
            "{} {}{slash}{} {}|{}",
            request.operation, request.resource, request.sub_resource, request.namespace, request.name
        )
    })
}

const WEB: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}"#;
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}"#;
const NODE: &str = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#;
const SHOP: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;
const EXEC: &str = r#"{"apiVersion":"v1","kind":"PodExecOptions","command":["sh"]}"#;
const CART: &str = r#"{"apiVersion":"example.org/v1","kind":"Cart","metadata":{"name":"c"}}"#;

#[test]
fn a_request_follows_from_its_objects() {
    let text = |text: &str| Some(text.to_owned());
    for (parts, expected) in [
        (Parts { object: object(WEB), ..Parts::default() }, "CREATE apps/v1/deployments shop|web"),
        (
            Parts { object: object(WEB), old_object: object(WEB), ..Parts::default() },
            "UPDATE apps/v1/deployments shop|web",
        ),
        (Parts { old_object: object(WEB), ..Parts::default() }, "DELETE apps/v1/deployments shop|web"),
        (Parts { object: object(POD), ..Parts::default() }, "CREATE v1/pods default|p"),
        (Parts { object: object(POD), namespace: text("attic"), ..Parts::default() }, "CREATE v1/pods attic|p"),
        (Parts { object: object(POD), namespace_object: object(SHOP), ..Parts::default() }, "CREATE v1/pods shop|p"),
        (Parts { object: object(NODE), namespace: text("shop"), ..Parts::default() }, "CREATE v1/nodes |n"),
        // The request for a Namespace carries the object's own name.
        (Parts { object: object(SHOP), ..Parts::default() }, "CREATE v1/namespaces shop|shop"),
        (Parts { object: object(EXEC), name: text("p"), ..Parts::default() }, "CONNECT v1/pods/exec default|p"),
        (
            Parts { object: object(CART), resource: resource("example.org/v1/carts"), ..Parts::default() },
            "CREATE example.org/v1/carts |c",
        ),
        (
            Parts {
                object: object(CART),
                resource: resource("example.org/v1/carts"),
                namespace: text("shop"),
                ..Parts::default()
            },
            "CREATE example.org/v1/carts shop|c",
        ),
        (
            Parts { object: object(WEB), old_object: object(WEB), subresource: text("status"), ..Parts::default() },
            "UPDATE apps/v1/deployments/status shop|web",
        ),
    ] {
        assert_eq!(line(parts).as_deref(), Ok(expected));
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let mut deep = Value::Null;
    for _ in 0..=MAX_DEPTH {
        deep = Value::Array(vec![deep]);
    }
    let deep = Value::Object(
        [("apiVersion", Value::from("v1")), ("kind", Value::from("Pod")), ("a", deep)].into_iter().collect(),
    );
    let other = WEB.replace("\"web\"", "\"api\"");
    for (parts, words) in [
        (Parts { object: Some(deep), ..Parts::default() }, "MalformedObject"),
        (Parts::default(), "neither an object nor an old object"),
        (Parts { object: object(CART), ..Parts::default() }, "the resource of kind `Cart` is not known"),
        (Parts { object: object("{}"), ..Parts::default() }, "no `apiVersion` and `kind`"),
        (Parts { object: object("[]"), ..Parts::default() }, "the object is no object"),
        (Parts { object: object(WEB), old_object: object(&other), ..Parts::default() }, "differ in metadata.name"),
        (Parts { object: object(WEB), old_object: object(POD), ..Parts::default() }, "differ in apiVersion"),
        (Parts { object: object(WEB), namespace: Some("attic".to_owned()), ..Parts::default() }, "not in `attic`"),
        (
            Parts { object: object(WEB), namespace_object: object(&SHOP.replace("shop", "attic")), ..Parts::default() },
            "not in `attic`",
        ),
        (
            Parts {
                object: object(POD),
                namespace: Some("a".to_owned()),
                namespace_object: object(SHOP),
                ..Parts::default()
            },
            "the Namespace that is given is `shop`, and the namespace `a`",
        ),
        (Parts { object: object(WEB), operation: Some(Operation::Delete), ..Parts::default() }, "only an old object"),
        (
            Parts { object: object(WEB), operation: Some(Operation::Update), ..Parts::default() },
            "the object and the old object",
        ),
        (
            Parts { old_object: object(WEB), operation: Some(Operation::Create), ..Parts::default() },
            "a CREATE has no old object",
        ),
        (
            Parts { old_object: object(WEB), operation: Some(Operation::Connect), ..Parts::default() },
            "a CONNECT has an object",
        ),
    ] {
        let error = line(parts).expect_err(words);
        assert!(error.contains(words), "{error}: {words}");
    }
}

#[test]
fn everybody_gets_the_groups_that_the_server_gives() {
    for (name, groups, expected) in [
        ("ann", &["dev"][..], &["dev", "system:authenticated"][..]),
        ("system:anonymous", &[], &["system:unauthenticated"]),
        (
            "system:serviceaccount:ops:bot",
            &["system:serviceaccounts"],
            &["system:serviceaccounts", "system:serviceaccounts:ops", "system:authenticated"],
        ),
    ] {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        let found = user(UserInfo { username: name.to_owned(), groups, ..UserInfo::default() });
        assert_eq!(found.groups, expected, "{name}");
    }
}

#[test]
fn a_review_is_read_and_its_broken_object_kept_as_such() {
    let review = |object: &str| {
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"version":"v1","kind":"Pod"}},"resource":{{"version":"v1","resource":"pods"}},"operation":"CREATE","namespace":"shop","object":{object}}}}}"#
        )
    };
    let case = from_review(review(POD).as_bytes(), NOON).unwrap();
    assert_eq!((case.name(), case.malformed.is_none(), case.time), ("p", true, NOON));
    assert_eq!(text_at(case.namespace_object().as_deref(), &["metadata", "labels", NAME_LABEL]), "shop");
    let case = from_review(review(r#"{"a":1,"a":2}"#).as_bytes(), NOON).unwrap();
    assert!(case.object.is_none() && case.malformed.is_some_and(|error| error.contains("duplicate key")));
    assert!(from_review(b"{}", NOON).is_err());
}
