//! The page of agencies: a registered one is changed only after a question.

use crate::client::{fill, look};
use crate::languages::{done, filled};
use crate::setting::Running;

#[tokio::test]
async fn a_number_that_is_registered_is_changed_after_a_question() {
    let central = Running::start().await;
    let who = central.logged_in("operator").await;
    let page = done(&central, &who, "/agencies", "agency=1&name=La+Suerte&place=Goya").await.body;
    assert!(page.contains("Agencia guardada."), "{page}");
    assert!(page.contains("href=\"/agencies?agency=1\""), "{page}");

    let again = "agency=1&name=La+Fortuna&place=Goya";
    let unsure = format!("csrf={}&{again}", who.csrf.as_deref().unwrap());
    let asked = fill(central.port, &who, "/agencies", &unsure).await;
    assert_eq!(asked.status, 409, "{asked:?}");
    let question = "La agencia 1 ya existe: La Suerte, Goya. ¿Cambiarla?";
    assert!(asked.body.contains(question), "{asked:?}");
    assert!(asked.body.contains("name=\"sure\" value=\"yes\""), "{asked:?}");
    assert!(asked.body.contains("value=\"La Fortuna\""), "what was typed stays: {asked:?}");
    let filled_in = look(central.port, &who, "/agencies?agency=1").await.body;
    for value in ["1", "La Suerte", "Goya"] {
        assert!(filled_in.contains(&format!("value=\"{value}\"")), "{value}: {filled_in}");
    }
    let page = done(&central, &who, "/agencies", again).await.body;
    assert!(page.contains("La Fortuna") && !page.contains("La Suerte"), "{page}");

    // The form of a new number, and of one that is to be disabled, asks nothing.
    let new = look(central.port, &who, "/agencies?agency=2&name=Otra").await.body;
    assert!(new.contains("Registrar una agencia") && new.contains("value=\"Otra\""), "{new}");
    let wrong = filled(&central, &who, "/agencies", "agency=1&enabled=no&why=a%E2%80%A8b").await;
    assert!(wrong.status == 400 && wrong.body.contains("Registrar una agencia"), "{wrong:?}");
}
