-- Who may do what. Run at every initialisation, so that a migration's tables are in it.
DO $$
DECLARE role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['bolillero_central', 'bolillero_reader', 'bolillero_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                -- Roles are those of all databases: another one is prepared at this moment.
                NULL;
            END;
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON ledger, event, node, operators, session, attempt, bets, draws, agencies, audit_log FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO bolillero_central, bolillero_reader, bolillero_auditor;
GRANT SELECT ON ledger TO bolillero_central, bolillero_reader;
GRANT UPDATE (events, chain, touched, operators) ON ledger TO bolillero_central;
GRANT SELECT ON event TO bolillero_central, bolillero_reader;
GRANT INSERT ON event TO bolillero_central;
GRANT SELECT, UPDATE (document) ON operators TO bolillero_central;
GRANT SELECT, INSERT, UPDATE, DELETE ON session, attempt TO bolillero_central;
GRANT SELECT, INSERT, DELETE ON node TO bolillero_central;
GRANT UPDATE (beat_at, clock_ahead_ms, host, timeline, connections, presence) ON node
    TO bolillero_central;
-- Views alone: the chain can't be verified without the table of events, and that has the numbers
-- that one operator entered.
GRANT SELECT ON bets, draws, agencies, audit_log TO bolillero_auditor, bolillero_central;
