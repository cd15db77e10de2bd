//! What people read: every message in Spanish and English, side by side.
//!
//! `Display` of the same types is the English text, for log lines. A type of another crate has its
//! English text there.

use std::fmt;
use std::io::{self, ErrorKind};

use lottery::BetFault;
use lottery::text::counted;
use pki::PkiError;
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use wire::{ErrorCode, FaultCode};

use crate::error::{
    AgencyError, BetsOver, Lines, Loss, Lost, OptionFault, RowFault, RowReason, Speaks,
};
use crate::language::{Language, say};
use crate::limits::{ROW_LEN_MAX, STALL_TIME_MAX, WINNERS_LEN_MAX};
use crate::looks::{Look, Looks, Other};
use crate::options::{Progress, Report};

impl RowFault {
    /// Returns the text in `language`.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let Self { file, line, reason } = self;
        format!("{}:{line}: {}", file.display(), reason.text(language))
    }
}

impl Lines {
    fn text(self, language: Language) -> String {
        let Self { first, last, bets } = self;
        let bets = match language {
            Language::Spanish => counted(bets, "apuesta", "apuestas"),
            Language::English => counted(bets, "bet", "bets"),
        };
        say!(language, "las líneas {first} a {last} ({bets})", "lines {first} to {last} ({bets})",)
    }
}

impl RowReason {
    /// Returns the text in `language`.
    #[must_use]
    pub fn text(self, language: Language) -> String {
        match self {
            Self::FieldCount(count) => say!(
                language,
                "una apuesta tiene cinco campos (nombre, apellido, documento, fecha de \
                 nacimiento, número), no {count}",
                "a bet has five fields (first name, last name, document, birthdate, number), not \
                 {count}",
            ),
            Self::NotUtf8 => say!(
                language,
                "el texto no es válido en su codificación, que es UTF-8 si --encoding no indica \
                 otra",
                "the text is not valid in its encoding, UTF-8 unless --encoding says otherwise",
            ),
            Self::Quotes => say!(
                language,
                "hay una comilla fuera de lugar o sin cerrar",
                "a quotation mark is out of place or is never closed",
            ),
            Self::Lines(line) => say!(
                language,
                "la fila entre comillas sigue hasta la línea {line}; una apuesta debe ocupar una \
                 sola línea",
                "the quoted row continues to line {line}; a bet must be on one line",
            ),
            Self::TooLong => say!(
                language,
                "tiene más de {ROW_LEN_MAX} bytes; ¿falta cerrar una comilla?",
                "longer than {ROW_LEN_MAX} bytes; is a closing quotation mark missing?",
            ),
            Self::Bet(fault) => bet_fault(fault, language),
            Self::Message(len_max) => say!(
                language,
                "la apuesta no entra en un mensaje de {len_max} bytes",
                "the bet does not fit in a message of {len_max} bytes",
            ),
            Self::Central(code) => {
                let fault = fault_code(code, language);
                say!(
                    language,
                    "rechazada por la central: {fault}",
                    "rejected by the central: {fault}"
                )
            }
        }
    }
}

impl OptionFault {
    fn text(&self, language: Language) -> String {
        match self {
            Self::EmptyBatch => say!(
                language,
                "un lote debe tener al menos una apuesta: aumente --batch-max-bets",
                "a batch must hold at least one bet: raise --batch-max-bets",
            ),
            Self::Window(max) => say!(
                language,
                "--window debe estar entre 1 y {max}",
                "--window must be between 1 and {max}",
            ),
            Self::LegacyDraw => say!(
                language,
                "el protocolo original no puede nombrar un sorteo: quite --legacy o --draw",
                "the original protocol can't name a draw: remove --legacy or --draw",
            ),
            Self::AgencyZero => say!(
                language,
                "no existe la agencia 0: las agencias se numeran desde 1",
                "there is no agency 0: agencies are numbered from 1",
            ),
            Self::NoCentral => say!(
                language,
                "no se indicó ninguna central: use --central HOST:PUERTO",
                "no central is given: use --central HOST:PORT",
            ),
            Self::Address(text) => say!(
                language,
                "'{text}' no es una dirección: use HOST:PUERTO",
                "'{text}' is not an address: use HOST:PORT",
            ),
        }
    }
}

impl AgencyError {
    /// Returns the text in `language`.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Options(fault) => fault.text(language),
            Self::Open { file, source } => {
                let (file, why) = (file.display(), system(source, language));
                say!(language, "no se puede abrir '{file}': {why}", "can't open '{file}': {why}")
            }
            Self::Read { file, source } => {
                let (file, why) = (file.display(), system(source, language));
                say!(language, "no se puede leer '{file}': {why}", "can't read '{file}': {why}")
            }
            Self::NotRegular { file } => {
                let file = file.display();
                say!(
                    language,
                    "'{file}' no es un archivo común; se lee dos veces, así que no puede ser una \
                     carpeta ni una tubería",
                    "'{file}' is not a regular file; it is read twice, so it can't be a folder or \
                     a pipe",
                )
            }
            Self::Changed { file } => {
                let file = file.display();
                say!(
                    language,
                    "'{file}' cambió después de la verificación; ejecute de nuevo cuando esté \
                     completo",
                    "'{file}' changed after it was validated; run again when it is complete",
                )
            }
            Self::BadRows { rows, count, looks, .. } => {
                rows_text(rows, *count, language) + &looks.text(language)
            }
            Self::NoBets { file, refused, looks, .. } => {
                let (file, looks) = (file.display(), looks.text(language));
                let besides = besides(*refused, language);
                say!(
                    language,
                    "'{file}' no tiene apuestas{besides}: no se envió nada; una agencia sin \
                     apuestas finaliza con --allow-empty{looks}",
                    "'{file}' has no bet{besides}: nothing was sent; an agency without bets \
                     finishes with --allow-empty{looks}",
                )
            }
            Self::HeaderIsABet { file, line } => {
                let file = file.display();
                say!(
                    language,
                    "{file}:{line}: es una apuesta, no un encabezado: quite --header",
                    "{file}:{line}: this is a bet, not a header: remove --header",
                )
            }
            Self::TooManyBatches => say!(
                language,
                "el archivo tiene más apuestas de las que se pueden enviar; aumente \
                 --batch-max-bets",
                "the file has more bets than can be sent; raise --batch-max-bets",
            ),
            Self::Refused { central, code, reason, lines, rows, .. } => {
                refusal(central, *code, reason, *lines, rows, language)
            }
            Self::OtherBets { central, agency, bets } => say!(
                language,
                "la central de {central} tiene otras apuestas de la agencia {agency} ({bets}) que las primeras \
                 de este archivo: para continuar, use el mismo archivo y el mismo --batch-max-bets",
                "the central at {central} has other bets of agency {agency} ({bets}) than the first ones of \
                 this file: to continue, use the same file and the same --batch-max-bets",
            ),
            Self::NoMoreBets { file, over, stored, left } => {
                let (file, over) = (file.display(), over.text(language));
                let left = left.text(language);
                let stored = stored.map(|stored| stored.text(language));
                match stored {
                    Some(stored) => say!(
                        language,
                        "{over}: de {file}, participan {stored}; no participan {left}",
                        "{over}: of {file}, {stored} take part, and {left} do not",
                    ),
                    None => say!(
                        language,
                        "{over}: de {file} no participa nada; no participan {left}",
                        "{over}: of {file}, nothing takes part, and {left} do not",
                    ),
                }
            }
            Self::LostByCentral { central, acknowledged, stored } => say!(
                language,
                "la central de {central} confirmó {acknowledged} apuestas y ahora solo tiene {stored}: avise a \
                 la lotería",
                "the central at {central} acknowledged {acknowledged} bets and now has only {stored}: tell the \
                 lottery",
            ),
            Self::TooManyWinners => say!(
                language,
                "los ganadores ocupan más de {WINNERS_LEN_MAX} bytes",
                "the winners exceed {WINNERS_LEN_MAX} bytes",
            ),
            Self::NoCentral { round } => {
                let round = losses(round, language);
                say!(
                    language,
                    "no hay una central para esta agencia {round}",
                    "no central for this agency {round}",
                )
            }
            Self::NeverReached { after, round } => {
                let (seconds, round) = (after.as_secs(), losses(round, language));
                say!(
                    language,
                    "no se encontró una central en {seconds} s {round}; revise --central o \
                     aumente --connect-time-max",
                    "no central found in {seconds} s {round}; check --central, or raise \
                     --connect-time-max",
                )
            }
            Self::Stalled { round } => {
                let (seconds, round) = (STALL_TIME_MAX.as_secs(), losses(round, language));
                say!(
                    language,
                    "sin avances durante {seconds} segundos; último error {round}; ejecute de \
                     nuevo con el mismo archivo",
                    "no progress for {seconds} seconds; last error {round}; run it again with the \
                     same file",
                )
            }
        }
    }
}

impl BetsOver {
    fn text(self, language: Language) -> String {
        match self {
            Self::AgencyFinished => say!(
                language,
                "esta agencia ya finalizó en el sorteo",
                "this agency has finished in the draw",
            ),
            Self::Closed => say!(language, "el sorteo está cerrado", "the draw is closed"),
            Self::Drawn => say!(language, "el sorteo ya se realizó", "the draw has been made"),
            Self::Unknown => say!(
                language,
                "la central no acepta más apuestas",
                "the central accepts no more bets",
            ),
        }
    }
}

impl Loss {
    /// Returns the text in `language`.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table of texts")]
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Lookup(error) => {
                let english = error.to_string();
                let why = language.t("no existe, o no hay red", &english);
                say!(
                    language,
                    "no se puede resolver el nombre del servidor: {why}",
                    "can't resolve the host name: {why}",
                )
            }
            Self::Connect(error) => connect(error, language),
            Self::Other(speaks) => speaks.text(language),
            Self::ConnectTime(time) => {
                let seconds = time.as_secs();
                say!(
                    language,
                    "no se puede conectar: sin respuesta en {seconds} segundos",
                    "can't connect: no answer after {seconds} seconds",
                )
            }
            Self::Tls(error) => {
                let why = tls(error, language);
                say!(
                    language,
                    "falló TLS con la central: {why}",
                    "TLS with the central failed: {why}",
                )
            }
            Self::TlsClosed => say!(
                language,
                "la conexión se cerró al iniciar TLS: la central llegó a su límite de conexiones, \
                 o no usa TLS en este puerto",
                "the connection was closed during the TLS handshake: the central is at its \
                 connection limit, or does not use TLS on this port",
            ),
            Self::TlsTime(time) => {
                let seconds = time.as_secs();
                say!(
                    language,
                    "TLS no se inició en {seconds} segundos: ¿este puerto usa TLS?",
                    "no TLS handshake after {seconds} seconds: does this port use TLS?",
                )
            }
            Self::Closed => {
                say!(language, "la central cerró la conexión", "the central closed the connection")
            }
            Self::ClosedAtHello => say!(
                language,
                "la central cerró la conexión al recibir HELLO; si solo conoce el protocolo \
                 original, use --legacy",
                "the central closed the connection at HELLO; if it only knows the original \
                 protocol, use --legacy",
            ),
            Self::Io(error) => {
                let why = system(error, language);
                say!(language, "se perdió la conexión: {why}", "connection lost: {why}")
            }
            Self::ReplyTime(time) => {
                let seconds = time.as_secs();
                say!(
                    language,
                    "la central no responde desde hace {seconds} segundos",
                    "no reply from the central after {seconds} seconds",
                )
            }
            Self::Violation(violation) => say!(
                language,
                "la central envió un mensaje no válido: {violation}",
                "the central sent an invalid message: {violation}",
            ),
            Self::Unexpected => say!(
                language,
                "la central envió una respuesta que no corresponde al pedido",
                "the central sent a reply that does not match the request",
            ),
            Self::Numbers => say!(
                language,
                "la central envió un rango de números no válido en WELCOME",
                "the central sent a WELCOME with an invalid range of numbers",
            ),
            Self::NoMoreBets { code, reason } => {
                let why = code_and_reason(*code, reason, language);
                say!(
                    language,
                    "la central no acepta más apuestas: {why}",
                    "the central accepts no more bets: {why}",
                )
            }
            Self::Refused { code, reason } => {
                let why = code_and_reason(*code, reason, language);
                say!(
                    language,
                    "la central rechazó el envío por ahora: {why}",
                    "temporarily rejected by the central: {why}",
                )
            }
        }
    }
}

impl Speaks {
    fn text(self, language: Language) -> String {
        match self {
            Self::Tls => say!(
                language,
                "este puerto usa TLS: indique --tls-ca, --tls-cert y --tls-key, o use el puerto \
                 sin TLS",
                "this port uses TLS: set --tls-ca, --tls-cert and --tls-key, or use the port for \
                 plain text",
            ),
            Self::Http => say!(
                language,
                "este puerto es de HTTP, para operadores: use el puerto de las agencias",
                "this port serves HTTP for operators: use the port for agencies",
            ),
            Self::Plain => say!(
                language,
                "este puerto no usa TLS: use el puerto con TLS, o quite --tls-...",
                "this port does not use TLS: use the port for TLS, or remove --tls-...",
            ),
        }
    }
}

impl Looks {
    /// Returns the text to append to an error message, empty when there is nothing to report.
    pub(crate) fn text(&self, language: Language) -> String {
        let looks: Vec<_> = self.0.iter().map(|look| look.text(language)).collect();
        let looks = looks.join(", ");
        if looks.is_empty() {
            return looks;
        }
        say!(language, "; el archivo parece {looks}", "; the file looks like one {looks}")
    }
}

impl Look {
    fn text(self, language: Language) -> String {
        match self {
            Self::Other(Other::Compressed(by)) => say!(
                language,
                "comprimido con {by}: descomprímalo primero",
                "compressed by {by}: uncompress it first",
            ),
            Self::Other(Other::Sheet(kind)) => say!(
                language,
                "una planilla o un comprimido ({kind}): guarde la planilla como CSV en UTF-8",
                "of a spreadsheet or an archive ({kind}): save the sheet as CSV in UTF-8",
            ),
            Self::Other(Other::Pdf) => say!(
                language,
                "un PDF: pida las apuestas en CSV",
                "in PDF: ask for the bets as CSV",
            ),
            Self::Encoding(encoding) => say!(
                language,
                "estar en {encoding} (use --encoding {encoding})",
                "in {encoding} (use --encoding {encoding})",
            ),
            Self::Delimiter(delimiter) => say!(
                language,
                "tener los campos separados por '{delimiter}' (use --delimiter '{delimiter}')",
                "with fields separated by '{delimiter}' (use --delimiter '{delimiter}')",
            ),
            Self::Header => say!(
                language,
                "tener una línea de encabezado (use --header)",
                "with a header line (use --header)",
            ),
            Self::Dates => say!(
                language,
                "tener fechas con el año al final (escríbalas AAAA-MM-DD)",
                "with the year last in dates (write them as YYYY-MM-DD)",
            ),
        }
    }
}

impl Progress {
    /// Returns what the run does now, if the event says it.
    #[must_use]
    pub fn text(&self, language: Language) -> Option<String> {
        match self {
            Self::Checked { .. } | Self::Acknowledged { .. } => None,
            Self::Connected => Some(say!(language, "enviando", "sending")),
            Self::Lost { address, reason, .. } => Some(format!("{address}: {reason}")),
            Self::NotOpen { reason } => Some(reason.clone()),
            Self::Finished => Some(say!(language, "finalizado", "finished")),
            Self::Waiting => Some(say!(language, "esperando el sorteo", "waiting for the draw")),
        }
    }
}

impl Report {
    /// Returns a text about the result of a run that was not stopped.
    #[must_use]
    pub fn summary(&self, language: Language) -> String {
        let (bets, winners) = (self.bets, self.winners.len());
        let in_draw = match self.incomplete {
            None => say!(language, "Apuestas en el sorteo: {bets}. ", "Bets in the draw: {bets}. "),
            Some(_) => String::new(),
        };
        match winners {
            0 => say!(language, "{in_draw}Sin ganadores.", "{in_draw}No winners."),
            _ => say!(language, "{in_draw}Ganadores: {winners}.", "{in_draw}Winners: {winners}."),
        }
    }

    /// Returns what was not completed, if so: bets that do not take part in the draw, or winners
    /// that did not arrive.
    #[must_use]
    pub fn undone(&self, language: Language) -> Option<String> {
        let incomplete = self.incomplete.as_ref().map(|error| error.text(language));
        match (incomplete, self.stopped.then(|| self.stopped_text(language))) {
            (None, stopped) => stopped,
            (Some(error), None) => Some(say!(
                language,
                "no todas las apuestas del archivo participan en el sorteo; los ganadores que se \
                 muestran son los de las que participan: {error}",
                "not all bets of the file take part in the draw; the printed winners are those of \
                 the bets that do: {error}",
            )),
            (Some(error), Some(stopped)) => Some(format!("{stopped}: {error}")),
        }
    }

    fn stopped_text(&self, language: Language) -> String {
        let bets = self.bets;
        match (self.finished, self.bets_in_file) {
            // What the central has is in the error that follows.
            (true, _) if self.incomplete.is_some() => say!(
                language,
                "detenido antes de recibir los ganadores; ejecute de nuevo con el mismo archivo \
                 para recibirlos",
                "stopped before the winners arrived; run it again with the same file to get them",
            ),
            (true, _) => say!(
                language,
                "detenido antes de recibir los ganadores; apuestas guardadas: {bets}; ejecute de \
                 nuevo con el mismo archivo para recibirlos",
                "stopped before the winners arrived; bets stored: {bets}; run it again with the \
                 same file to get the winners",
            ),
            (false, Some(all)) => say!(
                language,
                "detenido antes de enviar todas las apuestas; apuestas guardadas: al menos {bets} \
                 de {all}; ejecute de nuevo con el mismo archivo para enviar el resto",
                "stopped before all bets were sent; bets stored: at least {bets} of {all}; run it \
                 again with the same file to send the rest",
            ),
            (false, None) => say!(
                language,
                "detenido antes de enviar nada: ejecute de nuevo con el mismo archivo",
                "stopped before anything was sent: run it again with the same file",
            ),
        }
    }
}

/// Returns the text of an error of the agency's certificate files.
#[must_use]
pub fn certificate_text(error: &PkiError, language: Language) -> String {
    let why = match (language, error) {
        (Language::English, error) => error.to_string(),
        (Language::Spanish, PkiError::Read { path, error }) => {
            format!("no se puede leer {}: {}", path.display(), system(error, language))
        }
        (Language::Spanish, PkiError::Exposed { path, remedy }) => format!(
            "otros usuarios de esta máquina pueden acceder a {}: ejecute `{remedy}` sobre él",
            path.display()
        ),
        (Language::Spanish, PkiError::NotPem { path, .. }) => {
            format!("{} no tiene un certificado o una clave en formato PEM", path.display())
        }
        (Language::Spanish, PkiError::Unusable { path, why }) => {
            format!("no se puede usar {}: {why}", path.display())
        }
        (Language::Spanish, PkiError::Expired { path, at }) => {
            format!("el certificado de {} venció el {at}: pida uno nuevo", path.display())
        }
        (Language::Spanish, PkiError::NotYetValid { path, at }) => format!(
            "el certificado de {} recién vale desde el {at}: revise el reloj de esta máquina",
            path.display()
        ),
        (Language::Spanish, PkiError::NotAnAgency { path, fault }) => {
            format!("el certificado de {} no es de una agencia: {fault}", path.display())
        }
        (Language::Spanish, PkiError::OtherAgency { path, certified, agency }) => format!(
            "el certificado de {} es de la agencia {certified}, no de la agencia {agency}",
            path.display()
        ),
        (Language::Spanish, PkiError::OtherKey { key, certificate }) => format!(
            "la clave de {} no corresponde al certificado de {}",
            key.display(),
            certificate.display()
        ),
        (Language::Spanish, PkiError::NotAHost(host)) => {
            format!("'{host}' no es un nombre de servidor ni una dirección IP")
        }
        // The others are about authorities, which an agency does not use.
        (Language::Spanish, error) => error.to_string(),
    };
    say!(language, "no se puede usar TLS: {why}", "can't use TLS: {why}")
}

/// Returns what each central was lost by, with its address.
fn losses(round: &[Lost], language: Language) -> String {
    let loss = |Lost { address, loss }: &Lost| {
        let why = loss.text(language);
        say!(language, "en {address}: {why}", "at {address}: {why}")
    };
    round.iter().map(loss).collect::<Vec<_>>().join("; ")
}

fn refusal(
    central: &str,
    code: ErrorCode,
    reason: &str,
    lines: Option<Lines>,
    rows: &[RowFault],
    language: Language,
) -> String {
    let what = lines.map_or_else(String::new, |lines| format!(" {}", lines.text(language)));
    let why = code_and_reason(code, reason, language);
    let rows = match rows_text(rows, rows.len() as u64, language) {
        rows if rows.is_empty() => rows,
        rows => format!(" ({rows})"),
    };
    let remedy = match code {
        ErrorCode::NoOpenDraw => say!(
            language,
            "; indique el sorteo con --draw NOMBRE",
            "; select the draw with --draw NAME",
        ),
        ErrorCode::NotOpenYet => say!(
            language,
            "; use --wait para esperar a que abra",
            "; use --wait to wait until it opens",
        ),
        ErrorCode::TooManyBatches => say!(
            language,
            "; consulte por el resto a los operadores de la lotería",
            "; ask the lottery's operators about the rest",
        ),
        _ => String::new(),
    };
    say!(
        language,
        "la central de {central} rechazó{what}: {why}{rows}{remedy}",
        "the central at {central} rejected{what}: {why}{rows}{remedy}",
    )
}

/// Returns the text of a refusal, with the central's reason if it adds something. The central gives
/// it in English.
fn code_and_reason(code: ErrorCode, reason: &str, language: Language) -> String {
    let why = error_code(code, language);
    if adds_to(code, reason) { say!(language, "{why} ({reason})", "{why}: {reason}") } else { why }
}

/// Returns whether a reason says more than its code: always, except that the reasons of some codes
/// only do if they have a number, such as a time, or a name in quotes.
fn adds_to(code: ErrorCode, reason: &str) -> bool {
    let known = code.to_string();
    let is_datum =
        |word: &str| word.starts_with(['\'', '"']) || word.contains(|it: char| it.is_ascii_digit());
    match code {
        ErrorCode::NotUtf8
        | ErrorCode::AgencyFinished
        | ErrorCode::DrawClosed
        | ErrorCode::TimedOut
        | ErrorCode::StorageFailed
        | ErrorCode::StorageFull
        | ErrorCode::ShuttingDown
        | ErrorCode::NotOpenYet => {
            reason.split_whitespace().any(|word| is_datum(word) && !known.contains(word))
        }
        _ => !reason.is_empty() && reason != known,
    }
}

fn rows_text(rows: &[RowFault], count: u64, language: Language) -> String {
    let first = rows.first().map_or_else(String::new, |row| row.text(language));
    let others = count.saturating_sub(1);
    match others {
        0 => first,
        1 => say!(
            language,
            "{first}; otra fila tampoco es válida",
            "{first}; 1 other row is invalid too",
        ),
        _ => say!(
            language,
            "{first}; otras {others} filas tampoco son válidas",
            "{first}; {others} other rows are invalid too",
        ),
    }
}

fn besides(refused: u64, language: Language) -> String {
    match refused {
        0 => String::new(),
        1 => say!(language, ", salvo una fila no válida", " but an invalid row"),
        _ => say!(language, ", salvo {refused} filas no válidas", " but {refused} invalid rows",),
    }
}

fn connect(error: &io::Error, language: Language) -> String {
    let why = system(error, language);
    match error.kind() {
        ErrorKind::ConnectionRefused => say!(
            language,
            "no se puede conectar: nada escucha en este puerto: {why}",
            "can't connect: nothing listens on this port: {why}",
        ),
        _ => say!(language, "no se puede conectar: {why}", "can't connect: {why}"),
    }
}

/// Returns the text of an error of the operating system, which gives it in English.
fn system(error: &io::Error, language: Language) -> String {
    let spanish = match error.kind() {
        ErrorKind::NotFound => "no existe",
        ErrorKind::PermissionDenied => "permiso denegado",
        ErrorKind::ConnectionRefused => "conexión rechazada",
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "se cortó la conexión",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no hay camino por la red",
        ErrorKind::TimedOut => "no hubo respuesta a tiempo",
        _ => return error.to_string(),
    };
    language.t(spanish, &error.to_string()).to_owned()
}

fn bet_fault(fault: BetFault, language: Language) -> String {
    let spanish = match fault {
        BetFault::FieldCount => {
            "una apuesta tiene cinco campos: nombre, apellido, documento, fecha de nacimiento, \
             número"
        }
        BetFault::FirstName => {
            "el nombre debe tener de 1 a 100 bytes, sin caracteres de control, '|' ni '&'"
        }
        BetFault::LastName => {
            "el apellido debe tener de 1 a 100 bytes, sin caracteres de control, '|' ni '&'"
        }
        BetFault::Document => "el documento debe tener de 1 a 15 letras ASCII, dígitos, '.' o '-'",
        BetFault::Birthdate => "la fecha de nacimiento debe ser una fecha real escrita AAAA-MM-DD",
        BetFault::NumberFormat => "el número debe tener solo dígitos, sin signo ni espacios",
        BetFault::NumberRange => "el número está fuera del rango de este sorteo",
    };
    language.t(spanish, &fault.to_string()).to_owned()
}

fn fault_code(code: FaultCode, language: Language) -> String {
    let spanish = match code {
        FaultCode::FieldCount => "cantidad de campos incorrecta",
        FaultCode::FirstName => "nombre no válido",
        FaultCode::LastName => "apellido no válido",
        FaultCode::Document => "documento no válido",
        FaultCode::Birthdate => "fecha de nacimiento no válida",
        FaultCode::NumberFormat => "el número no está hecho de dígitos",
        FaultCode::NumberRange => "el número está fuera del rango del sorteo",
        FaultCode::Unknown(number) => {
            return say!(
                language,
                "código {number}, que esta versión no conoce",
                "code {number}, unknown to this version",
            );
        }
    };
    language.t(spanish, &code.to_string()).to_owned()
}

fn error_code(code: ErrorCode, language: Language) -> String {
    let spanish = match code {
        ErrorCode::UnknownMessage => "mensaje desconocido",
        ErrorCode::FrameTooLong => "mensaje más largo que el límite",
        ErrorCode::Malformed => "mensaje mal formado",
        ErrorCode::NotUtf8 => "el texto no está en UTF-8",
        ErrorCode::UnsupportedVersion => "versión del protocolo no admitida",
        ErrorCode::HelloOutOfPlace => "HELLO solo se admite como primer mensaje",
        ErrorCode::UnknownAgency => "agencia desconocida",
        ErrorCode::OtherAgency => "mensaje de otra agencia que la que inició la conexión",
        ErrorCode::UnknownDraw => "sorteo desconocido",
        ErrorCode::NoOpenDraw => "no hay un sorteo abierto, o hay varios y no se indicó cuál",
        ErrorCode::BadBets => "hay apuestas que no se pueden aceptar",
        ErrorCode::ChunkConflict => "este lote ya estaba guardado con otras apuestas",
        ErrorCode::AgencyFinished => "la agencia ya finalizó",
        ErrorCode::DrawClosed => "el sorteo está cerrado",
        ErrorCode::WinnersTooMany => {
            "hay demasiados ganadores para un solo mensaje: quite --legacy"
        }
        ErrorCode::Busy => "demasiadas conexiones",
        ErrorCode::TimedOut => "un mensaje iniciado no se completó a tiempo",
        ErrorCode::StorageFailed => "falló el almacenamiento de la central",
        ErrorCode::StorageFull => "el almacenamiento está lleno",
        ErrorCode::ShuttingDown => "la central se está apagando",
        ErrorCode::NotOpenYet => "el sorteo todavía no está abierto",
        ErrorCode::TooManyBatches => "la agencia llegó a su máximo de lotes en este sorteo",
        ErrorCode::Unknown(number) => {
            return say!(
                language,
                "código {number}, que esta versión no conoce",
                "code {number}, unknown to this version",
            );
        }
    };
    language.t(spanish, &code.to_string()).to_owned()
}

fn tls(error: &rustls::Error, language: Language) -> String {
    use AlertDescription as Alert;
    use CertificateError as Fault;
    use rustls::Error;
    let spanish = match error {
        Error::InvalidCertificate(Fault::UnknownIssuer) => {
            "su certificado es de una autoridad desconocida: revise --tls-ca"
        }
        Error::InvalidCertificate(Fault::Revoked) => "su certificado está revocado",
        Error::InvalidCertificate(Fault::ExpiredContext { .. } | Fault::Expired) => {
            "su certificado está vencido"
        }
        Error::InvalidCertificate(Fault::NotValidYetContext { .. } | Fault::NotValidYet) => {
            "su certificado todavía no es válido: revise el reloj de esta máquina"
        }
        Error::InvalidCertificate(Fault::NotValidForNameContext { .. }) => {
            "su certificado es para otro nombre: revise --central y --tls-name"
        }
        Error::InvalidCertificate(_) => "su certificado no es válido",
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "no usa TLS",
        Error::AlertReceived(alert) => match alert {
            Alert::CertificateExpired => "indica que nuestro certificado está vencido",
            Alert::CertificateRevoked => "indica que nuestro certificado está revocado",
            Alert::UnknownCA => "no conoce la autoridad de nuestro certificado",
            Alert::UnsupportedCertificate => "indica que nuestro certificado es para otro uso",
            Alert::CertificateRequired => "exige un certificado",
            Alert::CertificateUnknown => "no acepta nuestro certificado como de una agencia",
            Alert::BadCertificate => "rechaza nuestro certificado",
            Alert::DecryptError => "no pudo verificar la firma de nuestro certificado",
            Alert::ProtocolVersion => "no admite esta versión de TLS",
            _ => "terminó TLS con un aviso",
        },
        _ => return pki::describe(error),
    };
    language.t(spanish, &pki::describe(error)).to_owned()
}

/// Implements `Display` as the English text.
macro_rules! shown_in_english {
    ($($value:ty),*) => {$(
        impl fmt::Display for $value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text(Language::English))
            }
        }
    )*};
}

shown_in_english!(AgencyError, Loss, RowFault);

impl std::error::Error for AgencyError {}
impl std::error::Error for Loss {}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use lottery::AgencyId;
    use wire::ProtocolViolation;

    use super::*;

    /// Checks that a text differs between the languages.
    fn is_in_both(text: impl Fn(Language) -> String) {
        let (spanish, english) = (text(Language::Spanish), text(Language::English));
        assert_ne!(spanish, english);
        assert!(!spanish.is_empty() && !english.is_empty());
        // Words of English that Spanish does not have.
        let words: Vec<_> = spanish.split(|c: char| !c.is_alphabetic()).collect();
        for word in ["the", "is", "not", "and", "it", "to", "of", "with"] {
            assert!(!words.contains(&word), "{spanish}");
        }
    }

    #[test]
    fn every_code_and_fault_is_in_both_languages() {
        for code in ErrorCode::ALL.iter().copied().chain([ErrorCode::Unknown(99)]) {
            is_in_both(|language| error_code(code, language));
        }
        for code in FaultCode::ALL.iter().copied().chain([FaultCode::Unknown(99)]) {
            is_in_both(|language| RowReason::Central(code).text(language));
        }
        let faults = [
            BetFault::FieldCount,
            BetFault::FirstName,
            BetFault::LastName,
            BetFault::Document,
            BetFault::Birthdate,
            BetFault::NumberFormat,
            BetFault::NumberRange,
        ];
        for fault in faults {
            is_in_both(|language| RowReason::Bet(fault).text(language));
        }
    }

    #[test]
    fn a_refusal_has_the_centrals_reason_only_if_it_says_more_than_the_code() {
        use ErrorCode as E;
        let text = |code, reason: &str| code_and_reason(code, reason, Language::Spanish);
        for code in E::ALL.iter().copied().chain([E::Unknown(99)]) {
            assert_eq!(text(code, ""), error_code(code, Language::Spanish));
            assert_eq!(text(code, &code.to_string()), error_code(code, Language::Spanish));
        }
        for (code, reason, expected) in [
            (
                E::DrawClosed,
                "the draw is closed and accepts no more bets",
                "el sorteo está cerrado",
            ),
            (
                E::DrawClosed,
                "the draw is closed and accepts no more bets since 2026-11-23 21:00:00 UTC-3",
                "el sorteo está cerrado (the draw is closed and accepts no more bets since \
                 2026-11-23 21:00:00 UTC-3)",
            ),
            (E::NotUtf8, "the bets are not UTF-8", "el texto no está en UTF-8"),
            (
                E::NotOpenYet,
                "the draw has not been opened yet",
                "el sorteo todavía no está abierto",
            ),
            (
                E::NotOpenYet,
                "'nocturna' is not open yet",
                "el sorteo todavía no está abierto ('nocturna' is not open yet)",
            ),
            (E::Malformed, "no agency", "mensaje mal formado (no agency)"),
            (E::Unknown(99), "new", "código 99, que esta versión no conoce (new)"),
        ] {
            assert_eq!(text(code, reason), expected);
        }
        let english = code_and_reason(E::Malformed, "no agency", Language::English);
        assert_eq!(english, "malformed message: no agency");
    }

    #[test]
    fn errors_of_the_system_and_of_tls_are_in_both_languages() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::ConnectionRefused,
            ErrorKind::ConnectionReset,
            ErrorKind::HostUnreachable,
            ErrorKind::TimedOut,
        ] {
            is_in_both(|language| Loss::Io(kind.into()).text(language));
            is_in_both(|language| Loss::Connect(kind.into()).text(language));
        }
        let alerts = [
            AlertDescription::CertificateExpired,
            AlertDescription::CertificateRevoked,
            AlertDescription::UnknownCA,
            AlertDescription::CertificateRequired,
            AlertDescription::InternalError,
        ];
        let alerts = alerts.into_iter().map(rustls::Error::AlertReceived);
        let faults = [CertificateError::UnknownIssuer, CertificateError::Revoked];
        let faults = faults.into_iter().map(rustls::Error::InvalidCertificate);
        for error in alerts.chain(faults) {
            is_in_both(|language| Loss::Tls(error.clone()).text(language));
        }
    }

    #[test]
    fn a_refusal_and_a_stop_are_in_both_languages_with_what_to_do() {
        let path: &Path = Path::new("a.csv");
        let row = RowFault { file: path.into(), line: 3, reason: RowReason::Quotes };
        for code in [ErrorCode::NoOpenDraw, ErrorCode::NotOpenYet, ErrorCode::TooManyBatches] {
            let lines = Some(Lines { first: 2, last: 9, bets: 7 });
            let rows = [row.clone(), row.clone()];
            is_in_both(|language| refusal("central:1", code, "", lines, &rows, language));
        }
        let lost = |loss| Lost { address: "central:1".to_owned(), loss };
        let plain = || lost(Loss::Other(Speaks::Plain));
        let silent = || lost(Loss::ReplyTime(Duration::from_secs(30)));
        let wrong = || lost(Loss::Violation(ProtocolViolation::Unasked("WINNERS")));
        let left = Lines { first: 5, last: 9, bets: 5 };
        let file = path.to_owned();
        let incomplete =
            AgencyError::NoMoreBets { file, over: BetsOver::Closed, stored: None, left };
        for error in [
            AgencyError::NoCentral { round: vec![plain()] },
            AgencyError::Stalled { round: vec![silent(), plain()] },
            AgencyError::NeverReached {
                after: Duration::from_secs(60),
                round: vec![wrong(), silent()],
            },
            AgencyError::OtherBets {
                central: "central:1".to_owned(),
                agency: AgencyId(1),
                bets: 6,
            },
        ] {
            // What the protocol's violation says is for those who know the protocol.
            let text = |language| {
                error.text(language).replace(", which answers nothing that was asked", "")
            };
            is_in_both(text);
        }
        let report = Report { incomplete: Some(incomplete), stopped: true, ..Report::default() };
        is_in_both(|language| report.undone(language).unwrap());
        is_in_both(|language| report.summary(language));
    }

    #[test]
    fn a_stopped_run_says_once_what_the_central_has() {
        let agency = AgencyId(1);
        let other = AgencyError::OtherBets { central: "central:1".to_owned(), agency, bets: 6 };
        let mut report = Report { stopped: true, finished: true, ..Report::default() };
        assert!(report.undone(Language::English).unwrap().contains("bets stored: 0"));
        report.incomplete = Some(other);
        let text = report.undone(Language::English).unwrap();
        assert!(text.contains("(6)") && !text.contains("stored"), "{text}");
    }
}
