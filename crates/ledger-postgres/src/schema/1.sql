-- Schema 1: the log, and the centrals that append to it.

-- One row: the end of the log. Every turn of a central locks it, so there is one order of events.
CREATE TABLE ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id bytea NOT NULL CHECK (length(id) = 16),
    schema_version integer NOT NULL,
    events bigint NOT NULL CHECK (events >= 0),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    -- Counts the turns that stored no event: their own write shows that what they read is durable.
    touched bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- One row an event. A batch is one row with all its bets.
CREATE TABLE event (
    -- The number of events before it.
    sequence bigint PRIMARY KEY,
    -- When it was decided, in milliseconds since 1970 UTC.
    at_ms bigint NOT NULL,
    -- The run of the central that stored it.
    node integer NOT NULL,
    -- The kind of event, as in docs/ledger.md: 2 is a batch.
    kind smallint NOT NULL,
    -- How many events of the same decision follow.
    events_left integer NOT NULL,
    -- Of a batch alone: whose it is, its number of bets, and the SHA-256 of its text.
    draw bigint,
    agency bigint,
    chunk bigint,
    bets bigint,
    digest bytea,
    -- The numbers that its bets are on; above 2147483647 less 4294967296.
    keys integer[],
    -- Of every other event: the integers of its body.
    head bytea,
    -- The tail of its body: of a batch, the bets in canonical text, UTF-8.
    body bytea COMPRESSION lz4 NOT NULL,
    -- The chain up to and including it.
    chain bytea NOT NULL CHECK (length(chain) = 32),
    CHECK ((kind = 2) = (draw IS NOT NULL AND agency IS NOT NULL AND chunk IS NOT NULL
        AND bets IS NOT NULL AND digest IS NOT NULL AND keys IS NOT NULL AND head IS NULL))
) WITH (toast_tuple_target = 256);
-- The text is kept apart, so that what is read without it is small.
ALTER TABLE event ALTER keys SET STORAGE MAIN;
-- The second lock on the door: the rules decide, and a batch is stored once in any case.
CREATE UNIQUE INDEX event_batch ON event (draw, agency, chunk) WHERE kind = 2;
CREATE INDEX event_of_draw ON event (draw, sequence) WHERE kind = 2;
CREATE INDEX event_of_audit ON event (sequence) WHERE kind <> 2;

-- One row a run of a central.
CREATE TABLE node (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    clock_ahead_ms bigint NOT NULL DEFAULT 0,
    connections bigint NOT NULL DEFAULT 0
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
