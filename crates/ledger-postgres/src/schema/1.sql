-- Schema 1: the log, and the centrals that append to it.

-- One row: the end of the log. Every turn of a central locks it, so there is one order of events.
CREATE TABLE ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id bytea NOT NULL CHECK (length(id) = 16),
    schema_version integer NOT NULL,
    events bigint NOT NULL CHECK (events >= 0),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    -- Counts the turns that stored no event: their own write shows that what they read is durable.
    touched bigint NOT NULL,
    -- The SHA-256 of the document of operators.
    operators bytea NOT NULL CHECK (length(operators) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- One row an event. A batch is one row with all its bets.
CREATE TABLE event (
    -- The number of events before it.
    sequence bigint PRIMARY KEY,
    -- When it was decided, in milliseconds since 1970 UTC.
    at_ms bigint NOT NULL,
    -- The run of the central that stored it.
    node integer NOT NULL,
    -- The kind of event, as in docs/reference/ledger.md: 2 is a batch.
    kind smallint NOT NULL,
    -- How many events of the same decision follow.
    events_left integer NOT NULL,
    -- The draw and the agency that it is about, if any; an announcement does not hold its number.
    draw bigint,
    agency bigint,
    -- Of a batch alone: the agency's number for it, how many bets, and the SHA-256 of its text.
    chunk bigint,
    bets bigint,
    digest bytea,
    -- The numbers that its bets are on; above 2147483647 less 4294967296.
    keys integer[],
    -- Of every other event, for readers: what, by whom, with what, and why. A number that an
    -- operator entered is not in it: the second operator must not see it.
    action text,
    author text,
    arguments jsonb,
    reason text,
    -- Of every other event: the integers of its body.
    head bytea,
    -- The tail of its body: of a batch, the bets in canonical text, UTF-8.
    body bytea COMPRESSION lz4 NOT NULL,
    -- The chain up to and including it.
    chain bytea NOT NULL CHECK (length(chain) = 32),
    CHECK (CASE WHEN kind = 2
        THEN draw IS NOT NULL AND agency IS NOT NULL AND chunk IS NOT NULL AND bets IS NOT NULL
            AND digest IS NOT NULL AND keys IS NOT NULL AND head IS NULL AND action IS NULL
        ELSE chunk IS NULL AND bets IS NULL AND digest IS NULL AND keys IS NULL
            AND head IS NOT NULL AND action IS NOT NULL AND author IS NOT NULL
            AND arguments IS NOT NULL AND reason IS NOT NULL END)
) WITH (toast_tuple_target = 256);
-- The text is kept apart, so that what is read without it is small.
ALTER TABLE event ALTER keys SET STORAGE MAIN;
-- The second lock on the door: the rules decide, and a batch is stored once in any case.
CREATE UNIQUE INDEX event_batch ON event (draw, agency, chunk) WHERE kind = 2;
CREATE INDEX event_of_draw ON event (draw, sequence) WHERE kind = 2;
CREATE INDEX event_of_audit ON event (sequence) WHERE kind <> 2;

-- Operators and tokens, as in docs/explanation/security.md: one document, changed by whoever holds
-- the row `ledger`.
CREATE TABLE operators (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    document text NOT NULL
);

-- One row a session of an operator, by the SHA-256 of its secret.
CREATE TABLE session (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    name text NOT NULL,
    generation bigint NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX session_of_name ON session (name, used_at);

-- When the attempts to log in with a name, from an address, or both, are paid off.
CREATE TABLE attempt (
    key text PRIMARY KEY,
    paid_at timestamptz NOT NULL
);
CREATE INDEX attempt_by_time ON attempt (paid_at);

-- One row a run of a central, which it renews every few seconds, and takes away when it ends. A row
-- that nobody renews is deleted after an hour; events keep its number.
CREATE TABLE node (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) <= 200),
    started_at timestamptz NOT NULL DEFAULT now(),
    -- When it was renewed; at first when it began, until it shows that it lives.
    beat_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(beat_at)),
    -- By how much its clock was ahead of the database's.
    clock_ahead_ms bigint NOT NULL DEFAULT 0,
    -- The server that it writes to, and that server's timeline.
    host text NOT NULL DEFAULT '' CHECK (length(host) <= 500),
    timeline bigint NOT NULL DEFAULT 0,
    -- The agencies' connections: how many, and a list of objects.
    connections bigint NOT NULL DEFAULT 0,
    presence jsonb COMPRESSION lz4
);

-- Append-only, for the owner too: a mistake must be made on purpose.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_shorter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.events < old.events OR new.id <> old.id THEN
        RAISE EXCEPTION 'the ledger only grows' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE OF events, id ON ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_shorter();

-- What auditors read.

CREATE VIEW audit_log AS
SELECT sequence, to_timestamp(at_ms / 1000.0) AS at, author, action, draw, agency, arguments, reason
FROM event WHERE kind <> 2;

-- One row a bet, in the order of the ledger; its name is draw-agency-chunk-position.
CREATE VIEW bets AS
SELECT event.draw, event.agency, event.chunk, bet.number - 1 AS position,
    split_part(bet.text, '|', 1) AS first_name, split_part(bet.text, '|', 2) AS last_name,
    split_part(bet.text, '|', 3) AS document, split_part(bet.text, '|', 4)::date AS birthdate,
    split_part(bet.text, '|', 5)::bigint AS number,
    event.sequence, to_timestamp(event.at_ms / 1000.0) AS at
FROM event, LATERAL string_to_table(convert_from(event.body, 'UTF8'), '&')
    WITH ORDINALITY AS bet (text, number)
WHERE event.kind = 2 AND event.bets > 0;

-- Draws are numbered in the order in which they were announced or, automatic ones, opened.
CREATE VIEW draws AS
WITH born AS (
    SELECT row_number() OVER (ORDER BY sequence) AS draw, at_ms, kind,
        arguments ->> 'name' AS name, arguments ->> 'agencies' AS agencies,
        arguments ->> 'numbers' AS numbers
    FROM event WHERE kind = 1 OR action = 'draw-announced'
), last AS (
    SELECT draw,
        max(sequence) FILTER (WHERE action = 'draw-edited') AS edited,
        max(sequence) FILTER (WHERE action = 'draw-cancelled') AS cancelled,
        max(sequence) FILTER (WHERE action = 'draw-opened') AS opened,
        max(sequence) FILTER (WHERE kind = 4) AS closed,
        max(sequence) FILTER (WHERE kind = 5) AS made,
        max(sequence) FILTER (WHERE kind = 7) AS published
    FROM event WHERE kind <> 2 AND draw IS NOT NULL GROUP BY draw
), sold AS (
    SELECT draw, count(*) AS batches, sum(bets) AS bets FROM event WHERE kind = 2 GROUP BY draw
), state AS (
    SELECT last.*, made IS NOT NULL AND 2 > (
        -- A second operator's voiding takes effect.
        SELECT count(*) FROM event
        WHERE event.draw = last.draw AND action = 'result-voided' AND sequence > last.made
    ) AS is_made
    FROM last
)
SELECT born.draw,
    coalesce(edit.arguments ->> 'name', born.name) AS name,
    coalesce(edit.arguments ->> 'agencies', born.agencies) AS agencies,
    coalesce(edit.arguments ->> 'numbers', born.numbers) AS numbers,
    CASE WHEN cancelled IS NOT NULL THEN 'cancelled' WHEN published IS NOT NULL THEN 'published'
        WHEN is_made THEN 'made' WHEN closed IS NOT NULL THEN 'closed'
        WHEN born.kind = 1 OR opened IS NOT NULL THEN 'open' ELSE 'announced' END AS state,
    CASE WHEN is_made THEN (making.arguments ->> 'winning_number')::bigint END AS winning_number,
    coalesce(sold.batches, 0) AS batches, coalesce(sold.bets, 0)::bigint AS bets,
    to_timestamp(born.at_ms / 1000.0) AS announced_at,
    to_timestamp(closing.at_ms / 1000.0) AS closed_at, closing.arguments ->> 'set' AS set_digest,
    to_timestamp(publishing.at_ms / 1000.0) AS published_at
FROM born
LEFT JOIN state USING (draw)
LEFT JOIN sold USING (draw)
LEFT JOIN event AS edit ON edit.sequence = state.edited
LEFT JOIN event AS closing ON closing.sequence = state.closed
LEFT JOIN event AS making ON making.sequence = state.made
LEFT JOIN event AS publishing ON publishing.sequence = state.published;

-- One row an agency of a draw that sent bets or finished.
CREATE VIEW agencies AS
SELECT draw, agency, count(*) FILTER (WHERE kind = 2) AS batches,
    coalesce(sum(bets), 0)::bigint AS bets,
    to_timestamp(CASE WHEN max(sequence) FILTER (WHERE kind = 3)
            > coalesce(max(sequence) FILTER (WHERE action = 'agency-reopened'), -1)
        THEN max(at_ms) FILTER (WHERE kind = 3) END / 1000.0) AS finished_at
FROM event
WHERE kind IN (2, 3) OR action = 'agency-reopened'
GROUP BY draw, agency;
