-- tables --
-- Whether this database has a ledger, and one that knows its version.
select
    to_regclass('orchestrator.runs') is not null as has_any,
    to_regclass('orchestrator.schema_version') is not null as is_versioned

-- newest --
-- The version of the ledger.
select
    coalesce(max(versions.version), 0) as number,
    (array_agg(versions.applied_by order by versions.version desc))[1] as applied_by
from orchestrator.schema_version as versions

-- record --
-- Record the migrations that are not recorded yet.
insert into orchestrator.schema_version (version, name, applied_by)
select
    migrations.version,
    migrations.name,
    %(applied_by)s
from unnest(%(names)s::text[]) with ordinality as migrations (name, version)
on conflict (version) do nothing
