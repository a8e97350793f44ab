//! Settings that are not taken, and what is said of them.

use super::*;

#[test]
fn settings_with_an_analyzer_of_another_version_are_refused_and_told_what_to_do() {
    let stored = |version: u8| format!(r#"{{"version":1,"analyzer":[{version},1,0,0,0,0,0,0],"spaces":[]}}"#);
    let identity = Analyzer::new().fold_diacritics(true).identity();
    assert!(Settings::decode(stored(identity[0]).as_bytes()).is_ok());
    let refused = |version| Settings::decode(stored(version).as_bytes()).err().unwrap();
    for kept in 2..identity[0] {
        assert!(Settings::decode(stored(kept).as_bytes()).is_ok(), "rules that are kept: {kept}");
    }
    let older = refused(1);
    assert_eq!(older.kind(), ErrorKind::Unsupported);
    assert!(older.to_string().contains("export them with the release that wrote them"), "{older}");
    assert_eq!(refused(identity[0] + 1).kind(), ErrorKind::NewerFormat);
}

#[test]
fn an_array_is_not_taken_for_an_object_of_settings() {
    let analyzer =
        json::read::<Value>(&Settings::new(Analyzer::new()).encode()).unwrap()["analyzer"].to_string();
    let decode = |spaces: &str, fields: &str| {
        let stored =
            format!(r#"{{"version":1,"analyzer":{analyzer},"spaces":[{spaces}],"fields":[{fields}]}}"#);
        Settings::decode(stored.as_bytes()).map_err(|e| e.to_string())
    };
    let space = |model: &str| {
        format!(
            r#"{{"name":"v","dimension":2,"metric":"l2","quantization":"int8","originals":"none","model":{model}}}"#
        )
    };
    let field = r#"{"name":"title","weight":2}"#;
    let hash = [0; 16];
    assert!(decode(&space(&format!(r#"{{"id":"m","hash":{hash:?}}}"#)), field).is_ok());
    for refused in [
        decode(&space(&format!(r#"["m",{hash:?}]"#)), field),
        decode(r#"["v",2,"l2","int8","none"]"#, field),
        decode("", r#"["title",2]"#),
        Settings::decode(format!("[1,{analyzer},[],[]]").as_bytes()).map_err(|e| e.to_string()),
    ] {
        let message = refused.err().unwrap();
        assert!(message.contains("invalid type: array, expected an object"), "{message}");
    }
}
