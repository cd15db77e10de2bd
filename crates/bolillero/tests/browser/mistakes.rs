//! A day with a mistake of each sort, mended by the console: it ends with a correct record.

use crate::console::{Console, Look};
use crate::setting::{PASSWORD, Setting};
use crate::support::{agency, run_well, str};

/// Batches so small that an agency is interrupted half-way.
const SLOWLY: &[&str] = &["--batch-max-bets", "1", "--window", "1"];

impl Console {
    /// Types a date and time into the form of a draw's step, as browsers send it.
    async fn set_time(&self, step: &str, field: &str, time: &str) {
        let script = format!(
            "document.querySelector('main form[action$=\"{step}\"] [name={field}]').value = '{time}'"
        );
        self.tells(&script).await;
    }

    /// Ticks the box of the form of a draw's step.
    async fn confirm_for(&self, step: &str) {
        let script =
            format!("document.querySelector('form[action$=\"/{step}\"] [name=sure]').click()");
        self.tells(&script).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a browser: cargo xtask browser"]
#[expect(clippy::too_many_lines, reason = "a day is told in its order")]
async fn a_day_of_mistakes_ends_with_a_correct_record() {
    let Setting { central, http, data, bets, folder: _folder } = Setting::start(2_000);
    let ana = Console::open(&http, "es-AR", Look::DESKTOP).await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("Todavía no hay ningún sorteo").await;

    // An agency's number is registered again: who is there is named before anything changes.
    ana.go("/agencies").await;
    for (name, place) in [("La Suerte", "Rosario"), ("La Fortuna", "Salta")] {
        ana.fill("agency", "1").await;
        ana.fill("name", name).await;
        ana.fill("place", place).await;
        ana.press("Registrar").await;
    }
    ana.sees("La agencia 1 ya existe: La Suerte, Rosario. ¿Cambiarla?").await;
    ana.shoot("agency-exists").await;
    ana.follow("Registrar otra").await;
    ana.sees("La Suerte").await;
    ana.follow("Cambiar").await;
    ana.fill("place", "Santa Fe").await;
    ana.press("Cambiar").await;
    ana.sees("Agencia guardada.").await;
    ana.sees("Santa Fe").await;

    // A draw for too many agencies is not announced, and what was typed stays.
    ana.go("/draws").await;
    ana.fill("name", "Quiniela noctrna").await;
    ana.fill("agencies", "1-200000").await;
    ana.set_time("/draws", "closes_at", "2030-11-24T09:00").await;
    ana.press("Anunciar").await;
    ana.sees("Un sorteo tiene hasta 100.000 agencias.").await;
    ana.fill("agencies", "1-5").await;
    // A number with digits too many is named as what it is.
    ana.fill("number_max", "99999999999").await;
    ana.press("Anunciar").await;
    ana.sees("El número es demasiado grande").await;
    ana.fill("number_max", "9999").await;
    ana.press("Anunciar").await;
    ana.sees("Sorteo programado.").await;
    ana.sees("24/11/2030 09:00:00 UTC-3").await;

    // Its name and hour are corrected, and a second draw cancelled.
    ana.unfold("Cambiar lo programado").await;
    ana.fill_for("edit", "name", "Quiniela nocturna").await;
    ana.set_time("edit", "closes_at", "2030-11-24T21:00").await;
    ana.fill_for("edit", "why", "error de tipeo").await;
    ana.press("Guardar los cambios").await;
    ana.sees("Cambios en lo programado.").await;
    ana.sees("Quiniela nocturna").await;
    ana.sees("24/11/2030 21:00:00 UTC-3").await;
    ana.go("/draws").await;
    ana.unfold("Anunciar un sorteo").await;
    ana.fill("name", "Quiniela de prueba").await;
    ana.fill("agencies", "1-5").await;
    ana.press("Anunciar").await;
    ana.unfold("Cancelar el sorteo").await;
    ana.fill_for("cancel", "why", "feriado").await;
    ana.press("Cancelar definitivamente").await;
    ana.sees("Sorteo cancelado.").await;
    ana.shoot("draw-cancelled").await;

    // An agency that finished by mistake is reopened; one that is interrupted goes on.
    ana.go("/draws/1").await;
    ana.press("Abrir").await;
    ana.sees("Sorteo abierto.").await;
    let address = &central.address;
    let mut slow = agency(2, address, bets.file(2), SLOWLY);
    slow.wait_for("apuesta_enviada | result: success");
    slow.kill();
    let first = agency(1, address, bets.file(1), &[]);
    ana.go("/").await;
    ana.waits_for("#finished", "1 / 5").await;
    first.kill();
    ana.sees("interrumpida en").await;
    ana.go("/draws/1").await;
    ana.unfold("Reabrir una agencia que terminó por error").await;
    ana.fill_for("reopen", "agency", "1").await;
    ana.fill_for("reopen", "why", "faltaba un archivo").await;
    ana.press("Reabrir la agencia").await;
    ana.sees("Agencia 1 reabierta.").await;
    // An agency goes on with the same batches.
    let options = |id| if id == 2 { SLOWLY } else { &[] };
    let agencies = (1..=5).map(|id| agency(id, address, bets.file(id), options(id)));
    let agencies: Vec<_> = agencies.collect();
    ana.go("/").await;
    ana.waits_for("#finished", "5 / 5").await;

    // An operator who searches the bets of an open draw is told who may, and since when all may.
    let eva = Console::open(&http, "en-US", Look::DESKTOP).await;
    eva.log_in("eva", PASSWORD).await;
    eva.sees("Quiniela nocturna").await;
    eva.go("/search?draw=1&by=number&value=7").await;
    eva.sees("Until the draw is published, only this role can do this: auditor.").await;

    // The session ends in the middle of the form that closes the draw: the reason is still there.
    ana.go("/draws/1").await;
    ana.fill_for("close", "why", "terminaron todas").await;
    ana.confirm_for("close").await;
    ana.ends_the_session().await;
    ana.press("Cerrar el sorteo").await;
    ana.sees("Su sesión terminó.").await;
    ana.log_in("ana", PASSWORD).await;
    ana.sees("Cerrar la venta").await;
    ana.confirm_for("close").await;
    ana.press("Cerrar el sorteo").await;

    // A wrong number is corrected by who entered it; a wrong result is voided by both.
    let wrong = if bets.winning_number == "7" { "8" } else { "7" };
    ana.enter_number("9").await;
    ana.unfold("Corregir mi número").await;
    ana.fill_for("correct", "number", wrong).await;
    ana.press("Continuar").await;
    ana.confirm_number(wrong).await;
    ana.sees("Número corregido.").await;
    ana.shoot("number-awaited").await;
    eva.go("/draws/1").await;
    eva.enter_number(wrong).await;
    eva.sees("Both numbers match: the draw is made.").await;
    ana.sees("Publicar los ganadores").await;
    ana.unfold("Anular el resultado").await;
    ana.fill_for("void", "why", "extracto equivocado").await;
    ana.confirm_for("void").await;
    ana.press("Anular").await;
    ana.sees("Resultado en duda").await;
    ana.shoot("result-in-doubt").await;
    eva.go("/draws/1").await;
    eva.sees("Reason to publish").await;
    eva.unfold("Void the result").await;
    eva.fill_for("void", "why", "wrong result").await;
    eva.confirm_for("void").await;
    eva.press("Void").await;
    eva.sees("Result voided.").await;
    eva.enter_number(&bets.winning_number).await;
    eva.sees("You entered a number; another operator is missing").await;
    ana.go("/draws/1").await;
    ana.enter_number(&bets.winning_number).await;
    ana.sees("Los dos números coinciden: el sorteo está hecho.").await;
    eva.close().await;
    ana.tick("sure").await;
    ana.press("Publicar").await;
    ana.sees("Ganadores publicados.").await;
    for (id, agency) in (1..).zip(agencies) {
        bets.are_printed_by(id, &agency.ended());
    }

    // A document is found as people write it, with dots.
    let winner = (1..=5).find_map(|id| bets.winners(id).into_iter().next()).unwrap();
    let dotted = format!("{}.{}", &winner[..winner.len() - 3], &winner[winner.len() - 3..]);
    ana.go("/search").await;
    ana.fill("value", &dotted).await;
    ana.press("Buscar").await;
    ana.sees(&winner).await;
    ana.shoot("search-with-dots").await;

    // The record has the right number and winners, and what was mended.
    ana.go("/draws/1/acta").await;
    let number = format!("{:0>4}", bets.winning_number);
    let winners = (1..=5).flat_map(|id| bets.winners(id));
    let mended = [
        "Quiniela nocturna",
        "1 La Suerte, Santa Fe",
        "error de tipeo",
        "Agencia 1 reabierta",
        "terminaron todas",
        "Número corregido",
        "extracto equivocado",
        "Resultado anulado",
    ];
    let mended = mended.map(str::to_owned).into_iter().chain([number]);
    for said in mended.chain(winners) {
        ana.sees(&said).await;
    }
    ana.shoot("record-of-mistakes").await;
    ana.close().await;
    assert_eq!(central.process.terminate().code, Some(0));
    let recounted = run_well(&["winners", "--data", str(&data), "--draw", "Quiniela nocturna"]);
    for document in (1..=5).flat_map(|id| bets.winners(id)) {
        assert!(recounted.contains(&document), "{document}: {recounted}");
    }
}
