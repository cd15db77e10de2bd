//! Leads a draw with the keyboard alone.

use fantoccini::key::Key;
use serde_json::json;

use crate::console::{Console, Look};
use crate::setting::{PASSWORD, Setting};

/// More than the tab stops of any page.
const STOPS_MAX: usize = 60;

/// Describes the focused element: its name, and whether it is in the content, visible, and visibly
/// focused.
const FOCUSED: &str = "
    const it = document.activeElement;
    const style = getComputedStyle(it);
    const box = it.getBoundingClientRect();
    const label = it.labels && it.labels[0] ? it.labels[0].textContent : it.textContent;
    return [
        label.trim().replace(/\\s+/g, ' '),
        document.querySelector('main').contains(it),
        box.width > 0 && box.left >= 0 && box.top >= 0 && box.bottom <= innerHeight,
        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    ];";

impl Console {
    async fn types(&self, text: &str) {
        for letter in text.chars() {
            self.strike(letter).await;
        }
    }

    /// Moves to the next tab stop and checks that it is visible; returns its name and whether it is
    /// in the content.
    async fn next_stop(&self) -> (String, bool) {
        self.strike(Key::Tab).await;
        let focused = self.tells(FOCUSED).await;
        assert_eq!(
            (&focused[2], &focused[3]),
            (&json!(true), &json!(true)),
            "the focus is seen: {focused}"
        );
        (focused[0].as_str().unwrap().to_owned(), focused[1] == json!(true))
    }

    /// Moves from stop to stop until one has this name.
    async fn goes_to(&self, name: &str) {
        let mut stops = Vec::new();
        for _ in 0..STOPS_MAX {
            let (stop, _) = self.next_stop().await;
            if stop == name {
                return;
            }
            stops.push(stop);
        }
        panic!("'{name}' is not reached: {stops:?}");
    }

    /// Uses the skip link to go to the content.
    async fn skips_to_content(&self) {
        assert_eq!(self.next_stop().await, ("Ir al contenido".to_owned(), false));
        self.strike(Key::Enter).await;
        let focused = self.tells("return document.activeElement.id").await;
        assert_eq!(focused, json!("main"));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
async fn a_draw_is_led_with_the_keyboard_alone() {
    let setting = Setting::start(10);
    let ana = Console::open(&setting.http, "es-AR", Look::DESKTOP).await;
    // The first field has the focus at the beginning.
    ana.types("ana").await;
    assert_eq!(ana.next_stop().await.0, "Contraseña");
    ana.types(PASSWORD).await;
    ana.strike(Key::Enter).await;
    ana.sees("Todavía no hay ningún sorteo").await;

    let mut around = Vec::new();
    while let (stop, false) = ana.next_stop().await {
        around.push(stop);
    }
    let expected = [
        "Ir al contenido",
        "Bolillero",
        "Tablero",
        "Sorteos",
        "Agencias",
        "Buscar",
        "Auditoría",
        "Operadores",
        "ana administrador",
        "Salir",
        "English",
    ];
    assert_eq!(around, expected);
    ana.go("/").await;
    ana.goes_to("Sorteos").await;
    ana.strike(Key::Enter).await;
    ana.sees("Anunciar un sorteo").await;

    ana.skips_to_content().await;
    assert_eq!(ana.next_stop().await, ("Nombre".to_owned(), true));
    ana.types("Nocturna").await;
    assert_eq!(ana.next_stop().await.0, "Agencias");
    ana.types("1-5").await;
    ana.strike(Key::Enter).await;
    ana.sees("Abrir la venta").await;
    ana.skips_to_content().await;
    ana.goes_to("Abrir").await;
    ana.strike(Key::Enter).await;
    ana.sees("Cerrar la venta").await;
    ana.skips_to_content().await;
    ana.goes_to("Motivo").await;
    ana.types("fin de la prueba").await;
    ana.goes_to("Entiendo que el cierre es definitivo").await;
    ana.types(" ").await;
    ana.goes_to("Cerrar el sorteo").await;
    ana.strike(Key::Enter).await;
    ana.sees("Ingresar el número del extracto").await;
    ana.close().await;
}
