//! Typed texts: invisible characters and look-alikes are refused, in the reader's language.

use operators::Role;
use serde_json::json;

use crate::client::{As, ask, look};
use crate::languages::filled;
use crate::setting::{Running, add_operator};

const ANNOUNCED: &str = "agencies=1-2&number_min=0&number_max=9";

/// For each form: the input, and the message in Spanish and in English.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "/draws",
        "name=noct%E2%80%AEurna",
        "El nombre tiene un carácter que no se ve, U+202E; escríbalo de nuevo, sin pegarlo.",
        "The name must not have invisible characters such as U+202E",
    ),
    ("/draws", "name=%C2%A0%E3%80%80", "El nombre no puede estar en blanco.", "must not be blank"),
    (
        "/agencies",
        "agency=1&name=La%E2%80%8BSuerte&place=Goya",
        "El nombre tiene un carácter que no se ve, U+200B",
        "The name must not have invisible characters such as U+200B",
    ),
    (
        "/agencies",
        "agency=1&name=La+Suerte&place=%E2%A0%80",
        "El lugar tiene un carácter que no se ve, U+2800",
        "The place must not have invisible characters",
    ),
    (
        "/agencies",
        "agency=1&enabled=no&why=corte%E2%80%A8de+luz",
        "El motivo tiene un carácter que no se ve, U+2028",
        "The reason must not have invisible characters",
    ),
];

/// Returns the same credentials with English as the language.
fn in_english(who: &As) -> As {
    let cookie = format!("{}; bolillero_language=en", who.cookie.as_deref().unwrap());
    As { cookie: Some(cookie), ..who.clone() }
}

#[tokio::test]
async fn texts_that_can_not_be_seen_are_refused_in_both_languages() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let english = in_english(&admin);
    for (path, fields, spanish, said) in REFUSED {
        for (who, says) in [(&admin, spanish), (&english, said)] {
            let answer = filled(&central, who, path, &format!("{fields}&{ANNOUNCED}")).await;
            assert_eq!(answer.status, 400, "{fields}: {answer:?}");
            assert!(answer.body.contains(says), "'{says}' is not said: {}", answer.body);
            assert!(!answer.body.contains('\u{202e}'), "as it was typed: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn names_that_look_like_anothers_are_refused_in_both_languages_and_the_other_is_named() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let english = in_english(&admin);
    for (path, first) in [
        ("/draws", format!("name=Sorteo+1&{ANNOUNCED}")),
        ("/agencies", "agency=7&name=La+Suerte&place=Goya".to_owned()),
    ] {
        let done = filled(&central, &admin, path, &first).await;
        assert!([200, 303].contains(&done.status), "{done:?}");
    }
    add_operator(central.data(), "marla", Role::Viewer);
    for (path, fields, spanish, said) in [
        (
            "/draws",
            format!("name=Sorteo+l&{ANNOUNCED}"),
            "se confunde con el del sorteo 1, «Sorteo 1»",
            "looks the same as that of draw 1",
        ),
        (
            "/agencies",
            "agency=8&name=La++Su%D0%B5rte&place=Goya".to_owned(),
            "se confunde con el de la agencia 7, «La Suerte»",
            "looks the same as that of agency 7",
        ),
        (
            "/operators",
            "name=mar1a&role=viewer&password=una+clave+larga".to_owned(),
            "se confunde con el del operador «marla»",
            "looks the same as that of the operator",
        ),
    ] {
        for (who, says) in [(&admin, spanish), (&english, said)] {
            let answer = filled(&central, who, path, &fields).await;
            assert_eq!(answer.status, 409, "{fields}: {answer:?}");
            assert!(answer.body.contains(says), "'{says}' is not said: {}", answer.body);
        }
    }
    let list = look(central.port, &admin, "/draws").await;
    assert!(!list.body.contains("Sorteo l"), "{list:?}");
}

#[tokio::test]
async fn the_api_refuses_them_too_and_keeps_texts_in_one_form() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let announce = async |name: &str| {
        central
            .post(
                &admin,
                "/api/v1/draws",
                &json!({ "name": name, "agencies": [{ "first": 1, "last": 2 }] }),
            )
            .await
    };
    for name in ["a\u{202e}b", "\u{a0}", "a\u{a0}", "a\u{feff}", "x\u{2029}y"] {
        let refused = announce(name).await;
        refused.is_problem(400, "bad-request");
        assert!(
            refused.json()["detail"].as_str().unwrap().contains("a draw's name"),
            "{refused:?}"
        );
    }
    let agency = json!({ "name": "La N\u{303}ata", "place": "Goya" });
    let kept = ask(central.port, &admin, "PUT", "/api/v1/agencies/7", Some(&agency)).await;
    assert_eq!(kept.json()["name"], "La Ñata");
    let alike = json!({ "name": "LA ÑATA", "place": "Goya" });
    let refused = ask(central.port, &admin, "PUT", "/api/v1/agencies/8", Some(&alike)).await;
    refused.is_problem(409, "conflict");
    let label = json!({ "label": "hall\u{200b}", "role": "viewer", "days": 9 });
    central.post(&admin, "/api/v1/tokens", &label).await.is_problem(400, "bad-request");
}

#[tokio::test]
async fn a_password_is_the_same_however_it_is_typed() {
    let central = Running::start().await;
    let admin = central.logged_in("admin").await;
    let set = json!({ "name": "eva", "role": "viewer", "password": "contraseña mañana" });
    assert_eq!(central.post(&admin, "/api/v1/operators", &set).await.status, 201);
    for password in ["contraseña mañana", "contrasen\u{303}a man\u{303}ana"] {
        assert_eq!(central.log_in("eva", password).await.status, 200, "{password:?}");
    }
    assert_eq!(central.log_in("eva", "contrasena manana").await.status, 401);
}
