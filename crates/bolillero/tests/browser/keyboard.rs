//! Leads a whole day with the keyboard alone, on a phone.

use fantoccini::key::Key;
use serde_json::json;

use crate::console::{Console, Look};
use crate::setting::{PASSWORD, Setting};
use crate::support::agency;

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
        box.width > 0 && box.left >= 0 && box.top > -1 && box.bottom < innerHeight + 1,
        style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        [box.left, box.top, box.bottom, innerHeight],
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

    /// Follows the link, or presses the button, of this name.
    async fn takes(&self, name: &str) {
        self.goes_to(name).await;
        self.strike(Key::Enter).await;
    }

    /// Types into the field of this name.
    async fn writes(&self, name: &str, text: &str) {
        self.goes_to(name).await;
        self.types(text).await;
    }

    /// Ticks the box of this name.
    async fn confirms(&self, name: &str) {
        self.writes(name, " ").await;
    }

    /// Logs in; the first field has the focus at the beginning.
    async fn enters_as(&self, name: &str) {
        self.types(name).await;
        assert_eq!(self.next_stop().await.0, "Contraseña");
        self.types(PASSWORD).await;
        self.strike(Key::Enter).await;
    }

    /// Enters the number of the draw whose page is shown.
    async fn enters_number(&self, number: &str) {
        self.skips_to_content().await;
        self.writes("Número ganador", number).await;
        self.strike(Key::Enter).await;
        self.sees("Usted ingresa").await;
        self.skips_to_content().await;
        self.confirms("Lo leí del extracto oficial").await;
        let digits: Vec<_> = format!("{number:0>4}").chars().map(String::from).collect();
        self.takes(&format!("Ingresar {}", digits.join(" "))).await;
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
#[expect(clippy::too_many_lines, reason = "a day is told in its order")]
async fn a_day_is_led_with_the_keyboard_alone_on_a_phone() {
    let Setting { central, http, bets, folder: _folder, .. } = Setting::start(100);
    let ana = Console::open(&http, "es-AR", Look::PHONE).await;
    ana.enters_as("ana").await;
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

    // The first steps lead to the agencies and to the first draw.
    ana.go("/start").await;
    ana.takes("Ir a este paso").await;
    ana.sees("Registrar una agencia").await;
    ana.skips_to_content().await;
    ana.writes("Número", "1").await;
    ana.writes("Nombre", "La Suerte").await;
    ana.writes("Lugar", "Rosario").await;
    ana.strike(Key::Enter).await;
    ana.sees("Agencia guardada.").await;
    ana.go("/start").await;
    ana.takes("Ir a este paso").await;
    ana.sees("Anunciar un sorteo").await;
    ana.skips_to_content().await;
    assert_eq!(ana.next_stop().await, ("Nombre".to_owned(), true));
    ana.types("Nocturna").await;
    assert_eq!(ana.next_stop().await.0, "Agencias");
    ana.types("1-5").await;
    ana.strike(Key::Enter).await;
    ana.sees("Abrir la venta").await;
    ana.skips_to_content().await;
    ana.takes("Abrir").await;
    ana.sees("Cerrar la venta").await;

    // The agencies bet, and finish.
    let agencies = (1..=5).map(|id| agency(id, &central.address, bets.file(id), &[]));
    let agencies: Vec<_> = agencies.collect();
    ana.takes("Tablero").await;
    ana.waits_for("#finished", "5 / 5").await;
    ana.skips_to_content().await;
    ana.takes("Nocturna").await;
    ana.sees("Cerrar la venta").await;
    ana.skips_to_content().await;
    ana.confirms("Entiendo que el cierre es definitivo").await;
    ana.takes("Cerrar el sorteo").await;
    ana.sees("Ingresar el número del extracto").await;

    // Two operators enter the number; the page of the first one follows.
    ana.enters_number(&bets.winning_number).await;
    ana.sees("Usted ingresó un número; falta otro operador").await;
    let eva = Console::open(&http, "es-AR", Look::PHONE).await;
    eva.enters_as("eva").await;
    eva.sees("Nocturna").await;
    eva.skips_to_content().await;
    eva.takes("Nocturna").await;
    eva.sees("ana ya ingresó el número").await;
    eva.enters_number(&bets.winning_number).await;
    eva.sees("Los dos números coinciden: el sorteo está hecho.").await;
    eva.close().await;
    ana.sees("Publicar los ganadores").await;
    ana.skips_to_content().await;
    ana.confirms("Revisé los ganadores").await;
    ana.takes("Publicar").await;
    ana.sees("Ganadores publicados.").await;
    for (id, agency) in (1..).zip(agencies) {
        bets.are_printed_by(id, &agency.ended());
    }
    ana.skips_to_content().await;
    ana.takes("Acta para imprimir").await;
    ana.sees("Acta del sorteo").await;
    ana.sees("La Suerte, Rosario").await;
    ana.sees("Escribano").await;
    ana.close().await;
}
