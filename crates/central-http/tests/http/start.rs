//! The first steps, from a central without operators to the first published draw.

use crate::client::{As, fill, look};
use crate::languages::done;
use crate::setting::Running;

#[tokio::test]
async fn the_first_steps_lead_to_the_first_published_draw() {
    let central = Running::start().await;
    let (operator, viewer) =
        (central.logged_in("operator").await, central.logged_in("viewer").await);
    let now = async |who: &As| {
        let page = look(central.port, who, "/start").await.body;
        let (_, now) = page.split_once("aria-current=\"step\">").unwrap_or(("", &page));
        let (name, rest) = now.split_once("<h2>").unwrap().1.split_once("</h2>").unwrap();
        let path = rest.split("</li>").next().unwrap().split_once("href=\"");
        (name.to_owned(), path.map(|(_, path)| path.split('"').next().unwrap().to_owned()))
    };
    let is = async |name: &str, path: &str| {
        assert_eq!(now(&operator).await, (name.to_owned(), Some(path.to_owned())));
    };
    let board = look(central.port, &operator, "/").await.body;
    assert!(board.contains("href=\"/start\">Primeros pasos"), "{board}");
    // The central of the tests has an operator and an admin from the start.
    is("Las agencias", "/agencies").await;
    assert_eq!(now(&viewer).await, ("Las agencias".to_owned(), None), "others do it");
    done(&central, &operator, "/agencies", "agency=1&name=La+Suerte&place=Goya").await;
    is("Un sorteo programado", "/draws").await;
    let draw = "name=nocturna&agencies=1&number_min=0&number_max=9";
    done(&central, &operator, "/draws", draw).await;
    is("La venta abierta", "/draws/1").await;
    done(&central, &operator, "/draws/1/open", "").await;
    is("La venta cerrada", "/draws/1").await;
    // The board is refreshed once a second.
    let first = "href=\"/start\">Primeros pasos: qué falta";
    while !look(central.port, &operator, "/").await.body.contains(first) {}
    done(&central, &operator, "/draws/1/close", "why=prueba").await;
    is("El número ingresado", "/draws/1").await;
    for who in [&operator, &central.logged_in("admin").await] {
        done(&central, who, "/draws/1/number", "number=7&allow_empty=yes").await;
    }
    is("Los ganadores publicados", "/draws/1").await;
    done(&central, &operator, "/draws/1/publish", "").await;
    let page = look(central.port, &operator, "/start").await.body;
    assert!(page.contains("El primer sorteo está publicado"), "{page}");
    assert!(!page.contains("aria-current=\"step\""), "{page}");
}

#[tokio::test]
async fn the_log_in_page_without_operators_says_how_the_first_one_is_added() {
    let central = Running::start().await;
    let command = "bolillero operator add ana --role admin --data ./data";
    let page = async || look(central.port, &As::default(), "/login").await.body;
    assert!(!page().await.contains(command));
    std::fs::remove_file(central.data().join("operators.json")).unwrap();
    assert!(page().await.contains(command));
    let refused = fill(central.port, &As::default(), "/login", "name=ana&password=x").await;
    assert!(refused.status == 401 && refused.body.contains(command), "{refused:?}");
}
